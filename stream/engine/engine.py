"""The life of a worker's partitions and the commit cycle. Knows its outside only by `interfaces`.

One lock is held over a batch and over a commit, so between two awaits every partition is at a definite (offset,
clock). Every commit is one transaction over the partitions that moved. After an abort everything pending is dropped
and the records come again from the committed offsets, under a new epoch; batches of an older epoch are stale.

Two loops run beside the batches: the commit loop and the clock loop. An error nobody expected ends the process through
`fatal`: its supervisor starts it again, and nothing was committed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from stream.codec.control import Control
from stream.codec.levels import FORMER_LEVEL
from stream.core.program import Program
from stream.engine.failures import CoreFailed, WakeFailed, whereabouts
from stream.engine.guard import GUARDS, Guard
from stream.engine.holding import ControlsUnreachable, Holding, NoControls, check_keepable
from stream.engine.interfaces import Batch, Controls, Fenced, Offsets, OutcomeUnknown, Source, Transactions
from stream.engine.observer import Observer
from stream.engine.pace import Pace
from stream.engine.phases import PhaseWatch
from stream.engine.restore import GivenUp, Restored, Restorer
from stream.engine.sweep import Sweeper
from stream.engine.task import PartitionTask, Prepared, TaskSettings
from stream.engine.transaction import CrashPoint, Outcome, Part, run_transaction
from stream.engine.turns import Turns
from stream.engine.wall_clock import WallClock

CLOCK_INTERVAL_S = 0.2
"""How often the input's ends are asked for: with the grace and a commit this bounds how late a silence is noticed."""

CLOCK_HEARTBEAT_MS = 10_000
"""A partition whose clock alone moved commits this often: a restart starts near, and broker time is measured."""

SIZES_EVERY_TICKS = 25
"""The store is asked for its sizes every five seconds: it counts files and memory for the answer."""

ABORTS_AT_ONE_OFFSET = 3
RESTORE_THREADS = 2
CONTROL_AGAIN_S = 0.5
CONTROL_UNREACHABLE = "control-unreachable"
STARTING = "starting"
ANY_PARTITION = [0]
"""Asked for by a worker without partitions that wants to know whether the brokers answer again: every input has it."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """`silence_hold_ms`, `reject_stop_ratio`: 0 is never. `watched_events`: those whose absence moves customers.
    `definitions_rate`: customers that a migration visits in a second."""

    commit_interval_s: float
    task: TaskSettings
    silence_hold_ms: int = 0
    reject_stop_ratio: float = 0.0
    watched_events: tuple[str, ...] = ()
    definitions_rate: int = 5_000


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything the engine touches."""

    source: Source
    transactions: Transactions
    offsets: Offsets
    restorer: Restorer
    clock: Callable[[], int]
    fatal: Callable[[BaseException], None]
    crash_point: CrashPoint
    controls: Controls = field(default_factory=NoControls)


