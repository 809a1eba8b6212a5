"""One partition's commits, done again: what the journal says went through the pure core, and what must have come out.

Customers are kept on disk as their state bytes and decoded anew when they are touched, so that a state which doesn't
survive its own encoding shows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from stream.codec.inbound import decode
from stream.codec.journal import META_KEY, JournalRecord, Meta, encode_meta
from stream.codec.outbound import Encoder, Origin
from stream.codec.snapshot import decode_profile, digest, encode_profile
from stream.core.changes import Change
from stream.core.events import Decoded, Erasure, Event, Reason, Rejected
from stream.core.partition import Partition, Position
from stream.core.profile import Profile
from stream.core.program import Definition, Program
from stream.verify.disk import Disk
from stream.verify.journal_laws import Commit
from stream.verify.log import Names, Record
from stream.verify.report import Expected

DIGEST_MODULUS = 1 << 128
STEP_FIELDS = 3

INTERNAL_DETAIL = "the processor failed on this record"
"""Text with a record on which the core failed when it was first read; the journal names it as `internal`."""

HEADERS_DETAIL = "a header's name is not UTF-8; the original headers are left out"
"""Text with a record whose headers the client can't read."""


class ModelFailed(Exception):
    """The core raised on the record at `offset` (None: while firing wakes)."""

    def __init__(self, offset: int | None) -> None:
        super().__init__(offset)
        self.offset = offset


@dataclass(slots=True)
class Replayed:
    """What one commit must have written and counted.

    outputs    topic -> its records, in order
    times      customer key -> (read time, event time) of each record that says something of the customer
    popped     wakes taken from the index; `short`: steps that found fewer than the journal says
    overdue_ms by how much a step had passed a wake that it left in the index; None: it left none
    """

    outputs: dict[str, list[Expected]]
    counts: dict[str, int]
    rejected: list[list[object]]
    keys: int
    digest: str
    times: dict[bytes, list[tuple[int, int]]] = field(default_factory=dict)
    popped: int = 0
    short: bool = False
    overdue_ms: int | None = None
    first_wake_ms: int | None = None


