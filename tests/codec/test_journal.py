"""Where a partition stands and what a commit did, as bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.codec.journal import (
    META_KEY,
    NO_DIGEST,
    JournalRecord,
    Meta,
    decode_journal,
    decode_meta,
    encode_journal,
    encode_meta,
    journal_digest,
)
from stream.core.events import NEVER_MS, Reason
from stream.errors import UnreadableState
from tests.codec.samples import NOW_MS

GOLDEN = Path(__file__).parent / "golden"
PROGRAM = {"name": "shop", "version": 12, "hash": "9d27e2c535de"}

META = Meta(
    next_offset=922018,
    commit_number=41,
    nonce="b7e1",
    clock_ms=NOW_MS,
    wake_cursor_ms=NOW_MS - 2000,
    program=PROGRAM,
    run_id="7f3a9c41",
    partition_count=8,
    keys=50_000,
    digest="0123456789abcdef0123456789abcdef",
    replay_until_offset=1000,
    replay_until_ms=NOW_MS - 86_400_000,
    journal_digest="fedcba9876543210fedcba9876543210",
)
RECORD = JournalRecord(
    partition=4,
    commit_number=41,
    from_offset=922000,
    to_offset=922018,
    batches=[[922000, NOW_MS - 90], [922010, NOW_MS - 40]],
    steps=[[922018, NOW_MS, 2]],
    rejected=[[922003, Reason.BAD_TIMESTAMP.value]],
    counts={"received": 18, "accepted": 16, "duplicate": 1, "ignored": 0, "rejected": 1, "erased": 0, "changes": 3},
    clock_ms=NOW_MS,
    wake_cursor_ms=NOW_MS - 2000,
    definitions=PROGRAM,
    versions={"code": "0.1.0", "codec": "1", "tzdata": "2025.2"},
    keys=50_000,
    digest="0123456789abcdef0123456789abcdef",
    previous="fedcba9876543210fedcba9876543210",
    run_id="7f3a9c41",
    nonce="b7e1",
)
LATER_META = replace(META, earlier={"11": 7}, sweep_after="kim", holds={"clock": NOW_MS})
LATER_RECORD = replace(
    RECORD,
    sweeps=[[922018, NOW_MS, 250, 250]],
    definitions_text={"v": 1, "revision": 12},
    holds=[[922010, 1, NOW_MS, "clock", 1]],
)
BOTH = pytest.mark.parametrize(
    ("value", "encode", "decode"), [(META, encode_meta, decode_meta), (RECORD, encode_journal, decode_journal)]
)


@BOTH
def test_a_record_written_is_read_back_the_same(value: Any, encode: Any, decode: Any) -> None:
    assert decode(encode(value)) == value


@given(st.integers(NEVER_MS, 1 << 62), st.text(st.characters(codec="utf-8")), st.integers(0, 1 << 62))
def test_any_position_of_a_partition_is_kept(clock_ms: int, nonce: str, offset: int) -> None:
    meta = replace(META, clock_ms=clock_ms, nonce=nonce, next_offset=offset)
    assert decode_meta(encode_meta(meta)) == meta


def test_a_partition_that_has_read_nothing_has_neither_customers_nor_a_clock() -> None:
    meta = Meta.first(
        next_offset=5, run_id="7f3a9c41", partition_count=8, program=PROGRAM, replay_until_offset=9, replay_until_ms=7
    )
    assert (meta.commit_number, meta.keys, int(meta.digest, 16), meta.clock_ms) == (0, 0, 0, NEVER_MS)
    assert meta.journal_digest == NO_DIGEST
    assert decode_meta(encode_meta(meta)) == meta


@pytest.mark.parametrize(
    ("value", "decode", "encode", "name"),
    [
        (replace(META, level=1), decode_meta, encode_meta, "meta.v1.json"),
        (replace(RECORD, level=1), decode_journal, encode_journal, "journal.v1.json"),
        (LATER_META, decode_meta, encode_meta, "meta.v2.json"),
        (LATER_RECORD, decode_journal, encode_journal, "journal.v2.json"),
    ],
)
def test_golden_bytes_stay_readable_and_are_what_is_written(value: Any, decode: Any, encode: Any, name: str) -> None:
    data = (GOLDEN / name).read_bytes()
    assert decode(data) == value
    assert encode(value) == data


@BOTH
def test_an_unknown_version_is_refused_with_what_to_do(value: Any, encode: Any, decode: Any) -> None:
    newer = orjson.dumps({**orjson.loads(encode(value)), "v": 3})
    with pytest.raises(UnreadableState, match=r"found version 3, expected 1 or 2.*start the release"):
        decode(newer)


@BOTH
def test_damage_is_refused_never_read_as_something_else(value: Any, encode: Any, decode: Any) -> None:
    data = encode(value)
    fields = orjson.loads(data)
    broken = [b"", data[:-1], b"[]", b"{}", b'{"v":true}', b'{"v":1}']
    broken += [orjson.dumps({**fields, name: None}) for name in fields]
    broken += [orjson.dumps({name: part for name, part in fields.items() if name != "keys"})]
    broken += [orjson.dumps({**fields, "more": 1}), orjson.dumps({**fields, "keys": 1.5})]
    for damaged in broken:
        with pytest.raises(UnreadableState, match="rebuilt"):
            decode(damaged)


def test_each_record_names_the_digest_of_the_one_before() -> None:
    first = encode_journal(RECORD)
    digest = journal_digest(first)
    assert len(digest) == len(NO_DIGEST) == 32
    assert journal_digest(first[:-1] + b" ") != digest


def test_the_reserved_key_can_be_no_customers() -> None:
    assert META_KEY.decode()[0] < " "


@pytest.mark.parametrize(
    ("value", "encode", "decode"), [(META, encode_meta, decode_meta), (RECORD, encode_journal, decode_journal)]
)
def test_what_came_with_level_2_is_neither_written_nor_read_at_level_1(value: Any, encode: Any, decode: Any) -> None:
    held: Any = {"clock": NOW_MS} if value is META else [[922010, 1, NOW_MS, "clock", 1]]
    later = replace(value, holds=held)
    assert decode(encode(later)) == later

    with pytest.raises(AssertionError, match="level 1 knows no holds"):
        encode(replace(later, level=1))
    with pytest.raises(UnreadableState, match="other fields"):
        decode(orjson.dumps({**orjson.loads(encode(later)), "v": 1}))


def test_a_former_release_says_of_level_2_that_another_release_wrote_it() -> None:
    """It looks at `v` first, and knows 1 alone."""
    assert [orjson.loads(data)["v"] for data in (encode_meta(META), encode_journal(RECORD))] == [2, 2]
