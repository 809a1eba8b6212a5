"""A customer's state as bytes, for the store and the changelog; and what proves that none of a partition is missing.

    byte 0       version
    byte 1       how the body is written: 0 orjson, 1 exact (numbers wider than 64 bits)
    bytes 2-9    indexed_ms: read alone when wakes are rebuilt
    then         the other single numbers and the lengths of what follows; `_HEADER` names them; all big-endian
    then         the standings as `core.profile` packs them
    then         the marks of message ids, then their event times, as `core.memory` keeps them
    then         the body: a JSON list of cells, answers, control (null when all of it is null)

Version 2 has more behind the header: the revision of the definitions and `parked_ms`, and a fourth part of the body:
[definition, until when it is warming] of each that is. It is written only for a customer who needs it; at format
level 1 (`codec.levels`) nobody does.

Lists of numbers are as they lie in memory, little-endian: a state of 1 KB is
written in 1.3 us and read in 3.5, where JSON of the same took 1.9 and 4.5.

Each version ever written has its golden bytes in `tests/codec/golden/`, which must go on reading to the same profile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from struct import Struct
from typing import Any

import orjson

from stream.codec.wide_json import WIDE
from stream.core.events import FOREVER_MS, NEVER_MS
from stream.core.holds import PARKED_AT_MS
from stream.core.memory import MARK_BYTES
from stream.core.profile import Profile, Standings
from stream.core.program import Program
from stream.errors import UnreadableState

SNAPSHOT_VERSION = 2
_PLAIN_VERSION = 1
"""Written for a customer under the first definitions, with nothing parked and nothing warming."""

_HEADER = Struct(">BBqIQqQqqHHI")
"""version, how the body is written, indexed_ms; born partition and offset, now_ms, sequence, forgotten_ms, wake_ms;
numbers of definitions and message ids, bytes of the body."""
_MORE = Struct(">Iq")
"""Version 2, behind the header: revision, parked_ms."""
_INDEXED = Struct(">q")
_INDEXED_AT = 2
_ORJSON, _EXACT = 0, 1
_BODY_READERS: dict[int, Callable[[bytes], Any]] = {_ORJSON: orjson.loads, _EXACT: json.loads}

_DIGEST_PREFIX = b"segmenter state\0"
_DIGEST_BYTES = 16
_PARKED = b"\1"

_LOST = (
    "stop the worker and move the partition's directory away, so that it is rebuilt from the state topic; if that says "
    "the same, the state topic is damaged: restore it from a copy, or begin anew under another `name` and "
    "`output_prefix`"
)


def encode_profile(profile: Profile) -> bytes:
    """The profile's bytes, the customer id left out (it is the key). The same profile gives the same bytes."""
    control = profile.control
    parts: tuple[Any, ...] = (profile.cells, profile.answers, None if control.count(None) == len(control) else control)
    version, more = _PLAIN_VERSION, b""
    if profile.revision != 1 or profile.parked_ms != NEVER_MS or profile.warming:
        version, more = SNAPSHOT_VERSION, _MORE.pack(profile.revision, profile.parked_ms)
        parts = (*parts, sorted(profile.warming.items()) if profile.warming else None)
    written = _ORJSON
    try:
        body = orjson.dumps(parts)
    except TypeError as error:
        # Exact sums count in millionths and may outgrow 64 bits; orjson refuses those, Python's own writes them.
        if str(error) != WIDE:
            raise
        written = _EXACT
        body = json.dumps(parts, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    partition, offset = profile.born
    header = _HEADER.pack(
        version, written, profile.indexed_ms, partition, offset, profile.now_ms, profile.sequence,
        profile.forgotten_ms, profile.wake_ms, len(control), len(profile.marks) // MARK_BYTES, len(body),
    )  # fmt: skip
    return b"".join(
        (
            header,
            more,
            profile.pack_standings(),
            profile.marks,
            profile.mark_times,
            body,
        )
    )


def decode_profile(customer_id: str, data: bytes, program: Program) -> Profile:
    """The profile that was encoded; it may be of an earlier revision than the program's. Raises UnreadableState, which
    tells what to do and nothing of the customer."""
    _check_header(data)
    return _read(customer_id, data, program)


def wake_of(data: bytes) -> int:
    """`indexed_ms` alone, without reading the rest: a restore asks it of every customer. Raises UnreadableState."""
    _check_header(data)
    indexed_ms: int = _INDEXED.unpack_from(data, _INDEXED_AT)[0]
    return indexed_ms


def revision_of(data: bytes) -> int:
    """The revision of the definitions under which a state was written. Raises UnreadableState."""
    _check_header(data)
    return 1 if data[0] == _PLAIN_VERSION else int(_MORE.unpack_from(data, _HEADER.size)[0])


def parked_of(data: bytes) -> int:
    """`parked_ms` alone. Raises UnreadableState."""
    _check_header(data)
    return NEVER_MS if data[0] == _PLAIN_VERSION else int(_MORE.unpack_from(data, _HEADER.size)[1])


DIGEST_MODULUS = 1 << 128


def digest(key: bytes, value: bytes) -> int:
    """128 bits of SHA-256 over key and value; a partition's digest is their sum modulo `DIGEST_MODULUS`.

    Current processors have instructions for it: 1.4 us for a state of 1 KB, where BLAKE2b took 2.1.
    """
    length = len(key).to_bytes(4, "big")  # tells where the key ends
    return int.from_bytes(sha256(b"".join((_DIGEST_PREFIX, length, key, value))).digest()[:_DIGEST_BYTES], "big")


class Tally:
    """All customers of a store added up: how many, and the digest. Asked of every one at a restore, so what it says of
    a record is written out here: 1.9 us, where `digest`, `wake_of` and `parked_of` took 2.9."""

    def __init__(self) -> None:
        self.keys = 0
        self._total = 0

    @property
    def digest(self) -> int:
        return self._total % DIGEST_MODULUS

    def take(self, records: Sequence[tuple[bytes, bytes]]) -> list[tuple[int, bytes]]:
        """Count these (key, state) in. Returns where the index must name them, as (instant, key): at the wake, and
        among the parked. Raises UnreadableState."""
        indexed: list[tuple[int, bytes]] = []
        join, whole, unpack, least = b"".join, int.from_bytes, _INDEXED.unpack_from, _HEADER.size
        total = 0
        for key, value in records:
            hashed = sha256(join((_DIGEST_PREFIX, len(key).to_bytes(4, "big"), key, value))).digest()
            total += whole(hashed[:_DIGEST_BYTES], "big")
            if len(value) < least or value[0] != _PLAIN_VERSION:
                _check_header(value)
                if parked_of(value) != NEVER_MS:
                    indexed.append((PARKED_AT_MS, key))
            (due_ms,) = unpack(value, _INDEXED_AT)
            if due_ms < FOREVER_MS:
                indexed.append((due_ms, key))
        self._total += total
        self.keys += len(records)
        return indexed


class Census:
    """All customers of a changelog that is read from its beginning: of a key's records the newest counts. Remembers
    170 bytes of each, so that nobody has to read back what was written: 1 us a customer, and RocksDB's share."""

    def __init__(self) -> None:
        self._newest: dict[bytes, bytes] = {}  # key -> digest, then `indexed_ms` as in the state, then whether parked

    def take(self, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        """These (key, state) come next; None: erased. Raises UnreadableState."""
        newest, join, least = self._newest, b"".join, _HEADER.size
        for key, value in records:
            if value is None:
                newest.pop(key, None)
                continue
            hashed = sha256(join((_DIGEST_PREFIX, len(key).to_bytes(4, "big"), key, value))).digest()
            mark = hashed[:_DIGEST_BYTES] + value[_INDEXED_AT : _INDEXED_AT + _INDEXED.size]
            if len(value) < least or value[0] != _PLAIN_VERSION:
                _check_header(value)
                if parked_of(value) != NEVER_MS:
                    mark += _PARKED
            newest[key] = mark

    @property
    def keys(self) -> int:
        return len(self._newest)

    @property
    def digest(self) -> int:
        whole = int.from_bytes
        return sum([whole(mark[:_DIGEST_BYTES], "big") for mark in self._newest.values()]) % DIGEST_MODULUS

    def indexed(self) -> Iterator[tuple[int, bytes]]:
        """Where the index must name them, as `Tally.take` says it."""
        unpack, parked_at = _INDEXED.unpack_from, _DIGEST_BYTES + _INDEXED.size
        for key, mark in self._newest.items():
            if len(mark) > parked_at:
                yield PARKED_AT_MS, key
            (due_ms,) = unpack(mark, _DIGEST_BYTES)
            if due_ms < FOREVER_MS:
                yield due_ms, key


def _read(customer_id: str, data: bytes, program: Program) -> Profile:
    # Straight into the slots: `Profile()` would first fill every list with blanks, for 1 us of 4.
    profile = Profile.__new__(Profile)
    (
        version, written, profile.indexed_ms, partition, offset, profile.now_ms, profile.sequence, profile.forgotten_ms,
        profile.wake_ms, definitions, ids, body_bytes,
    ) = _HEADER.unpack_from(data)  # fmt: skip
    if version == _PLAIN_VERSION:
        standings_at, profile.revision, profile.parked_ms = _HEADER.size, 1, NEVER_MS
    else:
        standings_at = _HEADER.size + _MORE.size
        profile.revision, profile.parked_ms = _MORE.unpack_from(data, _HEADER.size)
    marks_at = standings_at + Standings.BYTES_EACH * definitions
    times_at = marks_at + MARK_BYTES * ids
    body_at = times_at + MARK_BYTES * ids
    if len(data) != body_at + body_bytes:
        raise _damaged(f"{len(data)} bytes where the header says {body_at + body_bytes}")
    if profile.revision == program.version and definitions != len(program.definitions):
        raise UnreadableState(
            f"a customer's state: found answers of {definitions} definitions, expected {len(program.definitions)}: it "
            "was written under other definitions; start with those of the last commit (their hash is in its journal "
            "record)"
        )
    profile.customer_id = customer_id
    profile.born = (partition, offset)
    profile.packed_standings = data[standings_at:marks_at]
    profile.unpacked_standings = None
    profile.marks = data[marks_at:times_at]
    profile.mark_times = data[times_at:body_at]
    if version == _PLAIN_VERSION:
        profile.cells, answers, control = _body(written, data[body_at:], 3)
        profile.warming = None
    else:
        profile.cells, answers, control, warming = _body(written, data[body_at:], 4)
        profile.warming = None if warming is None else _warming(warming)
    profile.answers = tuple(answers)
    profile.control = [None] * definitions if control is None else control
    if not len(profile.answers) == len(profile.control) == definitions:
        raise _damaged("a body of another shape")
    return profile


def _warming(pairs: list[Any]) -> dict[int, int]:
    if not all(type(pair) is list and [type(each) for each in pair] == [int, int] for pair in pairs):
        raise _damaged("a body of another shape")
    return dict(pairs)


def _body(written: int, data: bytes, length: int) -> list[Any]:
    read = _BODY_READERS.get(written)
    if read is None:
        raise _damaged("a body written in no known way")
    try:
        parts = read(data)
    except ValueError:
        raise _damaged("a body that is not JSON") from None
    if type(parts) is list and len(parts) == length:
        cells, answers, *others = parts
        if type(cells) is list and type(answers) is list and all(each is None or type(each) is list for each in others):
            return parts
    raise _damaged("a body of another shape")


_READ_VERSIONS = (_PLAIN_VERSION, SNAPSHOT_VERSION)


def _check_header(data: bytes) -> None:
    if len(data) < _HEADER.size:
        raise _damaged(f"{len(data)} bytes, fewer than a header")
    if data[0] not in _READ_VERSIONS:
        raise UnreadableState(
            f"a customer's state: found version {data[0]}, expected one of {list(_READ_VERSIONS)}: it was written by "
            "another release of segmenter; start the release that wrote it, or one that reads both versions"
        )
    if data[0] != _PLAIN_VERSION and len(data) < _HEADER.size + _MORE.size:
        raise _damaged(f"{len(data)} bytes, fewer than a header")


def _damaged(found: str) -> UnreadableState:
    return UnreadableState(f"a customer's state is damaged: found {found}; {_LOST}")
