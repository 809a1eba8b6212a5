"""The whole check: every partition of a log, law by law.

report = check(log, program, Names(...))
assert report.clean, report.violations
"""

from __future__ import annotations

from collections.abc import Callable

from stream.core.program import Program
from stream.verify.log import Log, Names
from stream.verify.partition_check import Options, PartitionCheck
from stream.verify.report import Report

__all__ = ["Options", "Progress", "check"]

Progress = Callable[[int, int, int], None]
"""(partition, input offset verified up to, input offset at which the cut ends)"""


def check(
    log: Log,
    program: Program,
    names: Names,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Report:
    """Hold everything in the log against every law, partition by partition.

    Never raises for what the topics hold: that is a `Violation`. What can't be checked is told in `unchecked`.
    """
    report = Report()
    for partition in log.partitions:
        told = progress or (lambda _partition, _done, _end: None)
        PartitionCheck(partition, log, program, names, options or Options(), report, told).run()
    return report
