"""A broker that was away comes back with new leader epochs: handles that asked before must find their way again."""

from __future__ import annotations

import pytest

from stream.config import Settings
from stream.kafka.errors import KafkaUnreachable
from stream.kafka.offsets import KafkaOffsets
from stream.kafka.watch import Ends, KafkaWatch
from tests.kafka.apache import ApacheKafka
from tests.kafka.kit import Outgoing, produce, wait_for

FAR_BELOW_THE_NEXT_REFRESH_S = 20.0  # librdkafka would look again by itself after minutes


@pytest.fixture
def settings(apache_kafka, topics) -> Settings:
    topics.create("customer-events", 1)
    return Settings(
        name=topics.name("shop"), definitions="unused.yaml", input=topics.name("customer-events"),
        output_prefix=topics.prefix, kafka={"bootstrap.servers": apache_kafka.bootstrap},
    )  # fmt: skip


def test_ends_are_told_again_soon_after_the_broker_restarted(apache_kafka: ApacheKafka, settings: Settings):
    produce(apache_kafka.bootstrap, settings.topics.input, [Outgoing(b"c", b"{}", 0)] * 3)
    offsets, watch = KafkaOffsets(settings), KafkaWatch(settings)
    assert offsets.high_watermarks([0]) == {0: 3}
    assert watch.ends(settings.topics.input, [0]) == {0: Ends(0, 3, 3)}

    apache_kafka.restart()

    def told_again() -> bool:
        try:
            return offsets.high_watermarks([0]) == {0: 3} and watch.ends(settings.topics.input, [0])[0].end == 3
        except KafkaUnreachable:
            return False

    wait_for(told_again, "ends after a restart", FAR_BELOW_THE_NEXT_REFRESH_S)
    watch.close()
