"""One live partition: records in, what to commit out.

A task binds the pure `core.partition.Partition` to its store, its encoder and its place in the chain of commits. All of
its methods are synchronous and are called under the engine's lock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from stream.codec.inbound import decode
from stream.codec.journal import META_KEY, JournalRecord, Meta, encode_journal, encode_meta, journal_digest
from stream.codec.levels import FORMER_LEVEL
from stream.codec.outbound import Headers, Origin
from stream.codec.snapshot import revision_of
from stream.core.changes import ClockCause, EventCause
from stream.core.events import NEVER_MS, Decoded, Event, Reason, Rejected
from stream.core.holds import STOPPED
from stream.core.partition import Partition, Position
from stream.core.program import Program
from stream.engine.customers import Customers, Kept
from stream.engine.definitions import Revised, Revisions
from stream.engine.failures import CoreFailed, WakeFailed
from stream.engine.holding import check_keepable
from stream.engine.interfaces import Batch, Produce, StateStore
from stream.engine.local import encode_local
from stream.engine.members import members_after
from stream.engine.observer import CommitReport
from stream.engine.writing import Writing
from stream.errors import SegmenterError

PARKED_PER_STEP = 5_000
"""Parked customers looked at in one go after a release, though most of them may still be held."""

REJECTS = "rejects"
"""Why the clock of a stopped partition stands still."""

CLOCK_ASKS = 16
"""End offsets asked and not reached yet; under steady load the oldest is reached within a few polls."""

UNREADABLE_HEADERS = "a header's name is not UTF-8; the original headers are left out"


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What a task must know of the configuration; topic names are whole."""

    name: str
    input_topic: str
    changes_topic: str
    memberships_topic: str
    rejected_topic: str
    state_topic: str
    journal_topic: str
    output_prefix: str  # stands before a definition's own topic
    max_event_bytes: int
    grace_ms: int
    cache_customers: int
    nonce: str  # of this process: tells its commits from another owner's with the same number
    versions: dict[str, str]


class Original(NamedTuple):
    """A rejected record as it came; no headers where they can't be read."""

    key: bytes | None
    value: bytes | None
    headers: Headers | None


@dataclass(slots=True)
class Prepared:
    """One partition's part of a transaction, and what is true once that is committed."""

    task: PartitionTask
    records: list[Produce]
    meta: Meta
    revised: Revised
    journal_digest: str
    kept: list[Kept]
    report: CommitReport


