"""What a simulated process stands on: its loop, its blocking calls, its clock, its wire to the broker, and its end.

Everything the process does to the outside goes through `reach`, which is where a fault ends or freezes it, and through
`ask`, which is where the wire fails it.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from stream.engine.holding import ControlsUnreachable
from stream.engine.interfaces import Aborted, Fenced, OutcomeUnknown
from tests.simulation.broker import Broker, NotAMember, ProducerFenced, TooLarge
from tests.simulation.loops import SteppedLoop
from tests.simulation.strands import Job

if TYPE_CHECKING:
    from tests.simulation.disk import Disk

CALL_MS = 400
"""Of one request; then nobody knows. Below the session and the transaction's time-out, as in production."""
SLOW_SHARE = 0.3
SLOW_MS = 40

Answer = TypeVar("Answer")


class Died(BaseException):
    """The process is no more: nothing it still does has an effect."""


class Fault(Enum):
    ABORT = "abort"  # the call says that the transaction must be aborted
    REQUEST_LOST = "request lost"
    REPLY_LOST = "reply lost"
    LATE = "late"  # the request arrives after the caller has given up


@dataclass
class Armed:
    """What happens when a point is reached after `skip` times more."""

    skip: int
    freeze_ms: int | None  # None: the process dies there


@dataclass
class Instance:
    """A worker as its operator knows it; its processes come and go."""

    name: str
    disk: Disk
    skew_ms: int = 0
    cut_until_ms: int = 0  # the broker can't be reached before
    processes: int = 0  # started so far
    wanted: bool = True  # the supervisor starts it again
    armed: dict[str, Armed] = field(default_factory=dict)
    faults: dict[str, list[tuple[int, Fault]]] = field(default_factory=dict)  # call -> (skip, fault), in order

    def fault_of(self, call: str) -> Fault | None:
        """The fault that strikes this call now, if one does."""
        waiting = self.faults.get(call)
        if not waiting:
            return None
        skip, fault = waiting[0]
        if skip:
            waiting[0] = (skip - 1, fault)
            return None
        waiting.pop(0)
        return fault


class Surroundings(Protocol):
    """The world, as a process sees it."""

    now_ms: int
    rng: Random
    broker: Broker
    deployed: int
    sweep_chunk: int
    cache_customers: int
    most_counted: int

    @property
    def wall_ms(self) -> int: ...
    def at(self, when_ms: int, call: Callable[[], None]) -> None: ...
    def happened(self, what: str) -> None: ...
    def died(self, host: Host, error: BaseException | None) -> None: ...


