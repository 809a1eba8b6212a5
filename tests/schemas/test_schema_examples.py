"""Every example of a record is what its folder says."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import orjson
import pytest

from schemas.open_twin import STRICT, open_twin, text_of, twin_name
from stream.codec.inbound import decode
from stream.core.events import Erasure, Event, Rejected
from tests.codec.samples import NOW_MS
from tests.schemas.schemas import FOLDER, SCHEMA_OF_TOPIC, examples, faults, load, names_of

VALID, INVALID = examples("valid"), examples("invalid")
OUTPUTS = [record for record in VALID if record["topic"] != "customer-events"]
EVENTS = examples("valid", "customer-events") + examples("invalid", "customer-events")

HEADER_OF_FIELD = {
    "type": "ce_type",
    "id": "ce_id",
    "customer_id": "ce_subject",
    "sequence": "ce_customersequence",
    "dimension": "ce_dimension",
    "segment": "ce_segment",
}


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.schema.json")), ids=lambda file: file.stem)
def test_every_schema_is_a_schema_with_its_own_name(file: Any) -> None:
    schema = orjson.loads(file.read_bytes())
    jsonschema_rs.meta.validate(schema)
    name, version = file.name.split(".")[:2]
    assert schema["$id"].removesuffix(":open") == f"urn:segmenter:schema:{name}:{version.removeprefix('v')}"


@pytest.mark.parametrize("record", VALID, ids=names_of(VALID))
def test_a_valid_example_is_accepted(record: Any) -> None:
    if record["value"] is not None:
        assert faults(SCHEMA_OF_TOPIC[record["topic"]], record["value"]) == []


@pytest.mark.parametrize("record", INVALID, ids=names_of(INVALID))
def test_an_invalid_example_is_refused(record: Any) -> None:
    assert faults(SCHEMA_OF_TOPIC[record["topic"]], record["value"])


@pytest.mark.parametrize("record", OUTPUTS, ids=names_of(OUTPUTS))
def test_headers_of_an_example_say_what_its_value_says(record: Any) -> None:
    headers, value = record["headers"], record["value"]
    if value is None:
        assert headers == {}
        return
    assert faults("headers.v1", headers) == []
    assert {name: headers.get(name) for name in HEADER_OF_FIELD.values()} == {
        name: None if field not in value else str(value[field]) for field, name in HEADER_OF_FIELD.items()
    }
    assert headers["ce_time"] == value.get("effective_at", value.get("as_of"))
    assert headers.get("ce_cause") == value.get("cause", {}).get("kind")
    assert headers["ce_replayed"] == str(value["replayed"]).lower()
    assert headers.get("ce_corrects") == value.get("corrects")
    assert record["key"] == value["customer_id"]


@pytest.mark.parametrize("record", EVENTS, ids=names_of(EVENTS))
def test_the_decoder_judges_an_event_as_its_example_says(record: Any) -> None:
    value = None if record["value"] is None else orjson.dumps(record["value"])
    headers = [(name, text.encode()) for name, text in record["headers"].items()]
    decoded = decode(record["key"].encode(), value, headers, NOW_MS, 0, NOW_MS)
    if "reason" in record:
        assert isinstance(decoded, Rejected) and decoded.reason == record["reason"]
    else:
        assert isinstance(decoded, Event | Erasure)


# -- readers


@pytest.mark.parametrize("name", STRICT)
def test_the_open_twin_is_what_the_generator_makes_of_the_strict_schema(name: str) -> None:
    strict = load(name.removesuffix(".schema.json"))
    assert (FOLDER / twin_name(name)).read_text() == text_of(open_twin(strict))


@pytest.mark.parametrize("record", OUTPUTS, ids=names_of(OUTPUTS))
def test_a_reader_takes_every_valid_example_also_with_fields_it_does_not_know(record: Any) -> None:
    if record["value"] is None:
        return
    schema, value = SCHEMA_OF_TOPIC[record["topic"]], record["value"]
    newer = {**value, "born": {**value["born"], "new": 1}, "new": {"any": "thing"}}
    assert faults(f"{schema}.open", value) == []
    assert faults(f"{schema}.open", newer) == []
    assert faults(schema, newer)


def test_a_reader_takes_types_of_change_and_kinds_of_cause_it_does_not_know() -> None:
    change = examples("valid", "segment-changes")[0]["value"]
    assert faults("segment-change.v1.open", {**change, "cause": {"kind": "import", "file": "a"}}) == []
    assert faults("segment-change.v1.open", {"type": "segmenter.profile.merged.v1", "id": "x"}) == []


@pytest.mark.parametrize("record", OUTPUTS, ids=names_of(OUTPUTS))
def test_a_reader_takes_headers_and_types_it_does_not_know(record: Any) -> None:
    if record["value"] is None:
        return
    newer = {**record["headers"], "ce_new": "x"}
    assert faults("headers.v1.open", newer) == []
    assert faults("headers.v1.open", {**newer, "ce_type": "segmenter.profile.merged.v1"}) == []
    assert faults("headers.v1", newer)


def test_a_reader_still_refuses_a_known_change_that_is_broken() -> None:
    change = examples("valid", "segment-changes")[0]["value"]
    assert faults("segment-change.v1.open", {**change, "sequence": 0})
    assert faults("segment-change.v1.open", {**change, "cause": {"kind": "clock"}})
