"""What the engine tells of itself while it runs; metrics, logs and the demo listen. Every method may be ignored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stream.core.changes import Change
    from stream.core.partition import Counts


@dataclass(slots=True)
class CommitReport:
    """One partition's part of a commit that is certain. Lags in ms: how long after its cause a change was committed."""

    partition: int
    next_offset: int
    clock_ms: int
    counts: Counts
    changes: list[Change]
    rejected: dict[str, int]  # reason -> how many
    memberships: int
    keys: int
    event_lags_ms: list[int] = field(default_factory=list)
    clock_lags_ms: list[int] = field(default_factory=list)


class Observer:
    """Does nothing; inherit and override what is of interest. Called on the event loop, except `restoring`."""

    def assigned(self, partitions: list[int]) -> None: ...
    def restoring(self, partition: int, done: int, remaining: int) -> None: ...
    def restored(self, partition: int, keys: int, seconds: float, rebuilt: bool) -> None: ...
    def dropped(self, partitions: list[int]) -> None: ...
    def received(self, partition: int, records: int) -> None: ...
    def processed(self, partition: int, records: int, seconds: float) -> None: ...
    def committed(self, reports: list[CommitReport], seconds: float) -> None: ...
    def aborted(self, reason: str) -> None: ...
    def lag(self, partition: int, records: int) -> None: ...
    def clock(self, partition: int, clock_ms: int, next_wake_ms: int | None) -> None: ...
    def clock_blocked(self, reason: str | None) -> None: ...
    def core_failed(self, partition: int, offset: int) -> None: ...
    def set_aside(self, partition: int, reason: str) -> None: ...


class Observers(Observer):
    """Tells several."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers
        for name in (name for name in vars(Observer) if not name.startswith("_")):
            setattr(self, name, self._telling(name))

    def _telling(self, name: str) -> Callable[..., None]:
        methods = [getattr(observer, name) for observer in self._observers]

        def tell(*arguments: Any) -> None:
            for method in methods:
                method(*arguments)

        return tell