class Host:
    def __init__(self, world: Surroundings, instance: Instance) -> None:
        instance.processes += 1
        self.world = world
        self.instance = instance
        self.name = f"{instance.name}{instance.processes}"
        self.dead = False
        self.frozen = False
        self.loop = SteppedLoop(world, self._execute)
        self.ends_of: Callable[[list[int]], dict[int, int]] = lambda _: {}
        self._job: Job | None = None  # the one that runs now
        self._jobs: list[Job] = []
        self._thawing: list[Job] = []  # they go on when the process is thawed

    def clock(self) -> int:
        """Wall time in ms, as this machine tells it."""
        return self.world.wall_ms + self.instance.skew_ms

    # -- its end, and being frozen

    def live(self) -> None:
        if self.dead:
            raise Died

    def die(self, error: BaseException | None) -> None:
        """`error` None: killed from outside."""
        if not self.dead:
            self.dead = True
            self.loop.closed = True
            self.world.died(self, error)

    def bury(self) -> None:
        """By the world, when nothing of it is running: let go of all it held."""
        for job in list(self._jobs):
            job.resume(throw=Died())
        self.loop.end()

    def freeze(self, for_ms: int) -> None:
        self.frozen = True
        self.world.at(self.world.now_ms + for_ms, self.thaw)

    def thaw(self) -> None:
        if self.frozen:
            self.frozen = False
            jobs, self._thawing = self._thawing, []
            for job in jobs:
                self._resume_at(self.world.now_ms, job)

    # -- points and waits, within a blocking call

    def reach(self, point: str) -> None:
        """The process comes by here."""
        self.live()
        armed = self.instance.armed.get(point)
        if armed is None or self._job is None:
            return
        armed.skip -= 1
        if armed.skip >= 0:
            return
        del self.instance.armed[point]
        if armed.freeze_ms is None:
            self.world.happened(f"crash {point}")
            self.die(None)
            raise Died
        self.world.happened(f"freeze {point}")
        self.freeze(armed.freeze_ms)
        self._thawing.append(self._job)
        self._job.suspend()
        self.live()

    def wait(self, ms: int) -> None:
        assert self._job is not None, "only a blocking call can wait"
        self._resume_at(self.world.now_ms + ms, self._job)
        self._job.suspend()
        self.live()

    def wait_a_little(self) -> None:
        if self.world.rng.random() < SLOW_SHARE:
            self.wait(self.world.rng.randint(1, SLOW_MS))

    # -- the wire

    @property
    def reachable(self) -> bool:
        return self.world.now_ms >= self.instance.cut_until_ms

    def ask(self, call: str, act: Callable[[], Answer]) -> Answer:
        """One request. Raises Aborted, Fenced, OutcomeUnknown; `act` is what the broker does."""
        self.reach(f"before {call}")
        fault = self.instance.fault_of(call)
        if fault is not None:
            self.world.happened(f"{call}: {fault.value}")
        if fault is Fault.ABORT:
            raise Aborted
        deadline_ms = self.world.now_ms + CALL_MS
        if not self.reachable:
            self.wait(min(self.instance.cut_until_ms, deadline_ms) - self.world.now_ms)
            if not self.reachable:
                raise OutcomeUnknown
        if fault is Fault.LATE:
            self.world.at(
                deadline_ms + self.world.rng.randint(-CALL_MS // 2, CALL_MS), lambda: self._arrives(call, act)
            )
        elif fault is not Fault.REQUEST_LOST:
            self.wait_a_little()
            answer = self._by_broker(act)
        if fault is not None:
            self.wait(max(1, deadline_ms - self.world.now_ms))
            raise OutcomeUnknown
        self.reach(f"after {call}")
        return answer

    def _by_broker(self, act: Callable[[], Answer]) -> Answer:
        try:
            return act()
        except ProducerFenced:
            self.world.happened("producer fenced")
            raise Fenced("the producer's epoch is no longer the newest") from None
        except NotAMember:
            self.world.happened("not a member of this generation")
            raise Aborted from None
        except TooLarge:
            raise Aborted from None

    def _arrives(self, call: str, act: Callable[[], object]) -> None:
        """A late request; its sender has long given up, or is dead."""
        try:
            act()
            self.world.happened(f"late {call} accepted")
        except ProducerFenced:
            self.world.happened(f"late {call} refused")

    # -- blocking calls, for the loop

    def _execute(self, call: Callable[..., Any], arguments: tuple[Any, ...], future: Future[Any]) -> None:
        name = getattr(call, "__name__", "")
        if name == "close":
            future.set_result(call(*arguments))
        elif name == "high_watermarks":
            self._ask_ends(*arguments, future)
        elif name == "refresh":
            self._ask_controls(call, future)
        else:
            job = Job(lambda: call(*arguments), lambda result, error: self._finished(job, future, result, error))
            self._jobs.append(job)
            self._resume_at(self.world.now_ms, job)

    def _ask_ends(self, partitions: list[int], future: Future[Any]) -> None:
        """The clock's question, asked all the time: no thread for it. The broker answers at some instant between
        question and answer."""
        world = self.world
        fault = self.instance.fault_of("ends")
        sent_ms = world.now_ms + (world.rng.randint(1, SLOW_MS) if world.rng.random() < SLOW_SHARE else 0)
        back_ms = sent_ms + (world.rng.randint(1, SLOW_MS) if world.rng.random() < SLOW_SHARE else 0)

        def fail() -> None:
            if not future.done():
                future.set_exception(OutcomeUnknown())

        def answer(ends: dict[int, int]) -> None:
            if not future.done():
                future.set_result(ends)

        def arrive() -> None:
            ends = self.ends_of(partitions)
            world.at(back_ms, lambda: answer(ends))

        if fault is not None or not self.reachable:
            world.happened("ends: no answer")
            world.at(world.now_ms + CALL_MS, fail)
        else:
            world.at(sent_ms, arrive)

    def _ask_controls(self, call: Callable[[], None], future: Future[Any]) -> None:
        """What is held, asked before each question for the end: no thread for it either."""
        if self.instance.fault_of("controls") is None and self.reachable:
            call()
            future.set_result(None)
            return
        self.world.happened("controls: no answer")

        def fail() -> None:
            if not future.done():
                future.set_exception(ControlsUnreachable())

        self.world.at(self.world.now_ms + CALL_MS, fail)

    def _resume_at(self, when_ms: int, job: Job) -> None:
        self.world.at(when_ms, lambda: self._resume(job))

    def _resume(self, job: Job) -> None:
        if self.dead or job.done:
            return
        if self.frozen:
            self._thawing.append(job)
            return
        self._job = job
        try:
            job.resume()
        finally:
            self._job = None

    def _finished(self, job: Job, future: Future[Any], result: Any, error: BaseException | None) -> None:
        self._jobs.remove(job)
        if self.dead or future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
