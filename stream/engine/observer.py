"""What the engine tells of itself while it runs; metrics, logs and the demo listen. Every method may be ignored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stream.codec.control import Control
    from stream.core.changes import Change
    from stream.core.partition import Counts


@dataclass(slots=True)
class CommitReport:
    """One partition's part of a commit that is certain.

    Lags in ms: how long after its cause a change was committed. Of an event's: after the record's timestamp (the
    instant at which it was appended, if the topic keeps that); of the clock's: after the due instant and the grace.
    """

    partition: int
    next_offset: int
    clock_ms: int
    counts: Counts
    changes: list[Change]
    rejected: dict[str, int]  # reason -> how many
    memberships: int
    keys: int
    members: dict[str, int] = field(default_factory=dict)  # as in `stream.engine.members`, after the commit
    produced: dict[str, int] = field(default_factory=dict)  # topic -> records
    event_lags_ms: list[int] = field(default_factory=list)
    clock_lags_ms: list[int] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)  # name of a track event ("" for other kinds) -> arrived
    touched: int = 0  # customers looked up
    store_reads: int = 0  # customers that the cache did not hold; of a repeated message too, which touches nobody
    committed_ms: int = 0
    earlier: dict[str, int] = field(default_factory=dict)  # customers of earlier revisions of the definitions
    warming: dict[str, int] = field(default_factory=dict)  # definition -> until when it is for some customer


CLOCK_BLOCKS = ("starting", "broker-unreachable", "clock-skew", "control-unreachable")
"""Why the clocks of all partitions stand still: the reasons `clock_blocked` may give."""

COMMIT_PHASES = ("build", "offsets", "commit", "store")
"""Of a commit: records are built; handed to the producer; offsets sent; all acknowledged and committed; stored."""


class Observer:
    """Does nothing; inherit and override what is of interest. Called on the event loop, except
    `restoring`, `restored` and `set_aside`, which come from the threads that restore."""

    def assigned(self, partitions: list[int]) -> None: ...
    def restoring(self, partition: int, done: int, remaining: int, records: int) -> None:
        """Offsets of the changelog passed and to come, and the records that were just read: compaction leaves gaps."""

    def restored(self, partition: int, keys: int, seconds: float, rebuilt: bool) -> None: ...
    def live(self, partition: int, next_offset: int, keys: int, members: dict[str, int]) -> None:
        """Restored, and taking records from `next_offset` on."""

    def revisions(self, partition: int, keys: int, earlier: dict[str, int], warming: dict[str, int]) -> None:
        """How customers and revisions stand when a partition becomes live; `CommitReport` tells it after commits."""

    def dropped(self, partitions: list[int]) -> None: ...
    def received(self, partition: int, records: int) -> None: ...
    def processed(self, partition: int, records: int, seconds: float) -> None: ...
    def event_age(self, read_ms: int, age_ms: int) -> None:
        """A sample, the last event of a batch: when it was read, and how long after its event time."""

    def keyed(self, partition: int, read_ms: int, key: bytes | None) -> None:
        """A sample, the key of the last record of a batch, and when that was read."""

    def committed(self, reports: list[CommitReport], seconds: float) -> None: ...
    def commit_phases(self, seconds: dict[str, float]) -> None:
        """How long each of `COMMIT_PHASES` of a committed transaction took."""

    def aborted(self, reason: str) -> None: ...
    def lag(self, partition: int, records: int) -> None: ...
    def clock(self, partition: int, clock_ms: int, next_wake_ms: int | None) -> None: ...
    def clock_blocked(self, reason: str | None) -> None: ...
    def held(self, in_force: Mapping[str, Control]) -> None:
        """What is held has changed: key -> who holds it, and why."""

    def core_failed(self, partition: int, offset: int) -> None: ...
    def wake_failed(self, partition: int) -> None:
        """The core failed at a wake: nothing of the partition's silence is judged from now on."""

    def set_aside(self, partition: int, reason: str) -> None: ...
    def stored(self, partition: int, sizes: dict[str, int], cached_customers: int) -> None:
        """Every few seconds: the store's own figures (`StateStore.sizes`)."""

    def draining(self) -> None: ...
    def failed(self, error: BaseException) -> None: ...


class Observers(Observer):
    """Tells several."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers
        for name in (name for name in vars(Observer) if not name.startswith("_")):
            setattr(self, name, self._telling(name))

    def _telling(self, name: str) -> Callable[..., None]:
        nothing = getattr(Observer, name)
        methods = [getattr(observer, name) for observer in self._observers]
        methods = [method for method in methods if getattr(method, "__func__", None) is not nothing]

        def tell(*arguments: Any) -> None:
            for method in methods:
                method(*arguments)

        return tell
