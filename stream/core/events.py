"""What comes in: a decoded customer event, an erasure, something to pass over, or something rejected.

All instants are integer milliseconds UTC. `time_ms` is the event time, already corrected and clamped by the codec:
never later than the record's own timestamp, never later than the instant at which its batch was read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

NEVER_MS = -(1 << 62)
"""The instant that never was, earlier than every other."""

FOREVER_MS = 1 << 62
"""Later than every instant: 'does not change by itself'."""


class Reason(StrEnum):
    """Why an event was rejected: a closed list, the value of the `reason` header and label."""

    INVALID_UTF8 = "invalid-utf8"
    INVALID_JSON = "invalid-json"
    NOT_AN_OBJECT = "not-an-object"
    TOO_LARGE = "too-large"
    TOO_DEEP = "too-deep"
    TOO_MANY_KEYS = "too-many-keys"
    TEXT_TOO_LONG = "text-too-long"
    BAD_NUMBER = "bad-number"
    MISSING_CUSTOMER_ID = "missing-customer-id"
    BAD_CUSTOMER_ID = "bad-customer-id"
    KEY_MISMATCH = "key-mismatch"
    MISSING_TYPE = "missing-type"
    MISSING_EVENT_NAME = "missing-event-name"
    BAD_FIELD = "bad-field"
    BAD_TIMESTAMP = "bad-timestamp"
    BAD_CLOUDEVENT = "bad-cloudevent"
    ALIAS_NOT_SUPPORTED = "alias-not-supported"
    TOO_OLD = "too-old"
    INTERNAL = "internal"


@dataclass(slots=True)
class Event:
    """A customer event as the core sees it.

    `kind` is track, page, screen, identify or group. `name` is the event's name for track, else "".
    `properties` are those of a track, page or screen call, and the traits of an identify or group call.
    """

    customer_id: str
    kind: str
    name: str
    time_ms: int
    offset: int
    message_id: str | None
    properties: dict[str, Any]
    context: dict[str, Any]
    traceparent: str | None = None


_VIEWS = frozenset(("page", "screen"))
_WITH_TRAITS = frozenset(("identify", "group"))


def properties_of(call: dict[str, Any], kind: str) -> dict[str, Any]:
    """What a call of the Segment spec tells: traits of identify and group, properties of the rest, a view's own name
    and category within them."""
    properties: dict[str, Any] = call.get("traits" if kind in _WITH_TRAITS else "properties") or {}
    if kind in _VIEWS:
        return {field: call[field] for field in ("name", "category") if call.get(field) is not None} | properties
    return properties


@dataclass(slots=True)
class Erasure:
    """Forget this customer: a record with the customer's key and no value."""

    customer_id: str
    offset: int
    time_ms: int
    request_id: str | None = None


@dataclass(slots=True)
class Ignored:
    """A record of a type we do not know: counted, not rejected, and nothing else."""

    offset: int
    kind: str


@dataclass(slots=True)
class Rejected:
    """A record that can't be used. `detail` says what was wrong, never a value from the record."""

    offset: int
    reason: Reason
    detail: str


Decoded = Event | Erasure | Ignored | Rejected
