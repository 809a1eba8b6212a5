"""The world: what time it is, whose turn it is, and what each item does.

There is one thread of control. Whenever several processes could go on, the seed decides which does; when none can, the
next timer is due. Virtual time (`now_ms`) drives time-outs and intervals; wall time is that plus a shift, which `jump`
moves for everybody at once, so that days pass without a tick.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from random import Random
from typing import Any

from stream.codec.control import Control
from stream.codec.snapshot import wake_of
from stream.engine.interfaces import Fenced, OutcomeUnknown, Produce
from stream.engine.wall_clock import SKEW_LIMIT_MS
from stream.errors import StartRefused
from tests.simulation.broker import Broker, State, Transaction
from tests.simulation.client import INPUT, MEMBERSHIPS, STATE
from tests.simulation.definitions import LAST_REVISION
from tests.simulation.disk import Disk, followed
from tests.simulation.events import Sent, payload, poison
from tests.simulation.host import Armed, Fault, Host, Instance
from tests.simulation.items import HELD, PARTITIONS, Item
from tests.simulation.process import GRACE_MS, Process

START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
EXPIRY_MS = 100
"""The transaction coordinator looks so often for transactions that are open too long."""
CLEANED = 0.25
"""In so many worlds the compacted topics are cleaned again and again, so that old tombstones go too."""
CLEANING_MS = 1_500
STORMY = 0.1
"""In so many worlds a commit takes next to no wakes, so that every silence is a storm of them; in some how many depends
on how long commits take."""
SETTLE_ROUNDS = 160
SETTLE_MS = 250


class World:
    def __init__(self, seed: int) -> None:
        self.rng = Random(f"world {seed}")
        self.now_ms = 0
        self.shift_ms = START_MS
        self.broker = Broker(PARTITIONS, lambda: self.now_ms, lambda: self.wall_ms)
        self.instances: dict[str, Instance] = {}
        self.processes: dict[str, Process] = {}  # by instance, those that live
        self.sent: dict[tuple[int, int], Sent] = {}
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self.most_skew_ms = 0
        self.deployed = 1  # revision of the definitions with which a process starts
        weather = Random(f"weather {seed}")
        self.stormy = weather.random() < STORMY
        self.wakes_per_commit = weather.choice(((1, 1, 1), (3, 3, 3), (2, 1, 8)))  # at first, at least, at most
        self._cleaner = Random(f"cleaner {seed}")
        self.sweep_chunk = Random(f"chunk {seed}").choice((1, 1, 2, 5))
        self.cache_customers = Random(f"cache {seed}").choice((0, 4, 4, 20))  # most are fewer than there are customers
        self.most_counted = Random(f"census {seed}").choice((0, 3, 100))  # of more a restored store is read back
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._timer = 0
        self._dead: list[Host] = []
        self._upstreams = 0
        self._messages = 0
        self._latest: dict[str, Sent] = {}
        self._everything: list[Sent] = []
        self._expire()
        if self._cleaner.random() < CLEANED:
            self._clean()
        if self.stormy:
            self.happened("world of storms")

    @property
    def wall_ms(self) -> int:
        return self.now_ms + self.shift_ms

    # -- time and turns

    def at(self, when_ms: int, call: Callable[[], None]) -> None:
        self._timer += 1
        heapq.heappush(self._timers, (max(when_ms, self.now_ms), self._timer, call))

    def run(self, for_ms: int) -> None:
        """Let so much time pass, and everything happen that happens within it."""
        until_ms = self.now_ms + for_ms
        timers = self._timers
        while True:
            if self._dead:
                self._bury()
            ready = [process for process in self.processes.values() if process.loop.ready and not process.frozen]
            if ready:
                process = ready[0] if len(ready) == 1 else self.rng.choice(ready)
                process.loop.step()
            elif timers and timers[0][0] <= until_ms:
                when_ms, _, call = heapq.heappop(timers)
                self.now_ms = when_ms
                call()
            else:
                break
        self.now_ms = until_ms

    def play(self, items: list[Item]) -> None:
        for item in items:
            getattr(self, item.what)(**item.with_)
            self.run(item.pause_ms)

    def happened(self, what: str) -> None:
        self.counts[what] += 1

    def _expire(self) -> None:
        before = self.broker.timed_out
        self.broker.expire()
        self.counts["transaction timed out"] += self.broker.timed_out - before
        self.at(self.now_ms + EXPIRY_MS, self._expire)

    # -- processes

    def died(self, host: Host, error: BaseException | None) -> None:
        self._dead.append(host)
        if error is not None:
            self.happened(f"exit: {type(error).__name__}")
            refused = isinstance(error, StartRefused) and self._is_behind(host)
            if not isinstance(error, Fenced | OutcomeUnknown) and not refused:
                self.problems.append(f"{host.name} ended with {type(error).__name__}: {error}")

    def _is_behind(self, host: Host) -> bool:
        """Whether it runs definitions that others have gone beyond."""
        return isinstance(host, Process) and host.revision < self.deployed

    def _bury(self) -> None:
        dead, self._dead = self._dead, []
        for host in dead:
            host.bury()
            for error in host.loop.errors:
                self.problems.append(f"{host.name}: {type(error).__name__}: {error}")
            instance = host.instance
            if self.processes.get(instance.name) is host:
                del self.processes[instance.name]
            if instance.wanted:
                self.at(self.now_ms + self.rng.randint(20, 300), lambda instance=instance: self._supervise(instance))

    def _supervise(self, instance: Instance) -> None:
        if instance.wanted and instance.name not in self.processes:
            self.processes[instance.name] = Process(self, instance, PARTITIONS)

    def _instance(self, name: str) -> Instance:
        return self.instances.setdefault(name, Instance(name, Disk(), wanted=False))

    def start(self, instance: str) -> None:
        known = self._instance(instance)
        known.wanted = True
        self._supervise(known)

    def stop(self, instance: str, leave: bool, again: bool) -> None:
        process = self.processes.get(instance)
        if process is not None and not process.dead:
            self.happened("stop")
            process.instance.wanted = again
            process.stop(lambda: self.broker.group.leave(instance) if leave else None)

    def deploy(self, instance: str, kill: bool) -> None:
        """The next definitions are there; this worker is started anew, others when they happen to."""
        if self.deployed < LAST_REVISION:
            self.deployed += 1
            self.happened("definitions deployed")
        if kill:
            self.kill(instance)
        else:
            self.stop(instance, leave=False, again=True)

    def kill(self, instance: str, again: bool = True) -> None:
        process = self.processes.get(instance)
        if process is not None and not process.dead:
            self.happened("kill")
            process.instance.wanted = again
            process.die(None)
            self._bury()

    def freeze(self, instance: str, ms: int) -> None:
        process = self.processes.get(instance)
        if process is not None and not process.dead:
            self.happened("freeze")
            process.freeze(ms)

    def crash(self, instance: str, point: str, skip: int) -> None:
        self._instance(instance).armed[point] = Armed(skip, None)

    def freeze_at(self, instance: str, point: str, skip: int, ms: int) -> None:
        self._instance(instance).armed[point] = Armed(skip, ms)

    # -- the outside

    def fault(self, instance: str, call: str, fault: str, skip: int) -> None:
        self._instance(instance).faults.setdefault(call, []).append((skip, Fault[fault]))

    def cut(self, instance: str, ms: int) -> None:
        self.happened("cut from the broker")
        self._instance(instance).cut_until_ms = self.now_ms + ms

    def skew(self, instance: str, ms: int) -> None:
        known = self._instance(instance)
        self.happened("wall clock steps back" if ms < known.skew_ms else "wall clock steps ahead")
        known.skew_ms = ms
        self.most_skew_ms = max(self.most_skew_ms, min(ms, SKEW_LIMIT_MS))  # beyond it nothing is judged

    def lose_disk(self, instance: str) -> None:
        self.kill(instance)
        if self._instance(instance).disk.lose():
            self.happened("data directory lost")

    def old_disk(self, instance: str, age: int) -> None:
        self.kill(instance)
        if self._instance(instance).disk.put_back(age):
            self.happened("old data directory put back")

    def damage_disk(self, instance: str) -> None:
        self.kill(instance)
        if self._instance(instance).disk.damage():
            self.happened("data directory damaged")

    def compact(self) -> None:
        for (topic, _), log in self.broker.logs.items():
            if topic in (STATE, MEMBERSHIPS):
                until = log.end if self._cleaner.random() < 0.5 else self._cleaner.randrange(log.end + 1)
                dropped = log.compact(until, self.now_ms)
                self.counts["state or memberships compacted"] += bool(dropped)
                self.counts["old tombstones compacted away"] += dropped["old tombstones"]

    def _clean(self) -> None:
        self.compact()
        self.at(self.now_ms + CLEANING_MS, self._clean)

    # -- holds

    def hold(self, key: str) -> None:
        self.broker.controls[key] = Control("somebody", self.wall_ms, "a test")
        self.happened("hold")

    def release(self, key: str) -> None:
        if self.broker.controls.get(key) is not None:
            self.broker.controls[key] = None
            self.happened("release")

    # -- time

    def wait(self) -> None: ...

    def jump(self, ms: int) -> None:
        self.shift_ms += ms
        self.happened("time jumps")

    def jump_to_edge(self, customer: str, ms: int) -> None:
        latest = self._latest.get(customer)
        if latest is not None:
            self.shift_ms += max(0, latest.stated_ms + ms - self.wall_ms)

    # -- records

    def send(self, transaction: Transaction | None = None, **event: Any) -> None:
        customer, late_ms, ahead_ms = event["customer"], event["late_ms"], event["ahead_ms"]
        kind = "ignored" if event["event"] == "unknown type" else event["event"]
        stamp_ms = self.wall_ms + ahead_ms
        message_id = self._message_id(event["id"])
        sent = Sent(customer, kind, stamp_ms - late_ms, stamp_ms, message_id)
        self._put(sent, transaction)
        self.happened("late event" if late_ms else "producer's clock ahead" if ahead_ms else "event")
        if kind != "ignored":
            self._latest[customer] = sent

    def send_at_edge(self, customer: str, event: str, ms: int) -> None:
        latest = self._latest.get(customer)
        stated_ms = self.wall_ms if latest is None else min(latest.stated_ms + ms, self.wall_ms)
        self._latest[customer] = Sent(customer, event, stated_ms, self.wall_ms, self._message_id("new"))
        self._put(self._latest[customer])
        self.happened("event at a window's edge")

    def repeat(self, back: int) -> None:
        if len(self._everything) >= back:
            again = self._everything[-back]
            self._put(Sent(again.customer, again.kind, again.stated_ms, self.wall_ms, again.message_id, again.reason))
            self.happened("record repeated")

    def poison(self, customer: str, kind: str) -> None:
        self._put(poison(customer, kind, self.wall_ms))
        self.happened("poison record")

    def erase(self, customer: str) -> None:
        self._put(Sent(customer, "erase", self.wall_ms, self.wall_ms))
        self.happened("erasure")

    def upstream(self, events: list[dict[str, Any]], open_ms: int, commits: bool) -> None:
        transaction = Transaction(self.now_ms)
        self._upstreams += 1
        for event in events:
            self.send(transaction, **event)
        state = State.COMMITTED if commits else State.ABORTED

        def end() -> None:
            self.broker.end(transaction, state)
            self._upstreams -= 1

        self.at(self.now_ms + open_ms, end)
        self.happened(f"upstream transaction {state.value}")

    def _message_id(self, which: str) -> str | None:
        self._messages += 1
        return None if which == "none" else f"{'breaks' if which == 'breaks' else 'm'}-{self._messages}"

    def _put(self, sent: Sent, transaction: Transaction | None = None) -> None:
        partition = int(sent.customer[1:]) % PARTITIONS
        record = Produce(INPUT, partition, sent.customer.encode(), payload(sent), [("trace", b"\x01")])
        self.sent[partition, self.broker.append(record, sent.stamp_ms, transaction)] = sent
        self._everything.append(sent)

    # -- the end

    def heal(self) -> None:
        """Everything that can be well is well again; whoever should run does, and somebody does."""
        for instance in self.instances.values():
            instance.armed.clear()
            instance.faults.clear()
            instance.skew_ms = instance.cut_until_ms = 0
        self.broker.controls.update(dict.fromkeys(HELD))
        for process in self.processes.values():
            process.thaw()
        for name, process in list(self.processes.items()):
            if self._is_behind(process):
                self.kill(name)
        if not any(instance.wanted for instance in self.instances.values()):
            self.start("a")

    def settle(self) -> None:
        """Until nothing moves any more; that it never does is a problem."""
        wall_ms = self.wall_ms
        for _ in range(SETTLE_ROUNDS):
            self.run(SETTLE_MS)
            restless = self._restless(wall_ms)
            if restless is None:
                return
        self.problems.append(f"not at rest after {SETTLE_ROUNDS * SETTLE_MS / 1000:.0f} s: {restless}")

    def _restless(self, wall_ms: int) -> str | None:
        """Why the world is not at rest; None when it is: all read, committed and judged up to `wall_ms`."""
        if self._upstreams or self.broker.open_transactions():
            return "a transaction is open"
        owners: dict[int, str] = {}
        for process in self.processes.values():
            for partition, task in process.engine.tasks.items():
                if task is None:
                    return f"partition {partition} is being restored"
                if partition in owners:
                    return f"partition {partition} has two owners"
                owners[partition] = process.name
                if process.engine.blocked_reason == "starting":
                    return f"partition {partition}: its owner has not moved a clock yet"
                log = self.broker.log(INPUT, partition)
                if self.broker.offsets.get(partition, (0, ""))[0] != log.end and log.end:
                    return f"partition {partition}: lag"
                if task.meta.holds:
                    return f"partition {partition}: something is still held"
                if task.partition.committed_clock_ms < wall_ms - 10_000 or task.partition.has_pending or task.backlog:
                    return f"partition {partition}: its clock is behind"
                clock_ms, folder = task.meta.clock_ms, process.instance.disk.folders[partition]
                customers = followed(folder.now, self.broker.log(STATE, partition))
                due = any(wake_of(value) <= clock_ms - GRACE_MS for value in customers.values())
                if due and clock_ms < self.wall_ms:
                    # A new owner's clock stands where the former's stood, in the middle of a storm perhaps. One that
                    # once believed in an hour to come goes on when that hour has come.
                    return f"partition {partition}: a wake is due"
                if task.remaining:
                    return f"partition {partition}: {task.remaining} customers are not carried over"
        return None if len(owners) == PARTITIONS else "a partition has no owner"

    def end(self) -> None:
        """Let go of the processes that still run."""
        for process in self.processes.values():
            process.dead = True
            process.bury()

    def stores(self) -> dict[int, Disk]:
        """Partition -> the disk of its owner."""
        return {p: process.instance.disk for process in self.processes.values() for p in process.engine.tasks}

    def digest(self) -> str:
        """Of everything that was ever written, aborted or not, and when."""
        total = blake2b(digest_size=16)
        for place, log in sorted(self.broker.logs.items()):
            total.update(repr((place, [entry and entry.told() for entry in log.entries])).encode())
        total.update(repr(sorted(self.broker.offsets.items())).encode())
        return total.hexdigest()
