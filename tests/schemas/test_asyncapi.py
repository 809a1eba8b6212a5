"""The AsyncAPI document says what the code does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from stream.core.events import Reason
from tests.schemas.schemas import FOLDER, SCHEMA_OF_TOPIC

DOCUMENT = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text())


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            yield from references(item)


def resolve(reference: str) -> Any:
    found = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def message_of(topic: str) -> dict[str, Any]:
    channel = next(channel for channel in DOCUMENT["channels"].values() if channel["address"] == topic)
    (message,) = channel["messages"].values()
    found: dict[str, Any] = resolve(message["$ref"])
    return found


def test_the_document_is_asyncapi_3_with_everything_it_must_have() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    allowed = {"asyncapi", "info", "defaultContentType", "servers", "channels", "operations", "components"}
    assert DOCUMENT.keys() <= allowed
    assert all({"host", "protocol"} <= server.keys() for server in DOCUMENT["servers"].values())
    assert all({"action", "channel"} <= operation.keys() for operation in DOCUMENT["operations"].values())


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        if reference.startswith("#/"):
            resolve(reference)
        else:
            assert (FOLDER / reference).is_file(), reference


def test_every_channel_has_one_operation_and_only_the_input_is_read() -> None:
    operations = {each["channel"]["$ref"]: each["action"] for each in DOCUMENT["operations"].values()}
    assert operations.keys() == {f"#/channels/{name}" for name in DOCUMENT["channels"]}
    assert [channel for channel, action in operations.items() if action == "receive"] == ["#/channels/customerEvents"]


def test_every_topic_names_its_schema_and_outputs_the_open_one() -> None:
    for topic, schema in SCHEMA_OF_TOPIC.items():
        named = schema if topic == "customer-events" else f"{schema}.open"
        assert list(references(message_of(topic)["payload"])) == [f"./{named}.schema.json"]


def test_where_a_record_may_have_no_value_the_document_says_so() -> None:
    takes_null = {
        topic: any(each.get("type") == "null" for each in message_of(topic)["payload"]["schema"].get("oneOf", ()))
        for topic in SCHEMA_OF_TOPIC
    }
    assert takes_null == {"customer-events": True, "segment-changes": False, "segment-memberships": True}


def test_a_channel_and_its_kafka_topic_have_one_name() -> None:
    for channel in DOCUMENT["channels"].values():
        named = channel["bindings"]["kafka"].get("topic")
        assert channel["address"] == named or (named is None and "topic" in channel["parameters"])


def test_the_reasons_of_a_rejection_are_the_closed_list() -> None:
    headers = message_of("customer-events-rejected")["headers"]
    assert headers["properties"]["segmenter_reason"]["enum"] == [reason.value for reason in Reason]
