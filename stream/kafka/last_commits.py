"""The last commit of each partition, read off the ends of the state topic and the journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stream.codec.journal import META_KEY, JournalRecord, Meta, decode_journal, decode_meta
from stream.config import Settings
from stream.engine.interfaces import Keyed
from stream.kafka.changelog import KafkaChangelogReader
from stream.kafka.offsets import KafkaOffsets
from stream.kafka.topics import partition_counts

FIRST_LOOK = 200
"""Records from the end. Each commit writes its `meta` last, so this nearly always has one; else ten times as many."""


@dataclass(frozen=True, slots=True)
class LastCommit:
    """`meta` None: the partition never committed. `journal` None: retention has deleted it."""

    partition: int
    meta: Meta | None
    journal: JournalRecord | None


class LastCommits:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._offsets = KafkaOffsets(settings)

    def read(self) -> list[LastCommit]:
        """Of every partition. Raises UnreadableState; StartRefused when a topic is not there; KafkaUnreachable,
        KafkaRefused."""
        topics = self._settings.topics
        counts = partition_counts(self._settings, [topics.state, topics.journal])
        found = []
        for partition in range(min(counts.values())):
            meta = self._last(topics.state, partition, lambda record: record[0] == META_KEY)
            journal = self._last(topics.journal, partition, lambda record: record[1] is not None)
            found.append(
                LastCommit(
                    partition,
                    None if meta is None else decode_meta(meta),
                    None if journal is None else decode_journal(journal),
                )
            )
        return found

    def _last(self, topic: str, partition: int, wanted: Callable[[Keyed], bool]) -> bytes | None:
        first, end = self._offsets.bounds(topic, partition)
        reader = KafkaChangelogReader(self._settings, topic)
        look = FIRST_LOOK
        while True:
            start = max(first, end - look)
            found: bytes | None = None
            for records, _ in reader.read(partition, start, end):
                for record in records:
                    if wanted(record):
                        found = record[1]
            if found is not None or start == first:
                return found
            look *= 10
