"""The whole check: every partition of a log, law by law.

report = check(log, program, Names(...))
assert report.clean, report.violations
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stream.codec.journal import decode_journal
from stream.core.program import Program
from stream.errors import UnreadableState
from stream.verify.journal_laws import JournalLaws
from stream.verify.log import Log, Names
from stream.verify.report import Kind, Report, Violation

Progress = Callable[[int, int, int], None]
"""(partition, input offset verified up to, input offset at which the cut ends)"""


@dataclass(frozen=True, slots=True)
class Options:
    """The worker's settings that decide what it writes, and the verifier's own means.

    grace_ms         how long clock-fired wakes wait
    max_event_bytes  larger events are rejected
    skew_ms          how far the worker's and the broker's clocks may differ
    directory        where the temporary files go; None: where the system puts them
    cached           customers kept decoded, for speed
    """

    grace_ms: int = 2_000
    max_event_bytes: int = 262_144
    skew_ms: int = 2_000
    directory: Path | None = None
    cached: int = 20_000


def check(
    log: Log,
    program: Program,
    names: Names,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Report:
    """Hold everything in the log against every law. Reads each topic once, partition by partition.

    Never raises for what the topics hold: that is a `Violation`. What can't be checked is told in `unchecked`.
    """
    report = Report()
    for partition in log.partitions:
        laws = JournalLaws(partition, program, report)
        laws.whole = log.first(names.journal, partition) == 0
        for record in log.records(names.journal, partition):
            try:
                journal = decode_journal(record.value or b"")
            except UnreadableState as error:
                report.add(Violation(Kind.JOURNAL_UNREADABLE, partition, str(error), (record,)))
                continue
            laws.take(record, journal)
    return report
