"""Records as a team's applications send them, and what a world remembers of each for the expectation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from stream.codec.instants import to_text

PURCHASE, BROWSE, OTHER = "purchase", "browse", "other"
NAMES = {PURCHASE: "Order Completed", BROWSE: "Product Viewed", OTHER: "Signed In"}


@dataclass(frozen=True)
class Sent:
    """A record of the input. `kind`: purchase, browse, other; ignored, erase; or rejected, with the reason."""

    customer: str
    kind: str
    stated_ms: int  # event time in the payload
    stamp_ms: int  # the record's own
    message_id: str | None = None
    reason: str = ""


def payload(sent: Sent) -> bytes | None:
    """The value of a record."""
    if sent.kind == "erase":
        return None
    if sent.kind == "rejected":
        return _POISON[sent.reason][1](sent)
    body: dict[str, Any] = {"type": "track", "event": NAMES.get(sent.kind, ""), "userId": sent.customer}
    if sent.kind == "ignored":
        body["type"] = "heartbeat"
    body["timestamp"] = to_text(sent.stated_ms)
    if sent.message_id is not None:
        body["messageId"] = sent.message_id
    return json.dumps(body).encode()


def poison(customer: str, kind: str, now_ms: int) -> Sent:
    return Sent(customer, "rejected", now_ms, now_ms, reason=kind)


def reason_of(sent: Sent) -> str:
    """The reason a poison record must be rejected with."""
    return _POISON[sent.reason][0]


def _event(sent: Sent, **changed: Any) -> bytes:
    body = {"type": "track", "event": "Order Completed", "userId": sent.customer, "timestamp": to_text(sent.stated_ms)}
    return json.dumps({key: value for key, value in {**body, **changed}.items() if value is not None}).encode()


_POISON: dict[str, tuple[str, Any]] = {
    "not json": ("invalid-json", lambda sent: b"{"),
    "not an object": ("not-an-object", lambda sent: b"[1]"),
    "no user": ("missing-customer-id", lambda sent: _event(sent, userId=None)),
    "other user": ("key-mismatch", lambda sent: _event(sent, userId="somebody-else")),
    "too large": ("too-large", lambda sent: _event(sent, properties={"text": "x" * 5_000})),
    "too deep": ("too-deep", lambda sent: b"[" * 40 + b"]" * 40),
    "bad number": ("bad-number", lambda sent: _event(sent, properties={"amount": 2**60})),
    "no event name": ("missing-event-name", lambda sent: _event(sent, event=None)),
    "bad timestamp": ("bad-timestamp", lambda sent: _event(sent, timestamp="yesterday")),
    "not utf-8": ("invalid-utf8", lambda sent: b'{"userId": "\xff"}'),
    "alias": ("alias-not-supported", lambda sent: _event(sent, type="alias")),
}
