"""The outside as the engine sees it. `stream.kafka` and `stream.store` implement it; a simulation can too.

Calls of `Transactions`, `Offsets` and `ChangelogReader` block and are made from worker threads, never from the event
loop, but for `ahead_ms` and `meta_offset`, which ask nobody. Those of `StateStore` read a local disk: single customers
are read and written on the loop, a whole partition from a thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from stream.codec.control import Control

Headers = list[tuple[str, bytes]]


@dataclass(slots=True)
class Produce:
    """One record to write. `headers` may be None."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """A partition's committed offset, with the commit number and nonce in its metadata (0 and "" when none was set).
    `offset` is None when the group never committed."""

    offset: int | None
    commit_number: int
    nonce: str


# What a transactional call may raise; anything else is a bug of ours.
class Aborted(Exception):
    """The transaction can't go on and must be aborted (also: the member was thrown out of the group)."""


class OutcomeUnknown(Exception):
    """The call timed out or the connection was lost: for a commit, nobody knows yet."""


class Fenced(Exception):
    """Another producer took over, or the client is in a fatal state: the process must exit."""


class Transactions(Protocol):
    """One transactional producer (KIP-447). Every call has a time-out; errors as above."""

    def begin(self) -> None: ...
    def produce(self, records: Iterable[Produce]) -> None: ...
    def send_offsets(self, offsets: dict[int, tuple[int, str]], group_metadata: Any) -> None:
        """offsets: input partition -> (next offset, metadata text)."""

    def commit(self) -> None: ...
    def abort(self) -> None: ...
    def renew(self) -> None:
        """Initialise a new producer with the same transactional id, then drop the old one: fences its open work."""

    def ahead_ms(self) -> int | None:
        """By how much our wall clock, asked now, is ahead of the broker's (below 0: behind), by the append times of the
        journal; None while they tell nothing."""

    def meta_offset(self, partition: int) -> int | None:
        """Changelog offset of the newest `meta` record acknowledged in this partition."""


class Offsets(Protocol):
    """Reads of offsets, by handles that are not subscribed."""

    def committed(self, partitions: Sequence[int]) -> dict[int, Committed]:
        """The group's stable committed offsets (waits while a transaction on them is open)."""

    def high_watermarks(self, partitions: Sequence[int]) -> dict[int, int]:
        """End offsets of the input, asked read_uncommitted."""

    def low_watermarks(self, partitions: Sequence[int]) -> dict[int, int]:
        """First offsets of the input still there."""

    def changelog_bounds(self, partition: int) -> tuple[int, int]:
        """(first offset, end offset asked read_uncommitted) of the changelog's partition."""


class Controls(Protocol):
    """What is held in the whole pipeline. Safe to call from several threads. Raises OutcomeUnknown."""

    def read(self) -> Mapping[str, Control | None]:
        """What is held now, by key; None: it was released. Everything written before the call is counted."""

    def write(self, key: str, control: Control | None) -> None:
        """Hold a key, or release it (None). Written when it returns."""


Keyed = tuple[bytes, bytes | None]
"""Key and value of a record; plain, since a restore makes one for every customer."""


class ChangelogReader(Protocol):
    def read(self, partition: int, start: int, end: int) -> Iterator[tuple[list[Keyed], int]]:
        """Batches of records from `start`, read_committed, each with the position after it, until the position reaches
        `end`. Yields empty batches while it waits, so that the caller can give up."""


@dataclass(slots=True)
class Batch:
    """Records of one partition from one poll, in offset order, as librdkafka's messages (methods offset(), key(),
    value(), headers(), timestamp() -> (type, ms)). `eof_offset` is set when an EOF event came after them: the offset at
    which the next record will be. `epoch` tells batches from before a seek; `serial` counts the batches of one
    partition and epoch from 0, so that one lost on the way is noticed."""

    partition: int
    epoch: int
    read_ms: int
    records: list[Any]
    eof_offset: int | None = None
    serial: int = 0


class Source(Protocol):
    """The subscribed consumer, commanded from the event loop; its poll thread acts between two polls."""

    def start(self, partition: int, offset: int, epoch: int) -> None:
        """Seek there, stamp what follows with `epoch`, resume."""

    def halt(self, partition: int) -> None:
        """Read nothing of it until it is started again; what was handed out is of an older epoch."""

    async def group_metadata(self) -> Any: ...
    def done(self, records: int) -> None:
        """So many records handed out were processed (or dropped): for back-pressure."""

    @property
    def underway(self) -> int:
        """Records handed out and not done."""


StoredWake = tuple[int, bytes]
"""(due ms, customer key)"""


class StateStore(Protocol):
    """The state of one partition on disk. `write` is one atomic batch. May raise `stream.errors.SegmenterError`s."""

    def meta(self) -> bytes | None: ...
    def get(self, key: bytes) -> bytes | None: ...
    def write(
        self,
        customers: list[tuple[bytes, bytes | None]],
        wakes_added: list[StoredWake],
        wakes_removed: list[StoredWake],
        meta: bytes | None,
        reserved: Sequence[tuple[bytes, bytes | None]] = (),
    ) -> None:
        """One atomic batch. `reserved`: records of the processor's own. `meta` None: a part of a rebuild, durable with
        the next write that has one."""

    def due(self, from_ms: int, until_ms: int, from_key: bytes = b"") -> Iterator[StoredWake]:
        """Wakes in order, both ends inclusive; of those due at `from_ms` the ones from this key on."""

    def scan(self) -> Iterator[tuple[bytes, bytes]]: ...
    def following(self, key: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """The next customers after this key, in the order of their keys."""

    def reserved(self) -> dict[bytes, bytes]:
        """The processor's own records, by key; `meta` is not among them."""

    @property
    def unchanged(self) -> bool:
        """Whether it was closed in order and found as it was left, so that `check` reads nothing."""

    def check(self, keys: int, digest: int) -> str | None:
        """A full scan: None when count and digest agree and no customer's wake is missing, else what is wrong."""

    def close(self) -> None: ...
    def sizes(self) -> dict[str, int]: ...


class Stores(Protocol):
    """Where the stores of the partitions are."""

    def open(self, partition: int) -> StateStore:
        """Open or create; raises StoreDamaged when it can't be read."""

    def set_aside(self, partition: int, reason: str) -> None:
        """Move what is there out of the way (it is closed), for a rebuild."""


class StoreDamaged(Exception):
    """The local copy can't be trusted; the changelog has everything."""
