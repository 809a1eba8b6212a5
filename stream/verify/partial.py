"""What can still be checked of a commit when the beginning of journal or input is deleted: sums, and rejected bytes."""

from __future__ import annotations

from collections.abc import Mapping

from stream.verify.journal_laws import Commit
from stream.verify.log import Log, Names, Record
from stream.verify.match import Strict, Tell
from stream.verify.report import Kind, Report
from stream.verify.tape import Tape, header


class Partial:
    """Takes one partition's commits in order; the topics are read on as far as each commit can be told apart."""

    def __init__(
        self, partition: int, log: Log, names: Names, inputs: Tape, strict: Mapping[str, Strict], tell: Tell,
        report: Report,
    ) -> None:  # fmt: skip
        self._inputs = inputs
        self._rejected = strict[names.rejected].tape
        self._tell = tell
        self._report = report
        self._input_first = log.first(names.input, partition)
        self._known_from: int | None = None  # of the input: what came before was rejected by commits that are deleted
        self._deleted = log.first(names.rejected, partition) > 0  # rejected records, and none was met yet
        self.changes_at_the_edge = 0  # of commits that are not settled

    def take(self, commit: Commit, settled: bool) -> None:
        journal = commit.journal
        if self._known_from is None:
            self._known_from = max(self._input_first, journal.from_offset)
        reasons: dict[int, str] = dict(journal.rejected)
        originals: dict[int, Record] = {}
        received = 0
        for record in self._inputs.until(journal.to_offset):
            if record.offset >= journal.from_offset:
                received += 1
                if record.offset in reasons:
                    originals[record.offset] = record
        if journal.from_offset >= self._input_first:
            self._report.checked["input records counted"] += received
            if received != journal.counts.get("received"):
                text = f"{received} records in its offsets, {journal.counts.get('received')} received"
                self._tell(Kind.CONSERVATION, text, (commit.record,), None)
        self._check_rejected(reasons, originals, settled)
        if not settled:
            self.changes_at_the_edge += journal.counts.get("changes", 0)

    def _check_rejected(self, reasons: dict[int, str], originals: dict[int, Record], settled: bool) -> None:
        for offset, original in originals.items():
            found = self._next_rejected(offset)
            if found is None:
                if settled and not self._deleted:
                    self._tell(Kind.MISSING, f"input record {offset} was rejected, and is not there", (original,), None)
                continue
            self._deleted = False
            self._rejected.take()
            self._report.checked["rejected records against the input"] += 1
            due = original.headers or []
            if (
                (found.key, found.value) != (original.key, original.value)
                or (found.headers or [])[: len(due)] != due
                or header(found.headers, "segmenter_reason") != str(reasons[offset]).encode()
            ):
                text = "key, value, headers or reason are not those of the input record"
                self._tell(Kind.REJECTED_DIFFERS, text, (found, original), None)

    def _next_rejected(self, offset: int) -> Record | None:
        """The rejected record that was input record `offset`; those of earlier ones are passed by."""
        while (record := self._rejected.peek()) is not None:
            source = header(record.headers, "segmenter_source_offset")
            if not source.isdigit() or int(source) < offset:
                if not source.isdigit() or int(source) >= (self._known_from or 0):
                    self._tell(Kind.UNEXPECTED, "no commit wrote it", (record,), None)
                self._rejected.take()
                continue
            return record if int(source) == offset else None
        return None
