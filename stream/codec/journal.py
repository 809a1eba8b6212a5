"""Where a partition stands (`Meta`), and what one commit did (`JournalRecord`), as versioned JSON.

A commit writes both in its transaction: `Meta` to the changelog under `META_KEY`, the other to the journal. Their
version is the partition's format level (`codec.levels`).
Each journal record holds the digest of the one before, so that a missing or altered one shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from hashlib import blake2b
from typing import Any, TypeVar

import orjson

from stream.codec.levels import FORMER_LEVEL, NEWEST_LEVEL
from stream.core.events import NEVER_MS
from stream.errors import UnreadableState

META_KEY = b"\x00meta"
"""Reserved key of `Meta` on the changelog: no customer id holds a control character."""

RESERVED = b"\x00"
"""Keys of the state topic that begin so are the processor's own."""

NO_DIGEST = f"{0:032x}"
"""Digest of a partition without customers, and the `previous` of the first journal record."""

_VERSION = "v"
_LEVEL = "level"
_DIGEST_BYTES = 16


def optional(default: Callable[[], Any]) -> Any:
    """A field that came with level 2: not written where it holds its default, which is what a record without it
    means."""
    return field(default_factory=default, metadata={"optional": True})


@dataclass(frozen=True, slots=True)
class Meta:
    """A partition after a commit. Instants are ms UTC, digests 32 hex digits.

    next_offset          the input record to read next
    commit_number        of the last commit; 0 before the first
    nonce                of the process that committed: a new owner may reuse a number
    clock_ms             the partition clock
    wake_cursor_ms       wakes due before this have fired, and some that are due at it may have
    program              name, version and hash of the definitions
    run_id               8 hex digits, minted when state begins anew
    partition_count      of the input when the state began
    keys, digest         how many customers there are, and the sum of their digests
    replay_until_*       changes decided before this offset, or effective before this instant, are `replayed`
    journal_digest       of the last journal record's bytes
    members              how many customers are in each segment and stage, keyed `segment` or `dimension/stage`; 0 is
                         left out
    earlier              how many customers are still of an earlier revision of the definitions, by revision
    sweep_after          the last customer that the sweep over those visited
    holds                what is held (`core.holds`): key -> since when
    level                of the format (`codec.levels`), written as the record's version
    """

    next_offset: int
    commit_number: int
    nonce: str
    clock_ms: int
    wake_cursor_ms: int
    program: dict[str, Any]
    run_id: str
    partition_count: int
    keys: int
    digest: str
    replay_until_offset: int
    replay_until_ms: int
    journal_digest: str
    members: dict[str, int] = field(default_factory=dict)
    earlier: dict[str, int] = optional(dict)
    sweep_after: str = optional(str)
    holds: dict[str, int] = optional(dict)
    level: int = NEWEST_LEVEL

    @classmethod
    def first(
        cls,
        *,
        next_offset: int,
        run_id: str,
        partition_count: int,
        program: dict[str, Any],
        replay_until_offset: int,
        replay_until_ms: int,
        level: int = NEWEST_LEVEL,
    ) -> Meta:
        """A partition that has read nothing yet."""
        return cls(
            next_offset=next_offset,
            commit_number=0,
            nonce="",
            clock_ms=NEVER_MS,
            wake_cursor_ms=NEVER_MS,
            program=program,
            run_id=run_id,
            partition_count=partition_count,
            keys=0,
            digest=NO_DIGEST,
            replay_until_offset=replay_until_offset,
            replay_until_ms=replay_until_ms,
            journal_digest=NO_DIGEST,
            level=level,
        )


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One commit of one partition: with the input, the definitions and the record before it, all that is needed to do
    it again.

    from_offset, to_offset   the input records taken in: from <= offset < to
    batches                  [first offset, read_ms] of each batch
    steps                    [offset, clock_ms, wakes fired] of each step of the clock
    rejected                 [offset, reason]
    counts                   received accepted duplicate ignored rejected erased changes wakes, and what the core counts
    definitions              name, version, hash
    versions                 code, codec, tzdata; and the settings that decide what a commit writes, which may change
                             from one start to the next: grace_ms, max_event_bytes
    keys, digest             of the state after the commit
    previous                 digest of the record before (`journal_digest`)
    sweeps                   [offset, clock_ms, customers visited, most of them] of each chunk of a migration's sweep
    definitions_text         the definitions, where this commit is the first under them (`codec.definitions`)
    holds                    [offset, how many of the steps before, instant, key, 1 held or 0 released]
    """

    partition: int
    commit_number: int
    from_offset: int
    to_offset: int
    batches: list[list[int]]
    steps: list[list[int]]
    rejected: list[list[Any]]
    counts: dict[str, int]
    clock_ms: int
    wake_cursor_ms: int
    definitions: dict[str, Any]
    versions: dict[str, str]
    keys: int
    digest: str
    previous: str
    run_id: str
    nonce: str
    sweeps: list[list[int]] = optional(list)
    definitions_text: dict[str, Any] = optional(dict)
    holds: list[list[Any]] = optional(list)
    level: int = NEWEST_LEVEL


_ROWS: dict[str, list[type]] = {
    "batches": [int, int], "steps": [int, int, int], "rejected": [int, str], "sweeps": [int, int, int, int],
    "holds": [int, int, int, str, int],
}  # fmt: skip

_Value = TypeVar("_Value", Meta, JournalRecord)


def encode_meta(meta: Meta) -> bytes:
    return _encode(meta)


def decode_meta(data: bytes) -> Meta:
    """Raises UnreadableState."""
    return _decode(data, Meta, "the meta record of a partition")


def encode_journal(record: JournalRecord) -> bytes:
    return _encode(record)


def decode_journal(data: bytes) -> JournalRecord:
    """Raises UnreadableState."""
    record = _decode(data, JournalRecord, "a journal record")
    for name, kinds in _ROWS.items():
        if any(type(row) is not list or [type(each) for each in row] != kinds for row in getattr(record, name)):
            raise _damaged("a journal record", f"{name} that are not of {len(kinds)} each")
    return record


def journal_digest(data: bytes) -> str:
    """What the next record names as `previous`: BLAKE2b-128 of a record's bytes, in hex."""
    return blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()


