"""The group's committed offsets, set back to what the state topic says: for offsets that have expired or were reset.

A commit writes offset and state in one transaction, the state's `meta` names the offset, and the offset's metadata
names the commit. So the last `meta` is enough to write the offset anew, and no tool that knows offsets alone can do it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from stream.codec.journal import Meta
from stream.config import Settings
from stream.engine.interfaces import Committed
from stream.errors import SegmenterError
from stream.kafka.errors import create, error_of
from stream.kafka.last_commits import LastCommit, LastCommits
from stream.kafka.look import told
from stream.kafka.offsets import KafkaOffsets
from stream.kafka.settings import side_config

PATIENCE_S = 5.0
"""Beyond the session's end."""
ASK_AGAIN_S = 1.0

_MEMBERS = frozenset({
    KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
})  # fmt: skip
"""How the coordinator says that the group has members, who alone may commit."""


class OffsetsRefused(SegmenterError):
    """The offsets can't be set back; says what to do first."""


@dataclass(frozen=True, slots=True)
class Apart:
    """A partition whose committed offset is not the one of its last commit."""

    partition: int
    meta: Meta
    committed: Committed

    def __str__(self) -> str:
        found = "none" if self.committed.offset is None else f"{self.committed.offset}"
        whose = f"commit {self.committed.commit_number}" if self.committed.commit_number else "of no commit"
        return (
            f"partition {self.partition}: found offset {found} ({whose}), expected {self.meta.next_offset} "
            f"(commit {self.meta.commit_number})"
        )


def apart(settings: Settings, last: Sequence[LastCommit]) -> list[Apart]:
    """Partitions whose offsets are behind their state, or no commit's. `last` was read before: while workers run an
    offset of a later commit is fine.

    Raises OffsetsRefused where the state is older than the journal: then it is not the offset that is wrong.
    KafkaUnreachable, KafkaRefused.
    """
    committed = KafkaOffsets(settings).committed([each.partition for each in last])
    found = []
    for each in last:
        place = committed[each.partition]
        if each.meta is None or not each.meta.commit_number:
            continue
        if (place.offset, place.commit_number) == (each.meta.next_offset, each.meta.commit_number):
            continue
        if each.journal is not None and _lags(settings, each.partition, each.meta, each.journal.commit_number):
            raise OffsetsRefused(
                f"partition {each.partition}: found commit {each.meta.commit_number} on the state topic and commit "
                f"{each.journal.commit_number} on the journal, expected the same: the state topic lacks its newest "
                "records. Restore it from a copy, or begin anew under another `name` and `output_prefix`."
            )
        if place.commit_number <= each.meta.commit_number:
            found.append(Apart(each.partition, each.meta, place))
    return found


def _lags(settings: Settings, partition: int, meta: Meta, journaled: int) -> bool:
    """Whether the state topic lacks a commit that the journal has. While workers run the journal, read after it, may
    have gone on; then the state has too by now."""
    if journaled <= meta.commit_number:
        return False
    again = next(each.meta for each in LastCommits(settings).read() if each.partition == partition)
    return again is None or again.commit_number < journaled


def set_back(settings: Settings, places: Sequence[Apart]) -> None:
    """Commit for each what its state says. Waits for workers that have stopped: the group counts them until their
    session ends. Raises OffsetsRefused when members are left then, KafkaUnreachable, KafkaRefused."""
    consumer = create(Consumer, side_config(settings))
    wanted = [
        TopicPartition(
            settings.topics.input,
            each.partition,
            each.meta.next_offset,
            metadata=f"{each.meta.commit_number}:{each.meta.nonce}",
        )
        for each in places
    ]
    end_s = time.monotonic() + settings.session_timeout_ms / 1000 + PATIENCE_S
    try:
        while not _commit(consumer, wanted, settings.name):
            if time.monotonic() > end_s:
                raise OffsetsRefused(f"group {settings.name}: found workers in it, expected none: stop them first")
            time.sleep(ASK_AGAIN_S)
    finally:
        consumer.close()


def _commit(consumer: Consumer, wanted: list[TopicPartition], group: str) -> bool:
    """False: the group has members."""
    try:
        for place in consumer.commit(offsets=wanted, asynchronous=False):
            if place.error is not None:
                raise KafkaException(place.error)
    except KafkaException as exception:
        if error_of(exception).code() in _MEMBERS:
            return False
        raise told(exception, f"offsets of group {group}: could not be committed") from exception
    return True
