"""One partition, start to end: the journal leads, the model does each commit again, the topics are held against it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from stream.codec.definitions import DefinitionsText
from stream.codec.journal import JournalRecord, decode_journal
from stream.core.program import Program
from stream.errors import LogUnreadable, UnreadableState
from stream.verify.change_laws import ChangeLaws
from stream.verify.cold_restore import Restored, restore_cold
from stream.verify.disk import Disk
from stream.verify.ends import check_committed, check_restored
from stream.verify.journal_laws import Commit, JournalLaws
from stream.verify.log import Log, Names, Record
from stream.verify.match import Compacted, Strict
from stream.verify.membership_laws import MembershipLaws
from stream.verify.model import Model, ModelFailed, Replayed
from stream.verify.partial import Partial
from stream.verify.report import Expected, Kind, Report, Violation
from stream.verify.revisions import Revisions, first_program
from stream.verify.tape import Identify, Tape
from stream.verify.tapes import (
    by_event_id,
    by_source_offset,
    by_state,
    extra_topics,
    membership_is_unique,
    state_is_unique,
    state_kind,
)
from stream.verify.waiting import Waiting
from stream.verify.wake_laws import WakeLaws

REREADS = 3
"""The state topic goes on being compacted while it is read: so often it is read on to a newer end."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a journal record may not tell.

    grace_ms         how long clock-fired wakes wait, where the record does not say
    max_event_bytes  larger events are rejected, where the record does not say
    skew_ms          how far the worker's and the broker's clocks may differ
    """

    grace_ms: int = 2_000
    max_event_bytes: int = 262_144
    skew_ms: int = 2_000


class PartitionCheck:
    def __init__(
        self, partition: int, log: Log, program: Program, names: Names, options: Options, report: Report,
        progress: Callable[[int, int, int], None],
    ) -> None:  # fmt: skip
        self.partition = partition
        self.log = log
        self.program = program
        self.names = names
        self.options = options
        self.report = report
        self.progress = progress
        self.disk = Disk()
        first = self.first = first_program(program, log.records(names.journal, partition))
        self.revisions = Revisions(first)
        self.laws = JournalLaws(partition, first, report)
        self.laws.whole = log.first(names.journal, partition) == 0
        self.model: Model | None = None
        self.partial: Partial | None = None
        self.tail: dict[int, Commit] = {}  # by number: the last commit that is settled, and those at the cut's edge
        self.begins = False  # the first of them is the very first, and at the edge
        self.moving: set[bytes] = set()  # customers of commits at the cut's edge
        self.digest_told = False
        self.unusable = False  # the definitions that the first commit tells
        self.undated = False  # some of the input has its producers' timestamps
        self._open()

    def _open(self) -> None:
        names, log, partition = self.names, self.log, self.partition
        self.changes_trimmed = log.first(names.changes, partition) > 0
        self.change_laws = ChangeLaws(partition, self.disk, self._tell, self.report, self.changes_trimmed)
        self.wake_laws = WakeLaws(self._tell, self.report)
        self.waiting = Waiting(self._tell)
        self.membership_laws = MembershipLaws(names.memberships, partition, self.disk, self._tell, self.report)
        self.input = Tape(log.records(names.input, partition), lambda record: b"")
        self.input_end = log.end(names.input, partition)
        self.strict = {
            names.changes: self._strict(names.changes, by_event_id, self.change_laws.take),
            names.rejected: self._strict(names.rejected, by_source_offset, altered=Kind.REJECTED_DIFFERS),
        }
        self._open_extra(self.first)
        self._open_extra(self.program)
        self.compacted = {
            names.memberships: Compacted(
                names.memberships,
                Tape(log.records(names.memberships, partition), by_event_id, self.membership_laws.take),
                self._tell, self.disk, log.markers, membership_is_unique, lambda _key: Kind.ALTERED,
            ),
            names.state: Compacted(
                names.state, Tape(log.records(names.state, partition), by_state),
                self._tell, self.disk, log.markers, state_is_unique, state_kind,
            ),
        }  # fmt: skip

    def _open_extra(self, program: Program) -> None:
        """The topics that definitions ask for; those of a revision that is no longer given come up with it."""
        for topic in extra_topics(program, self.names):
            if topic in self.strict:
                continue
            try:
                self.strict[topic] = self._strict(topic, by_event_id)
            except LogUnreadable as error:
                self.report.not_checked(f"partition {self.partition}: {topic}, of definitions of before: {error}")

    def _strict(
        self, topic: str, identify: Identify, taken: Callable[[Record], object] | None = None,
        altered: Kind = Kind.ALTERED,
    ) -> Strict:  # fmt: skip
        tape = Tape(self.log.records(topic, self.partition), identify, taken)
        return Strict(tape, self._tell, self.log.first(topic, self.partition) > 0, altered)

    # -- the run

    def run(self) -> None:
        try:
            restored = self._restore_cold()
            for record in self._journal():
                journal = self._decoded(record)
                if journal is not None:
                    self._take(record, journal, restored)
            self._end(restored)
        finally:
            self.disk.close()

    def _journal(self) -> Iterator[Record]:
        """The journal up to the cut, and on while a topic holds something that only a later commit can account for."""
        names, partition = self.names, self.partition
        position = 0
        for record in self.log.records(names.journal, partition):
            position = record.offset + 1
            yield record
        position = max(position, self.log.end(names.journal, partition))
        while self.model is not None and self._unread():
            more = False
            for record in self.log.after(names.journal, partition, position):
                more, position = True, record.offset + 1
                yield record
            if not more:
                return

    def _unread(self) -> bool:
        return any(tape.peek() is not None for tape in self._tapes())

    def _tapes(self) -> list[Tape]:
        """Of what the worker writes, the journal apart."""
        return [kept.tape for kept in self.strict.values()] + [kept.tape for kept in self.compacted.values()]

    def _decoded(self, record: Record) -> JournalRecord | None:
        try:
            return decode_journal(record.value or b"")
        except UnreadableState as error:
            text = str(error).split(";", maxsplit=1)[0]
            self._tell(Kind.JOURNAL_UNREADABLE, text, (record,), None)
            self._without_model("a journal record can't be read")
            return None

    def _take(self, record: Record, journal: JournalRecord, restored: Restored) -> None:
        last = self.laws.last
        commit = self.laws.take(record, journal)
        settled_until = self.log.settled(self.partition)
        settled = settled_until is None or record.offset < settled_until
        if settled:
            self.tail.clear()
        elif not self.tail:
            self.begins = journal.commit_number == 1
        self.tail[journal.commit_number] = commit
        revised = self._revised(journal)
        if last is None:
            self._begin(commit, restored)
        elif self.model is not None and not _continues(last.journal, journal):
            self._without_model(f"the journal is broken before commit {journal.commit_number}")
        if journal.to_offset > self.input_end:
            self.input.extend(self.log.after(self.names.input, self.partition, self.input_end))
            self.input_end = journal.to_offset
        if self.model is not None:
            if revised is not None:
                self.model.revise(revised)
            self._replay(self.model, commit, settled)
        elif self.partial is not None:
            self.partial.take(commit, settled)
        self.progress(self.partition, journal.to_offset, self.input_end)

    def _revised(self, journal: JournalRecord) -> DefinitionsText | None:
        """The definitions that begin with this commit, if some do."""
        try:
            revised = self.revisions.take(journal)
        except UnreadableState as error:
            self._without_model(f"the definitions of commit {journal.commit_number} can't be used: {error}")
            self.unusable = True
            return None
        if revised is not None:
            self._open_extra(self.revisions.current)
        return revised

    def _begin(self, commit: Commit, restored: Restored) -> None:
        """The first commit decides whether all of it can be done again."""
        journal, partition = commit.journal, self.partition
        self.change_laws.run_id = journal.run_id
        first = self.log.first(self.names.input, partition)
        why = None
        if journal.commit_number != 1:
            why = f"the journal begins with commit {journal.commit_number}: what was before is deleted"
        elif first > journal.from_offset:
            why = f"the input begins at offset {first}, the first commit at {journal.from_offset}: the rest is deleted"
        elif restored.meta is None:
            why = "no meta record tells how the run began"
        elif self.unusable:
            why = "its definitions can't be used"
        elif journal.definitions.get("hash") != self.revisions.current.hash:
            why = "it was written under other definitions, and does not tell them"
        if why is None:
            assert restored.meta is not None
            self.model = Model(partition, self.revisions, self.names, restored.meta, journal, self.disk)
        else:
            self.partial = Partial(partition, self.log, self.names, self.input, self.strict, self._tell, self.report)
            self._without_model(why)

    def _without_model(self, why: str) -> None:
        """From here on nothing is held against the model: what is left are the laws that need none."""
        self.model = None
        self.change_laws.keeps_fresh = False
        self.change_laws.fresh.clear()
        self.report.not_checked(
            f"partition {self.partition}: not replayed, {why}. Not checked there: bytes of changes, memberships and "
            "states, and that each belongs to a commit. Checked: the journal's chain, sums, sequences, alternation, "
            "memberships against changes, the state topic against its last commit, the committed offset."
        )

    # -- one commit

    def _replay(self, model: Model, commit: Commit, settled: bool) -> None:
        journal = commit.journal
        grace_ms = _setting(journal, "grace_ms", self.options.grace_ms)
        max_bytes = _setting(journal, "max_event_bytes", self.options.max_event_bytes)
        inputs = _Inputs(self, model, journal)
        try:
            replayed = model.replay(commit, inputs.read(), grace_ms, max_bytes)
        except ModelFailed as failure:
            place = "firing wakes" if failure.offset is None else f"the input record at offset {failure.offset}"
            cause = type(failure.__cause__).__name__
            self._tell(Kind.MODEL_FAILED, f"{cause} at {place}", (commit.record, *inputs.last), None)
            self._without_model(f"the core failed in commit {journal.commit_number}")
            return
        self.report.checked["commits done again"] += 1
        self.report.checked["input records taken in again"] += inputs.count
        self._figures(commit, replayed, inputs.count)
        self._wakes(commit, replayed)
        self._outputs(replayed, settled)
        if not settled:
            for topic in (self.names.changes, self.names.memberships):
                self.moving.update(expected.key or b"" for expected in replayed.outputs.get(topic, ()))
        self.wake_laws.take(journal, self.change_laws.fresh, replayed.times, grace_ms)
        self.change_laws.fresh.clear()

    def _outputs(self, replayed: Replayed, settled: bool) -> None:
        for topic, strict in self.strict.items():
            strict.take(replayed.outputs.get(topic, []), settled)
        for topic, compacted in self.compacted.items():
            compacted.take(replayed.outputs.get(topic, []), settled)

    def _figures(self, commit: Commit, replayed: Replayed, received: int) -> None:
        journal, record = commit.journal, commit.record
        if received != journal.counts.get("received"):
            text = f"{received} records in its offsets, {journal.counts.get('received')} received"
            self._tell(Kind.CONSERVATION, text, (record,), None)
        names = replayed.counts.keys() | journal.counts.keys()
        wrong = sorted(name for name in names if replayed.counts.get(name) != journal.counts.get(name))
        if replayed.rejected != journal.rejected:
            wrong.append("rejected offsets")
        if wrong:
            text = f"commit {journal.commit_number} done again gives other {', '.join(wrong)}"
            self._tell(Kind.MODEL_DIFFERS, text, (record,), None)
        if (replayed.keys, replayed.digest) != (journal.keys, journal.digest) and not self.digest_told:
            self.digest_told = True
            text = (
                f"commit {journal.commit_number}: {journal.keys} customers, the model has {replayed.keys}, or their "
                "digest differs (told once; it goes on)"
            )
            self._tell(Kind.DIGEST, text, (record,), None)

    def _wakes(self, commit: Commit, replayed: Replayed) -> None:
        journal, record = commit.journal, commit.record
        if replayed.short:
            text = f"commit {journal.commit_number}: a clock step fired more wakes than were due"
            self._tell(Kind.MODEL_DIFFERS, text, (record,), None)
        self.waiting.take(commit, replayed)
        if replayed.first_wake_ms is not None and replayed.first_wake_ms < journal.wake_cursor_ms:
            text = f"commit {journal.commit_number}: a wake that has not fired lies before the wake cursor"
            self._tell(Kind.WAKE_UNFIRED, text, (record,), None)
        self.report.checked["clock steps"] += len(journal.steps)

    # -- the end

    def _restore_cold(self) -> Restored:
        """The state topic to the cut; while it doesn't add up and there is more, on to its newer end."""
        topic, partition = self.names.state, self.partition
        position = self.log.end(topic, partition)
        restored = restore_cold(self.log.records(topic, partition), self.disk)
        for _ in range(REREADS):
            meta = restored.meta
            if meta is not None and (restored.keys, restored.digest) == (meta.keys, meta.digest):
                break
            newer = restore_cold(self.log.after(topic, partition, position), self.disk)
            if newer.record is None:
                break
            restored, position = newer, newer.record.offset + 1
        self.report.checked["state records"] += restored.records
        return restored

    def _end(self, restored: Restored) -> None:
        names, log, partition = self.names, self.log, self.partition
        replayed = self.model is not None
        if self.laws.last is None and not self._anything():
            self.report.not_checked(f"partition {partition}: nothing is committed yet")
            return
        if replayed or self.laws.last is None:
            for strict in self.strict.values():
                strict.rest()
            for topic, compacted in self.compacted.items():
                compacted.rest(partial(log.after, topic, partition, log.end(topic, partition)))
        else:
            for tape in self._tapes():
                deque(tape.rest(), maxlen=0)
        self._count_matches()
        if self.undated:
            self.report.not_checked(
                f"{names.input}: that nothing was unread when the clock stepped: the input's timestamps are its "
                "producers' (message.timestamp.type is not LogAppendTime)"
            )
        self.change_laws.ended()
        if self.partial is not None and self.partial.changes_at_the_edge:
            self.moving.update(list(self.change_laws.latest)[-self.partial.changes_at_the_edge :])
        self.membership_laws.ended(self.moving, self.changes_trimmed)
        check_restored(restored, self.tail, names.state, self._tell)
        check_committed(log.committed(partition), self.tail, self.begins, self._tell)
        self.report.checked["partitions"] += 1

    def _anything(self) -> bool:
        """Whether there is anything though no commit is there: then none of it is accounted for."""
        return self._unread() or self.log.committed(self.partition).offset is not None

    def _count_matches(self) -> None:
        for topic, strict in self.strict.items():
            self.report.checked[f"records of {topic}, byte for byte"] += strict.matched
            if strict.deleted:
                text = f"{topic}, partition {self.partition}: {strict.deleted} records are deleted by retention"
                self.report.not_checked(text)
        for topic, compacted in self.compacted.items():
            self.report.checked[f"records of {topic}, byte for byte"] += compacted.matched
            self.report.checked[f"records of {topic}, compacted away"] += compacted.superseded

    def _tell(self, kind: Kind, message: str, records: tuple[Record, ...], expected: Expected | None) -> None:
        self.report.add(Violation(kind, self.partition, message, records, expected))


