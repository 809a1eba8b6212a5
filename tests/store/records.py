"""State records as far as a store looks into them: their header, with the instant at which the customer is woken."""

from __future__ import annotations

from stream.codec.snapshot import wake_of
from stream.core.events import FOREVER_MS

HEADER_BYTES = 62


def record(tail: bytes, due_ms: int = FOREVER_MS) -> bytes:
    """A state of some customer, woken at `due_ms`; FOREVER_MS: never, so that no index entry is expected."""
    made = b"\x01\x00" + due_ms.to_bytes(8, "big", signed=True) + bytes(HEADER_BYTES - 10) + tail
    assert wake_of(made) == due_ms
    return made