class Engine:
    def __init__(self, program: Program, settings: EngineSettings, outside: Outside, observer: Observer) -> None:
        self.program = program
        self.settings = settings
        self.outside = outside
        self.observer = observer
        self.tasks: dict[int, PartitionTask | None] = {}  # None: being restored
        self.blocked_reason: str | None = STARTING
        self.joined = False  # the group has told us our partitions, be it none
        self.stopping = False
        self.failure: BaseException | None = None  # what ends the process
        self.commit_failed = False  # the newest transaction was aborted
        self.commit_started_s: float | None = None  # monotonic, while a transaction is under way
        self.holding = Holding(outside.controls)
        self._held: Mapping[str, Control] = {}  # as last told
        self._guard = Guard(self.holding, settings.silence_hold_ms, settings.reject_stop_ratio, settings.watched_events)
        self._ticks = 0
        self._lock = asyncio.Lock()
        self._sweeper = Sweeper(self._live, self._lock, self._stand_still)
        self._turns = Turns(self._live, outside.source, self._stand_still)
        self._epochs = 0
        self._assignments: dict[int, int] = {}  # partition -> number of its assignment, so a restore knows it is stale
        self._assignment = 0
        self._restore_locks: dict[int, asyncio.Lock] = {}
        self._wall = WallClock(outside.clock, outside.transactions.ahead_ms)
        self._commit_now = asyncio.Event()
        self._prepared = asyncio.Event()
        self._prepared.set()
        self._pace = Pace(settings.commit_interval_s)
        self._broker_s = 0.0  # what the broker took for the last transaction
        self._phases: dict[str, float] = {}  # seconds of the last commit's
        self._probe = False  # commit although nothing moved, to measure the broker's clock
        self._closed = False
        self._jobs: set[asyncio.Task[None]] = set()
        self._transacting = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._restoring = ThreadPoolExecutor(RESTORE_THREADS, thread_name_prefix="restore")
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="clock")

    # -- life

    def start(self) -> None:
        """Start the commit and clock loops; the producer must be initialised."""
        self._prepared.set()
        self._spawn(self._commit_loop())
        self._spawn(self._clock_loop())

    def prepare(self) -> None:
        """Partitions may be assigned from now on, but none is restored before `start`: only a producer that is
        initialised has ended what an earlier life of this worker left open, for which restoring would wait."""
        self._prepared.clear()

    @property
    def preparing(self) -> bool:
        return not self._prepared.is_set()

    async def stop(self) -> None:
        """Commit what is done, then close the stores. Call before the source is stopped."""
        self.stopping = True
        self.observer.draining()
        metadata = await self.outside.source.group_metadata()
        try:
            async with self._lock:
                await self._commit(metadata)
                self._closed = True
                await self._drop(list(self.tasks))
        except Exception as error:
            self._fail(error)
            raise
        for job in list(self._jobs):
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        for pool in (self._transacting, self._restoring, self._asking):
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def ready(self) -> bool:
        """Whether every partition assigned is live."""
        return bool(self.tasks) and len(self._live()) == len(self.tasks)

    @property
    def closed(self) -> bool:
        """Whether nothing is committed any more."""
        return self._closed

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        job = asyncio.get_running_loop().create_task(self._guarded(work))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.failure = error
        self.observer.failed(error)
        self.outside.fatal(error)

    # -- partitions come and go (called for the source's callbacks, on the event loop)

    def assigned(self, partitions: list[int]) -> None:
        self.joined = True
        if self.stopping:
            return  # given to us while we leave the group, and another's in a moment
        self.observer.assigned(partitions)
        for partition in partitions:
            self._assignment += 1
            self._assignments[partition] = self._assignment
            self.tasks[partition] = None
            self._spawn(self._restore(partition, self._assignment))

    async def revoked(self, partitions: list[int], group_metadata: Any) -> None:
        """Commit what is done, then let go."""
        async with self._lock:
            if not self._closed:
                await self._commit(group_metadata)
                await self._drop(partitions)

    async def lost(self, partitions: list[int]) -> None:
        """They may be another's already: nothing of theirs may be committed."""
        async with self._lock:
            if not self._closed:
                await self._drop(partitions)

    async def _drop(self, partitions: list[int]) -> None:
        loop = asyncio.get_running_loop()
        for partition in partitions:
            self._assignments.pop(partition, None)
            task = self.tasks.pop(partition, None)
            if task is not None:
                await loop.run_in_executor(self._transacting, task.close)
        self._share()
        self._guard.dropped(partitions)
        self.observer.dropped(partitions)

    async def _restore(self, partition: int, assignment: int) -> None:
        def given_up() -> bool:
            return self._assignments.get(partition) != assignment

        await self._prepared.wait()
        loop = asyncio.get_running_loop()
        # A restore given up may still hold the partition's store for a moment when it is assigned again.
        async with self._restore_locks.setdefault(partition, asyncio.Lock()):
            await self._restore_alone(partition, given_up, loop)

    async def _restore_alone(
        self, partition: int, given_up: Callable[[], bool], loop: asyncio.AbstractEventLoop
    ) -> None:
        if given_up():
            return
        restored = await self._restored(partition, given_up, loop)
        if restored is None:
            return
        try:
            await self._learn_holds(given_up, loop)
            async with self._lock:
                if not given_up() and not self._closed:
                    self._take_up(partition, restored)
                    return
        except asyncio.CancelledError:
            restored.store.close()
            raise
        restored.store.close()

    async def _restored(
        self, partition: int, given_up: Callable[[], bool], loop: asyncio.AbstractEventLoop
    ) -> Restored | None:
        """None: it was given up. Its store is closed then, also that of a thread for which nobody waits any more."""
        opened: list[Restored] = []  # whoever takes it out has it

        def restore() -> None:
            opened.append(self.outside.restorer.restore(partition, given_up))
            if given_up():
                close()

        def close() -> None:
            with suppress(IndexError):
                opened.pop().store.close()

        try:
            await loop.run_in_executor(self._restoring, restore)
        except GivenUp:
            return None
        except asyncio.CancelledError:
            close()
            raise
        except Exception:
            if given_up():
                return None  # what is wrong there is another worker's to find
            raise
        return opened.pop() if opened else None

    def _take_up(self, partition: int, restored: Restored) -> None:
        """From now on it is live."""
        store, meta, changelog_offset = restored.store, restored.meta, restored.changelog_offset
        task = PartitionTask(partition, self.program, store, meta, changelog_offset, self.settings.task)
        self.tasks[partition] = task
        self.holding.restored(restored.meta.holds)
        task.raise_level(self.holding.level)
        if task.level == FORMER_LEVEL and self.settings.silence_hold_ms:
            check_keepable(partition, [GUARDS[0]])
        now_ms = self._wall.believed_ms()
        task.revisions.not_before(now_ms)
        task.hold(self.holding.keys, now_ms)
        self.observer.live(partition, task.partition.next_offset, task.meta.keys, task.meta.members)
        warming = task.revisions.warming(task.partition.clock_ms)
        self.observer.revisions(partition, task.meta.keys, task.earlier, warming)
        self._start_reading(task)
        self._share()

    async def _learn_holds(self, given_up: Callable[[], bool], loop: asyncio.AbstractEventLoop) -> None:
        """No partition takes in a record before it is known what is held."""
        while not given_up():
            try:
                # Not with the restores: those that wait for their turn would be asked first.
                await loop.run_in_executor(self._asking, self.holding.refresh)
                return
            except ControlsUnreachable:
                self._blocked(CONTROL_UNREACHABLE)
                await asyncio.sleep(CONTROL_AGAIN_S)

    def _start_reading(self, task: PartitionTask) -> None:
        """From where it stands, under a new epoch; unless it is stopped."""
        task.epoch = self._next_epoch()
        task.serial = 0
        if task.stopped:
            self.outside.source.halt(task.number)
        else:
            self.outside.source.start(task.number, task.partition.next_offset, task.epoch)

    def _share(self) -> None:
        """The worker's cache of customers, and the wakes of a commit, are divided evenly among its partitions."""
        live = self._live()
        for task in live:
            task.customers.capacity = self.settings.task.cache_customers // len(live)
        self._turns.share()

    def _next_epoch(self) -> int:
        self._epochs += 1
        return self._epochs

    # -- records

    async def handle(self, batch: Batch) -> None:
        """Process one batch of one partition. Never raises: what nobody expected goes to `fatal`."""
        self.observer.received(batch.partition, len(batch.records))
        try:
            async with self._lock:
                self._process(batch)
                if self.outside.source.underway <= len(batch.records):  # this one counts until it is done
                    self._prepare_ahead()
        except Exception as error:
            self._fail(error)
        finally:
            self.outside.source.done(len(batch.records))
            self._turns.taken(len(batch.records))

    def _process(self, batch: Batch) -> None:
        task = self.tasks.get(batch.partition)
        if self._closed or task is None or not task.epoch or task.epoch != batch.epoch:
            return
        if batch.serial != task.serial:
            raise AssertionError(f"batch {task.serial} of partition {batch.partition} was lost on its way")
        task.serial += 1
        started = time.perf_counter()
        counts = task.partition.pending.counts
        received, rejected = counts.received, counts.rejected
        try:
            task.process(batch)
        except CoreFailed as failure:
            # What was pending is half done: give it up and read again; the record is rejected on the way.
            log.error("core_failed", partition=batch.partition, offset=failure.offset, **whereabouts(failure))
            self.observer.core_failed(batch.partition, failure.offset)
            self._restart(task)
            return
        except WakeFailed as failure:
            self._stand_still(task, failure)
            return
        self.observer.processed(batch.partition, len(batch.records), time.perf_counter() - started)
        self._pace.processed((self._wall.believed_ms() - batch.read_ms) / 1000)
        received, rejected = counts.received - received, counts.rejected - rejected
        if self._guard.too_many_rejected(task.number, batch.read_ms, received, rejected):
            self._apply_holds(batch.read_ms)
        if task.last_event_ms is not None:
            self.observer.event_age(batch.read_ms, batch.read_ms - task.last_event_ms)
        if batch.records:
            self.observer.keyed(batch.partition, batch.read_ms, batch.records[-1].key())
        if task.backlog or self._turns.much_is_pending:
            self._commit_now.set()

    def _prepare_ahead(self) -> None:
        """Nothing waits to be taken in: what is known of the commit to come can be made."""
        if self._closed:
            return
        started = time.perf_counter()
        for task in self._live():
            task.prepare_ahead()
        self._turns.made_ahead(time.perf_counter() - started)

    def _restart(self, task: PartitionTask) -> None:
        task.aborted()
        task.hold(self.holding.keys, self._wall.believed_ms())
        self._start_reading(task)

    def _stand_still(self, task: PartitionTask, failure: WakeFailed) -> None:
        """No record is to blame, so none can be rejected, and the wake can't be passed over: it would be lost. So this
        partition's clock stands where it is committed; records go on, and so do the other partitions."""
        log.error("wake_failed", partition=task.number, clock_ms=task.meta.clock_ms, **whereabouts(failure))
        self.observer.wake_failed(task.number)
        self._restart(task)

    # -- commits

    async def _commit_loop(self) -> None:
        while not self._closed:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._commit_now.wait(), self._pace.pause_s())
            self._commit_now.clear()
            await self.commit()

    async def commit(self) -> None:
        """One commit of whatever moved, if anything did; where wakes wait for it, of as many as it has room for."""
        if not (self._turns.wakes_wait or self._moved()):
            return
        await self._turns.let_records_first()
        if self._turns.wakes_wait:
            async with self._lock:
                self._turns.fire()
        metadata = await self.outside.source.group_metadata()
        async with self._lock:
            if not self._closed:
                await self._commit(metadata)
        if self._turns.wakes_wait:
            self._commit_now.set()

    def _moved(self) -> list[PartitionTask]:
        return [task for task in self._live() if task.has_moved(CLOCK_HEARTBEAT_MS) or self._probe]

    def _live(self) -> list[PartitionTask]:
        return [task for task in self.tasks.values() if task is not None and task.epoch]

    async def _commit(self, group_metadata: Any) -> None:
        """Under the lock: one transaction over the partitions owned now that moved."""
        moved = self._moved()
        self._probe = False
        if not moved:
            return
        started = time.perf_counter()
        self.commit_started_s = time.monotonic()
        loop = asyncio.get_running_loop()
        # Shielded: a cancelled caller must not leave a transaction half observed.
        transaction = asyncio.shield(loop.run_in_executor(self._transacting, self._transact, moved, group_metadata))
        try:
            self._conclude(moved, await transaction, time.perf_counter() - started)
        except BaseException:
            self._closed = True  # nobody may commit again what may be committed
            raise

    def _conclude(self, moved: list[PartitionTask], prepared: list[Prepared] | None, seconds: float) -> None:
        """What came of the transaction over these; `prepared` None: it was aborted."""
        self.commit_started_s = None
        self._pace.committed(seconds, self._broker_s)
        self.commit_failed = prepared is None
        if prepared is None:
            self._after_abort(moved)
            return
        self.observer.committed([part.report for part in prepared], seconds)
        self.observer.commit_phases(self._phases)
        for part in prepared:
            self._guard.committed(part.report)
        self._turns.committed(seconds)

    def _transact(self, moved: list[PartitionTask], group_metadata: Any) -> list[Prepared] | None:
        """In the commit thread. None: aborted, nothing happened."""
        outside = self.outside
        watch = PhaseWatch(time.perf_counter())
        prepared: list[Prepared] = []

        def parts() -> Iterator[Part]:
            for task in moved:
                part = task.prepare()
                prepared.append(part)
                yield Part(task.number, part.records, task.meta, part.meta)

        def at(point: str) -> None:
            watch.reached(point)
            outside.crash_point(point)

        outcome = run_transaction(parts(), group_metadata, outside.transactions, outside.offsets, at)
        self._broker_s = watch.since("after-produce")
        if outcome is Outcome.ABORTED:
            return None
        outside.crash_point("before-store")
        now_ms = outside.clock()
        for part in prepared:
            meta_offset = outside.transactions.meta_offset(part.task.number)
            # Without a report of it the copy claims less than it has; what it reads again changes nothing.
            part.task.committed(part, 0 if meta_offset is None else meta_offset + 1, now_ms)
        at("after-store")
        self._phases = watch.phases()
        return prepared

    def _after_abort(self, moved: list[PartitionTask]) -> None:
        self.observer.aborted("transaction")
        for task in moved:
            task.aborts_here += 1
            if task.aborts_here >= ABORTS_AT_ONE_OFFSET:
                raise Fenced(
                    f"partition {task.number}: {task.aborts_here} transactions in a row were aborted at offset "
                    f"{task.meta.next_offset}"
                )
        for task in self._live():
            self._restart(task)

    # -- the clock

    async def _clock_loop(self) -> None:
        while not self._closed:
            await asyncio.sleep(CLOCK_INTERVAL_S)
            await self.tick()

    async def tick(self) -> None:
        """Ask where the input ends, and let the clocks of the partitions read so far go on."""
        live = [task.number for task in self._live()]
        troubled = self.commit_failed or self.blocked_reason not in (None, STARTING)
        if not live and (self.tasks or not troubled):
            return
        asked_ms, ahead_ms = self._wall.ask()
        loop = asyncio.get_running_loop()
        try:
            # What is held comes first: the clock must not pass an instant at which something was.
            await loop.run_in_executor(self._asking, self.holding.refresh)
            ends = await loop.run_in_executor(self._asking, self.outside.offsets.high_watermarks, live or ANY_PARTITION)
        except ControlsUnreachable:
            self._blocked(CONTROL_UNREACHABLE)
            return
        except OutcomeUnknown:
            self._blocked("broker-unreachable")
            return
        if not self.tasks:  # what was wrong was with partitions that are no longer ours, or is over
            self._blocked(None)
            self.commit_failed = False
            return
        async with self._lock:
            self._apply_holds(asked_ms - ahead_ms)
        if ahead_ms or self._wall.too_far_ahead():
            # A new commit measures again; without one a passing fault of either clock would hold us for ever.
            self._blocked("clock-skew")
            self._probe = True
            self._commit_now.set()
            return
        async with self._lock:
            for task in self._live():
                end = ends.get(task.number)
                if end is None:
                    continue
                try:
                    task.ask(asked_ms, end)
                except WakeFailed as failure:
                    self._stand_still(task, failure)
                task.end = end
                task.lag = max(0, end - task.partition.next_offset)
                self.observer.lag(task.number, task.lag)
                task.next_wake_ms = task.next_to_fire()
                self.observer.clock(task.number, task.partition.clock_ms, task.next_wake_ms)
                if self._ticks % SIZES_EVERY_TICKS == 0:
                    self.observer.stored(task.number, task.store.sizes(), len(task.customers))
                if task.backlog:
                    self._commit_now.set()
            self._ticks += 1
            if self._guard.listen(asked_ms, self._live()):
                self._apply_holds(asked_ms)
        self._blocked(None)
        await self._sweeper.go_on(asked_ms, self.settings.definitions_rate * CLOCK_INTERVAL_S)

    def _apply_holds(self, now_ms: int) -> None:
        keys = self.holding.keys
        if self.holding.in_force != self._held:
            self._held = self.holding.in_force
            self.observer.held(self._held)
            log.info("holds_changed", holds=sorted(keys))
        for task in self._live():
            stopped = task.stopped
            raised = task.raise_level(self.holding.level)
            if raised:
                log.info("state_format_raised", partition=task.number, level=task.level)
            if task.hold(keys, now_ms) or raised:
                self._commit_now.set()
            if task.stopped != stopped:
                self._start_reading(task)

    def _blocked(self, reason: str | None) -> None:
        if reason != self.blocked_reason:
            log.warning("clock_blocked", reason=reason) if reason else log.info("clock_runs")
        self.blocked_reason = reason
        self.observer.clock_blocked(reason)
