"""What the group's coordinator says this worker has, asked by a handle of its own."""

from __future__ import annotations

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from stream.config import Settings
from stream.kafka.errors import create
from stream.kafka.settings import admin_config

ASK_S = 5.0


class Membership:
    def __init__(self, settings: Settings) -> None:
        self._group = settings.name
        self._instance = settings.instance
        self._input = settings.topics.input
        self._admin = create(AdminClient, admin_config(settings))

    def given(self) -> frozenset[int] | None:
        """Partitions of the input that the group has given to our instance. None: nobody can say now, for brokers do
        not answer or the group is changing. Blocks."""
        try:
            answer = self._admin.describe_consumer_groups([self._group], request_timeout=ASK_S)[self._group]
            group = answer.result(2 * ASK_S)
        except (KafkaException, TimeoutError):
            return None
        if group.state != ConsumerGroupState.STABLE:
            return None
        return frozenset(
            place.partition
            for member in group.members
            if member.group_instance_id == self._instance and member.assignment is not None
            for place in member.assignment.topic_partitions
            if place.topic == self._input
        )
