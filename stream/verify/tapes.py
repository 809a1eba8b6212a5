"""How each topic's records are told apart, and the topics of one partition opened for matching."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import orjson

from stream.codec.journal import META_KEY
from stream.core.program import Program
from stream.verify.log import Names, Record
from stream.verify.report import Expected, Kind
from stream.verify.tape import header


def by_event_id(record: Record | Expected) -> bytes:
    """Changes and memberships carry an id of their own; a tombstone only its key."""
    return header(record.headers, "ce_id") or b"\0" + (record.key or b"")


def by_source_offset(record: Record | Expected) -> bytes:
    """A rejected record names the input record it was."""
    return header(record.headers, "segmenter_source_offset")


def by_state(record: Record | Expected) -> bytes:
    """A state record is told by all of it, a meta record by its commit number."""
    key, value = record.key or b"", record.value
    if key == META_KEY:
        number = _commit_number(value)
        if number is not None:
            return b"\0meta %d" % number
    length = len(key).to_bytes(4, "big")
    return blake2b(b"".join((length, key, b"" if value is None else b"\1" + value)), digest_size=16).digest()


def state_is_unique(record: Expected) -> bool:
    """The same state may be written twice; a commit's meta may not."""
    return record.key == META_KEY


def membership_is_unique(record: Expected) -> bool:
    return record.value is not None


def state_kind(key: bytes | None) -> Kind:
    return Kind.META if key == META_KEY else Kind.ALTERED


def extra_topics(program: Program, names: Names) -> Sequence[str]:
    """The topics that definitions ask for, each once."""
    return list(dict.fromkeys(names.prefix + own.topic for own in program.definitions if own.topic))


def _commit_number(value: bytes | None) -> int | None:
    try:
        number = orjson.loads(value or b"")["commit_number"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return number if type(number) is int and number >= 0 else None
