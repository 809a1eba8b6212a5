"""What must hold of a pipeline after every fault, as its operators would see it: `segmenter verify` finds nothing and
`segmenter transactions` names nothing. Their functions are called in this process: a command's start takes as long as
its work."""

from __future__ import annotations

from stream.cli.transactions import standing
from stream.cli.verify import verified
from stream.config import load_settings
from stream.rules.compile import compile_program
from stream.rules.load import load_definitions
from stream.verify.report import Report
from stream.verify.show import lines_of
from tests.kafka.pipeline import Pipeline

STANDS_S = 0.3
"""A transaction at work moves on within it."""


def prove(pipeline: Pipeline) -> Report:
    """Asserts both, of a pipeline that may be at work."""
    settings = load_settings(pipeline.config("admin"), {"kafka": {"bootstrap.servers": pipeline.address}})
    program = compile_program(load_definitions([pipeline.definitions]))
    pipeline.wait_for(lambda: not standing(settings, program, STANDS_S))
    report = verified(settings, program)
    assert report.clean, "\n".join(line for each in report.violations for line in lines_of(each, True))
    assert report.checked["partitions"] + sum("nothing is committed yet" in why for why in report.unchecked) == (
        pipeline.partitions
    )
    return report
