"""One partition's commits, done again: what the journal says went through the pure core, and what must have come out.

Customers are kept on disk as their state bytes and decoded anew when they are touched, so that a state which doesn't
survive its own encoding shows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from stream.codec.definitions import DefinitionsText, definitions_key, encode_definitions
from stream.codec.inbound import decode
from stream.codec.journal import META_KEY, JournalRecord, Meta, encode_meta
from stream.codec.outbound import Encoder, Origin
from stream.codec.snapshot import DIGEST_MODULUS, decode_profile, digest, encode_profile, revision_of
from stream.core.changes import Change
from stream.core.events import NEVER_MS, Decoded, Erasure, Event, Reason, Rejected
from stream.core.holds import PARKED_AT_MS
from stream.core.migration import Migration
from stream.core.partition import Partition, Position
from stream.core.profile import Profile
from stream.core.program import Definition
from stream.verify.disk import Disk
from stream.verify.journal_laws import Commit
from stream.verify.log import Names, Record
from stream.verify.moves import Move, in_order
from stream.verify.report import Expected
from stream.verify.revisions import Revisions

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

    outputs      topic -> its records, in order
    times        customer key -> (read time, event time) of each record that says something of the customer
    short        whether a step or sweep found less than the journal says
    overdue_ms   by how much a step has passed a wake, where the steps met nothing at all; else None
    released     whether a step was made while nothing was held, and the steps met nothing at all
    parked       customers parked after the commit, counted where it is released
    ever_parked  how often a customer was parked, up to this commit
    """

    outputs: dict[str, list[Expected]]
    counts: dict[str, int]
    rejected: list[list[object]]
    keys: int
    digest: str
    times: dict[bytes, list[tuple[int, int]]] = field(default_factory=dict)
    short: bool = False
    overdue_ms: int | None = None
    released: bool = False
    parked: int = 0
    ever_parked: int = 0
    first_wake_ms: int | None = None


