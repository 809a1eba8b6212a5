"""What `/status` tells beside the engine's own state: the newest trouble of each partition, and how a restore goes."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from typing import Any

from stream.codec.instants import to_text
from stream.engine.observer import Observer

TROUBLE = frozenset({"warning", "error", "critical"})
PLAIN = (str, int, float, bool, list)
LEFT_OUT = frozenset({"event", "level", "partition", "partitions", "timestamp", "exception", "path", "to"})
"""Of a line: what stands elsewhere in the answer, and where things lie on the machine."""


class Recent(Observer):
    """Listens to the engine and to the log. Everything is kept for partitions of this worker only, so it is bounded."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._restores: dict[int, tuple[float, int, int]] = {}  # began (monotonic), records done, remaining
        self._wakes: dict[int, int] = {}
        self._errors: dict[int | None, dict[str, Any]] = {}  # None: of the worker as a whole

    # -- the log

    def line(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A structlog processor: remembers the newest line of trouble per partition, and changes nothing."""
        if event.get("_from_structlog", True) and event.get("level") in TROUBLE:
            numbers = event["partitions"] if "partitions" in event else [event.get("partition")]
            told = {key: value for key, value in event.items() if key not in LEFT_OUT and isinstance(value, PLAIN)}
            told = {key: value for key, value in told.items() if not key.startswith("_")}
            for number in numbers:
                self._errors[number] = {"at": to_text(self._clock()), "event": str(event.get("event")), **told}
        return event

    # -- the engine

    def restoring(self, partition: int, done: int, remaining: int, records: int) -> None:
        began_s, _, _ = self._restores.get(partition, (time.monotonic(), 0, 0))
        self._restores[partition] = (began_s, done, remaining)

    def live(self, partition: int, next_offset: int, keys: int, members: dict[str, int]) -> None:
        self._restores.pop(partition, None)

    def dropped(self, partitions: list[int]) -> None:
        for kept in (self._restores, self._wakes, self._errors):
            for partition in partitions:
                kept.pop(partition, None)

    def stored(self, partition: int, sizes: dict[str, int], cached_customers: int) -> None:
        if "estimated_wakes" in sizes:
            self._wakes[partition] = sizes["estimated_wakes"]

    # -- what was remembered

    def restore(self, partition: int) -> dict[str, Any]:
        """How far a restore is. The estimate is seconds at the pace so far; None before anything was read."""
        began_s, done, remaining = self._restores.get(partition, (0.0, 0, 0))
        estimate_s = round((time.monotonic() - began_s) * remaining / done, 1) if done else None
        return {"records_done": done, "records_remaining": remaining, "seconds_left": estimate_s}

    def wakes(self, partition: int) -> int | None:
        """How many wakes the store holds, by its own estimate."""
        return self._wakes.get(partition)

    def error(self, partition: int | None) -> dict[str, Any] | None:
        """The newest warning or error that names the partition, or (None) no partition: when, what, and details."""
        return self._errors.get(partition)
