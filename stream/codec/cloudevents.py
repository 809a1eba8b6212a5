"""CloudEvents 1.x around a Segment-spec object: binary mode (`ce_` headers) and structured mode (an envelope).

The envelope fills what the payload leaves out: `id` with `source` gives messageId, `time` the timestamp, `subject`
the userId. Kafka protocol binding: github.com/cloudevents/spec, cloudevents/bindings/kafka-protocol-binding.md.
"""

from __future__ import annotations

import re
from typing import Any

from stream.codec.limits import Fault
from stream.core.events import Reason

MAX_MESSAGE_ID = 256

_REQUIRED = ("specversion", "id", "source", "type")
_OPTIONAL = ("time", "subject")
_STRUCTURED = "application/cloudevents"
_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

HeaderMap = dict[str, bytes]


def header_map(headers: list[tuple[str, bytes]]) -> HeaderMap:
    """Headers by lower-case name; of a repeated one the last stands, one without a value is left out."""
    return {name.lower(): value for name, value in headers if value is not None}


def traceparent_of(headers: HeaderMap) -> str | None:
    """The W3C trace context, when the header holds a valid one (version 00); else None, never a fault."""
    for name in ("traceparent", "ce_traceparent"):
        value = headers.get(name)
        if value is not None and _TRACEPARENT.fullmatch(value):
            return value.decode()
    return None


def is_structured(headers: HeaderMap) -> bool:
    """Whether the content type says that the value is an envelope."""
    return headers.get("content-type", b"")[: len(_STRUCTURED)].lower() == _STRUCTURED.encode()


def is_binary(headers: HeaderMap) -> bool:
    """Whether the envelope stands in the headers."""
    return "ce_specversion" in headers


def fault_of_format(headers: HeaderMap) -> Fault | None:
    """What is wrong with the format that a content type of CloudEvents names."""
    media_type = headers["content-type"].split(b";")[0].strip().lower()
    if media_type in (b"application/cloudevents", b"application/cloudevents+json"):
        return None
    return _bad("the content type is no single CloudEvent in JSON; batches and other formats are not read")


def open_structured(envelope: dict[str, Any], headers: HeaderMap) -> dict[str, Any] | Fault:
    """The Segment-spec object within a structured event, completed from its envelope."""
    fault = fault_of_format(headers)
    if fault is not None:
        return fault
    if "data" not in envelope:
        return _bad("data is missing; data_base64 is not read, send the Segment-spec object as data")
    payload = envelope["data"]
    if not isinstance(payload, dict):
        return Fault(Reason.NOT_AN_OBJECT, "the event's data is no JSON object")
    return _complete(payload, envelope)


def open_binary(payload: dict[str, Any], headers: HeaderMap) -> dict[str, Any] | Fault:
    """The Segment-spec object, completed from the `ce_` headers."""
    attributes: dict[str, Any] = {}
    for name in _REQUIRED + _OPTIONAL:
        value = headers.get("ce_" + name)
        if value is not None:
            try:
                attributes[name] = value.decode()
            except UnicodeDecodeError:
                return _bad(f"attribute {name} is not UTF-8")
    return _complete(payload, attributes)


def _complete(payload: dict[str, Any], attributes: dict[str, Any]) -> dict[str, Any] | Fault:
    for name in _REQUIRED:
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            return _bad(f"attribute {name} is missing, empty or no text")
    for name in _OPTIONAL:
        if not isinstance(attributes.get(name, ""), str | None):
            return _bad(f"attribute {name} is no text")
    if not attributes["specversion"].startswith("1."):
        return _bad("specversion is not 1.x")
    if payload.get("messageId") is None:
        # CloudEvents: source and id together are unique, id alone is not.
        message_id = f"{attributes['source']} {attributes['id']}"
        if len(message_id) > MAX_MESSAGE_ID:
            return _bad(f"source and id together are longer than {MAX_MESSAGE_ID - 1} characters; send a messageId")
        payload["messageId"] = message_id
    if payload.get("timestamp") is None and payload.get("originalTimestamp") is None:
        payload["timestamp"] = attributes.get("time")
    if payload.get("userId") is None and payload.get("anonymousId") is None:
        payload["userId"] = attributes.get("subject")
    return payload


def _bad(detail: str) -> Fault:
    return Fault(Reason.BAD_CLOUDEVENT, detail)