def _encode(value: Meta | JournalRecord) -> bytes:
    told: dict[str, Any] = {_VERSION: value.level}
    for each in fields(value):
        held = getattr(value, each.name)
        if each.name == _LEVEL or (_is_later(each) and not held):
            continue
        assert value.level != FORMER_LEVEL or not _is_later(each), f"level 1 knows no {each.name}"
        told[each.name] = held
    return orjson.dumps(told)


def _is_later(each: Field[Any]) -> bool:
    return "optional" in each.metadata


_SHAPES: dict[str, type] = {"int": int, "str": str, "dict": dict, "list": list}


def _decode(data: bytes, kind: type[_Value], what: str) -> _Value:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise _damaged(what, "bytes that are not JSON") from None
    if not isinstance(found, dict) or type(found.get(_VERSION)) is not int:
        raise _damaged(what, "no version")
    level = found.pop(_VERSION)
    if level not in (FORMER_LEVEL, NEWEST_LEVEL):
        raise UnreadableState(
            f"{what}: found version {level}, expected {FORMER_LEVEL} or {NEWEST_LEVEL}: it was written by another "
            "release of segmenter; start the release that wrote it, or one that reads both versions, to bring it over"
        )
    told = [each for each in fields(kind) if each.name != _LEVEL]
    shapes = {
        each.name: _SHAPES[str(each.type).split("[")[0]]
        for each in told
        if level != FORMER_LEVEL or not _is_later(each)
    }
    needed = {each.name for each in told if not _is_later(each)}
    if not needed <= found.keys() <= shapes.keys():
        raise _damaged(what, "other fields than " + ", ".join(shapes))
    for name, value in found.items():
        if type(value) is not shapes[name]:
            raise _damaged(what, f"{name} that is no {shapes[name].__name__}")
    return kind(**found, level=level)


def _damaged(what: str, found: str) -> UnreadableState:
    return UnreadableState(
        f"{what} is damaged: found {found}; move the partition's directory away, so that it is rebuilt from the state "
        "topic; if the topic itself is damaged, restore it from a copy, or begin anew under another `name` "
        "and `output_prefix`"
    )