class Model:
    """`constants` is any meta record of the run: what it says of the run's beginning never changes."""

    def __init__(
        self, partition: int, revisions: Revisions, names: Names, constants: Meta, first: JournalRecord, disk: Disk
    ) -> None:
        self.number = partition
        self.revisions = revisions
        self.program = revisions.current
        self.names = names
        self.constants = constants
        self.disk = disk
        self.keys = 0
        self.total = 0
        self.members: dict[str, int] = {}
        self.ever_parked = 0  # how often a customer was
        self.stepped_ms: int | None = None  # the latest step of the clock
        self.counts: Counter[int] = Counter()  # customers by revision
        self._marks: dict[str, tuple[int, int]] = {}  # digest and revision of the stored states this commit touched
        self._origin = Origin(names.name, first.run_id, names.input, partition)
        self._encoders: dict[int, Encoder] = {}
        self._stored: set[int] = set()  # revisions of which the state has the text
        self._written: DefinitionsText | None = None
        start = Position(
            first.from_offset,
            replay_until_offset=constants.replay_until_offset,
            replay_until_ms=constants.replay_until_ms,
        )
        self.partition = self._begin(start)
        self._originals: dict[int, Record] = {}
        self._times: dict[bytes, list[tuple[int, int]]] = {}
        self._short = False
        self._overdue_ms: int | None = None
        self._released = False

    def _begin(self, position: Position) -> Partition:
        text = self.revisions.texts.get(self.program.version)
        migration = Migration(self.program, self.revisions.earlier, self._following)
        migration.began_ms = NEVER_MS if text is None else text.began_ms
        return Partition(self.number, self.program, self._load, self.disk.wakes, position, migration=migration)

    def revise(self, text: DefinitionsText) -> None:
        """From the next commit on the definitions are those of this text, which it writes. Where only its words are
        others, a sweep goes on where it was."""
        position = self.partition.position()
        if text.revision != self.program.version:
            position = replace(position, sweep_after="")
        self.program = self.revisions.current
        self._encoders.pop(text.revision, None)
        self._written = text
        self.partition = self._begin(position)

    def replay(self, commit: Commit, records: Iterable[Record], grace_ms: int, max_bytes: int) -> Replayed:
        """Do the commit again. `records`: the input's, within its offsets. Raises ModelFailed; then all is over."""
        journal, partition = commit.journal, self.partition
        partition.grace_ms = grace_ms
        self._originals, self._times = {}, {}
        self._short, self._overdue_ms, self._released = False, None, False
        internal = {offset for offset, reason in journal.rejected if reason == Reason.INTERNAL}
        steps = in_order(journal)
        times = _ReadTimes(journal.batches)
        for record in records:
            while steps and steps[0].offset <= record.offset:
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

    def _step(self, step: Move) -> None:
        partition = self.partition
        partition.skip_to(step.offset)
        if step.kind == "hold":
            _, _, at_ms, key, held = step.told
            partition.set_hold(key, bool(held), at_ms)
            return
        try:
            if step.kind == "sweep":
                _, clock_ms, visited, most = step.told
                partition.sweep(clock_ms, most)
                self._short |= partition.pending.sweeps[-1][2] != visited
                return
            _, clock_ms, popped = step.told
            partition.step(clock_ms, popped)
        except Exception as error:
            raise ModelFailed(None) from error
        self._short |= partition.pending.steps[-1][2] != popped
        self.stepped_ms = clock_ms
        self._released |= not partition.holds
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
        self._definitions(outputs)
        meta = self._meta(commit)
        outputs.setdefault(self.names.state, []).append(Expected(self.names.state, META_KEY, encode_meta(meta)))
        counts = {name: getattr(pending.counts, name) for name in pending.counts.__slots__}
        replayed = Replayed(
            outputs, {**counts, "changes": len(pending.changes)},
            [[rejected.offset, str(rejected.reason)] for rejected in pending.rejected],
            self.keys, f"{self.total:032x}", self._times, self._short,
        )  # fmt: skip
        added, removed = self.partition.index_edits()
        self.ever_parked += sum(due_ms == PARKED_AT_MS for due_ms, _ in added)
        self.disk.write_wakes(added, removed)
        if not any(met for _, _, met in pending.steps):
            replayed.overdue_ms, replayed.released = self._overdue_ms, self._released
        replayed.ever_parked = self.ever_parked
        replayed.parked = self.disk.count_wakes(PARKED_AT_MS) if self.ever_parked and replayed.released else 0
        self.partition.committed()
        replayed.first_wake_ms = self.partition.wakes.peek()
        return replayed

    def _changes(self, outputs: dict[str, list[Expected]]) -> None:
        for profile, change in self.partition.pending.changes:
            value, headers = self._encoder(change.revision).change(profile.customer_id, profile.born, change)
            key = profile.customer_id.encode()
            for topic in (self.names.changes, *self._extra_topics(profile, change)):
                outputs.setdefault(topic, []).append(Expected(topic, key, value, headers))
        self._count_members()

    def _encoder(self, revision: int) -> Encoder:
        if revision not in self._encoders:
            self._encoders[revision] = Encoder(self._origin, self.revisions.program(revision))
        return self._encoders[revision]

    def _extra_topics(self, profile: Profile, change: Change) -> list[str]:
        """A definition's own topic gets what is told of customers not held out; an erasure goes to every one whose
        definition has had a change of this life."""
        prefix = self.names.prefix
        if change.definition is None:
            told = self.disk.forget_told(profile.customer_id)
            definitions = self.revisions.program(change.revision).definitions
            standing = zip(definitions, profile.standings.nth, strict=True)
            topics = [each.topic for each, nth in standing if nth and each.name in told]
            return list(dict.fromkeys(prefix + topic for topic in topics if topic))
        topic = change.definition.topic
        self.disk.tell(profile.customer_id, change.definition.name)
        if not topic:
            return []
        return [] if change.control else [prefix + topic]

    def _count_members(self) -> None:
        """Who is where after the commit; in the order in which keys were first met, since the bytes are compared."""
        moves: Counter[str] = Counter()
        for profile, change in self.partition.pending.changes:
            if change.definition is None:
                definitions = self.revisions.program(change.revision).definitions
                for definition, answer in zip(definitions, profile.answers, strict=True):
                    _move(moves, definition, answer, -1)
            else:
                if change.former is not None:
                    moves[f"{change.definition.name}/{change.former}"] -= 1
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
            if profile is not None and profile.sequence:  # 0: erased, and seen again without a change yet
                facts = self.program.facts(profile.cells, profile.now_ms)
                replayed = profile.now_ms < self.constants.replay_until_ms
                value, headers = self._encoder(self.program.version).membership(
                    profile, profile.now_ms, facts, replayed
                )
            outputs.setdefault(topic, []).append(Expected(topic, customer_id.encode(), value, headers))

    def _states(self, outputs: dict[str, list[Expected]]) -> None:
        topic = self.names.state
        written: list[tuple[str, bytes | None]] = []
        for customer_id, profile in self.partition.pending.touched.items():
            key = customer_id.encode()
            value = None if profile is None else encode_profile(profile)
            before, former = self._marks.get(customer_id, (None, 0))
            if before is None and value is None:
                continue  # came and went within the commit
            self.counts[former] -= before is not None
            self.counts[0 if profile is None else profile.revision] += profile is not None
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
            headers = self._encoder(self.program.version).rejected_headers(original.headers, rejected)
            outputs.setdefault(topic, []).append(Expected(topic, original.key, original.value, headers))

    def _definitions(self, outputs: dict[str, list[Expected]]) -> None:
        topic, written = self.names.state, self._written
        if written is not None:
            key, value = definitions_key(written.revision), encode_definitions(written)
            outputs.setdefault(topic, []).append(Expected(topic, key, value))
            self._stored.add(written.revision)
            self._written = None
        for revision in sorted(self._stored):
            if revision != self.program.version and not self.counts[revision]:
                outputs.setdefault(topic, []).append(Expected(topic, definitions_key(revision), None))
                self._stored.remove(revision)

    def _meta(self, commit: Commit) -> Meta:
        journal, constants = commit.journal, self.constants
        current = self.program.version
        earlier = {str(each): count for each, count in sorted(self.counts.items()) if count and each != current}
        return Meta(
            next_offset=journal.to_offset,
            commit_number=journal.commit_number,
            nonce=journal.nonce,
            clock_ms=journal.clock_ms,
            wake_cursor_ms=journal.wake_cursor_ms,
            program=journal.definitions,
            run_id=journal.run_id,
            partition_count=constants.partition_count,
            keys=journal.keys,
            digest=journal.digest,
            replay_until_offset=constants.replay_until_offset,
            replay_until_ms=constants.replay_until_ms,
            journal_digest=commit.digest,
            members=self.members,
            earlier=earlier,
            sweep_after=self.partition.position().sweep_after if earlier else "",
            holds=dict(self.partition.holds),
            level=journal.level,
        )

    # -- customers

    def _following(self, customer_id: str, limit: int) -> list[tuple[str, int]]:
        return [(each, revision_of(value)) for each, value in self.disk.following(customer_id, limit)]

    def _load(self, customer_id: str) -> Profile | None:
        stored = self.disk.state(customer_id)
        if stored is None:
            return None
        self._marks[customer_id] = (digest(customer_id.encode(), stored), revision_of(stored))
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
