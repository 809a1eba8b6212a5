"""One worker process: the real engine on simulated clients and disk."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from stream.engine.engine import Engine, EngineSettings, Outside
from stream.engine.observer import CommitReport, Observer
from stream.engine.restore import Beginning, Restorer
from stream.engine.task import TaskSettings
from stream.engine.wall_clock import WallClock
from tests.simulation.client import (
    CHANGES,
    INPUT,
    JOURNAL,
    MEMBERSHIPS,
    REJECTED,
    STATE,
    SimulatedControls,
    SimulatedReads,
    SimulatedSource,
    SimulatedTransactions,
)
from tests.simulation.definitions import PROGRAMS
from tests.simulation.disk import SimulatedStores
from tests.simulation.host import Host, Instance, Surroundings

COMMIT_INTERVAL_S = 0.1
GRACE_MS = 2_000
MAX_EVENT_BYTES = 4_096
TICKS_A_SECOND = 5


class Tally(Observer):
    """Counts what the engine says of itself."""

    def __init__(self, world: Surroundings) -> None:
        self._happened = world.happened

    def restored(self, partition: int, keys: int, seconds: float, rebuilt: bool) -> None:
        self._happened("restored from the changelog" if rebuilt else "restored from disk")

    def set_aside(self, partition: int, reason: str) -> None:
        self._happened(f"set aside: {reason}")

    def committed(self, reports: list[CommitReport], seconds: float) -> None:
        self._happened("commit")

    def aborted(self, reason: str) -> None:
        self._happened("abort")

    def core_failed(self, partition: int, offset: int) -> None:
        self._happened("core failed")

    def clock_blocked(self, reason: str | None) -> None:
        if reason is not None:
            self._happened(f"clock blocked: {reason}")


class Process(Host):
    def __init__(self, world: Surroundings, instance: Instance, partitions: int) -> None:
        super().__init__(world, instance)
        rng = world.rng
        self.transactions = SimulatedTransactions(self, instance.name)
        self.wall = WallClock(self.clock, self.transactions.ahead_ms)
        self.source = SimulatedSource(self, self.wall.believed_ms)
        reads = SimulatedReads(self)
        observer = Tally(world)
        task = TaskSettings(
            name="simulated", input_topic=INPUT, changes_topic=CHANGES, memberships_topic=MEMBERSHIPS,
            rejected_topic=REJECTED, state_topic=STATE, journal_topic=JOURNAL, output_prefix="",
            max_event_bytes=MAX_EVENT_BYTES, grace_ms=GRACE_MS, cache_customers=world.cache_customers, nonce=self.name,
            versions={"code": "simulated"},
        )  # fmt: skip
        self.revision = world.deployed
        definitions = PROGRAMS[self.revision]
        beginning = Beginning("earliest", partitions, lambda: f"{rng.getrandbits(32):08x}", self.wall.believed_ms)
        restorer = Restorer(
            definitions, reads, reads, SimulatedStores(self, instance.disk), beginning, observer,
            most_counted=world.most_counted,
        )  # fmt: skip
        outside = Outside(
            self.source, self.transactions, reads, restorer, self.clock, self.die, self.reach, SimulatedControls(self)
        )
        settings = EngineSettings(COMMIT_INTERVAL_S, task, definitions_rate=TICKS_A_SECOND * world.sweep_chunk)
        self.engine = Engine(definitions, settings, outside, observer)
        self.source.owner = self.engine
        self._start(self._run)

    def stop(self, stopped: Callable[[], None]) -> None:
        """What SIGTERM does."""
        self._start(lambda: self._stop(stopped))

    async def _run(self) -> None:
        await self.loop.run_in_executor(None, self.transactions.renew)
        self.engine.start()
        self._start(self.source.run)
        self._start(self._feed)

    async def _feed(self) -> None:
        while True:
            batch = await self.source.batches.get()
            task = self.engine.tasks.get(batch.partition)
            if task is None or task.epoch != batch.epoch:
                self.world.happened("stale batch")
            await self.engine.handle(batch)

    async def _stop(self, stopped: Callable[[], None]) -> None:
        await self.engine.stop()
        stopped()
        self.die(None)

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def guarded() -> None:
            try:
                await work()
            except Exception as error:
                self.die(error)

        self.loop.create_task(guarded())
