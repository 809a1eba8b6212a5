"""Records as they come, and what they mean."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.codec.inbound import MAX_BYTES, decode
from stream.codec.instants import from_text
from stream.core.events import Erasure, Event, Ignored, Reason, Rejected
from tests.codec.samples import NOW_MS

KEY = b"c-1042"
READ_MS = NOW_MS + 100
ORDER = {
    "type": "track",
    "messageId": "m-1",
    "userId": "c-1042",
    "event": "Order Completed",
    "timestamp": "2026-09-03T08:00:00.250Z",
    "properties": {"revenue": 49.9},
    "context": {"locale": "de-DE"},
}


def ms(text: str) -> int:
    instant_ms = from_text(text)
    assert instant_ms is not None
    return instant_ms


def read(value: bytes | None, key: bytes | None = KEY, **other: Any) -> Any:
    arguments = {"headers": None, "timestamp_ms": NOW_MS, "offset": 7, "read_ms": READ_MS, **other}
    return decode(key, value, **arguments)


def read_order(**fields: Any) -> Any:
    """The order with these fields; a field of `...` is left out."""
    message = {name: value for name, value in {**ORDER, **fields}.items() if value is not ...}
    return read(json.dumps(message).encode())


def reason_of(decoded: Any) -> Reason:
    assert isinstance(decoded, Rejected), decoded
    assert decoded.offset == 7
    return decoded.reason


# -- what is understood


def test_a_track_call_becomes_an_event() -> None:
    assert read_order() == Event(
        customer_id="c-1042",
        kind="track",
        name="Order Completed",
        time_ms=ms("2026-09-03T08:00:00.250Z"),
        offset=7,
        message_id="m-1",
        properties={"revenue": 49.9},
        context={"locale": "de-DE"},
    )


@pytest.mark.parametrize("kind", ["identify", "group"])
def test_identify_and_group_bring_their_traits(kind: str) -> None:
    event = read_order(type=kind, traits={"plan": "pro"}, properties=...)
    assert (event.kind, event.name, event.properties) == (kind, "", {"plan": "pro"})


@pytest.mark.parametrize("kind", ["page", "screen"])
def test_a_view_brings_its_name_and_category_as_properties_unless_they_are_there(kind: str) -> None:
    event = read_order(type=kind, name="Home", category="Shop", properties={"category": "Sale"})
    assert (event.kind, event.name) == (kind, "")
    assert event.properties == {"name": "Home", "category": "Sale"}


def test_absent_and_null_parts_are_empty() -> None:
    event = read_order(properties=None, context=..., messageId=None)
    assert (event.properties, event.context, event.message_id) == ({}, {}, None)


def test_the_anonymous_id_stands_in_for_a_missing_user_id() -> None:
    assert isinstance(read_order(userId=None, anonymousId="c-1042"), Event)
    assert reason_of(read_order(userId="", anonymousId="c-1042")) == Reason.MISSING_CUSTOMER_ID


def test_a_key_without_value_is_an_erasure_with_the_number_of_its_request() -> None:
    assert read(None) == Erasure("c-1042", 7, NOW_MS, None)
    assert read(None, headers=[("request_id", b"dsr-1")]) == Erasure("c-1042", 7, NOW_MS, "dsr-1")
    assert read(None, headers=[("request_id", b"\xff")]) == Erasure("c-1042", 7, NOW_MS, None)
    assert read(None, timestamp_ms=-1) == Erasure("c-1042", 7, READ_MS, None)
    assert read(None, timestamp_ms=READ_MS + 5).time_ms == READ_MS


def test_a_call_of_unknown_type_is_passed_over_even_without_a_user() -> None:
    assert read_order(type="delete", userId=...) == Ignored(7, "delete")
    assert read_order(type="x" * 500) == Ignored(7, "x" * 64)


# -- event time


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "2026-09-03T08:00:00.250Z"),
        ({"timestamp": "2026-09-03T10:00:00+02:00"}, "2026-09-03T08:00:00.000Z"),
        ({"timestamp": "2026-09-03T08:00:00.2509Z"}, "2026-09-03T08:00:00.250Z"),
        # The sender's clock is ten minutes ahead: sent at "08:10", received at 08:00.
        ({"timestamp": "2026-09-03T08:09:00Z", "sentAt": "2026-09-03T08:10:00Z", "receivedAt": "2026-09-03T08:00:00Z"},
         "2026-09-03T07:59:00.000Z"),
        ({"timestamp": "2026-09-03T08:09:00Z", "sentAt": "2026-09-03T08:10:00Z"}, "2026-09-03T08:29:12.512Z"),
        ({"timestamp": "2026-09-03T08:00:00Z", "originalTimestamp": "2026-09-03T09:00:00Z",
          "sentAt": "2026-09-03T09:00:01Z"}, "2026-09-03T08:00:00.000Z"),
        ({"timestamp": ..., "originalTimestamp": "2026-09-03T08:00:00Z"}, "2026-09-03T08:00:00.000Z"),
        ({"timestamp": ..., "originalTimestamp": "2026-09-03T08:00:00Z", "sentAt": "2026-09-03T08:00:02Z",
          "receivedAt": "2026-09-03T08:01:00Z"}, "2026-09-03T08:00:58.000Z"),
        ({"timestamp": None}, "2026-09-03T08:30:12.512Z"),
        ({"timestamp": "2026-09-03T09:00:00Z"}, "2026-09-03T08:30:12.512Z"),
        ({"timestamp": "9999-12-31T23:59:59Z"}, "2026-09-03T08:30:12.512Z"),
        ({"timestamp": "1970-01-01T00:00:00Z"}, "1970-01-01T00:00:00.000Z"),
    ],
)  # fmt: skip
def test_the_event_time_is_corrected_as_segment_says_and_never_later_than_its_record(
    fields: dict[str, Any], expected: str
) -> None:
    assert read_order(**fields).time_ms == ms(expected)


def test_a_record_without_timestamp_is_held_to_the_time_of_reading() -> None:
    late = json.dumps({**ORDER, "timestamp": "2027-01-01T00:00:00Z"}).encode()
    none = json.dumps({**ORDER, "timestamp": None}).encode()
    assert read(late, timestamp_ms=-1).time_ms == READ_MS
    assert read(none, timestamp_ms=-1).time_ms == READ_MS
    assert read(late, timestamp_ms=READ_MS + 9).time_ms == READ_MS


@pytest.mark.parametrize(
    "fields",
    [
        {"timestamp": 1788424212512},
        {"timestamp": "yesterday"},
        {"timestamp": ""},
        {"timestamp": "1969-12-31T23:59:59.999Z"},
        {"timestamp": "9999-12-31T23:59:59-01:00"},
        {"timestamp": ..., "originalTimestamp": "soon"},
        {"sentAt": "soon"},
        {"sentAt": "2026-09-03T08:00:00Z", "receivedAt": "soon"},
        {"timestamp": "1970-01-01T00:00:00Z", "sentAt": "9999-01-01T00:00:00Z"},
    ],
)
def test_a_time_that_is_no_instant_of_1970_to_9999_is_refused(fields: dict[str, Any]) -> None:
    assert reason_of(read_order(**fields)) == Reason.BAD_TIMESTAMP


def test_times_that_do_not_decide_are_not_read() -> None:
    assert isinstance(read_order(receivedAt="soon"), Event)
    assert isinstance(read_order(originalTimestamp="soon", sentAt="soon"), Event)


# -- what is refused: the poison table, row by row

DEEP = b'{"a":' * 33 + b"1" + b"}" * 33


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'{"a": NaN}', Reason.INVALID_JSON),
        (b'{"a": Infinity}', Reason.INVALID_JSON),
        (b'{"a": 1e999}', Reason.BAD_NUMBER),
        (b'{"a": 18446744073709551616}', Reason.BAD_NUMBER),
        (b'{"a": 9007199254740992}', Reason.BAD_NUMBER),
        (b'{"a": [-9007199254740992]}', Reason.BAD_NUMBER),
        (b'{"a": 1e16}', Reason.BAD_NUMBER),
        (b'{"a": ' + b"9" * 5000 + b"}", Reason.BAD_NUMBER),
        (b'{"a": "\\ud800"}', Reason.INVALID_JSON),
        (b'{"a": "\xff"}', Reason.INVALID_UTF8),
        (b"\xff", Reason.INVALID_UTF8),
        (b'{"a": "\x00"}', Reason.INVALID_JSON),
        (b"", Reason.INVALID_JSON),
        (b"   ", Reason.INVALID_JSON),
        (b"{} trailing", Reason.INVALID_JSON),
        (b"{", Reason.INVALID_JSON),
        (b"\xef\xbb\xbf{}", Reason.INVALID_JSON),
        ('{"a": 1}'.encode("utf-16"), Reason.INVALID_UTF8),
        ('{"a": 1}'.encode("utf-16-be"), Reason.INVALID_JSON),
        (DEEP, Reason.TOO_DEEP),
        (b"[" * 900 + b"]" * 900, Reason.TOO_DEEP),
        (b"[" * 1500 + b"]" * 1500, Reason.TOO_DEEP),
        (b"[" * 100_000 + b"]" * 100_000, Reason.TOO_DEEP),
        # What is no JSON too is called too deep from 501 levels on, whatever Python's own reader can take.
        (b"[" * 500, Reason.INVALID_JSON),
        (b"[" * 501, Reason.TOO_DEEP),
        (b"[" * 5_000, Reason.TOO_DEEP),
        (b"[]" * 5_000, Reason.INVALID_JSON),
        (b'{"a":"' + b"[" * 5_000, Reason.INVALID_JSON),
        (b'{"a":"\\"' + b"[" * 5_000, Reason.INVALID_JSON),
        (b'{"a":"\\\\"}' + b"[" * 5_000, Reason.INVALID_JSON),
        (b"[" * 500 + b"1e999" + b"]" * 500, Reason.BAD_NUMBER),
        (b"[" * 501 + b"1e999" + b"]" * 501, Reason.TOO_DEEP),
        (b"[" * 500 + b"NaN" + b"]" * 500, Reason.INVALID_JSON),
        (b"[" * 501 + b"NaN" + b"]" * 501, Reason.TOO_DEEP),
        (b'{"a":' * 40_000 + b"1" + b"}" * 40_000, Reason.TOO_DEEP),
        (b"[]", Reason.NOT_AN_OBJECT),
        (b"null", Reason.NOT_AN_OBJECT),
        (b'"text"', Reason.NOT_AN_OBJECT),
        (b"12", Reason.NOT_AN_OBJECT),
        (b"1e300", Reason.BAD_NUMBER),
        (b" " * (MAX_BYTES + 1), Reason.TOO_LARGE),
        (json.dumps({str(number): 0 for number in range(1001)}).encode(), Reason.TOO_MANY_KEYS),
        (json.dumps([{"a": 0}] * 1001).encode(), Reason.TOO_MANY_KEYS),
        (json.dumps({"a": "x" * 65_537}).encode(), Reason.TEXT_TOO_LONG),
        (json.dumps({"x" * 65_537: "a"}).encode(), Reason.TEXT_TOO_LONG),
        (json.dumps({"a": ["é" * 32_769]}, ensure_ascii=False).encode(), Reason.TEXT_TOO_LONG),
    ],
)
def test_a_value_that_cannot_be_used_is_rejected_with_its_reason(value: bytes, reason: Reason) -> None:
    assert reason_of(read(value)) == reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": ...}, Reason.MISSING_TYPE),
        ({"type": None}, Reason.MISSING_TYPE),
        ({"type": ""}, Reason.MISSING_TYPE),
        ({"type": 5}, Reason.BAD_FIELD),
        ({"type": ["track"]}, Reason.BAD_FIELD),
        ({"type": "alias"}, Reason.ALIAS_NOT_SUPPORTED),
        ({"userId": ...}, Reason.MISSING_CUSTOMER_ID),
        ({"userId": ""}, Reason.MISSING_CUSTOMER_ID),
        ({"userId": "", "anonymousId": "c-1042"}, Reason.MISSING_CUSTOMER_ID),
        ({"type": "batch"}, Reason.BAD_FIELD),
        ({"userId": 1042}, Reason.BAD_CUSTOMER_ID),
        ({"userId": True}, Reason.BAD_CUSTOMER_ID),
        ({"userId": "c-1042\0"}, Reason.BAD_CUSTOMER_ID),
        ({"userId": "c-1043"}, Reason.KEY_MISMATCH),
        ({"userId": ..., "anonymousId": "c-1043"}, Reason.KEY_MISMATCH),
        ({"userId": "c-1043", "anonymousId": "c-1042"}, Reason.KEY_MISMATCH),
        ({"event": ...}, Reason.MISSING_EVENT_NAME),
        ({"event": ""}, Reason.MISSING_EVENT_NAME),
        ({"event": 5}, Reason.MISSING_EVENT_NAME),
        ({"event": "x" * 257}, Reason.MISSING_EVENT_NAME),
        ({"messageId": 5}, Reason.BAD_FIELD),
        ({"messageId": ""}, Reason.BAD_FIELD),
        ({"messageId": "x" * 257}, Reason.BAD_FIELD),
        ({"messageId": "a\0"}, Reason.BAD_FIELD),
        ({"properties": []}, Reason.BAD_FIELD),
        ({"traits": "x"}, Reason.BAD_FIELD),
        ({"context": 0}, Reason.BAD_FIELD),
    ],
)
def test_a_call_that_cannot_be_used_is_rejected_with_its_reason(fields: dict[str, Any], reason: Reason) -> None:
    assert reason_of(read_order(**fields)) == reason


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (None, Reason.MISSING_CUSTOMER_ID),
        (b"", Reason.MISSING_CUSTOMER_ID),
        (b"\xff", Reason.BAD_CUSTOMER_ID),
        (b"c\x00", Reason.BAD_CUSTOMER_ID),
        (b"c\n", Reason.BAD_CUSTOMER_ID),
        ("c\x85".encode(), Reason.BAD_CUSTOMER_ID),
        (b"c" * 257, Reason.BAD_CUSTOMER_ID),
    ],
)
@pytest.mark.parametrize("value", [None, b"{}"])
def test_a_key_that_is_no_customer_id_is_rejected(key: bytes | None, reason: Reason, value: bytes | None) -> None:
    assert reason_of(read(value, key=key)) == reason


@pytest.mark.parametrize("customer_id", ["c", "c" * 256, "Ünïcode 客户", "a\u00a0b", "é" * 256, "🙂"])
def test_any_text_without_control_characters_may_be_a_customer_id(customer_id: str) -> None:
    value = json.dumps({**ORDER, "userId": customer_id}).encode()
    assert read(value, key=customer_id.encode()).customer_id == customer_id


@pytest.mark.parametrize(
    "properties",
    [
        {"a": 9007199254740991, "b": -9007199254740991},
        {"a": 0.1234567890123456789, "b": 1e15, "c": 5e-324},
        {"a": "9" * 400, "b": "1e999", "card": "1234567890123456", "nul": "\0"},
        {"a": "x" * 65_536},
        {str(number): number for number in range(990)},
        {"deep": json.loads("[" * 30 + "]" * 30)},
    ],
)
def test_what_stays_within_the_bounds_is_taken_unchanged(properties: dict[str, Any]) -> None:
    assert read_order(properties=properties).properties == properties


def test_a_repeated_name_takes_its_last_value() -> None:
    event = read(b'{"type":"page","type":"track","event":"A","userId":"x","userId":"c-1042"}')
    assert (event.kind, event.customer_id) == ("track", "c-1042")


def test_the_bound_on_bytes_can_be_set() -> None:
    value = json.dumps(ORDER).encode()
    assert isinstance(read(value, max_bytes=len(value)), Event)
    assert reason_of(read(value, max_bytes=len(value) - 1)) == Reason.TOO_LARGE


@pytest.mark.parametrize("field", ["userId", "messageId", "event", "timestamp", "properties"])
def test_the_detail_of_a_rejection_never_shows_what_the_customer_sent(field: str) -> None:
    secret = "c-1042 secret" * 40
    for value in (secret, [secret], {"k": [secret, 1e300]}):
        decoded = read_order(**{field: value})
        assert not isinstance(decoded, Rejected) or "secret" not in decoded.detail
    assert "secret" not in read(f'{{"{secret}": "{secret}"'.encode()).detail


# -- and whatever else comes

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(st.characters()), part, max_size=3),
    max_leaves=8,
)
field_names = st.sampled_from(
    ["type", "userId", "anonymousId", "event", "messageId", "timestamp", "originalTimestamp", "sentAt", "receivedAt",
     "properties", "traits", "context", "name", "category", "specversion", "id", "source", "subject", "time", "data"]
)  # fmt: skip
field_values = json_values | st.sampled_from(
    ["track", "page", "identify", "alias", "c-1042", "2026-09-03T08:00:00Z", "1.0", "", "0001-01-01", ORDER]
)
messages = st.dictionaries(field_names, field_values).map(lambda message: json.dumps(message).encode())
header_names = st.text() | st.sampled_from(
    ["content-type", "Content-Type", "traceparent", "request_id", "ce_specversion", "ce_id", "ce_source", "ce_type",
     "ce_time", "ce_subject"]
)  # fmt: skip
header_values = st.binary(max_size=20) | st.sampled_from([b"application/cloudevents+json", b"1.0", b"c-1042"])


@given(
    key=st.none() | st.binary(max_size=8) | st.just(KEY),
    value=st.none() | st.binary() | messages,
    headers=st.none() | st.lists(st.tuples(header_names, header_values), max_size=8),
    timestamp_ms=st.integers(-1, 1 << 62),
    read_ms=st.integers(0, 1 << 62),
)
@example(KEY, b"[" * 250_000, None, 0, 0)
@example(KEY, b'{"a":' * 40_000, None, 0, 0)
def test_any_bytes_are_an_event_an_erasure_ignored_or_rejected_never_an_error(
    key: bytes | None, value: bytes | None, headers: Any, timestamp_ms: int, read_ms: int
) -> None:
    decoded = decode(key, value, headers, timestamp_ms, 7, read_ms)
    assert decoded.offset == 7
    assert isinstance(decoded, Event | Erasure | Ignored | Rejected)
    if isinstance(decoded, Event | Erasure):
        assert decoded.time_ms <= read_ms
        assert timestamp_ms < 0 or decoded.time_ms <= timestamp_ms
        assert key is not None and decoded.customer_id.encode() == key
    if isinstance(decoded, Rejected):
        assert decoded.detail and len(decoded.detail) < 256
