"""Compaction leaves of each key what came last, and of equal records any may be left: none of that is a violation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stream.codec.journal import META_KEY
from stream.verify.disk import Disk
from stream.verify.log import Record
from stream.verify.match import Compacted
from stream.verify.report import Expected, Kind
from stream.verify.tape import Identify, Tape
from stream.verify.tapes import by_event_id, by_state, membership_is_unique, state_is_unique, state_kind

Drawn = list[tuple[dict[bytes, bytes | None], int]]
Commit = list[Expected]

states = st.dictionaries(st.sampled_from([b"a", b"b", b"c"]), st.sampled_from([b"1", b"2", None]), max_size=3)
commits: st.SearchStrategy[Drawn] = st.lists(st.tuples(states, st.integers(0, 2)), min_size=1, max_size=8)
"""Per commit the states written, few enough that equal ones come again, and the offsets that aborted ones took."""


@dataclass(frozen=True)
class Kept:
    """What compaction left: `cleaned` records were compacted, of `old` ones tombstones are gone too."""

    cleaned: int
    old: int

    def of(self, records: list[Record]) -> list[Record]:
        newest = {record.key: record.offset for record in records[: self.cleaned]}
        return [
            record
            for place, record in enumerate(records)
            if place >= self.cleaned
            or (newest[record.key] == record.offset and (record.value is not None or place >= self.old))
        ]


kept = st.builds(Kept, st.integers(0, 40), st.integers(0, 40))


@dataclass(frozen=True)
class Topic:
    """A compacted topic of the pipeline: what a commit writes to it, and how its records are told apart."""

    name: str
    expected: Callable[[int, dict[bytes, bytes | None]], Commit]  # commit number and what it drew -> its records
    identify: Identify
    unique: Callable[[Expected], bool]


def _states(number: int, drawn: dict[bytes, bytes | None]) -> Commit:
    meta = orjson.dumps({"commit_number": number})
    return [Expected("state", key, value) for key, value in (*drawn.items(), (META_KEY, meta))]


def _memberships(number: int, drawn: dict[bytes, bytes | None]) -> Commit:
    return [
        Expected("memberships", key, b"%d %s" % (number, value), [("ce_id", b"%d%s" % (number, key))])
        if value
        else Expected("memberships", key, None)
        for key, value in drawn.items()
    ]


STATE = Topic("state", _states, by_state, state_is_unique)
MEMBERSHIPS = Topic("memberships", _memberships, by_event_id, membership_is_unique)
topics = st.sampled_from([STATE, MEMBERSHIPS])


def written(topic: Topic, drawn: Drawn) -> tuple[list[Commit], list[Record]]:
    """The commits, and the topic as they leave it, a marker after each that wrote something."""
    made: list[Commit] = []
    records: list[Record] = []
    offset = 0
    for number, (touched, aborted) in enumerate(drawn, 1):
        made.append(topic.expected(number, touched))
        offset += aborted
        for expected in made[-1]:
            records.append(Record(topic.name, 0, offset, 0, expected.key, expected.value, expected.headers))
            offset += 1
        offset += bool(made[-1])
    return made, records


def told(topic: Topic, made: list[Commit], records: list[Record]) -> list[tuple[Kind, str]]:
    found: list[tuple[Kind, str]] = []
    disk = Disk()
    matched = Compacted(
        topic.name, Tape(iter(records), topic.identify), lambda kind, text, *_: found.append((kind, text)), disk, 1,
        topic.unique, state_kind,
    )  # fmt: skip
    for commit in made:
        matched.take(commit, True)
    matched.rest(lambda: iter(()))
    disk.close()
    return found


@given(topics, commits, kept)
def test_whatever_compaction_leaves_is_clean(topic: Topic, drawn: Drawn, kept: Kept) -> None:
    made, records = written(topic, drawn)

    assert told(topic, made, kept.of(records)) == []


@pytest.mark.parametrize("topic", [STATE, MEMBERSHIPS], ids=lambda topic: topic.name)
@pytest.mark.parametrize("old", [0, 40], ids=["tombstone kept", "tombstone gone"])
def test_a_customer_who_came_and_was_erased_twice_may_leave_one_tombstone_or_none(topic: Topic, old: int) -> None:
    made, records = written(topic, [({b"a": value}, 0) for value in (b"1", None, b"2", None)])

    assert told(topic, made, Kept(40, old).of(records)) == []


@given(topics, commits, kept, st.integers(0, 100))
def test_a_newest_record_that_was_altered_is_told(topic: Topic, drawn: Drawn, kept: Kept, which: int) -> None:
    made, records = written(topic, drawn)
    left = kept.of(records)
    assume(left)
    newest = list({record.key: place for place, record in enumerate(left)}.values())
    place = newest[which % len(newest)]
    left[place] = left[place]._replace(value=b"altered")

    assert told(topic, made, left)


def lost(records: list[Record]) -> Iterator[list[Record]]:
    """The topic without one key's newest record, where that is no tombstone and another than those before it."""
    for place, record in enumerate(records):
        same_key = [other for other in records if other.key == record.key]
        if record is same_key[-1] and record.value is not None and record.value not in [r.value for r in same_key[:-1]]:
            yield records[:place] + records[place + 1 :]


@given(topics, commits, kept)
def test_a_newest_record_that_is_gone_is_told(topic: Topic, drawn: Drawn, kept: Kept) -> None:
    made, records = written(topic, drawn)

    for left in lost(kept.of(records)):
        assert told(topic, made, left)
