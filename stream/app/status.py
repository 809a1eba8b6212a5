"""A worker's health and status, read off its engine when somebody asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry

from stream.app.http import Check
from stream.app.recent import Recent
from stream.codec.instants import to_text, to_text_or_none
from stream.engine.engine import CONTROL_UNREACHABLE, Engine
from stream.engine.task import REJECTS, PartitionTask
from stream.metrics import build_versions

LOOP_TICK_S = 0.5
LOOP_LIMIT_S = 10.0
"""An event loop blocked for longer will hardly come back: restart the process."""

COMMIT_LIMIT_S = 10.0
"""A transaction under way for longer waits for a broker that does not answer."""

HELD_BACK_AFTER_S = 1.0
"""A transaction that is open for less is an ordinary one of a producer upstream."""


class EngineStatus:
    """`stream.app.http.WorkerStatus` over an engine.

    `processes`: of how many of the worker this is one. `held_back_s` tells for how long an open transaction has held
    back a partition of the input, as far as known.
    """

    def __init__(
        self,
        engine: Engine,
        registry: CollectorRegistry,
        recent: Recent,
        instance: str = "",
        held_back_s: Callable[[int], float] = lambda _partition: 0.0,
        processes: int = 1,
    ) -> None:
        self.registry = registry
        self._engine = engine
        self._recent = recent
        self._instance = instance
        self._processes = processes
        self._held_back_s = held_back_s
        self._ticked_s: float | None = None  # monotonic; None: the loop is not watched yet

    async def watch_loop(self, lagged: Callable[[float], None]) -> None:
        """Run beside the rest for as long as the worker does: tells how late the event loop comes back, in seconds."""
        while True:
            asked_s = self._ticked_s = time.monotonic()
            await asyncio.sleep(LOOP_TICK_S)
            lagged(max(0.0, time.monotonic() - asked_s - LOOP_TICK_S))

    def live_checks(self) -> list[Check]:
        return [self._loop_check(), self._failure_check()]

    def ready_checks(self) -> list[Check]:
        engine = self._engine
        restoring = sorted(number for number, task in engine.tasks.items() if task is None)
        stopped = sorted(number for number, task in engine.tasks.items() if task is not None and task.stopped)
        return [
            *self.live_checks(),
            Check("serving", not engine.stopping, "the worker is stopping"),
            Check("group", engine.joined, "the consumer group has not told us our partitions yet"),
            Check("producer", not engine.preparing, "it is not initialised yet"),
            Check("partitions", not restoring, f"being restored: {', '.join(map(str, restoring))}"),
            Check("broker", engine.blocked_reason != "broker-unreachable", "the broker does not answer"),
            Check(
                "control", engine.blocked_reason != CONTROL_UNREACHABLE, "nobody knows what is held: no control topic"
            ),
            Check("reading", not stopped, f"stopped for its rejected events: {', '.join(map(str, stopped))}"),
            self._commit_check(),
        ]

    def status(self) -> dict[str, Any]:
        engine, program = self._engine, self._engine.program
        failing = [check.name for check in self.ready_checks() if not check.ok]
        return {
            "version": build_versions()["version"],
            "instance": self._instance,
            "process_count": self._processes,
            "definitions": {"name": program.name, "version": program.version, "hash": program.hash},
            "ready": not failing,
            "failing": failing,
            "clock_blocked": engine.blocked_reason,
            "held": [
                {"key": key, "by": control.by, "at": to_text(control.at_ms), "reason": control.reason}
                for key, control in sorted(engine.holding.in_force.items())
            ],
            "last_error": self._recent.error(None),
            "partitions": [self._partition(number, task) for number, task in sorted(engine.tasks.items())],
        }

    def version(self) -> dict[str, str]:
        return build_versions()

    def _loop_check(self) -> Check:
        behind_s = 0.0 if self._ticked_s is None else time.monotonic() - self._ticked_s
        return Check("event-loop", behind_s < LOOP_LIMIT_S, f"it has not turned for {behind_s:.0f} s")

    def _failure_check(self) -> Check:
        failure = self._engine.failure
        return Check("failure", failure is None, "" if failure is None else f"ending: {type(failure).__name__}")

    def _commit_check(self) -> Check:
        engine = self._engine
        started_s = engine.commit_started_s
        waited_s = 0.0 if started_s is None else time.monotonic() - started_s
        if waited_s >= COMMIT_LIMIT_S:
            return Check("commit", False, f"a transaction is under way for {waited_s:.0f} s")
        return Check("commit", not engine.commit_failed, "the last transaction was aborted")

    def _partition(self, number: int, task: PartitionTask | None) -> dict[str, Any]:
        if task is None:
            return {
                "partition": number,
                "state": "restoring",
                "blocked": "restoring",
                "restore": self._recent.restore(number),
                "last_error": self._recent.error(number),
            }
        return {
            "partition": number,
            "state": "live",
            "position": task.partition.next_offset,
            "committed": task.meta.next_offset,
            "high_watermark": task.end,
            "lag": None if task.end is None else max(0, task.end - task.partition.next_offset),
            "clock": to_text_or_none(task.partition.clock_ms),
            "blocked": self._blocked(task),
            "next_wake": (
                None if task.next_wake_ms is None else to_text_or_none(task.next_wake_ms + task.settings.grace_ms)
            ),
            "wakes": self._recent.wakes(number),
            "definitions": task.meta.program["hash"],
            "revision": task.meta.program["version"],
            "state_format": task.meta.level,
            "customers_of_earlier_revisions": task.earlier,
            "warming": {
                name: to_text_or_none(until_ms)
                for name, until_ms in task.revisions.warming(task.partition.clock_ms).items()
            },
            "commit_number": task.meta.commit_number,
            "last_commit": to_text_or_none(task.committed_at_ms),
            "customers": task.meta.keys,
            "last_error": self._recent.error(number),
        }

    def _blocked(self, task: PartitionTask) -> str | None:
        """Why the partition's clock stands still; None: it runs."""
        if self._engine.blocked_reason is not None:
            return self._engine.blocked_reason
        if task.stopped and task.lag:
            return REJECTS
        if task.lag:
            return "open-transaction" if self._held_back_s(task.number) > HELD_BACK_AFTER_S else "unread-records"
        return "wakes-waiting" if task.backlog else None
