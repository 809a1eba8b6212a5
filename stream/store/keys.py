"""Keys of the wake index: ordered by instant, then by customer."""

from __future__ import annotations

from stream.engine.interfaces import StoredWake

_OFFSET = 1 << 63
DUE_BYTES = 8


def wake_key(due_ms: int, key: bytes) -> bytes:
    """Offset binary (2^63 added), so that bytes order as the numbers do, those before 1970 too."""
    return (due_ms + _OFFSET).to_bytes(DUE_BYTES, "big") + key


def wake_of(stored: bytes) -> StoredWake:
    return int.from_bytes(stored[:DUE_BYTES], "big") - _OFFSET, stored[DUE_BYTES:]


def after(key: bytes) -> bytes:
    """The least key that is greater."""
    return key + b"\0"
