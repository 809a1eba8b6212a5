"""Whatever the encoder writes is what the schemas say, in value and headers."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.codec.inbound import decode
from stream.codec.outbound import Encoder, Origin
from stream.core.changes import Change
from stream.core.events import Reason, Rejected
from stream.core.profile import Profile
from stream.core.program import Condition, Decider
from tests.codec.samples import (
    LIFECYCLE,
    NOW_MS,
    WIN_BACK,
    Shop,
    a_change,
    a_profile,
    an_erasure,
    an_event_cause,
    changes,
    customer_ids,
    profiles,
)
from tests.schemas.schemas import faults

SHOP: Any = Shop()
ENCODER = Encoder(Origin("shop", "7f3a9c41", "customer-events", 4), SHOP)
BORN = (4, 18823)


def written(change: Change, customer_id: str = "c-1042") -> tuple[dict[str, Any], dict[str, str]]:
    """Value and headers as a reader sees them; no header may come twice."""
    value, headers = ENCODER.change(customer_id, BORN, change)
    texts = {name: text.decode() for name, text in headers}
    assert len(texts) == len(headers)
    return orjson.loads(value), texts


def agree(value: dict[str, Any], headers: dict[str, str]) -> None:
    """The headers say what the value says."""
    assert headers["ce_type"] == value["type"]
    assert headers["ce_id"] == value["id"]
    assert headers["ce_subject"] == value["customer_id"]
    assert headers["ce_customersequence"] == str(value["sequence"])
    assert headers["ce_time"] == value.get("effective_at", value.get("as_of"))
    assert headers["ce_replayed"] == str(value["replayed"]).lower()
    assert headers.get("ce_dimension") == value.get("dimension")
    assert headers.get("ce_segment") == value.get("segment")
    assert headers.get("ce_corrects") == value.get("corrects")
    assert headers.get("ce_cause") == value.get("cause", {}).get("kind")
    control = value.get("control")
    assert headers.get("ce_control") == (None if control is None else str(control).lower())
    if "definitions" in value:
        assert headers["ce_definitions"] == f"{value['definitions']['name']}@{value['definitions']['version']}"


@settings(max_examples=60)
@given(changes(), customer_ids)
def test_any_change_is_what_the_schema_says_and_its_headers_say_the_same(change: Change, customer_id: str) -> None:
    value, headers = written(change, customer_id)
    assert faults("segment-change.v1", value) == []
    assert faults("segment-change.v1.open", value) == []
    assert faults("headers.v1", headers) == []
    agree(value, headers)
    assert ENCODER.change(customer_id, BORN, change) == ENCODER.change(customer_id, BORN, change)


@settings(max_examples=60)
@given(profiles(), st.booleans())
def test_any_membership_is_what_the_schema_says_and_its_headers_say_the_same(profile: Profile, replayed: bool) -> None:
    facts = {"orders": 2, "spend_365d": 339.9, "since": "2026-09-03T08:30:12.512Z", "tags": ["a"], "none": None}
    value, headers = ENCODER.membership(profile, profile.now_ms, facts, replayed)
    read = orjson.loads(value)
    texts = {name: text.decode() for name, text in headers}
    assert faults("segment-membership.v1", read) == []
    assert faults("segment-membership.v1.open", read) == []
    assert faults("headers.v1", texts) == []
    agree(read, texts)


def test_an_entry_says_all_that_a_subscriber_needs() -> None:
    value, headers = written(a_change())
    assert value == {
        "type": "segmenter.segment.entered.v1",
        "id": "7f3a9c41.4.18823.16",
        "customer_id": "c-1042",
        "born": {"partition": 4, "offset": 18823},
        "sequence": 16,
        "nth": 1,
        "change_set": {"index": 2, "size": 2},
        "segment": "win-back",
        "member": True,
        "effective_at": "2026-09-03T08:30:12.512Z",
        "decided_at": "2026-09-03T08:30:12.862Z",
        "valid_until": "2027-03-02T08:30:12.512Z",
        "cause": {"kind": "clock", "due_at": "2026-09-03T08:30:12.512Z"},
        "because": [{"expression": "spend_365d >= 200", "holds": True, "value": 250, "file": "shop.yaml", "line": 36}],
        "definitions": {"name": "shop", "version": 12, "hash": "9d27e2c535de", "part": "5aab259ed491"},
        "control": False,
        "replayed": False,
        "corrects": None,
        "with": {"email": "ada@example.com"},
    }
    assert headers["ce_source"] == "/segmenter/shop/7f3a9c41"
    assert headers["ce_dataschema"] == "urn:segmenter:schema:segment-change:1"


def test_a_stage_changed_by_an_event_names_the_record_and_carries_its_trace() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    value, headers = written(
        a_change(
            definition=LIFECYCLE, before=3, after=2, control=None, carried={}, valid_until_ms=None, corrects=14,
            cause=an_event_cause(traceparent=trace),
        )
    )  # fmt: skip
    assert (value["dimension"], value["from_stage"], value["to_stage"]) == ("lifecycle", "inactive", "active")
    assert value["cause"] == {
        "kind": "event",
        "message_id": "m-90213",
        "event": "Order Completed",
        "event_time": "2026-09-03T08:30:12.512Z",
        "input": {"topic": "customer-events", "partition": 4, "offset": 922017},
    }
    assert value["corrects"] == headers["ce_corrects"] == "7f3a9c41.4.18823.14"
    assert headers["traceparent"] == trace
    assert not {"valid_until", "with", "segment", "member"} & value.keys()


def test_a_first_stage_comes_from_null() -> None:
    value, _ = written(a_change(definition=LIFECYCLE, before=None, after=0, control=None, carried={}))
    assert (value["from_stage"], value["to_stage"]) == (None, "prospect")


def test_the_value_of_a_private_trait_never_leaves() -> None:
    secret = Decider(Condition("traits.email == null", False, "shop.yaml", 9, withheld=True), "ada@example.com")
    value, _ = written(a_change(because=[secret], carried={}))
    assert value["because"][0] == {
        "expression": "traits.email == null",
        "holds": False,
        "value": None,
        "withheld": True,
        "file": "shop.yaml",
        "line": 9,
    }


def test_an_erasure_says_nothing_else_of_the_customer() -> None:
    value, headers = written(an_erasure())
    assert value.keys() == {
        "type", "id", "customer_id", "born", "sequence", "effective_at", "decided_at", "cause", "replayed"
    }  # fmt: skip
    assert value["cause"]["request_id"] == "dsr-2026-0412"
    assert "ce_definitions" not in headers
    assert ENCODER.erased_membership() == (None, [])


def test_a_membership_holds_all_stages_and_only_the_segments_the_customer_is_in() -> None:
    value, _ = ENCODER.membership(a_profile(), NOW_MS, {"orders": 2}, False)
    read = orjson.loads(value)
    assert read["id"] == "7f3a9c41.4.18823.m20"
    assert read["dimensions"]["lifecycle"] == {
        "stage": "active",
        "since": "2026-09-03T08:30:12.512Z",
        "nth": 5,
        "change_id": "7f3a9c41.4.18823.17",
    }
    assert read["dimensions"].keys() == {"lifecycle", "frequency"}
    assert read["segments"] == {
        "win-back": {
            "since": "2026-09-03T08:30:12.512Z",
            "control": False,
            "nth": 1,
            "change_id": "7f3a9c41.4.18823.20",
        }
    }
    assert read["next_change_at"] == "2026-09-10T08:30:12.512Z"


def test_a_rejected_record_keeps_its_headers_and_says_why_and_whence() -> None:
    rejected = Rejected(922003, Reason.BAD_TIMESTAMP, "timestamp is no RFC 3339 text")
    original = [("x", b"\xff"), ("segmenter_reason", b"older")]
    assert ENCODER.rejected_headers(original, rejected) == [
        ("x", b"\xff"),
        ("segmenter_reason", b"older"),
        ("segmenter_reason", b"bad-timestamp"),
        ("segmenter_detail", b"timestamp is no RFC 3339 text"),
        ("segmenter_source_topic", b"customer-events"),
        ("segmenter_source_partition", b"4"),
        ("segmenter_source_offset", b"922003"),
    ]
    assert original == [("x", b"\xff"), ("segmenter_reason", b"older")]
    assert len(ENCODER.rejected_headers(None, rejected)) == 5


@pytest.mark.parametrize("control", [None, False, True])
def test_the_control_group_stands_in_value_and_header_or_in_neither(control: bool | None) -> None:
    value, headers = written(a_change(definition=WIN_BACK, control=control))
    assert value["control"] is control
    assert headers.get("ce_control") == {None: None, False: "false", True: "true"}[control]


@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["track", "identify", "page", "screen", "group"]), "userId": st.just("c-1042")},
        optional={
            "event": st.text(min_size=1, max_size=40),
            "messageId": st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=40),
            "timestamp": st.datetimes().map(lambda moment: moment.isoformat() + "Z") | st.just(5) | st.just("soon"),
            "properties": st.none() | st.dictionaries(st.text(max_size=5), st.integers(-9, 9)) | st.just([]),
        },
    )
)
def test_an_event_the_schema_accepts_is_taken(message: dict[str, Any]) -> None:
    decoded = decode(b"c-1042", orjson.dumps(message), None, NOW_MS, 0, NOW_MS)
    if not faults("event.v1", message) and message.get("timestamp", "2000") >= "1970":
        assert not isinstance(decoded, Rejected), decoded
