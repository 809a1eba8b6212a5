"""A Kafka record in, a core value out: the Segment spec's track, page, screen, identify and group calls.

The record key is the customer id. A payload must say the same id; a record that can't be used becomes `Rejected`
with a reason of the closed list, a record of an unknown type `Ignored`, a key without a value an `Erasure`.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from stream.codec import cloudevents
from stream.codec.instants import LAST_MS, from_text
from stream.codec.limits import Fault, fault_of_unreadable, fault_within
from stream.core.events import Decoded, Erasure, Event, Ignored, Reason, Rejected, properties_of

MAX_BYTES = 262_144
"""Bytes of a value; Segment itself takes 32 KiB an event."""

MAX_CUSTOMER_ID = 256
MAX_EVENT_NAME = 256
MAX_MESSAGE_ID = cloudevents.MAX_MESSAGE_ID
MAX_REQUEST_ID = 128
MAX_IGNORED_KIND = 64

_CALLS = frozenset(("track", "page", "screen", "identify", "group"))
_OBJECTS = ("properties", "traits", "context")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def decode(
    key: bytes | None,
    value: bytes | None,
    headers: list[tuple[str, bytes]] | None,
    timestamp_ms: int,
    offset: int,
    read_ms: int,
    *,
    max_bytes: int = MAX_BYTES,
) -> Decoded:
    """The record's meaning; never raises, whatever the bytes.

    timestamp_ms  the record's own, negative when it has none
    read_ms       when its batch was read; no event time is later than either
    """
    if not key:
        return Rejected(offset, Reason.MISSING_CUSTOMER_ID, "the record has no key; the key is the customer id")
    try:
        customer_id = key.decode()
    except UnicodeDecodeError as error:
        return Rejected(offset, Reason.BAD_CUSTOMER_ID, f"the key is not UTF-8 at byte {error.start}")
    if not _is_customer_id(customer_id):
        return Rejected(
            offset,
            Reason.BAD_CUSTOMER_ID,
            f"the key is longer than {MAX_CUSTOMER_ID} characters or holds control characters",
        )
    header_map = cloudevents.header_map(headers) if headers else None
    received_ms = timestamp_ms if timestamp_ms >= 0 else read_ms
    if value is None:
        request_id = _request_id(header_map) if header_map else None
        return Erasure(customer_id, offset, min(received_ms, read_ms), request_id)

    message = _parse(value, max_bytes)
    traceparent = None
    if header_map:
        traceparent = cloudevents.traceparent_of(header_map)
        if not isinstance(message, Fault):
            message = _unwrap(message, header_map)
        elif cloudevents.is_structured(header_map):
            message = cloudevents.fault_of_format(header_map) or message
    if isinstance(message, Fault):
        return Rejected(offset, message.reason, message.detail)

    get = message.get
    kind = get("type")
    if not isinstance(kind, str) or kind not in _CALLS:
        return _other_type(kind, message, offset)
    fault = _fault_of_fields(message, kind, customer_id)
    if fault is not None:
        return Rejected(offset, fault.reason, fault.detail)
    time_ms = _event_time(message, received_ms)
    if isinstance(time_ms, Fault):
        return Rejected(offset, time_ms.reason, time_ms.detail)
    latest_ms = received_ms if received_ms < read_ms else read_ms
    return Event(
        customer_id,
        kind,
        message["event"] if kind == "track" else "",
        time_ms if time_ms < latest_ms else latest_ms,
        offset,
        get("messageId"),
        properties_of(message, kind),
        get("context") or {},
        traceparent,
    )


def _parse(value: bytes, max_bytes: int) -> dict[str, Any] | Fault:
    if len(value) > max_bytes:
        return Fault(Reason.TOO_LARGE, f"the value has {len(value)} bytes, more than {max_bytes}")
    try:
        message = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return fault_of_unreadable(value, error)
    fault = fault_within(message, len(value))
    if fault is not None:
        return fault
    if not isinstance(message, dict):
        return Fault(Reason.NOT_AN_OBJECT, "the value is no JSON object")
    return message


def _unwrap(message: dict[str, Any], header_map: cloudevents.HeaderMap) -> dict[str, Any] | Fault:
    if cloudevents.is_structured(header_map):
        return cloudevents.open_structured(message, header_map)
    if cloudevents.is_binary(header_map):
        return cloudevents.open_binary(message, header_map)
    return message


def _other_type(kind: Any, message: dict[str, Any], offset: int) -> Rejected | Ignored:
    if kind is None or kind == "":
        return Rejected(offset, Reason.MISSING_TYPE, "type is missing: track, identify, page, screen or group")
    if not isinstance(kind, str):
        return Rejected(offset, Reason.BAD_FIELD, "type is no text")
    if kind == "alias":
        return Rejected(offset, Reason.ALIAS_NOT_SUPPORTED, "alias is not supported; send events under one id")
    if kind == "batch":
        return Rejected(
            offset, Reason.BAD_FIELD, "type is batch: send each call of it as a record under its customer id"
        )
    if "specversion" in message:
        return Rejected(
            offset,
            Reason.BAD_CLOUDEVENT,
            "the value looks like a CloudEvent: send it with content-type application/cloudevents+json",
        )
    return Ignored(offset, kind[:MAX_IGNORED_KIND])


def _fault_of_fields(message: dict[str, Any], kind: str, customer_id: str) -> Fault | None:
    """Everything that must be right besides the event time."""
    get = message.get
    user_id = get("userId")
    if user_id is None:
        user_id = get("anonymousId")
    if user_id != customer_id:
        return _fault_of_user(user_id)
    message_id = get("messageId")
    if message_id is not None and not (
        type(message_id) is str and 0 < len(message_id) <= MAX_MESSAGE_ID and "\0" not in message_id
    ):
        return Fault(Reason.BAD_FIELD, f"messageId is no text of 1 to {MAX_MESSAGE_ID} characters without NUL")
    if kind == "track":
        name = get("event")
        if not (type(name) is str and 0 < len(name) <= MAX_EVENT_NAME):
            return Fault(Reason.MISSING_EVENT_NAME, f"event is no text of 1 to {MAX_EVENT_NAME} characters")
    for field in _OBJECTS:
        part = get(field)
        if type(part) is not dict and part is not None:
            return Fault(Reason.BAD_FIELD, f"{field} is no object")
    return None


def _fault_of_user(user_id: Any) -> Fault:
    if user_id is None:
        return Fault(Reason.MISSING_CUSTOMER_ID, "neither userId nor anonymousId is given")
    if user_id == "":
        return Fault(
            Reason.MISSING_CUSTOMER_ID, "userId, or anonymousId without one, is empty: leave out what is not known"
        )
    if not isinstance(user_id, str):
        return Fault(Reason.BAD_CUSTOMER_ID, "userId or anonymousId is no text; send numbers as text")
    if not _is_customer_id(user_id):
        return Fault(
            Reason.BAD_CUSTOMER_ID,
            f"userId or anonymousId is longer than {MAX_CUSTOMER_ID} characters or holds control characters",
        )
    return Fault(Reason.KEY_MISMATCH, "the record key is not the payload's userId or anonymousId")


def _is_customer_id(text: str) -> bool:
    return len(text) <= MAX_CUSTOMER_ID and (text.isprintable() or _CONTROL.search(text) is None)


def _event_time(message: dict[str, Any], received_ms: int) -> int | Fault:
    """When it happened, by the Segment spec: the sender's clock is corrected by what it says of the sending.

    `timestamp` beside `originalTimestamp` is corrected already; else `receivedAt - (sentAt - stated)`.
    Source: twilio.com/docs/segment/connections/spec/common, "Timestamps".
    """
    get = message.get
    stated = get("timestamp")
    original = get("originalTimestamp")
    if stated is None and original is None:
        return received_ms
    stated_ms = _instant(original if stated is None else stated)
    if stated_ms is None:
        field = "originalTimestamp" if stated is None else "timestamp"
        return Fault(Reason.BAD_TIMESTAMP, f"{field} is no RFC 3339 text of the years 1970 to 9999")
    sent = get("sentAt")
    if sent is None or (stated is not None and original is not None):
        return stated_ms
    sent_ms = _instant(sent)
    received = get("receivedAt")
    arrived_ms = received_ms if received is None else _instant(received)
    if sent_ms is None or arrived_ms is None:
        field = "sentAt" if sent_ms is None else "receivedAt"
        return Fault(Reason.BAD_TIMESTAMP, f"{field} is no RFC 3339 text of the years 1970 to 9999")
    corrected_ms = arrived_ms - (sent_ms - stated_ms)
    if corrected_ms < 0:
        return Fault(Reason.BAD_TIMESTAMP, "corrected by sentAt, the event would lie before 1970")
    return corrected_ms


def _instant(text: Any) -> int | None:
    instant_ms = from_text(text) if isinstance(text, str) else None
    return instant_ms if instant_ms is not None and 0 <= instant_ms <= LAST_MS else None


def _request_id(header_map: cloudevents.HeaderMap) -> str | None:
    """The erasure request's number, when its header holds readable text; an erasure never fails for it."""
    try:
        request_id = header_map.get("request_id", b"").decode()
    except UnicodeDecodeError:
        return None
    return request_id if 0 < len(request_id) <= MAX_REQUEST_ID and _CONTROL.search(request_id) is None else None
