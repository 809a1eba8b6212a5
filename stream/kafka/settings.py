"""What each librdkafka client is told. The operator's properties go over our defaults, the owned ones over both."""

from __future__ import annotations

import logging
from typing import Any

from stream.config import Settings

DEFAULT_LIMIT_BYTES = 1_048_588
"""Kafka's own default of max.message.bytes, also for brokers that do not tell (the embedded one)."""
MOST_RECORD_BYTES = 64 << 20
"""Of a record of ours before it is compressed. Brokers hold their limits against what is compressed; repeated facts, or
an event that came compressed and is rejected whole, may be far larger before."""
HEADROOM_BYTES = 64 << 10
"""What a rejected event's headers, or a change's, may add to a record of the input's largest size."""

CONSUMER_ONLY = ("fetch.", "queued.", "check.crcs", "max.partition.fetch")
PRODUCER_ONLY = (
    "batch.", "compression.", "linger.", "message.", "queue.buffering.", "queuing.", "retry.", "sticky.",
)  # fmt: skip
"""A client warns of every property that is meant for the other kind."""

LIBRDKAFKA_LOG = logging.getLogger("stream.kafka.librdkafka")
SIDE_LOG_LEVEL = 2
"""Critical only: failures of these handles reach their callers, and nobody polls them, so logs would pile up."""

HEARTBEATS_PER_SESSION = 6
LONGEST_HEARTBEAT_MS = 3_000
MAX_POLL_INTERVAL_MS = 300_000


EAGER_FETCH = {"fetch.queue.backoff.ms": 10}
"""How soon a full queue is looked at again. After the usual second it has long run dry: a bare loop read 87,000
events/s so, and 302,000 with this."""

PATIENT_FETCH = {"fetch.min.bytes": 262_144, "fetch.wait.max.ms": 20}
"""The broker answers when so much is there, or so late: far below the commit interval, and 50 answers a second instead
of one for each batch that arrives."""


def consumer_config(settings: Settings) -> dict[str, Any]:
    """The subscribed consumer: the group's member. Positions are given by us, so a missing offset is an error."""
    defaults = {**PATIENT_FETCH, "queued.max.messages.kbytes": 16_384, **EAGER_FETCH}
    return defaults | _passed(settings, PRODUCER_ONLY) | {
        "client.id": _client_id(settings),
        "group.id": settings.name,
        "group.instance.id": settings.instance,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": settings.session_timeout_ms,
        "heartbeat.interval.ms": min(LONGEST_HEARTBEAT_MS, settings.session_timeout_ms // HEARTBEATS_PER_SESSION),
        "max.poll.interval.ms": max(MAX_POLL_INTERVAL_MS, settings.session_timeout_ms),
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
    }  # fmt: skip


def producer_config(settings: Settings) -> dict[str, Any]:
    """The transactional producer. Whatever fits into the input must fit into what we write of it."""
    defaults = {
        "linger.ms": 5,
        "compression.type": "lz4",
        "batch.num.messages": 50_000,
        "queue.buffering.max.messages": 2_000_000,
    }
    return defaults | _passed(settings, CONSUMER_ONLY) | {
        "client.id": _client_id(settings),
        "transactional.id": settings.transactional_id,
        "transaction.timeout.ms": settings.transaction_timeout_ms,
        "partitioner": "murmur2_random",
        "message.max.bytes": MOST_RECORD_BYTES,
    }  # fmt: skip


def control_producer_config(settings: Settings) -> dict[str, Any]:
    """What writes a hold: rarely, one record at a time, acknowledged by all."""
    return _passed(settings, CONSUMER_ONLY) | {
        "client.id": _client_id(settings) + "-control",
        "log_level": SIDE_LOG_LEVEL,
        "enable.idempotence": True,
        "acks": "all",
        "message.timeout.ms": 8_000,
    }


def side_config(settings: Settings) -> dict[str, Any]:
    """A consumer of the same group that never joins: committed offsets, and reading the changelog."""
    return _passed(settings, PRODUCER_ONLY) | {
        "client.id": _client_id(settings) + "-side",
        "log_level": SIDE_LOG_LEVEL,
        "group.id": settings.name,
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 20,
        **EAGER_FETCH,
    }


def admin_config(settings: Settings) -> dict[str, Any]:
    return _passed(settings, PRODUCER_ONLY + CONSUMER_ONLY) | {
        "client.id": _client_id(settings) + "-admin",
        "log_level": SIDE_LOG_LEVEL,
    }


def _passed(settings: Settings, without: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in settings.kafka_properties().items() if not key.startswith(without)}


def _client_id(settings: Settings) -> str:
    return f"{settings.name}-{settings.instance}"
