"""Compaction leaves of each key what came last, and of equal records any may be left: none of that is a violation."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
from hypothesis import given
from hypothesis import strategies as st

from stream.codec.journal import META_KEY
from stream.verify.disk import Disk
from stream.verify.log import Record
from stream.verify.match import Compacted
from stream.verify.report import Expected, Kind
from stream.verify.tape import Tape
from stream.verify.tapes import by_state, state_is_unique, state_kind

TOPIC = "state"

Commit = list[Expected]

states = st.dictionaries(st.sampled_from([b"a", b"b", b"c"]), st.sampled_from([b"1", b"2", None]), max_size=3)
commits = st.lists(st.tuples(states, st.integers(0, 2)), min_size=1, max_size=8)
"""Per commit the states written, few enough that equal ones come again, and the offsets that aborted ones took."""


def written(drawn: list[tuple[dict[bytes, bytes | None], int]]) -> tuple[list[Commit], list[Record]]:
    """The commits, and the topic as they leave it, a marker after each."""
    made: list[Commit] = []
    records: list[Record] = []
    offset = 0
    for number, (touched, aborted) in enumerate(drawn, 1):
        meta = orjson.dumps({"commit_number": number})
        made.append([Expected(TOPIC, key, value) for key, value in (*touched.items(), (META_KEY, meta))])
        offset += aborted
        for expected in made[-1]:
            records.append(Record(TOPIC, 0, offset, 0, expected.key, expected.value))
            offset += 1
        offset += 1
    return made, records


def compacted(records: list[Record], cleaned: int) -> list[Record]:
    """Of the first `cleaned` records each key's newest, of the others all."""
    newest = {record.key: record.offset for record in records[:cleaned]}
    return [record for record in records[:cleaned] if newest[record.key] == record.offset] + records[cleaned:]


def told(made: list[Commit], records: list[Record]) -> list[tuple[Kind, str]]:
    found: list[tuple[Kind, str]] = []
    disk = Disk()
    tape = Tape(iter(records), by_state)
    topic = Compacted(
        TOPIC, tape, lambda kind, text, *_: found.append((kind, text)), disk, 1, state_is_unique, state_kind
    )
    for commit in made:
        topic.take(commit, True)
    topic.rest(lambda: iter(()))
    disk.close()
    return found


@given(commits, st.integers(0, 40))
def test_whatever_compaction_leaves_is_clean(drawn: list[tuple[dict[bytes, bytes | None], int]], cleaned: int) -> None:
    made, records = written(drawn)

    assert told(made, compacted(records, cleaned)) == []


@given(commits, st.integers(0, 40), st.integers(0, 100))
def test_a_newest_record_that_was_altered_is_told(
    drawn: list[tuple[dict[bytes, bytes | None], int]], cleaned: int, which: int
) -> None:
    made, records = written(drawn)
    left = compacted(records, cleaned)
    newest = list({record.key: place for place, record in enumerate(left)}.values())
    place = newest[which % len(newest)]
    left[place] = left[place]._replace(value=b"altered")

    assert told(made, left)


def lost(records: list[Record]) -> Iterator[list[Record]]:
    """The topic without one key's newest record, where that is a state and another than the one before it."""
    for place, record in enumerate(records):
        same_key = [other for other in records if other.key == record.key]
        if record is same_key[-1] and record.value is not None and record.value not in [r.value for r in same_key[:-1]]:
            yield records[:place] + records[place + 1 :]


@given(commits, st.integers(0, 40))
def test_a_newest_record_that_is_gone_is_told(drawn: list[tuple[dict[bytes, bytes | None], int]], cleaned: int) -> None:
    made, records = written(drawn)

    for left in lost(compacted(records, cleaned)):
        assert told(made, left)
