"""A customer's state as bytes, for the store and the changelog.

    byte 0       version
    byte 1       how the body is written: 0 orjson, 1 exact (numbers wider than 64 bits)
    bytes 2-9    indexed_ms: read alone when wakes are rebuilt
    bytes 10-13  length of the body; 14-17 number of message ids; all big-endian
    then the body (a JSON list, `_SHAPE` names its parts), message ids and their event times as signed 64 bit,
    little-endian.

It writes version N and reads N-1 and N (N is 1, so there is nothing older). Each version ever written has its golden
bytes in `tests/codec/golden/`, which must go on reading to the same profile; a new version adds a reader to
`_READERS` and its golden bytes.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Callable
from hashlib import blake2b
from struct import Struct
from typing import Any

import orjson

from stream.core.profile import Profile
from stream.core.program import Program
from stream.errors import UnreadableState

SNAPSHOT_VERSION = 1

_HEADER = Struct(">BBqII")
_INDEXED = Struct(">q")
_INDEXED_AT = 2
_ORJSON, _EXACT = 0, 1
_BODY_READERS: dict[int, Callable[[bytes], Any]] = {_ORJSON: orjson.loads, _EXACT: json.loads}
_WIDE = "Integer exceeds 64-bit range"
_ID_BYTES = 8
_SHAPE = (int,) * 4 + (list,) * 6 + (int, list, int)
"""Of the body: born partition and offset, now_ms, sequence; answers, since_ms, nth, changed_by, by_clock, control;
forgotten_ms, cells, wake_ms."""
_PER_DEFINITION = slice(4, 10)

_DIGEST_KEY = b"segmenter state"
_DIGEST_BYTES = 16

_LOST = (
    "stop the worker and move the partition's directory away, so that it is rebuilt from the state topic; if that says "
    "the same, the state topic is damaged: restore it from a copy, or begin anew under another `name`"
)


def encode_profile(profile: Profile) -> bytes:
    """The profile's bytes, the customer id left out (it is the key). The same profile gives the same bytes."""
    parts = (
        *profile.born, profile.now_ms, profile.sequence, profile.answers, profile.since_ms, profile.nth,
        profile.changed_by, profile.by_clock, profile.control, profile.forgotten_ms, profile.cells, profile.wake_ms,
    )  # fmt: skip
    written = _ORJSON
    try:
        body = orjson.dumps(parts)
    except TypeError as error:
        # Exact sums count in millionths and may outgrow 64 bits; orjson refuses those, Python's own writes them.
        if str(error) != _WIDE:
            raise
        written = _EXACT
        body = json.dumps(parts, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    ids = profile.message_ids
    header = _HEADER.pack(SNAPSHOT_VERSION, written, profile.indexed_ms, len(body), len(ids))
    return b"".join((header, body, _little_endian(ids), _little_endian(profile.message_times)))


def decode_profile(customer_id: str, data: bytes, program: Program) -> Profile:
    """The profile that was encoded. Raises UnreadableState, which tells what to do and nothing of the customer."""
    return _reader_of(data)(customer_id, data, program)


def wake_of(data: bytes) -> int:
    """`indexed_ms` alone, without reading the rest: a restore asks it of every customer. Raises UnreadableState."""
    if len(data) < _HEADER.size:
        raise _damaged(f"{len(data)} bytes, fewer than a header")
    if data[0] != SNAPSHOT_VERSION:
        _reader_of(data)
    indexed_ms: int = _INDEXED.unpack_from(data, _INDEXED_AT)[0]
    return indexed_ms


def digest(key: bytes, value: bytes) -> int:
    """128 bits of keyed BLAKE2b over key and value; a partition's digest is their sum modulo 2^128."""
    length = len(key).to_bytes(4, "big")  # tells where the key ends
    return int.from_bytes(blake2b(length + key + value, digest_size=_DIGEST_BYTES, key=_DIGEST_KEY).digest(), "big")


def _read_version_1(customer_id: str, data: bytes, program: Program) -> Profile:
    _, written, indexed_ms, body_bytes, ids = _HEADER.unpack_from(data)
    ids_at = _HEADER.size + body_bytes
    times_at = ids_at + ids * _ID_BYTES
    end = times_at + ids * _ID_BYTES
    if len(data) != end:
        raise _damaged(f"{len(data)} bytes where the header says {end}")
    read = _BODY_READERS.get(written)
    if read is None:
        raise _damaged("a body written in no known way")
    try:
        parts = read(data[_HEADER.size : ids_at])
    except ValueError:
        raise _damaged("a body that is not JSON") from None
    if type(parts) is not list or tuple(map(type, parts)) != _SHAPE:
        raise _damaged("a body of another shape")
    # Straight into the slots: `Profile()` would first fill every list with blanks, for 1 us of 5.
    profile = Profile.__new__(Profile)
    (
        partition, offset, profile.now_ms, profile.sequence, answers, profile.since_ms, profile.nth,
        profile.changed_by, profile.by_clock, profile.control, profile.forgotten_ms, profile.cells, profile.wake_ms,
    ) = parts  # fmt: skip
    definitions = len(program.definitions)
    if {*map(len, parts[_PER_DEFINITION])} != {definitions}:
        raise UnreadableState(
            f"a customer's state: found answers of {len(answers)} definitions, expected {definitions}: it was written "
            "under other definitions; start with those of the last commit (their hash is in its journal record)"
        )
    profile.customer_id = customer_id
    profile.born = (partition, offset)
    profile.answers = tuple(answers)
    profile.message_ids = _from_little_endian(data[ids_at:times_at])
    profile.message_times = _from_little_endian(data[times_at:])
    profile.indexed_ms = indexed_ms
    return profile


_READERS: dict[int, Callable[[str, bytes, Program], Profile]] = {1: _read_version_1}


def _reader_of(data: bytes) -> Callable[[str, bytes, Program], Profile]:
    if len(data) < _HEADER.size:
        raise _damaged(f"{len(data)} bytes, fewer than a header")
    reader = _READERS.get(data[0])
    if reader is None:
        raise UnreadableState(
            f"a customer's state: found version {data[0]}, expected one of {sorted(_READERS)}: it was written by "
            "another release of segmenter; start the release that wrote it, or one that reads both versions"
        )
    return reader


def _damaged(found: str) -> UnreadableState:
    return UnreadableState(f"a customer's state is damaged: found {found}; {_LOST}")


def _little_endian(numbers: array[int]) -> bytes:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def _from_little_endian(data: bytes) -> array[int]:
    numbers = array("q", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
