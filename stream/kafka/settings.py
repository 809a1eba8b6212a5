"""librdkafka's configuration of each client: what the user passes through, then what the promises rest on."""

from __future__ import annotations

import uuid

from stream.config import Settings

RECORD_OVERHEAD_BYTES = 64 << 10
"""Headers that a rejected record gains, and framing: an input at its limit must still fit on the way out."""

HEARTBEAT_PARTS = 3
"""Heartbeats per session time-out, as Kafka's clients do."""

FETCH_QUEUE_KBYTES = 32 * 1024
"""Fetched and not yet polled; more would only grow what must be dropped after a seek."""

SOCKET_TIMEOUT_MS = 10_000


def _base(settings: Settings, role: str) -> dict[str, str | int | bool]:
    return {
        **settings.kafka_properties(),
        "client.id": f"{settings.name}-{settings.instance}-{role}",
        "socket.keepalive.enable": True,
        "topic.metadata.refresh.interval.ms": 60_000,
    }


def consumer_config(settings: Settings) -> dict[str, str | int | bool]:
    """The subscribed consumer: static member, cooperative, read_committed, commits nothing by itself."""
    return {
        **_base(settings, "consumer"),
        "group.id": settings.name,
        "group.instance.id": settings.instance,
        "partition.assignment.strategy": "cooperative-sticky",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "session.timeout.ms": settings.session_timeout_ms,
        "heartbeat.interval.ms": max(100, settings.session_timeout_ms // HEARTBEAT_PARTS // 2),
        "max.poll.interval.ms": max(300_000, settings.session_timeout_ms),
        "fetch.wait.max.ms": 50,
        "fetch.error.backoff.ms": 100,
        "queued.max.messages.kbytes": FETCH_QUEUE_KBYTES,
    }


def side_config(settings: Settings) -> dict[str, str | int | bool]:
    """A second handle of the same group, never subscribed: committed offsets and watermarks."""
    return {
        **_base(settings, "side"),
        "group.id": settings.name,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
    }


def admin_config(settings: Settings) -> dict[str, str | int | bool]:
    return _base(settings, "admin")


def reader_config(settings: Settings) -> dict[str, str | int | bool]:
    """A reader of the changelog: whole partitions, read_committed."""
    return {
        **_base(settings, "restore"),
        "group.id": f"{settings.name}-restore-{uuid.uuid4().hex[:8]}",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 20,
        "fetch.message.max.bytes": 8 << 20,
        "queued.max.messages.kbytes": FETCH_QUEUE_KBYTES,
    }


def producer_config(settings: Settings) -> dict[str, str | int | bool]:
    """The transactional producer. It may hold a whole commit, so its queue is large."""
    return {
        **_base(settings, "producer"),
        "transactional.id": settings.transactional_id,
        "transaction.timeout.ms": settings.transaction_timeout_ms,
        "message.timeout.ms": settings.transaction_timeout_ms,
        "enable.idempotence": True,
        "message.max.bytes": settings.max_event_bytes + RECORD_OVERHEAD_BYTES + (1 << 20),
        "linger.ms": 5,
        "compression.type": "lz4",
        "batch.num.messages": 50_000,
        "queue.buffering.max.messages": 2_000_000,
        "queue.buffering.max.kbytes": 1 << 20,
    }
