"""The worker's own holds: silence that is too sudden, and partitions that bring mostly what can't be used."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from stream.codec.control import Control
from stream.core.holds import CLOCK, EVENT, STOPPED
from stream.engine.holding import Holding
from stream.engine.observer import CommitReport
from stream.engine.rejects import RejectWatch
from stream.engine.silence import WHOLE_INPUT, SilenceWatch
from stream.engine.task import PartitionTask

GUARDS = ("silence_hold", "reject_stop_ratio")
"""Who holds by itself: the settings' names."""

UP_TO_DATE_MS = 5_000
"""A partition whose clock is later than this was read up to its end."""

log = structlog.get_logger()


class Guard:
    """`silence_hold_ms` and `reject_stop_ratio` are the settings, 0: never; `events` those whose absence is watched."""

    def __init__(self, holding: Holding, silence_hold_ms: int, reject_stop_ratio: float, events: Iterable[str]) -> None:
        self._holding = holding
        self._events = tuple(events)
        self._length_ms = silence_hold_ms
        self._silence = SilenceWatch(silence_hold_ms, self._events) if silence_hold_ms else None
        self._ratio = reject_stop_ratio
        self._rejects: dict[int, RejectWatch] = {}

    def committed(self, report: CommitReport) -> None:
        if self._silence is not None:
            self._silence.count(report.partition, report.counts.received, report.events)

    def dropped(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self._rejects.pop(partition, None)
            if self._silence is not None:
                self._silence.forget([partition])

    def listen(self, now_ms: int, live: Iterable[PartitionTask]) -> bool:
        """Hold what has gone quiet; whether anything has. To be called several times a minute."""
        if self._silence is None:
            return False
        up_to_date = {
            task.number for task in live if task.partition.clock_ms >= now_ms - UP_TO_DATE_MS and not task.stopped
        }
        held = self._holding.in_force.keys()
        names = {key.removeprefix(EVENT) for key in held if key.startswith(EVENT)}
        if CLOCK in held:
            names |= {WHOLE_INPUT, *self._events}
        found = False
        for quiet in self._silence.judge(now_ms, up_to_date, names):
            key = EVENT + quiet.name if quiet.name else CLOCK
            what = f"event {quiet.name!r}" if quiet.name else "the whole input"
            reason = (
                f"{what} brought {quiet.seen} records in {self._length_ms / 1000:.0f} s, usual are {quiet.usual:.0f}"
            )
            if self._holding.hold(key, Control(GUARDS[0], now_ms, reason)):
                found = True
                log.warning("silence_held", hold=key, seen=quiet.seen, usual=round(quiet.usual))
            if key == CLOCK:
                break  # it holds them all
        return found

    def too_many_rejected(self, partition: int, now_ms: int, received: int, rejected: int) -> bool:
        """Count a batch; whether its partition was stopped for it."""
        watch = self._rejects.get(partition)
        if watch is None:
            watch = self._rejects[partition] = RejectWatch(self._ratio)
        if not watch.too_many(now_ms, received, rejected):
            return False
        reason = f"{watch.rejected} of {watch.received} records within 5 min were rejected"
        watch.reset()
        stopped = self._holding.hold(f"{STOPPED}{partition}", Control(GUARDS[1], now_ms, reason))
        if stopped:
            log.error("partition_stopped", partition=partition, reason=reason)
        return stopped
