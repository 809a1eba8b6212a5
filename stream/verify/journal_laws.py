"""Laws of one partition's journal that need no model: the chain, the tiling of the input, the clock, the sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stream.codec.journal import NO_DIGEST, JournalRecord, journal_digest
from stream.core.events import NEVER_MS
from stream.core.program import Program
from stream.verify.log import Record
from stream.verify.report import Kind, Report, Violation

FATES = ("accepted", "duplicate", "ignored", "rejected", "erased")
"""What becomes of a record taken in: these add up to `received`."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A journal record with the record it was read from, and the digest of its bytes."""

    record: Record
    journal: JournalRecord
    digest: str


class JournalLaws:
    """Takes one partition's commits in order."""

    def __init__(self, partition: int, program: Program, report: Report) -> None:
        self.partition = partition
        self.program = program
        self.report = report
        self.last: Commit | None = None
        self.definitions: dict[str, object] = {}  # of the last commit
        self.clock_ms = NEVER_MS
        self.whole = True  # nothing was deleted from its front

    def take(self, record: Record, journal: JournalRecord) -> Commit:
        commit = Commit(record, journal, journal_digest(record.value or b""))
        self.report.checked["journal records"] += 1
        if self.last is None:
            self._first(commit)
        else:
            self._follows(self.last, commit)
        self._belongs(commit)
        self._clock(commit)
        self._sums(commit)
        self.last = commit
        return commit

    def _first(self, commit: Commit) -> None:
        journal = commit.journal
        if journal.commit_number != 1 and self.whole:
            self._tell(Kind.JOURNAL_CHAIN, f"the first commit is number {journal.commit_number}, expected 1", commit)
        elif journal.commit_number == 1 and journal.previous != NO_DIGEST:
            self._tell(Kind.JOURNAL_CHAIN, "the first commit names a record before it", commit)

    def _follows(self, last: Commit, commit: Commit) -> None:
        before, journal = last.journal, commit.journal
        if journal.commit_number != before.commit_number + 1:
            text = f"commit {journal.commit_number} follows commit {before.commit_number}"
            self._tell(Kind.JOURNAL_CHAIN, text, last, commit)
        if journal.previous != last.digest:
            text = f"commit {journal.commit_number} names another record before it than the one that is there"
            self._tell(Kind.JOURNAL_CHAIN, text, last, commit)
        if journal.from_offset > before.to_offset:
            text = f"offsets {before.to_offset} to {journal.from_offset - 1} of the input were taken in by no commit"
            self._tell(Kind.INPUT_GAP, text, last, commit)
        elif journal.from_offset < before.to_offset:
            owners = "the same process" if journal.nonce == before.nonce else "different processes"
            text = f"offsets {journal.from_offset} to {before.to_offset - 1} were taken in by two commits of {owners}"
            self._tell(Kind.INPUT_OVERLAP, text, last, commit)
        if journal.level < before.level:
            text = (
                f"commit {journal.commit_number} is at format level {journal.level}, the one before at {before.level}"
            )
            self._tell(Kind.JOURNAL_CHAIN, text, last, commit)
        if journal.run_id != before.run_id:
            text = f"run {journal.run_id} stands after run {before.run_id}"
            self._tell(Kind.RUN, text, last, commit)

    def _belongs(self, commit: Commit) -> None:
        journal = commit.journal
        if journal.partition != self.partition or commit.record.key != str(self.partition).encode():
            self._tell(Kind.RUN, f"the record says partition {journal.partition}", commit)
        self._definitions(commit)
        if journal.to_offset < journal.from_offset:
            text = f"ends at offset {journal.to_offset}, before its beginning {journal.from_offset}"
            self._tell(Kind.INPUT_OVERLAP, text, commit)

    def _definitions(self, commit: Commit) -> None:
        """Who tells no text goes on with the last one, or is older than texts in journals: then the file must do."""
        named, last, told = commit.journal.definitions, self.definitions, commit.journal.definitions_text
        self.definitions = named
        given = self.program.hash
        if not told and not last and not self.whole and _order(named) < self.program.version:
            return  # of a revision before the one given, told by a commit that is deleted
        if not told and not last and named.get("hash") != given:
            text = f"made under the definitions {named.get('hash')}, given are {given}, and no text is told"
            self._tell(Kind.DEFINITIONS, text, commit)
        elif not told and last and named != last:
            text = f"made under the definitions {named.get('hash')}, those before it under {last.get('hash')}: no text"
            self._tell(Kind.DEFINITIONS, text, commit)
        elif last and told and _order(named) <= _order(last) and named != last:
            text = f"revision {named.get('version')} ({named.get('hash')}) follows revision {last.get('version')}"
            self._tell(Kind.DEFINITIONS, text, commit)

    def _clock(self, commit: Commit) -> None:
        journal = commit.journal
        place = journal.from_offset
        for offset, clock_ms, _ in journal.steps:
            if clock_ms < self.clock_ms:
                text = f"a step at offset {offset} goes {self.clock_ms - clock_ms} ms back"
                self._tell(Kind.CLOCK_BACK, text, commit)
            if not place <= offset <= journal.to_offset:
                text = f"a step at offset {offset}, outside what the commit took in or out of order"
                self._tell(Kind.CLOCK_BACK, text, commit)
            self.clock_ms, place = max(self.clock_ms, clock_ms), offset
        if journal.clock_ms != self.clock_ms and (self.last is not None or journal.commit_number == 1):
            text = f"says that the clock stands {journal.clock_ms - self.clock_ms} ms from its last step"
            self._tell(Kind.CLOCK_BACK, text, commit)
        self.clock_ms = max(self.clock_ms, journal.clock_ms)

    def _sums(self, commit: Commit) -> None:
        journal = commit.journal
        counts = journal.counts
        received, fates = counts.get("received", 0), sum(counts.get(name, 0) for name in FATES)
        if received != fates:
            self._tell(Kind.CONSERVATION, f"{received} records received, {fates} accounted for", commit)
        if counts.get("rejected", 0) != len(journal.rejected):
            text = f"{counts.get('rejected', 0)} records rejected, {len(journal.rejected)} named"
            self._tell(Kind.CONSERVATION, text, commit)
        if received > max(0, journal.to_offset - journal.from_offset):
            self._tell(Kind.CONSERVATION, f"{received} records received, more than the offsets taken in", commit)

    def _tell(self, kind: Kind, message: str, *commits: Commit) -> None:
        self.report.add(Violation(kind, self.partition, message, tuple(commit.record for commit in commits)))


def _order(definitions: Mapping[str, object]) -> int:
    version = definitions.get("version")
    return version if isinstance(version, int) else 0
