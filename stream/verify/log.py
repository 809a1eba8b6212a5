"""The topics as the verifier sees them: records in offset order, read committed, up to a cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

Headers = list[tuple[str, bytes]]


class Record(NamedTuple):
    """One record as read. `appended`: the timestamp is the broker's append time, not its producer's.
    `unreadable_headers`: it has some, one with a name that is not UTF-8, which the client can't read."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers | None = None
    appended: bool = False
    unreadable_headers: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """Whose topics they are; topic names are whole. `prefix` stands before a definition's own topic."""

    name: str
    input: str
    changes: str
    memberships: str
    rejected: str
    state: str
    journal: str
    prefix: str = ""


class Committed(NamedTuple):
    """What the group committed for a partition of the input: the next offset (None: nothing) and the text with it."""

    offset: int | None
    metadata: str = ""


class Log(Protocol):
    """A cut through the topics. Everything in the journal before `settled` has its other records before the cut."""

    partitions: Sequence[int]
    markers: int
    """Offsets that a commit takes in each partition it writes to, besides its records: 1 on Kafka."""

    def records(self, topic: str, partition: int) -> Iterator[Record]:
        """From the first kept to the cut, in offset order."""

    def after(self, topic: str, partition: int, offset: int) -> Iterator[Record]:
        """What lies beyond the cut: from `offset` up to the present end, asked when the first is asked for."""

    def first(self, topic: str, partition: int) -> int:
        """The first offset that the topic still reaches back to."""

    def settled(self, partition: int) -> int | None:
        """Journal offset up to which the cut holds everything; None: the whole journal (the writers are at rest)."""

    def committed(self, partition: int) -> Committed: ...

    def end(self, topic: str, partition: int) -> int:
        """The offset at which the cut ends."""


@dataclass(slots=True)
class MemoryLog:
    """A log in memory, at rest: for tests and the simulation.

    topics          name -> its records, of all partitions, each partition's in offset order
    group           input partition -> (committed offset, metadata)
    partitions      of the input
    markers         0 when commits take no offsets of their own, as in a model without commit markers
    starts          (topic, partition) -> first offset kept, where something was deleted from the front
    """

    topics: Mapping[str, Iterable[Record]]
    group: Mapping[int, tuple[int | None, str]]
    partitions: Sequence[int] = (0,)
    markers: int = 0
    starts: Mapping[tuple[str, int], int] = field(default_factory=dict)

    def records(self, topic: str, partition: int) -> Iterator[Record]:
        return (record for record in self.topics.get(topic, ()) if record.partition == partition)

    def after(self, topic: str, partition: int, offset: int) -> Iterator[Record]:
        return iter(())

    def first(self, topic: str, partition: int) -> int:
        return self.starts.get((topic, partition), 0)

    def settled(self, partition: int) -> int | None:
        return None

    def committed(self, partition: int) -> Committed:
        return Committed(*self.group.get(partition, (None, "")))

    def end(self, topic: str, partition: int) -> int:
        return max((record.offset + 1 for record in self.records(topic, partition)), default=0)
