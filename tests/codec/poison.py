"""Records that do harm elsewhere: parsers that disagree, numbers that lose digits, texts that are no text.

Each says what must become of it here: a reason of rejection, or how it is taken. `customer` is the key of all that do
not bring their own, so that they meet in one customer's state.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from stream.codec.inbound import MAX_BYTES
from stream.core.events import Reason

CUSTOMER = "p-1042"
KEY = CUSTOMER.encode()
EVENT, IGNORED, ERASURE = "event", "ignored", "erasure"

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Poison:
    """One record; `becomes` is a Reason, EVENT, IGNORED or ERASURE."""

    name: str
    becomes: str
    value: bytes | None
    key: bytes | None = KEY
    headers: Headers | None = None
    timestamp_ms: int | None = None  # None: now

    @property
    def is_rejected(self) -> bool:
        return isinstance(self.becomes, Reason)


def call(properties: str = "{}", **fields: Any) -> bytes:
    """An order of the customer whose `properties` are this JSON text, as written."""
    whole = {"type": "track", "event": "Order Completed", "userId": CUSTOMER, "properties": "@", **fields}
    return json.dumps(whole).replace('"@"', properties).encode()


def with_value(json_text: str) -> bytes:
    """The order with this JSON text as one property."""
    return call(f'{{"revenue": {json_text}}}')


def nested(levels: int, opening: str = '{"a":', inner: str = "1", closing: str = "}") -> str:
    return opening * levels + inner + closing * levels


def envelope(**attributes: Any) -> Headers:
    """CloudEvents headers, binary mode; an attribute of None is left out."""
    whole = {"specversion": b"1.0", "id": b"1", "source": b"/shop", "type": b"order", **attributes}
    return [(f"ce_{name}", value) for name, value in whole.items() if value is not None]


def structured(envelope: Any) -> bytes:
    return json.dumps(envelope).encode()


JSON_MODE: Headers = [("content-type", b"application/cloudevents+json; charset=utf-8")]

NUMBERS = [
    Poison("NaN", Reason.INVALID_JSON, with_value("NaN")),
    Poison("Infinity", Reason.INVALID_JSON, with_value("Infinity")),
    Poison("-Infinity", Reason.INVALID_JSON, with_value("-Infinity")),
    Poison("1e999", Reason.BAD_NUMBER, with_value("1e999")),
    Poison("-1e999", Reason.BAD_NUMBER, with_value("-1e999")),
    Poison("2^64", Reason.BAD_NUMBER, with_value("18446744073709551616")),
    Poison("-2^64", Reason.BAD_NUMBER, with_value("-18446744073709551616")),
    Poison("2^63", Reason.BAD_NUMBER, with_value("9223372036854775808")),
    Poison("2^53", Reason.BAD_NUMBER, with_value("9007199254740992")),
    Poison("2^53 as a float", Reason.BAD_NUMBER, with_value("9007199254740992.0")),
    Poison("5000 digits", Reason.BAD_NUMBER, with_value("9" * 5000)),
    Poison("200,000 digits", Reason.BAD_NUMBER, with_value("9" * 200_000)),
    Poison("5000 decimals", EVENT, with_value("0." + "1" * 5000)),
    Poison("an exponent of 5000 digits", Reason.BAD_NUMBER, with_value("1e" + "9" * 5000)),
    Poison("leading zeros", Reason.INVALID_JSON, with_value("007")),
    Poison("a hexadecimal number", Reason.INVALID_JSON, with_value("0x1F")),
    Poison("a plus sign", Reason.INVALID_JSON, with_value("+1")),
    Poison("a bare dot", Reason.INVALID_JSON, with_value("1.")),
    Poison("2^53 - 1", EVENT, with_value("9007199254740991")),
    Poison("-(2^53 - 1)", EVENT, with_value("-9007199254740991")),
    Poison("the least float", EVENT, with_value("5e-324")),
    Poison("less than the least float", EVENT, with_value("1e-400")),
    Poison("minus zero", EVENT, with_value("-0")),
    Poison("a number as text", EVENT, with_value('"1e999"')),
]

TEXTS = [
    Poison("an escaped NUL", EVENT, with_value('"\\u0000"')),
    Poison("a lone high surrogate", Reason.INVALID_JSON, with_value('"\\ud800"')),
    Poison("a lone low surrogate", Reason.INVALID_JSON, with_value('"\\udc00"')),
    Poison("surrogates the wrong way round", Reason.INVALID_JSON, with_value('"\\udc00\\ud800"')),
    Poison("a pair of surrogates", EVENT, with_value('"\\ud83d\\ude00"')),
    Poison("a surrogate in a name", Reason.INVALID_JSON, call('{"\\ud800": 1}')),
    Poison("a raw NUL in a text", Reason.INVALID_JSON, call('{"a": "@@"}').replace(b"@@", b"\x00")),
    Poison("a raw line break in a text", Reason.INVALID_JSON, call('{"a": "@@"}').replace(b"@@", b"\n")),
    Poison("a lone continuation byte", Reason.INVALID_UTF8, call('{"a": "@@"}').replace(b"@@", b"\x80")),
    Poison("a cut-off character", Reason.INVALID_UTF8, call('{"a": "@@"}').replace(b"@@", b"\xe2\x82")),
    Poison("an overlong slash", Reason.INVALID_UTF8, call('{"a": "@@"}').replace(b"@@", b"\xc0\xaf")),
    Poison("a surrogate in UTF-8", Reason.INVALID_UTF8, call('{"a": "@@"}').replace(b"@@", b"\xed\xa0\x80")),
    Poison("beyond Unicode", Reason.INVALID_UTF8, call('{"a": "@@"}').replace(b"@@", b"\xf4\x90\x80\x80")),
    Poison("an unknown escape", Reason.INVALID_JSON, call('{"a": "\\\\x41"}').replace(b"\\\\", b"\\")),
    Poison("non-characters", EVENT, call('{"a": "\\uffff\\ufdd0"}')),
    Poison("right-to-left marks", EVENT, call('{"a": "\\u202e\\u2066"}')),
    Poison("65,536 bytes of text", EVENT, with_value('"' + "x" * 65_536 + '"')),
    Poison("65,537 bytes of text", Reason.TEXT_TOO_LONG, with_value('"' + "x" * 65_537 + '"')),
    Poison("a name of 65,537 bytes", Reason.TEXT_TOO_LONG, call('{"' + "x" * 65_537 + '": 1}')),
]

SHAPES = [
    Poison("no bytes", Reason.INVALID_JSON, b""),
    Poison("blanks", Reason.INVALID_JSON, b" \n\t "),
    Poison("NULs", Reason.INVALID_JSON, b"\x00" * 16),
    Poison("every byte once", Reason.INVALID_UTF8, bytes(range(256))),
    Poison("a byte order mark", Reason.INVALID_JSON, b"\xef\xbb\xbf" + call()),
    Poison("UTF-16", Reason.INVALID_UTF8, call().decode().encode("utf-16")),
    Poison("UTF-32", Reason.INVALID_UTF8, call().decode().encode("utf-32")),
    Poison("trailing text", Reason.INVALID_JSON, call() + b" x"),
    Poison("two objects", Reason.INVALID_JSON, call() + call()),
    Poison("two lines", Reason.INVALID_JSON, call() + b"\n" + call()),
    Poison("cut off", Reason.INVALID_JSON, call()[:-1]),
    Poison("a trailing comma", Reason.INVALID_JSON, b'{"type": "track",}'),
    Poison("a comment", Reason.INVALID_JSON, b"/* x */" + call()),
    Poison("single quotes", Reason.INVALID_JSON, b"{'type': 'track'}"),
    Poison("gzip", Reason.INVALID_UTF8, bytes.fromhex("1f8b08000000000000ffab56ca48cdc9c9070086a6103605000000")),
    Poison("a schema registry's prefix", Reason.INVALID_JSON, b"\x00\x00\x00\x00\x07" + call()),
    Poison("an empty list", Reason.NOT_AN_OBJECT, b"[]"),
    Poison("a list of orders", Reason.NOT_AN_OBJECT, b"[" + call() + b"]"),
    Poison("null", Reason.NOT_AN_OBJECT, b"null"),
    Poison("true", Reason.NOT_AN_OBJECT, b"true"),
    Poison("a text", Reason.NOT_AN_OBJECT, b'"track"'),
    Poison("an order within a text", Reason.NOT_AN_OBJECT, json.dumps(call().decode()).encode()),
    Poison("an empty object", Reason.MISSING_TYPE, b"{}"),
    Poison("more bytes than allowed", Reason.TOO_LARGE, b" " * (MAX_BYTES + 1)),
    Poison("padded with blanks to the limit", EVENT, call().ljust(MAX_BYTES)),
    Poison("depth 30", EVENT, with_value(nested(30))),
    Poison("depth 33", Reason.TOO_DEEP, with_value(nested(31))),
    Poison("depth 900", Reason.TOO_DEEP, with_value(nested(900))),
    Poison("depth 2,000", Reason.TOO_DEEP, with_value(nested(2_000))),
    Poison("depth 40,000", Reason.TOO_DEEP, with_value(nested(40_000))),
    Poison("lists of depth 100,000", Reason.TOO_DEEP, with_value(nested(100_000, "[", "", "]"))),
    Poison("lists that are never closed", Reason.TOO_DEEP, b"[" * MAX_BYTES),
    Poison("1,001 keys", Reason.TOO_MANY_KEYS, call(json.dumps({str(each): 0 for each in range(1001)}))),
    Poison("30,000 empty objects", EVENT, with_value("[" + "{}," * 30_000 + "{}]")),
    Poison("1,001 keys in a list", Reason.TOO_MANY_KEYS, with_value(json.dumps([{"a": 0}] * 1001))),
    Poison("one key 5,000 times", EVENT, call("{" + '"revenue": 1,' * 5_000 + '"revenue": 2}')),
    Poison("a repeated userId, the last right", EVENT, b'{"userId": "x", ' + call()[1:]),
    Poison("a repeated userId, the last wrong", Reason.KEY_MISMATCH, call()[:-1] + b', "userId": "x"}'),
    Poison("a repeated type, the last unknown", IGNORED, call()[:-1] + b', "type": "delete"}'),
    Poison("names that mean something elsewhere", EVENT, call('{"__proto__": {"a": 1}, "__class__": "x", "$ref": 1}')),
    Poison("text that means something elsewhere", EVENT, with_value('"{0.__class__} %s ${jndi:ldap://x} \'; --"')),
]

FIELDS = [
    Poison("no type", Reason.MISSING_TYPE, call(type=None)),
    Poison("a number as type", Reason.BAD_FIELD, call(type=5)),
    Poison("a list as type", Reason.BAD_FIELD, call(type=["track"])),
    Poison("alias", Reason.ALIAS_NOT_SUPPORTED, call(type="alias")),
    Poison("a batch of calls", Reason.BAD_FIELD, json.dumps({"type": "batch", "batch": [{"type": "track"}]}).encode()),
    Poison("an envelope that no content type announces", Reason.BAD_CLOUDEVENT,
           structured({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {}})),
    Poison("an unknown type", IGNORED, call(type="delete")),
    Poison("an unknown type of 60,000 characters", IGNORED, call(type="x" * 60_000)),
    Poison("no user", Reason.MISSING_CUSTOMER_ID, call(userId=None)),
    Poison("a number as user", Reason.BAD_CUSTOMER_ID, call(userId=1042)),
    Poison("an object as user", Reason.BAD_CUSTOMER_ID, call(userId={"id": CUSTOMER})),
    Poison("another user", Reason.KEY_MISMATCH, call(userId="p-1043")),
    Poison("a user with NUL", Reason.BAD_CUSTOMER_ID, call(userId=f"{CUSTOMER}\0")),
    Poison("the user in another form", Reason.KEY_MISMATCH, call(userId=CUSTOMER.upper())),
    Poison("no event name", Reason.MISSING_EVENT_NAME, call(event=None)),
    Poison("an event name of 257 characters", Reason.MISSING_EVENT_NAME, call(event="x" * 257)),
    Poison("an event name of control characters", EVENT, call(event="a\r\nX-Header: 1\0\x1b[2J")),
    Poison("a messageId that is a number", Reason.BAD_FIELD, call(messageId=7)),
    Poison("a messageId with NUL", Reason.BAD_FIELD, call(messageId="a\0")),
    Poison("properties that are a list", Reason.BAD_FIELD, call("[1]")),
    Poison("traits that are a text", Reason.BAD_FIELD, call(type="identify", traits="x")),
    Poison("context that is false", Reason.BAD_FIELD, call(context=False)),
    Poison("traits of every kind", EVENT,
           call(type="identify", traits={"plan": [{"a": [None]}], "country": {"x": 1}, "age": "1e999", "tags": "x"})),
    Poison("a page whose name is an object", EVENT, call(type="page", name={"a": 1}, category=[1])),
]  # fmt: skip

TIMES = [
    Poison("a number as timestamp", Reason.BAD_TIMESTAMP, call(timestamp=1_767_225_600_000)),
    Poison("words as timestamp", Reason.BAD_TIMESTAMP, call(timestamp="yesterday")),
    Poison("before 1970", Reason.BAD_TIMESTAMP, call(timestamp="1969-12-31T23:59:59.999Z")),
    Poison("year 0", Reason.BAD_TIMESTAMP, call(timestamp="0000-01-01T00:00:00Z")),
    Poison("year 10,000", Reason.BAD_TIMESTAMP, call(timestamp="10000-01-01T00:00:00Z")),
    Poison("month 13", Reason.BAD_TIMESTAMP, call(timestamp="2026-13-01T00:00:00Z")),
    Poison("a leap second", Reason.BAD_TIMESTAMP, call(timestamp="2016-12-31T23:59:60Z")),
    Poison("digits of another script", Reason.BAD_TIMESTAMP, call(timestamp="٢٠٢٦-01-01T00:00:00Z")),
    Poison("60,000 characters as timestamp", Reason.BAD_TIMESTAMP, call(timestamp="2026-01-01T" + "0" * 60_000)),
    Poison("41 characters as timestamp", Reason.BAD_TIMESTAMP, call(timestamp="2026-01-01T00:00:00." + "0" * 20 + "Z")),
    Poison("nanoseconds and an offset", EVENT, call(timestamp="2026-01-01T00:00:00.123456789+00:00")),
    Poison("corrected to before 1970", Reason.BAD_TIMESTAMP,
           call(timestamp="1970-01-01T00:00:00Z", sentAt="9999-01-01T00:00:00Z")),
    Poison("the end of time", EVENT, call(timestamp="9999-12-31T23:59:59.999Z")),
    Poison("a record of 1970", EVENT, call(), timestamp_ms=0),
    Poison("a record of 1970, a timestamp of today", EVENT, call(timestamp="2026-01-01T00:00:00Z"), timestamp_ms=1),
    Poison("a record of year 292,000,000", EVENT, call(), timestamp_ms=(1 << 63) - 1),
]  # fmt: skip

KEYS = [
    Poison("no key", Reason.MISSING_CUSTOMER_ID, call(), key=None),
    Poison("an empty key", Reason.MISSING_CUSTOMER_ID, call(), key=b""),
    Poison("a key that is not UTF-8", Reason.BAD_CUSTOMER_ID, call(), key=b"\xff\xfe"),
    Poison("a key with NUL", Reason.BAD_CUSTOMER_ID, call(), key=KEY + b"\x00"),
    Poison("the key that our state keeps for itself", Reason.BAD_CUSTOMER_ID, call(userId="\0meta"), key=b"\x00meta"),
    Poison("a key with a line break", Reason.BAD_CUSTOMER_ID, call(), key=KEY + b"\n"),
    Poison("a key of 257 characters", Reason.BAD_CUSTOMER_ID, call(), key=b"k" * 257),
    Poison("a key of 100,000 bytes", Reason.BAD_CUSTOMER_ID, call(), key=b"k" * 100_000),
    Poison("an integer's eight bytes as key", Reason.BAD_CUSTOMER_ID, call(), key=(1042).to_bytes(8, "big")),
    Poison("a tombstone without key", Reason.MISSING_CUSTOMER_ID, None, key=None),
    Poison("a tombstone whose key is not UTF-8", Reason.BAD_CUSTOMER_ID, None, key=b"\xc3"),
    Poison("a tombstone of nobody", ERASURE, None, key=b"p-nobody"),
    Poison("a tombstone with a broken request id", ERASURE, None, key=b"p-nobody", headers=[("request_id", b"\xff")]),
]

HEADERS = [
    Poison("headers of all kinds", EVENT, call(), headers=[("", b""), ("x", None), ("ü" * 300, bytes(range(256)))]),
    Poison("a header a hundred times", EVENT, call(), headers=[("traceparent", b"\xff")] * 100),
    Poison("our own headers, forged", Reason.INVALID_JSON, b"{", headers=[("segmenter_reason", b"none"), ("x", None)]),
    Poison("an envelope without id", Reason.BAD_CLOUDEVENT, call(), headers=envelope(id=None)),
    Poison("an envelope of version 2", Reason.BAD_CLOUDEVENT, call(), headers=envelope(specversion=b"2.0")),
    Poison("an envelope that is not UTF-8", Reason.BAD_CLOUDEVENT, call(), headers=envelope(source=b"\xff")),
    Poison("an envelope's empty type", Reason.BAD_CLOUDEVENT, call(), headers=envelope(type=b"")),
    Poison("a long envelope", Reason.BAD_CLOUDEVENT, call(), headers=envelope(source=b"s" * 300)),
    Poison("an envelope's time that is none", Reason.BAD_TIMESTAMP, call(), headers=envelope(time=b"soon")),
    Poison("an envelope of another subject", Reason.KEY_MISMATCH, call(userId=None), headers=envelope(subject=b"x")),
    Poison("an envelope with NUL in its id", Reason.BAD_FIELD, call(), headers=envelope(id=b"a\x00")),
    Poison("an envelope around nothing", Reason.BAD_CLOUDEVENT, b"{}", headers=JSON_MODE),
    Poison("an envelope around a list", Reason.NOT_AN_OBJECT, structured({"data": []}), headers=JSON_MODE),
    Poison("an envelope whose id is a number", Reason.BAD_CLOUDEVENT,
           structured({"specversion": "1.0", "id": 1, "source": "s", "type": "t", "data": {}}), headers=JSON_MODE),
    Poison("an envelope in base64", Reason.BAD_CLOUDEVENT,
           structured({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": "e30="}),
           headers=JSON_MODE),
    *(
        Poison(name, Reason.BAD_CLOUDEVENT, value, headers=[("content-type", b"application/cloudevents-batch+json")])
        for name, value in {"a batch of envelopes": b"[{}]", "an object that says it is a batch": b"{}"}.items()
    ),
]  # fmt: skip

CORPUS: list[Poison] = [*NUMBERS, *TEXTS, *SHAPES, *FIELDS, *TIMES, *KEYS, *HEADERS]
