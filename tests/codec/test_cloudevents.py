"""CloudEvents around a Segment-spec object: the envelope fills what the payload leaves out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stream.codec.inbound import decode
from stream.codec.instants import from_text
from stream.core.events import Erasure, Event, Reason, Rejected
from tests.codec.samples import NOW_MS

PAYLOAD = {"type": "track", "event": "Order Completed", "properties": {"revenue": 5}}
ATTRIBUTES = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/shop",
    "type": "com.shop.event",
    "subject": "c-1042",
    "time": "2026-09-03T08:00:00Z",
}
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def read(value: Any, headers: list[tuple[str, bytes]]) -> Any:
    return decode(b"c-1042", None if value is None else json.dumps(value).encode(), headers, NOW_MS, 7, NOW_MS)


def read_binary(payload: Any = PAYLOAD, **attributes: str | bytes | None) -> Any:
    """The payload with its attributes in headers; None leaves one out."""
    headers = [
        ("ce_" + name, value if isinstance(value, bytes) else value.encode())
        for name, value in {**ATTRIBUTES, **attributes}.items()
        if value is not None
    ]
    return read(payload, [("content-type", b"application/json"), *headers])


def read_structured(
    payload: Any = PAYLOAD, content_type: bytes = b"application/cloudevents+json", **attributes: Any
) -> Any:
    """The payload within an envelope; `...` leaves an attribute out."""
    envelope = {**ATTRIBUTES, "data": payload, **attributes}
    return read({name: value for name, value in envelope.items() if value is not ...}, [("Content-Type", content_type)])


@pytest.mark.parametrize("read_mode", [read_binary, read_structured])
def test_id_time_and_subject_stand_in_for_what_the_payload_lacks(read_mode: Any) -> None:
    event = read_mode()
    assert isinstance(event, Event)
    assert event.customer_id == "c-1042"
    assert event.message_id == "/shop e-1"
    assert event.time_ms == from_text("2026-09-03T08:00:00Z")
    assert event.properties == {"revenue": 5}


@pytest.mark.parametrize("read_mode", [read_binary, read_structured])
def test_the_payloads_own_fields_stand_above_the_envelopes(read_mode: Any) -> None:
    own = {"messageId": "m-1", "anonymousId": "c-1042", "originalTimestamp": "2026-09-03T07:00:00Z"}
    event = read_mode({**PAYLOAD, **own}, subject="c-9", id="e-2")
    assert (event.message_id, event.time_ms) == ("m-1", from_text("2026-09-03T07:00:00Z"))
    assert read_mode({**PAYLOAD, "userId": "c-9"}).reason == Reason.KEY_MISMATCH


@pytest.mark.parametrize(
    "content_type",
    [b"application/cloudevents+json", b"Application/CloudEvents+JSON; charset=utf-8", b"application/cloudevents"],
)
def test_the_content_type_of_an_envelope_is_read_in_any_case(content_type: bytes) -> None:
    assert isinstance(read_structured(content_type=content_type), Event)


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_an_event_without_a_required_attribute_is_rejected(name: str) -> None:
    assert read_structured(**{name: ...}).reason == Reason.BAD_CLOUDEVENT
    assert read_structured(**{name: ""}).reason == Reason.BAD_CLOUDEVENT
    assert read_structured(**{name: 5}).reason == Reason.BAD_CLOUDEVENT
    assert read_binary(**{name: ""}).reason == Reason.BAD_CLOUDEVENT
    assert read_binary(**{name: b"\xff"}).reason == Reason.BAD_CLOUDEVENT
    if name != "specversion":
        assert read_binary(**{name: None}).reason == Reason.BAD_CLOUDEVENT


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"specversion": "0.3"}, Reason.BAD_CLOUDEVENT),
        ({"specversion": "10"}, Reason.BAD_CLOUDEVENT),
        ({"time": 5}, Reason.BAD_CLOUDEVENT),
        ({"time": "soon"}, Reason.BAD_TIMESTAMP),
        ({"subject": ...}, Reason.MISSING_CUSTOMER_ID),
        ({"subject": "c-9"}, Reason.KEY_MISMATCH),
        ({"id": "x" * 300}, Reason.BAD_CLOUDEVENT),
        ({"data": ..., "data_base64": "e30="}, Reason.BAD_CLOUDEVENT),
        ({"data": "text"}, Reason.NOT_AN_OBJECT),
        ({"content_type": b"application/cloudevents-batch+json"}, Reason.BAD_CLOUDEVENT),
        ({"content_type": b"application/cloudevents+avro"}, Reason.BAD_CLOUDEVENT),
    ],
)
def test_an_envelope_that_cannot_be_used_is_rejected_with_its_reason(change: Any, reason: Reason) -> None:
    decoded = read_structured(**change)
    assert isinstance(decoded, Rejected) and decoded.reason == reason


def test_without_cloudevents_headers_a_payload_is_taken_as_it_is() -> None:
    decoded = read({**PAYLOAD, "userId": "c-1042"}, [("content-type", b"application/json"), ("ce_id", b"e-1")])
    assert decoded.message_id is None


def test_a_key_without_value_is_an_erasure_whatever_the_headers() -> None:
    assert isinstance(read(None, [("ce_specversion", b"1.0")]), Erasure)


@pytest.mark.parametrize("name", ["traceparent", "ce_traceparent", "Traceparent"])
def test_a_trace_is_carried_along(name: str) -> None:
    assert read({**PAYLOAD, "userId": "c-1042"}, [(name, TRACE)]).traceparent == TRACE.decode()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        TRACE.upper(),
        TRACE[:-1],
        TRACE + b"-x",
        b"ff" + TRACE[2:],
        b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-" + b"0" * 16 + b"-01",
        TRACE + b"\n",
    ],
)
def test_a_trace_that_is_not_valid_is_left_out_and_the_event_taken(value: bytes) -> None:
    event = read({**PAYLOAD, "userId": "c-1042"}, [("traceparent", value)])
    assert isinstance(event, Event) and event.traceparent is None