class PartitionTask:
    def __init__(
        self,
        number: int,
        program: Program,
        store: StateStore,
        meta: Meta,
        changelog_offset: int,
        settings: TaskSettings,
    ) -> None:
        self.number = number
        self.epoch = 0  # 0: records are not welcome yet
        self.serial = 0  # of the next batch in this epoch
        self.meta = meta  # of the last commit
        self.level = meta.level  # of the format, from the next commit on (`codec.levels`)
        self.store = store
        self.program = program
        self.settings = settings
        self.customers = Customers(store, program, settings.cache_customers, changelog_offset)
        self.poisoned: set[int] = set()  # offsets at which the core failed
        self.aborts_here = 0  # in a row without a commit
        self._stopped_unkept = False  # at a level that knows no holds
        self.asks: deque[tuple[int, int]] = deque()  # (instant, end offset asked after it)
        self.backlog = False  # the clock has passed wakes that have not fired yet
        self.wake_failed = False  # the core failed at one: the clock stands until the worker is started again
        self.end: int | None = None  # of the input, when it was last asked for
        self.lag: int | None = None  # records unread then
        self.next_wake_ms: int | None = None  # first entry of the wake index then
        self.last_event_ms: int | None = None  # event time of the newest batch's last event
        self.committed_at_ms = NEVER_MS
        self._wakes_share = self._wakes_left = 0  # of the commit to come; told before anything is taken in
        self._originals: dict[int, Original] = {}  # by offset, of what was rejected
        self._events: dict[str, int] = defaultdict(int)  # event name -> arrived since the last commit
        self._stamps: dict[int, int] = {}  # offset of a record that changed something -> its timestamp
        self.revisions = Revisions(program, meta, store.reserved(), self._following)
        position = Position(
            meta.next_offset, meta.clock_ms, meta.wake_cursor_ms, meta.replay_until_offset, meta.replay_until_ms,
            meta.holds, "" if self.revisions.is_beginning else meta.sweep_after,
        )  # fmt: skip
        self.partition = Partition(
            number, program, self.customers.load, self._stored_wakes, position, settings.grace_ms,
            self.revisions.migration,
        )  # fmt: skip
        self.partition.parked_at_once = PARKED_PER_STEP
        self._writing = Writing(
            self.partition, self.customers, self.revisions, settings,
            Origin(settings.name, meta.run_id, settings.input_topic, number), meta.replay_until_ms,
        )  # fmt: skip

    # -- input

    def process(self, batch: Batch) -> None:
        """Take a batch in. Raises CoreFailed, WakeFailed: then drop what is pending and read again."""
        partition, settings, read_ms = self.partition, self.settings, batch.read_ms
        self.revisions.begin(read_ms)
        pending = partition.pending
        take, max_bytes, poisoned = partition.take, settings.max_event_bytes, self.poisoned
        if batch.records:
            partition.batch(batch.records[0].offset(), read_ms)
        rejected = len(pending.rejected)
        changes = len(pending.changes)
        events = self._events
        item: Decoded | None = None
        for message in batch.records:
            offset = message.offset()
            if offset < partition.next_offset:
                continue  # before the offset asked for: a seek may land on the start of a stored batch
            try:
                try:
                    headers = message.headers()
                except SystemError:
                    # A name that is not UTF-8. Never asked a second time: the binding then hands out a null pointer.
                    headers, item = None, Rejected(offset, Reason.INVALID_UTF8, UNREADABLE_HEADERS)
                else:
                    if offset in poisoned:
                        item = Rejected(offset, Reason.INTERNAL, "the processor failed on this record")
                    else:
                        item = decode(
                            message.key(), message.value(), headers, message.timestamp()[1], offset, read_ms,
                            max_bytes=max_bytes,
                        )  # fmt: skip
                take(item, read_ms)
                if type(item) is Event:
                    events[item.name] += 1
            except SegmenterError:
                raise  # the disk's fault or a state's that can't be read: no record may be rejected for it
            except Exception as error:
                # Any failure of the core is this record's: it is rejected on the second try, journaled and alarmed.
                if offset in poisoned:
                    raise
                poisoned.add(offset)
                raise CoreFailed(offset) from error
            if len(pending.rejected) != rejected:
                rejected = len(pending.rejected)
                self._originals[offset] = Original(message.key(), message.value(), headers)
        self.last_event_ms = item.time_ms if type(item) is Event else None
        self._note_stamps(batch, changes)
        if batch.eof_offset is not None:
            partition.skip_to(batch.eof_offset)
        self.advance_clock()

    def _note_stamps(self, batch: Batch, before: int) -> None:
        """Keep when the records were appended that caused the changes from index `before` on: few do, so they are
        looked up instead of asking every record."""
        records, read_ms, stamps = batch.records, batch.read_ms, self._stamps
        for _, change in self.partition.pending.changes[before:]:
            cause = change.cause
            if type(cause) is EventCause and cause.offset not in stamps:
                at = min(cause.offset - records[0].offset(), len(records) - 1)  # there, or before where offsets miss
                if records[at].offset() != cause.offset:
                    at = bisect_left(records, cause.offset, hi=at, key=_offset_of)
                stamps[cause.offset] = min(records[at].timestamp()[1], read_ms)

    def ask(self, asked_ms: int, end_offset: int) -> None:
        """The log ended at `end_offset` when asked after `asked_ms`: once processed up to there, it is that late."""
        if len(self.asks) < CLOCK_ASKS:
            self.asks.append((asked_ms, end_offset))
        self.advance_clock()

    def advance_clock(self) -> None:
        """Move the clock as far as what was read allows, and fire what is due within this commit's share. While wakes
        wait for a commit, `fire_waiting` does. Raises WakeFailed: then drop what is pending and read again; the clock
        stands from then on."""
        if self.asks and not self.backlog:
            self._step()

    def fire_waiting(self) -> bool:
        """Go on with what waits, within this commit's share, and move the clock. Returns whether that is used up, and
        more waits. Raises WakeFailed."""
        if self.backlog and self._wakes_left:
            self._step()
        return self.backlog and not self._wakes_left

    def _step(self) -> None:
        if self.wake_failed:
            return
        reached_ms = NEVER_MS
        while self.asks and self.asks[0][1] <= self.partition.next_offset:
            reached_ms = self.asks.popleft()[0]
        if reached_ms > self.partition.clock_ms or self.backlog:
            self.revisions.begin(reached_ms)
            with self._standing_still():
                done = self.partition.step(max(reached_ms, self.partition.clock_ms), self._wakes_left)
            self._wakes_left -= self.partition.pending.steps[-1][2]
            self.backlog = not done

    @contextmanager
    def _standing_still(self) -> Iterator[None]:
        """Where the core fails with no record to blame, the clock stands from then on."""
        try:
            yield
        except SegmenterError:
            raise  # the disk's fault: the next start looks closely
        except Exception as error:
            self.wake_failed = True
            raise WakeFailed from error

    @property
    def remaining(self) -> int:
        """Customers of earlier revisions of the definitions."""
        return self.revisions.remaining(self.partition.pending)

    @property
    def earlier(self) -> dict[str, int]:
        """How many customers the last commit left with earlier revisions, by revision."""
        return {str(revision): count for revision, count in self.revisions.counts().items()}

    @property
    def can_sweep(self) -> bool:
        """Whether a migration is to go on: not while something is held, or was a moment ago; then only those are
        carried over of whom something is heard."""
        partition = self.partition
        held = partition.hold is not None or bool(partition.pending.holds)
        return self.remaining > 0 and not (self.backlog or self.wake_failed or held)

    def sweep(self, most: int) -> None:
        """Visit the next `most` customers for a migration, if it can go on. The clock must be running. Raises
        WakeFailed, as `advance_clock` does."""
        if self.can_sweep:
            self.revisions.begin(self.partition.clock_ms)
            with self._standing_still():
                self.partition.sweep(self.partition.clock_ms, most)

    def share_wakes(self, share: int) -> None:
        """So many wakes, at least one, may fire in each commit from now on; what the commit to come has fired
        counts."""
        self._wakes_left = max(0, self._wakes_left + share - self._wakes_share)
        self._wakes_share = share

    def hold(self, keys: Iterable[str], at_ms: int) -> bool:
        """From now on these are held (`core.holds`), and nothing else is; of `partition/N` only the own one matters.
        Returns whether that is news. Raises StartRefused where the format level can't keep it."""
        partition = self.partition
        own = f"{STOPPED}{self.number}"
        wanted = {key for key in keys if key == own or not key.startswith(STOPPED)}
        if self.level == FORMER_LEVEL:
            check_keepable(self.number, wanted - {own})
            self._stopped_unkept = own in wanted  # no answer rests on it, and the control topic goes on saying so
            return False
        for key in sorted(wanted - partition.holds.keys()):
            partition.set_hold(key, True, at_ms)
        released = sorted(partition.holds.keys() - wanted)
        for key in released:
            partition.set_hold(key, False, at_ms)
        self.backlog |= bool(released) and not self.wake_failed  # what waited is due
        return bool(partition.pending.holds)

    def next_to_fire(self) -> int | None:
        """When the index's first entry is due; None too while the whole clock is held and that instant is past."""
        partition = self.partition
        first_ms = partition.wakes.peek()
        held = partition.hold is not None and partition.hold.whole
        return None if held and first_ms is not None and first_ms <= partition.clock_ms else first_ms

    @property
    def stopped(self) -> bool:
        """Whether no records are to be read: too many were rejected, and nobody has said yet to go on."""
        return self._stopped_unkept or f"{STOPPED}{self.number}" in self.partition.holds

    def raise_level(self, level: int) -> bool:
        """Write this format level from the next commit on; never a lower one. Returns whether that is news."""
        if level <= self.level:
            return False
        self.level, self._stopped_unkept = level, False
        return True

    # -- commit

    @property
    def pending_work(self) -> int:
        """How much the next commit has to write: events and changes."""
        pending = self.partition.pending
        return pending.counts.received + len(pending.changes)

    def has_moved(self, heartbeat_ms: int) -> bool:
        """Whether a commit is due: something happened, or the clock alone went on for `heartbeat_ms`."""
        partition = self.partition
        clock_moved = partition.clock_ms - partition.committed_clock_ms >= heartbeat_ms
        return partition.has_pending or clock_moved or self.level != self.meta.level

    def prepare_ahead(self) -> None:
        """While nothing waits to be taken in: make what `prepare` will tell of what is known by now."""
        self._writing.ahead()

    def prepare(self) -> Prepared:
        """Everything the transaction must contain for this partition. Changes nothing of what is pending."""
        partition, pending = self.partition, self.partition.pending
        position = partition.position()
        memberships = self._writing.memberships()
        states, kept, keys, total = self._writing.states(self.meta.keys, int(self.meta.digest, 16))
        records = self._writing.changes() + memberships + states
        self._add_rejected(records)
        revised = self.revisions.revised(pending, self.level)
        topic = self.settings.state_topic
        records += [Produce(topic, self.number, key, value) for key, value in revised.records]
        meta = replace(
            self.meta,
            next_offset=position.next_offset,
            commit_number=self.meta.commit_number + 1,
            nonce=self.settings.nonce,
            clock_ms=position.clock_ms,
            wake_cursor_ms=position.cursor_ms,
            program=revised.program,
            keys=keys,
            digest=f"{total:032x}",
            members=members_after(self.meta.members, pending.changes, self.revisions.definitions),
            earlier=revised.earlier,
            sweep_after=revised.sweep_after(position.sweep_after),
            holds=dict(position.holds),
            level=self.level,
        )
        journal = encode_journal(self._journal(meta, revised))
        meta = replace(meta, journal_digest=journal_digest(journal))
        records.append(Produce(self.settings.journal_topic, self.number, str(self.number).encode(), journal))
        records.append(Produce(topic, self.number, META_KEY, encode_meta(meta)))
        reasons = Counter(str(rejected.reason) for rejected in pending.rejected)
        report = CommitReport(
            self.number, position.next_offset, position.clock_ms, pending.counts,
            [change for _, change in pending.changes], dict(reasons), len(memberships), keys, meta.members,
            dict(Counter(record.topic for record in records)),
            events=dict(self._events), touched=len(pending.touched), store_reads=self.customers.store_reads,
            earlier=revised.earlier, warming=self.revisions.warming(position.clock_ms),
        )  # fmt: skip
        return Prepared(self, records, meta, revised, meta.journal_digest, kept, report)

    def committed(self, prepared: Prepared, changelog_offset: int, now_ms: int) -> None:
        """The transaction is in the log (`changelog_offset`: behind its `meta`; 0 when that is not known): write the
        store, then what was touched is clean."""
        added, removed = self.partition.index_edits()
        customers = self.customers.committed(prepared.kept, changelog_offset)
        self.store.write(
            customers,
            [(due, customer_id.encode()) for due, customer_id in added],
            [(due, customer_id.encode()) for due, customer_id in removed],
            encode_local(self.customers.reaches, prepared.meta),
            prepared.revised.records,
        )
        self.revisions.committed(prepared.meta, prepared.revised)
        self.meta = prepared.meta
        self.partition.committed()
        self.committed_at_ms = now_ms
        self.aborts_here = 0
        self.poisoned = {offset for offset in self.poisoned if offset >= self.meta.next_offset}
        prepared.report.committed_ms = now_ms
        self._measure_lags(prepared.report, now_ms)
        self._fresh_commit()

    def _measure_lags(self, report: CommitReport, now_ms: int) -> None:
        grace_ms = self.settings.grace_ms
        for change in report.changes:
            cause = change.cause
            if change.replayed:
                continue
            if type(cause) is EventCause:
                report.event_lags_ms.append(now_ms - self._stamps[cause.offset])
            elif type(cause) is ClockCause:
                report.clock_lags_ms.append(max(0, now_ms - cause.due_ms - grace_ms))

    def aborted(self) -> None:
        """Nothing of what was pending happened; records come again from the committed offset."""
        self.partition.aborted()
        self.revisions.aborted()
        self.asks.clear()
        self.backlog = False
        self._fresh_commit()

    def _fresh_commit(self) -> None:
        self._originals = {}
        self._events = defaultdict(int)
        self._stamps = {}
        self._writing.begin()
        self.customers.store_reads = 0
        self._wakes_left = self._wakes_share

    def _stored_wakes(self, first: tuple[int, str], until_ms: int) -> Iterator[tuple[int, str]]:
        from_ms, customer_id = first
        return ((due, key.decode()) for due, key in self.store.due(from_ms, until_ms, customer_id.encode()))

    def close(self) -> None:
        """Write what the store lacks yet, and let go of it."""
        try:
            self._catch_up()
        finally:
            self.store.close()

    def _catch_up(self) -> None:
        """The store has all that is committed from here on until the next commit."""
        if self.customers.is_behind:
            customers = self.customers.unwritten()
            self.store.write(customers, [], [], encode_local(self.customers.reaches, self.meta))

    def _following(self, customer_id: str, limit: int) -> list[tuple[str, int]]:
        self._catch_up()
        return [(key.decode(), revision_of(value)) for key, value in self.store.following(customer_id.encode(), limit)]

    # -- parts of the transaction

    def _add_rejected(self, records: list[Produce]) -> None:
        for rejected in self.partition.pending.rejected:
            original = self._originals[rejected.offset]
            headers = self._writing.encoder.rejected_headers(original.headers, rejected)
            records.append(Produce(self.settings.rejected_topic, self.number, original.key, original.value, headers))

    def _journal(self, meta: Meta, revised: Revised) -> JournalRecord:
        pending, counts = self.partition.pending, self.partition.pending.counts
        return JournalRecord(
            partition=self.number,
            commit_number=meta.commit_number,
            from_offset=self.meta.next_offset,
            to_offset=meta.next_offset,
            batches=[list(batch) for batch in pending.batches],
            steps=[list(step) for step in pending.steps],
            rejected=[[rejected.offset, str(rejected.reason)] for rejected in pending.rejected],
            counts={
                **{name: getattr(counts, name) for name in counts.__slots__},
                "changes": len(pending.changes),
            },
            clock_ms=meta.clock_ms,
            wake_cursor_ms=meta.wake_cursor_ms,
            definitions=meta.program,
            versions=self.settings.versions,
            keys=meta.keys,
            digest=meta.digest,
            previous=self.meta.journal_digest,
            run_id=meta.run_id,
            nonce=meta.nonce,
            sweeps=[list(sweep) for sweep in pending.sweeps],
            definitions_text={} if revised.written is None else revised.written.told(),
            holds=[[*when, key, int(held)] for *when, key, held in pending.holds],
            level=meta.level,
        )


def _offset_of(message: Any) -> int:
    offset: int = message.offset()
    return offset
