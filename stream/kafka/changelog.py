"""Reading one partition of the changelog, read_committed, from an offset to an end."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, TopicPartition

from stream.config import Settings
from stream.engine.interfaces import ChangelogRecord, Fenced
from stream.kafka.settings import reader_config

BATCH = 10_000
WAIT_S = 0.1


class KafkaChangelogReader:
    """Implements `engine.interfaces.ChangelogReader`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topics.state

    def read(self, partition: int, start: int, end: int) -> Iterator[tuple[list[ChangelogRecord], int]]:
        if start >= end:
            return
        reader = Consumer(reader_config(self._settings))
        try:
            reader.assign([TopicPartition(self._topic, partition, start)])
            position = start
            while position < end:
                records: list[ChangelogRecord] = []
                for message in reader.consume(BATCH, WAIT_S):
                    error = message.error()
                    if error is None:
                        position = message.offset() + 1
                        records.append(ChangelogRecord(message.offset(), message.key(), message.value()))
                    elif error.code() == KafkaError._PARTITION_EOF:
                        # Past the commit markers, or at an open transaction that must be decided first.
                        position = max(position, message.offset())
                    elif error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:
                        raise Fenced(f"the state topic can't be read from offset {position}: {error.str()}")
                yield records, position
        finally:
            reader.close()
