"""The pipeline's topics: what they must be, making them, and saying what is not right about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType, TopicMetadata

from stream.config import Settings
from stream.errors import SegmenterError, StartRefused
from stream.kafka.settings import RECORD_OVERHEAD_BYTES, admin_config

CALL_S = 15.0
CREATE_S = 30.0
TOMBSTONES_KEPT_MS = 7 * 86_400_000
"""Longer than a reader of memberships may be away."""

DEFAULT_MAX_MESSAGE = 1_048_588  # Kafka's


class TopicsFailed(SegmenterError):
    """The broker could not be asked, or did not make a topic."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic and the settings it is made with."""

    name: str
    config: dict[str, str]


def wanted_outputs(settings: Settings, extra: Sequence[str], input_max_bytes: int) -> list[Wanted]:
    """Everything the worker writes. Kept without limit of time unless the user shortens it: readers decide."""
    topics = settings.topics
    compacted = {"cleanup.policy": "compact", "delete.retention.ms": str(TOMBSTONES_KEPT_MS)}
    forever = {"cleanup.policy": "delete", "retention.ms": "-1"}
    return [
        Wanted(topics.changes, forever),
        Wanted(topics.memberships, compacted),
        Wanted(topics.rejected, {**forever, "max.message.bytes": str(input_max_bytes + RECORD_OVERHEAD_BYTES)}),
        Wanted(topics.state, compacted),
        Wanted(topics.journal, {**forever, "message.timestamp.type": "LogAppendTime"}),
        *(Wanted(topics.extra(name), forever) for name in extra),
    ]


def create_topics(settings: Settings, extra: Sequence[str], partitions: int, replication: int) -> list[str]:
    """Create what is missing; returns the names. An input that exists decides the number of partitions."""
    admin = AdminClient(admin_config(settings))
    existing = _topics(admin, settings)
    input_topic = settings.topics.input
    made = []
    if input_topic in existing:
        partitions = len(existing[input_topic].partitions)
    else:
        made.append(_create(admin, Wanted(input_topic, {"retention.ms": "-1"}), partitions, replication))
    input_max = _max_message(admin, input_topic)
    for wanted in wanted_outputs(settings, extra, input_max):
        if wanted.name not in existing:
            made.append(_create(admin, wanted, partitions, replication))
    return made


def input_partitions(settings: Settings) -> int:
    """How many partitions the input has. Raises StartRefused when there is no such topic."""
    found = _topics(AdminClient(admin_config(settings)), settings).get(settings.topics.input)
    if found is None:
        raise StartRefused(
            f"the input topic {settings.topics.input} does not exist; create it, or run `segmenter topics create`"
        )
    return len(found.partitions)


def check_topics(settings: Settings, extra: Sequence[str]) -> list[str]:
    """What would lose, double or stop something; one sentence each, with the remedy."""
    admin = AdminClient(admin_config(settings))
    existing = _topics(admin, settings)
    topics = settings.topics
    problems = []
    if topics.input not in existing:
        return [f"{topics.input}: the input topic does not exist; create it, or run `segmenter topics create`"]
    count = len(existing[topics.input].partitions)
    names = [wanted.name for wanted in wanted_outputs(settings, extra, 0)]
    for name in names:
        if name not in existing:
            problems.append(f"{name}: the topic does not exist; run `segmenter topics create`")
        elif len(existing[name].partitions) != count:
            problems.append(
                f"{name}: found {len(existing[name].partitions)} partitions, expected {count} as {topics.input} has "
                "(outputs go to the input's partition number); make it anew with as many"
            )
    policies = {
        name: _config(admin, name) for name in (topics.input, topics.state, topics.memberships) if name in existing
    }
    for name, config in policies.items():
        compacted = "compact" in config.get("cleanup.policy", "delete")
        if name == topics.input and compacted:
            problems.append(
                f"{name}: found cleanup.policy={config['cleanup.policy']}, expected delete: compaction drops events "
                "before they are counted; set the policy, and send what was dropped again"
            )
        if name != topics.input and not compacted:
            problems.append(
                f"{name}: found cleanup.policy={config.get('cleanup.policy', 'delete')}, expected compact: retention "
                "would delete customers' state; set the policy"
            )
    if topics.input in existing and topics.rejected in existing:
        limit, need = _max_message(admin, topics.rejected), _max_message(admin, topics.input) + RECORD_OVERHEAD_BYTES
        if limit < need:
            problems.append(
                f"{topics.rejected}: found max.message.bytes={limit}, expected at least {need} (the input's and its "
                "headers): a rejected event at the limit could never be written; raise it"
            )
    return problems


def _topics(admin: AdminClient, settings: Settings) -> dict[str, TopicMetadata]:
    try:
        return dict(admin.list_topics(timeout=CALL_S).topics)
    except KafkaException as error:
        brokers = settings.kafka_properties().get("bootstrap.servers", "")
        raise TopicsFailed(
            f"no answer from the broker at {brokers} within {CALL_S:.0f} s ({error.args[0].name()}). Is it running, and "
            "are kafka.bootstrap.servers and the security settings right?"
        ) from None


def _create(admin: AdminClient, wanted: Wanted, partitions: int, replication: int) -> str:
    topic = NewTopic(wanted.name, partitions, replication, config=wanted.config)
    try:
        admin.create_topics([topic], operation_timeout=CREATE_S)[wanted.name].result(CREATE_S)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise TopicsFailed(f"topic {wanted.name} was not created: {error.args[0].str()}") from None
    return wanted.name


def _config(admin: AdminClient, topic: str) -> dict[str, str]:
    """The topic's settings; empty where the broker does not tell."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        found = admin.describe_configs([resource], request_timeout=CALL_S)[resource].result(CALL_S)
    except KafkaException:
        return {}
    return {name: entry.value for name, entry in found.items() if entry.value is not None}


def _max_message(admin: AdminClient, topic: str) -> int:
    return int(_config(admin, topic).get("max.message.bytes", DEFAULT_MAX_MESSAGE))