class _Inputs:
    """The input records of one commit, counted, and held against the clock as they pass."""

    def __init__(self, check: PartitionCheck, model: Model, journal: JournalRecord) -> None:
        self._check = check
        self._model = model
        self._journal = journal
        self.count = 0
        self.last: tuple[Record, ...] = ()

    def read(self) -> Iterator[Record]:
        journal = self._journal
        for record in self._check.input.until(journal.to_offset):
            if record.offset >= journal.from_offset:
                self.count += 1
                self.last = (record,)
                yield record
                self._against_the_clock(record)

    def _against_the_clock(self, record: Record) -> None:
        """A step of the clock says that everything appended before it was read. The model has just passed the record,
        and every step before it."""
        check, stepped_ms = self._check, self._model.stepped_ms
        if not record.appended:
            check.undated = True
            return
        check.report.checked["input records against the clock"] += 1
        if stepped_ms is not None and record.timestamp_ms + check.options.skew_ms < stepped_ms:
            text = f"the clock stood {stepped_ms - record.timestamp_ms} ms after the instant it was appended, unread"
            check._tell(Kind.CLOCK_AHEAD, text, (record,), None)


def _continues(last: JournalRecord, journal: JournalRecord) -> bool:
    return journal.commit_number == last.commit_number + 1 and journal.from_offset == last.to_offset


def _setting(journal: JournalRecord, name: str, default: int) -> int:
    """A worker's setting as it was when the commit was made."""
    told = journal.versions.get(name)
    return int(told) if isinstance(told, str) and told.isdecimal() else default
