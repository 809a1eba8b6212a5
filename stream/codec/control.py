"""What is held, as records of the control topic: key -> who, when and why; a record without value releases its key.

`core.holds` knows the keys. The newest record of a key counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from stream.codec.instants import from_text, to_text

LONGEST_REASON = 500
UNREADABLE = "the record of the control topic can't be read"


@dataclass(frozen=True, slots=True)
class Control:
    """Why something is held: who held it, when, and the reason they gave."""

    by: str
    at_ms: int
    reason: str


def encode_control(control: Control) -> bytes:
    return orjson.dumps(
        {"by": control.by, "at": to_text(control.at_ms), "reason": control.reason[:LONGEST_REASON]},
    )


def decode_control(value: bytes, stamp_ms: int) -> Control:
    """What was written. A value that can't be read holds too: only a released key has none. `stamp_ms` is the
    record's own timestamp."""
    try:
        found = orjson.loads(value)
        by, at_ms, reason = found["by"], from_text(found["at"]), found["reason"]
    except (ValueError, TypeError, KeyError):
        return Control("unknown", stamp_ms, UNREADABLE)
    if not (isinstance(by, str) and isinstance(reason, str)):
        return Control("unknown", stamp_ms, UNREADABLE)
    return Control(by, stamp_ms if at_ms is None else at_ms, reason)