class Model:
    """`constants` is any meta record of the run: what it says of the run's beginning never changes."""

    def __init__(
        self, partition: int, program: Program, names: Names, constants: Meta, first: JournalRecord, disk: Disk
    ) -> None:
        self.number = partition
        self.program = program
        self.names = names
        self.constants = constants
        self.disk = disk
        self.keys = 0
        self.total = 0
        self.members: dict[str, int] = {}
        self.stepped_ms: int | None = None  # the latest step of the clock
        self._marks: dict[str, int] = {}  # digests of the stored states of customers that this commit touched
        self._places = {definition.name: place for place, definition in enumerate(program.definitions)}
        self._encoder = Encoder(Origin(names.name, first.run_id, names.input, partition), program)
        start = Position(
            first.from_offset,
            replay_until_offset=constants.replay_until_offset,
            replay_until_ms=constants.replay_until_ms,
        )
        self.partition = Partition(partition, program, self._load, disk.wakes, start)
        self._originals: dict[int, Record] = {}
        self._times: dict[bytes, list[tuple[int, int]]] = {}
        self._short = False
        self._overdue_ms: int | None = None

    def replay(self, commit: Commit, records: Iterable[Record], grace_ms: int, max_bytes: int) -> Replayed:
        """Do the commit again. `records`: the input's, within its offsets. Raises ModelFailed; then all is over."""
        journal, partition = commit.journal, self.partition
        partition.grace_ms = grace_ms
        self._originals, self._times, self._short, self._overdue_ms = {}, {}, False, None
        internal = {offset for offset, reason in journal.rejected if reason == Reason.INTERNAL}
        steps = deque(self._in_order(journal))
        times = _ReadTimes(journal.batches)
        for record in records:
            while steps and steps[0][0] <= record.offset:
                self._step(steps.popleft())
            read_ms = times.at(record.offset)
            if record.unreadable_headers:
                item: Decoded = Rejected(record.offset, Reason.INVALID_UTF8, HEADERS_DETAIL)
            elif record.offset in internal:
                item = Rejected(record.offset, Reason.INTERNAL, INTERNAL_DETAIL)
            else:
                item = _decoded(record, read_ms, max_bytes)
            self._take(item, read_ms, record)
        while steps:
            self._step(steps.popleft())
        partition.skip_to(journal.to_offset)
        return self._commit(commit)

    def _take(self, item: Decoded, read_ms: int, record: Record) -> None:
        pending = self.partition.pending
        rejected = len(pending.rejected)
        if isinstance(item, Event | Erasure):
            self._times.setdefault(record.key or b"", []).append((read_ms, item.time_ms))
        try:
            self.partition.take(item, read_ms)
        except Exception as error:
            raise ModelFailed(record.offset) from error
        if len(pending.rejected) != rejected:
            self._originals[record.offset] = record

    def _in_order(self, journal: JournalRecord) -> Iterator[list[Any]]:
        """The steps, and between them what was held and released."""
        holds = deque(journal.holds)
        for count, step in enumerate(journal.steps):
            while holds and holds[0][1] <= count:
                yield holds.popleft()
            yield step
        yield from holds

    def _step(self, step: list[Any]) -> None:
        offset, partition = step[0], self.partition
        partition.skip_to(offset)
        if len(step) > STEP_FIELDS:
            _, _, at_ms, key, held = step
            partition.set_hold(key, bool(held), at_ms)
            return
        _, clock_ms, popped = step
        try:
            partition.step(clock_ms, popped)
        except Exception as error:
            raise ModelFailed(None) from error
        self._short |= partition.pending.steps[-1][2] != popped
        self.stepped_ms = clock_ms
        left_ms = None if partition.hold is not None and partition.hold.whole else partition.wakes.peek()
        if left_ms is not None and left_ms <= clock_ms - partition.grace_ms:
            self._overdue_ms = clock_ms - partition.grace_ms - left_ms

    # -- what must have been written

    def _commit(self, commit: Commit) -> Replayed:
        pending = self.partition.pending
        outputs: dict[str, list[Expected]] = {}
        self._changes(outputs)
        self._memberships(outputs)
        self._states(outputs)
        self._rejected(outputs)
        meta = self._meta(commit)
        outputs.setdefault(self.names.state, []).append(Expected(self.names.state, META_KEY, encode_meta(meta)))
        counts = {name: getattr(pending.counts, name) for name in pending.counts.__slots__}
        replayed = Replayed(
            outputs, {**counts, "changes": len(pending.changes)},
            [[rejected.offset, str(rejected.reason)] for rejected in pending.rejected],
            self.keys, f"{self.total:032x}", self._times,
            popped=sum(step[2] for step in pending.steps), short=self._short, overdue_ms=self._overdue_ms,
        )  # fmt: skip
        added, removed = self.partition.index_edits()
        self.disk.write_wakes(added, removed)
        self.partition.committed()
        replayed.first_wake_ms = self.partition.wakes.peek()
        return replayed

    def _changes(self, outputs: dict[str, list[Expected]]) -> None:
        for profile, change in self.partition.pending.changes:
            value, headers = self._encoder.change(profile.customer_id, profile.born, change)
            key = profile.customer_id.encode()
            for topic in (self.names.changes, *self._extra_topics(profile.customer_id, change)):
                outputs.setdefault(topic, []).append(Expected(topic, key, value, headers))
        self._count_members()

    def _extra_topics(self, customer_id: str, change: Change) -> list[str]:
        """A definition's own topic gets what is told of customers not held out; an erasure goes to every one whose
        definition has had a change of this life."""
        definitions, prefix = self.program.definitions, self.names.prefix
        if change.definition is None:
            told = [definitions[index].topic for index in self.disk.forget_told(customer_id)]
            return list(dict.fromkeys(prefix + topic for topic in told if topic))
        topic = change.definition.topic
        if not topic:
            return []
        self.disk.tell(customer_id, self._places[change.definition.name])
        return [] if change.control else [prefix + topic]

    def _count_members(self) -> None:
        """Who is where after the commit; in the order in which keys were first met, since the bytes are compared."""
        moves: Counter[str] = Counter()
        definitions = self.program.definitions
        for profile, change in self.partition.pending.changes:
            if change.definition is None:
                for definition, answer in zip(definitions, profile.answers, strict=True):
                    _move(moves, definition, answer, -1)
            else:
                _move(moves, change.definition, change.before, -1)
                _move(moves, change.definition, change.after, 1)
        for name, move in moves.items():
            self.members[name] = self.members.get(name, 0) + move
            if not self.members[name]:
                del self.members[name]

    def _memberships(self, outputs: dict[str, list[Expected]]) -> None:
        topic, pending = self.names.memberships, self.partition.pending
        for customer_id in pending.changed:
            profile = pending.touched[customer_id]
            value: bytes | None = None
            headers = None
            if profile is not None:
                facts = self.program.facts(profile.cells, profile.now_ms)
                replayed = profile.now_ms < self.constants.replay_until_ms
                value, headers = self._encoder.membership(profile, profile.now_ms, facts, replayed)
            outputs.setdefault(topic, []).append(Expected(topic, customer_id.encode(), value, headers))

    def _states(self, outputs: dict[str, list[Expected]]) -> None:
        topic = self.names.state
        written: list[tuple[str, bytes | None]] = []
        for customer_id, profile in self.partition.pending.touched.items():
            key = customer_id.encode()
            value = None if profile is None else encode_profile(profile)
            before = self._marks.get(customer_id)
            if before is None and value is None:
                continue  # came and went within the commit
            self.keys += (value is not None) - (before is not None)
            self.total = (self.total + (0 if value is None else digest(key, value)) - (before or 0)) % DIGEST_MODULUS
            outputs.setdefault(topic, []).append(Expected(topic, key, value))
            written.append((customer_id, value))
        self.disk.write_states(written)
        self._marks = {}

    def _rejected(self, outputs: dict[str, list[Expected]]) -> None:
        topic = self.names.rejected
        for rejected in self.partition.pending.rejected:
            original = self._originals[rejected.offset]
            headers = self._encoder.rejected_headers(original.headers, rejected)
            outputs.setdefault(topic, []).append(Expected(topic, original.key, original.value, headers))

    def _meta(self, commit: Commit) -> Meta:
        journal, constants = commit.journal, self.constants
        return Meta(
            next_offset=journal.to_offset,
            commit_number=journal.commit_number,
            nonce=journal.nonce,
            clock_ms=journal.clock_ms,
            wake_cursor_ms=journal.wake_cursor_ms,
            program=constants.program,
            run_id=journal.run_id,
            partition_count=constants.partition_count,
            keys=journal.keys,
            digest=journal.digest,
            replay_until_offset=constants.replay_until_offset,
            replay_until_ms=constants.replay_until_ms,
            journal_digest=commit.digest,
            members=self.members,
            holds=dict(self.partition.holds),
        )

    # -- customers

    def _load(self, customer_id: str) -> Profile | None:
        stored = self.disk.state(customer_id)
        if stored is None:
            return None
        self._marks[customer_id] = digest(customer_id.encode(), stored)
        return decode_profile(customer_id, stored, self.program)


def _move(moves: Counter[str], definition: Definition, answer: int | None, by: int) -> None:
    """Outside of a segment, and not judged yet, count for nothing."""
    if definition.is_segment:
        if answer == 1:
            moves[definition.name] += by
    elif answer is not None and answer >= 0:
        moves[f"{definition.name}/{definition.stages[answer]}"] += by


class _ReadTimes:
    """When the record at an offset was read: batches are [first offset, read time], in order."""

    def __init__(self, batches: list[list[int]]) -> None:
        self._offsets = [batch[0] for batch in batches]
        self._times = [batch[1] for batch in batches]

    def at(self, offset: int) -> int:
        place = bisect_right(self._offsets, offset)
        return self._times[max(0, place - 1)] if self._times else 0


def _decoded(record: Record, read_ms: int, max_bytes: int) -> Decoded:
    return decode(
        record.key, record.value, record.headers, record.timestamp_ms, record.offset, read_ms, max_bytes=max_bytes
    )
