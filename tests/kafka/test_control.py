"""Laws of the control topic's client on a real broker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream.codec.control import UNREADABLE, Control
from stream.config import Settings, load_settings
from stream.engine.interfaces import OutcomeUnknown
from stream.kafka.control import KafkaControls
from stream.kafka.topics import check_topics, create_topics
from tests.kafka.apache import ApacheKafka
from tests.kafka.kit import Outgoing, admin_of, delete_topics, produce, wait_for

pytestmark = pytest.mark.kafka
ANN = Control("ann", 1_767_225_600_000, "the tracker is broken")
BOB = Control("bob", 1_767_225_700_000, "")


@pytest.fixture
def settings(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Settings:
    settings = load_settings(
        None,
        {
            "name": f"{topics.prefix}shop".replace(".", "-"),
            "definitions": tmp_path,
            "input": f"{topics.prefix}customer-events",
            "output_prefix": topics.prefix,
            "kafka": {"bootstrap.servers": apache_kafka.bootstrap},
        },
    )
    create_topics(settings, [], 3, 1)
    assert check_topics(settings, []) == []
    return settings


def test_what_one_writes_another_reads_at_once_and_the_newest_record_of_a_key_counts(settings):
    writer, reader = KafkaControls(settings), KafkaControls(settings)
    assert reader.read() == {}
    writer.write("clock", ANN)
    writer.write("segment/win-back", ANN)
    assert reader.read() == {"clock": ANN, "segment/win-back": ANN}
    writer.write("clock", BOB)
    writer.write("segment/win-back", None)
    assert reader.read() == KafkaControls(settings).read() == {"clock": BOB, "segment/win-back": None}


def test_a_record_that_can_not_be_read_holds(settings):
    produce(settings.kafka_properties()["bootstrap.servers"], settings.topics.control, [Outgoing(b"clock", b"{", 0)])
    held = KafkaControls(settings).read()
    assert held["clock"] is not None and held["clock"].reason == UNREADABLE


def test_without_the_topic_nobody_knows_and_made_anew_nothing_is_held(settings):
    reader = KafkaControls(settings)
    reader.write("clock", ANN)
    assert reader.read() == {"clock": ANN}
    admin = admin_of(settings.kafka_properties()["bootstrap.servers"])
    delete_topics(admin, [settings.topics.control])
    wait_for(lambda: told(reader) == "unknown", "without the topic nobody knows")
    create_topics(settings, [], 3, 1)
    wait_for(lambda: told(reader) == {}, "nothing is held")


def told(controls: KafkaControls) -> Any:
    try:
        return controls.read()
    except OutcomeUnknown:
        return "unknown"
