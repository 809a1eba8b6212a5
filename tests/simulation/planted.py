"""Bugs to plant in the worker, one at a time: each is a small, plausible mistake, written into the running code for the
duration of a test. `row` is that of the experiments on the commit cycle from which the rule was drawn.

The simulation (its expectation, its look at the clock and the stores, and `segmenter verify` on its topics) must find
every one, but for those about refusing to start and about polling, which a `law` of the suite must. The table in
`docs/reliability.md` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from pytest import MonkeyPatch

from stream.codec.outbound import Encoder
from stream.core import partition as partition_module
from stream.core.memory import Verdict
from stream.core.migration import Carrier
from stream.core.partition import Partition
from stream.core.wakes import Wakes
from stream.engine import engine as engine_module
from stream.engine import restore as restore_module
from stream.engine import transaction as transaction_module
from stream.engine.customers import Customers, Kept, ToWrite
from stream.engine.engine import Engine
from stream.engine.restore import Restorer
from stream.engine.task import PartitionTask
from stream.engine.transaction import Outcome
from stream.engine.wall_clock import WallClock
from stream.engine.writing import Writing
from stream.kafka.source import POLL_S, KafkaSource
from tests import test_polling
from tests.engine import test_beginnings, test_definitions, test_engine, test_skew
from tests.simulation import definitions
from tests.simulation.broker import NO_MEMBER
from tests.simulation.client import CHANGES, INPUT, STATE, SimulatedReads, SimulatedTransactions
from tests.simulation.disk import SimulatedStore
from tests.simulation.items import Item

Plant = Callable[[MonkeyPatch], None]


@dataclass(frozen=True)
class Planted:
    """`what` is the mistake; `row` of the experiments (0: none); `law` the test that must fail, None: the simulation
    must find it, which is looked for from the seed `first` on, since rare ones are met late. `items`: what happens in
    those worlds, for one that is too rare in what seeds make."""

    name: str
    what: str
    row: int
    first: int
    law: Callable[[], Any] | None
    items: list[Item] | None
    plant: Plant


PLANTED: dict[str, Planted] = {}


def planted(
    name: str,
    what: str,
    row: int = 0,
    first: int = 0,
    law: Callable[[], Any] | None = None,
    items: list[Item] | None = None,
) -> Callable[[Plant], Plant]:
    def register(plant: Plant) -> Plant:
        PLANTED[name] = Planted(name, what, row, first, law, items, plant)
        return plant

    return register


def every(nth: int) -> Callable[[], bool]:
    """True each n-th time."""
    count = 0

    def hit() -> bool:
        nonlocal count
        count += 1
        return count % nth == 0

    return hit


# -- time and wakes


@planted("skip-wake", "one in five due wakes is passed over")
def _(patch: MonkeyPatch) -> None:
    due, hit = Wakes.due, every(5)
    patch.setattr(Wakes, "due", lambda self, *given: (entry for entry in due(self, *given) if not hit()))


@planted(
    "fresh-wake-lost", "a wake made since the last commit and before what was looked at is not looked at again", 9, 60
)
def _(patch: MonkeyPatch) -> None:
    def committed(self: Wakes) -> None:
        self._fresh, self._edits = [], {}
        self._committed_cursor = self._cursor

    patch.setattr(Wakes, "committed", committed)


@planted("index-not-restored", "an abort leaves the index where it was: wakes fired in vain do not fire again")
def _(patch: MonkeyPatch) -> None:
    def aborted(self: Wakes) -> None:
        self._fresh, self._edits = [], {}

    patch.setattr(Wakes, "aborted", aborted)


@planted("record-clock", "the clock follows the records' own timestamps", 2)
def _(patch: MonkeyPatch) -> None:
    process = PartitionTask.process

    def mutated(self: PartitionTask, batch: Any) -> None:
        process(self, batch)
        if batch.records:
            self.ask(max(message.timestamp()[1] for message in batch.records), self.partition.next_offset)

    patch.setattr(PartitionTask, "process", mutated)


@planted("wake-before-refuting-record", "a customer's wakes fire up to the read time before its own record", 3)
def _(patch: MonkeyPatch) -> None:
    fire = Partition._fire_before
    patch.setattr(
        Partition, "_fire_before", lambda self, profile, time_ms, read_ms: fire(self, profile, read_ms, read_ms)
    )


@planted("clock-ahead", "the clock goes on although the end of the log was not reached")
def _(patch: MonkeyPatch) -> None:
    ask = PartitionTask.ask
    patch.setattr(PartitionTask, "ask", lambda self, asked_ms, end: ask(self, asked_ms, self.partition.next_offset))


@planted("clock-asked-after", "the clock is read after the question for the end, not before")
def _(patch: MonkeyPatch) -> None:
    tick = Engine.tick

    async def mutated(self: Engine) -> None:
        wall, outside = self._wall, self.outside
        self._wall = WallClock(lambda: outside.clock() + LATER_MS, outside.transactions.ahead_ms)
        try:
            await tick(self)
        finally:
            self._wall = wall

    patch.setattr(Engine, "tick", mutated)


LATER_MS = 50


@planted(
    "reading-not-compared",
    "the clock is compared with the broker's when the end is known, not when it is read",
    law=test_skew.test_a_clock_that_was_wrong_when_it_was_asked_is_not_believed_though_it_is_right_when_the_end_is_known,
)
def _(patch: MonkeyPatch) -> None:
    patch.setattr(WallClock, "ask", lambda self: (self._clock(), 0))


@planted(
    "clock-compared-at-commits", "the clock is compared with the broker's at commits alone: a step since is not seen"
)
def _(patch: MonkeyPatch) -> None:
    append, ahead_ms = SimulatedTransactions._append, SimulatedTransactions.ahead_ms
    found: WeakKeyDictionary[SimulatedTransactions, int | None] = WeakKeyDictionary()

    def mutated(self: SimulatedTransactions, record: Any, epoch: int) -> None:
        append(self, record, epoch)
        found[self] = ahead_ms(self)

    def as_found(self: SimulatedTransactions) -> int | None:
        return found.get(self)

    patch.setattr(SimulatedTransactions, "_append", mutated)
    patch.setattr(SimulatedTransactions, "ahead_ms", as_found)


@planted(
    "end-read-committed", "the end of the log is asked read_committed: an upstream's open transaction is overlooked"
)
def _(patch: MonkeyPatch) -> None:
    def ends(self: SimulatedReads, partitions: Any) -> dict[int, int]:
        return {partition: self._broker.log(INPUT, partition).stable_end for partition in partitions}

    patch.setattr(SimulatedReads, "_ends", ends)


@planted("no-grace", "due wakes do not wait for stragglers")
def _(patch: MonkeyPatch) -> None:
    step = Partition.step

    def mutated(self: Partition, clock_ms: int, limit: int) -> bool:
        self.grace_ms, grace_ms = 0, self.grace_ms
        try:
            return step(self, clock_ms, limit)
        finally:
            self.grace_ms = grace_ms

    patch.setattr(Partition, "step", mutated)


@planted("window-edge", "a window's edge lies one millisecond off")
def _(patch: MonkeyPatch) -> None:
    judge = definitions.PROGRAM.judge

    def mutated(cells: Any, now_ms: int) -> Any:
        answers, turns_ms = judge(cells, now_ms - 1)
        return answers, turns_ms + 1

    patch.setattr(definitions.PROGRAM, "judge", mutated)


# -- records


@planted("position-one-past", "the next offset at the end of the log is taken one past it", 4)
def _(patch: MonkeyPatch) -> None:
    skip_to = Partition.skip_to
    patch.setattr(Partition, "skip_to", lambda self, offset: skip_to(self, offset + 1))


@planted("stale-records", "records handed out before a seek are processed after it", 7)
def _(patch: MonkeyPatch) -> None:
    process = Engine._process

    def mutated(self: Engine, batch: Any) -> None:
        task = self.tasks.get(batch.partition)
        if task is not None and batch.epoch and batch.epoch < task.epoch:
            batch = replace(batch, epoch=task.epoch, serial=task.serial)
        elif task is not None:
            batch = replace(batch, serial=task.serial)
        process(self, batch)

    patch.setattr(Engine, "_process", mutated)


@planted("duplicate-counted", "a message that comes again counts again")
def _(patch: MonkeyPatch) -> None:
    patch.setattr(partition_module, "recall", lambda *_: Verdict.NEW)


@planted("rejected-lost", "one in three rejected records is not written")
def _(patch: MonkeyPatch) -> None:
    add, hit = PartitionTask._add_rejected, every(3)
    patch.setattr(PartitionTask, "_add_rejected", lambda self, records: None if hit() else add(self, records))


@planted("reject-livelock", "the headers of a rejected record grow with the record, past the topic's limit", 10)
def _(patch: MonkeyPatch) -> None:
    headers = Encoder.rejected_headers

    def mutated(self: Encoder, original: Any, rejected: Any) -> Any:
        return [*headers(self, original, rejected), ("copy", b"x" * 6_000)]

    patch.setattr(Encoder, "rejected_headers", mutated)


# -- what a commit writes


@planted("dirty-state-dropped", "one in seven states that a commit touched is not written")
def _(patch: MonkeyPatch) -> None:
    states, hit = Writing.states, every(7)

    def mutated(self: Writing, keys: int, total: int) -> Any:
        touched = self._partition.pending.touched
        whole = dict(touched)
        if touched and hit():
            touched.popitem()
        try:
            return states(self, keys, total)
        finally:
            touched.clear()
            touched.update(whole)

    patch.setattr(Writing, "states", mutated)


@planted("made-ahead-stale", "what was made ahead of a commit is written although more was heard of the customer since")
def _(patch: MonkeyPatch) -> None:
    def mutated(self: Writing) -> Any:
        self._partition.pending.lately.clear()
        return self._made

    patch.setattr(Writing, "_made_and_valid", mutated)


@planted("membership-dropped", "one in seven memberships is not written")
def _(patch: MonkeyPatch) -> None:
    memberships, hit = Writing.memberships, every(7)
    patch.setattr(Writing, "memberships", lambda self: [] if hit() else memberships(self))


@planted("wrong-partition", "changes of one customer in seven go to another partition")
def _(patch: MonkeyPatch) -> None:
    changes = Writing.changes

    def mutated(self: Writing) -> Any:
        return [
            replace(record, partition=1 - record.partition) if record.key == b"c2" else record
            for record in changes(self)
        ]

    patch.setattr(Writing, "changes", mutated)


@planted("emitted-before-commit", "changes are produced outside the transaction")
def _(patch: MonkeyPatch) -> None:
    append = SimulatedTransactions._append

    def mutated(self: SimulatedTransactions, record: Any, epoch: int) -> None:
        if record.topic == CHANGES:
            self._host.world.broker.append(record)
        else:
            append(self, record, epoch)

    patch.setattr(SimulatedTransactions, "_append", mutated)


@planted("held-out-told", "customers held out of a segment are told on its own topic")
def _(patch: MonkeyPatch) -> None:
    topics = Writing._extra_topics
    patch.setattr(
        Writing, "_extra_topics",
        lambda self, profile, change: topics(self, profile, replace(change, control=False)),
    )  # fmt: skip


@planted("ids-used-again", "ids do not name the life they belong to: after an erasure they begin again", 13)
def _(patch: MonkeyPatch) -> None:
    change = Encoder.change
    patch.setattr(Encoder, "change", lambda self, customer, born, told: change(self, customer, (born[0], 0), told))


# -- aborts and unknown outcomes


@planted("doubled-after-abort", "an abort keeps the pending changes, and they are made again")
def _(patch: MonkeyPatch) -> None:
    aborted = Partition.aborted

    def mutated(self: Partition) -> None:
        changes = self.pending.changes
        aborted(self)
        self.pending.changes = changes

    patch.setattr(Partition, "aborted", mutated)


@planted("stale-cache", "customers changed by an aborted commit stay in the cache")
def _(patch: MonkeyPatch) -> None:
    load, committed = Customers.load, Customers.committed
    held: WeakKeyDictionary[Customers, dict[str, Any]] = WeakKeyDictionary()

    def mutated_load(self: Customers, customer_id: str) -> Any:
        profiles = held.setdefault(self, {})
        if customer_id not in profiles:
            profiles[customer_id] = load(self, customer_id)
        return profiles[customer_id]

    def mutated_committed(self: Customers, kept: Sequence[Kept], position: int) -> ToWrite:
        for customer_id, *_ in kept:
            held.setdefault(self, {}).pop(customer_id, None)
        return committed(self, kept, position)

    patch.setattr(Customers, "load", mutated_load)
    patch.setattr(Customers, "committed", mutated_committed)


@planted("copy-claims-all", "the local copy is said to have what is yet to be written into it")
def _(patch: MonkeyPatch) -> None:
    patch.setattr(Customers, "reaches", property(lambda self: self._position))


@planted("store-before-commit", "the store is written before the transaction is certain")
def _(patch: MonkeyPatch) -> None:
    run = engine_module.run_transaction

    def transact(self: Engine, moved: Any, metadata: Any) -> Any:
        outside = self.outside
        prepared = [task.prepare() for task in moved]
        parts = [engine_module.Part(part.task.number, part.records, part.task.meta, part.meta) for part in prepared]
        for part in prepared:
            part.task.committed(part, 0, outside.clock())
        if run(parts, metadata, outside.transactions, outside.offsets, outside.crash_point) is Outcome.ABORTED:
            return None
        return prepared

    patch.setattr(Engine, "_transact", transact)


@planted("outcome-by-offset", "an unknown outcome is told by the committed offset alone", 6, 95)
def _(patch: MonkeyPatch) -> None:
    def resolve(parts: Any, offsets: Any) -> Outcome:
        committed = offsets.committed([part.partition for part in parts])
        landed = all(committed[part.partition].offset == part.after.next_offset for part in parts)
        return Outcome.COMMITTED if landed else Outcome.ABORTED

    patch.setattr(transaction_module, "_resolve", resolve)


@planted("unknown-is-aborted", "a commit without an answer counts as aborted", 6)
def _(patch: MonkeyPatch) -> None:
    patch.setattr(transaction_module, "_resolve", lambda parts, offsets: Outcome.ABORTED)


@planted("unknown-is-committed", "a commit without an answer counts as committed", 6)
def _(patch: MonkeyPatch) -> None:
    patch.setattr(transaction_module, "_resolve", lambda parts, offsets: Outcome.COMMITTED)


@planted(
    "producer-kept", "after an unknown outcome the producer is used on: its late commit ends a later transaction", 6
)
def _(patch: MonkeyPatch) -> None:
    renew = SimulatedTransactions.renew

    def mutated(self: SimulatedTransactions) -> None:
        if not self._epoch:
            renew(self)
        self._begun = False

    patch.setattr(SimulatedTransactions, "renew", mutated)


# -- owners


@planted("lost-kept", "partitions that were lost are worked on, and committed after joining again", 5)
def _(patch: MonkeyPatch) -> None:
    async def lost(self: Engine, partitions: Any) -> None: ...

    patch.setattr(Engine, "lost", lost)


@planted("no-group-metadata", "offsets are sent without the group's metadata: nobody fences a zombie", 5)
def _(patch: MonkeyPatch) -> None:
    run = engine_module.run_transaction
    patch.setattr(engine_module, "run_transaction", lambda parts, _, *given: run(parts, NO_MEMBER, *given))


def _sends(count: int, pause_ms: int) -> list[Item]:
    event = {"event": "browse", "late_ms": 0, "ahead_ms": 0, "id": "new"}
    return [Item("send", {"customer": f"c{number % 4}", **event}, pause_ms) for number in range(count)]


OPEN_BELOW_A_COMMIT = [
    *(Item("start", {"instance": name}, 100) for name in "abc"),
    *_sends(8, 150),
    Item("freeze_at", {"instance": "a", "point": "after-produce", "skip": 0, "ms": 9_000}),
    *_sends(8, 60),
    Item("kill", {"instance": "a", "again": False}, 900),
    *_sends(16, 30),
    Item("stop", {"instance": "b", "leave": True, "again": False}, 100),
    *_sends(8, 60),
    Item("kill", {"instance": "c", "again": True}, 100),
    *_sends(8, 300),
]
"""A worker dies for good with a transaction open; the next owner commits above it, and hands over before it is
aborted."""


@planted(
    "restore-at-stable-end", "a restore reads the changelog up to its last stable offset", 1,
    items=OPEN_BELOW_A_COMMIT,
)  # fmt: skip
def _(patch: MonkeyPatch) -> None:
    def bounds(self: SimulatedReads, partition: int) -> tuple[int, int]:
        return 0, self._broker.log(STATE, partition).stable_end

    patch.setattr(SimulatedReads, "changelog_bounds", bounds)


@planted("copy-unchecked", "a local copy is not counted and compared when it is opened")
def _(patch: MonkeyPatch) -> None:
    patch.setattr(SimulatedStore, "check", lambda self, keys, digest: None)


# -- beginnings, and the poll thread: found by laws of the suite


@planted(
    "restore-unquestioned", "a restore takes what the changelog says, whatever offset was committed", 12,
    law=test_engine.test_offsets_that_were_reset_are_refused,
)  # fmt: skip
def _(patch: MonkeyPatch) -> None:
    patch.setattr(Restorer, "_names", lambda self, meta, committed: True)


@planted(
    "retention-unseen", "a start goes on behind events that retention deleted unread", 12,
    law=test_beginnings.test_events_that_were_deleted_before_they_were_read_are_missed,
)  # fmt: skip
def _(patch: MonkeyPatch) -> None:
    check = Restorer._check_input
    patch.setattr(
        Restorer, "_check_input",
        lambda self, partition, meta: check(self, partition, replace(meta, next_offset=1 << 60)),
    )  # fmt: skip


@planted(
    "definitions-unchecked", "a worker goes on with other definitions than the state was written with", 8,
    law=test_definitions.test_changed_definitions_of_the_same_revision_are_refused,
)  # fmt: skip
def _(patch: MonkeyPatch) -> None:
    patch.setattr(restore_module, "check_revision", lambda program, meta, reserved: None)


# -- changed definitions


@planted("carried-without-a-cell", "a customer who is carried over loses what one cell held")
def _(patch: MonkeyPatch) -> None:
    carried = Carrier._carried_cells

    def mutated(self: Carrier, profile: Any) -> Any:
        return [carried(self, profile)[0], *self._new.blank()[1:]]

    patch.setattr(Carrier, "_carried_cells", mutated)


@planted("sweep-skips", "one in three customers that the sweep comes to is passed over")
def _(patch: MonkeyPatch) -> None:
    following, hit = PartitionTask._following, every(3)

    def mutated(self: PartitionTask, after: str, limit: int) -> list[tuple[str, int]]:
        return [(key, self.program.version if hit() else found) for key, found in following(self, after, limit)]

    patch.setattr(PartitionTask, "_following", mutated)


@planted("exits-missing", "members of a segment that is removed are not told that they are out")
def _(patch: MonkeyPatch) -> None:
    patch.setattr(Carrier, "_end", lambda self, profile, place, revised, ended: None)


@planted("warmth-forgotten", "definitions are judged at once though their history was not kept")
def _(patch: MonkeyPatch) -> None:
    patch.setattr(Carrier, "_warming", lambda self, profile, at_ms, began_ms: {})


@planted("former-wakes-forgotten", "wakes of the former definitions do not fire before a customer is carried over")
def _(patch: MonkeyPatch) -> None:
    fire = Partition._fire_before

    def mutated(self: Partition, profile: Any, time_ms: int, read_ms: int, program: Any = None) -> None:
        if program is None:
            fire(self, profile, time_ms, read_ms)

    patch.setattr(Partition, "_fire_before", mutated)


@planted(
    "run-id-kept", "a state that begins anew goes by the old run id: ids name other changes than before", 13,
    law=test_beginnings.test_a_state_that_begins_anew_gives_no_id_again,
)  # fmt: skip
def _(patch: MonkeyPatch) -> None:
    begin = Restorer._begin
    patch.setattr(Restorer, "_begin", lambda self, partition: replace(begin(self, partition), run_id="00000000"))


@planted(
    "batch-lost-unnoticed", "a batch that was lost between poll and engine is not missed",
    law=test_engine.test_a_batch_lost_on_its_way_ends_the_process,
)  # fmt: skip
def _(patch: MonkeyPatch) -> None:
    process = Engine._process

    def mutated(self: Engine, batch: Any) -> None:
        task = self.tasks.get(batch.partition)
        process(self, batch if task is None else replace(batch, serial=task.serial))

    patch.setattr(Engine, "_process", mutated)


@planted(
    "polling-stops", "the poll thread waits as long as the engine has too much to do", 11,
    law=test_polling.test_a_full_house_is_waited_out_for_a_moment_then_partitions_pause_and_polling_goes_on,
)  # fmt: skip
def _(patch: MonkeyPatch) -> None:
    def mutated(self: KafkaSource) -> None:
        while self._underway.full():
            self._something.wait(POLL_S)

    patch.setattr(KafkaSource, "_mind_pressure", mutated)
