"""What must hold of a pipeline after every fault, as its operators would see it: `segmenter verify` finds nothing and
`segmenter transactions` names nothing. Called in this process: the commands' own start takes as long as their work."""

from __future__ import annotations

from stream.config import Settings, load_settings
from stream.kafka.open_transactions import OpenTransaction, find_open
from stream.rules.compile import CompiledProgram, compile_program
from stream.rules.load import load_definitions
from stream.verify.check import Options, check
from stream.verify.kafka_log import KafkaLog
from stream.verify.log import Names
from stream.verify.report import Report
from stream.verify.show import lines_of
from stream.verify.tapes import extra_topics
from tests.kafka.pipeline import Pipeline

STANDS_S = 0.3
"""A transaction at work moves on within it."""


def prove(pipeline: Pipeline) -> Report:
    """Asserts both, of a pipeline that may be at work."""
    settings = load_settings(pipeline.config("admin"), {"kafka": {"bootstrap.servers": pipeline.address}})
    program = compile_program(load_definitions([pipeline.definitions]))
    pipeline.wait_for(lambda: not _open(settings, program))
    report = _verified(settings, program)
    assert report.clean, "\n".join(line for each in report.violations for line in lines_of(each, True))
    assert report.checked["partitions"] + sum("nothing is committed yet" in why for why in report.unchecked) == (
        pipeline.partitions
    )
    return report


def _open(settings: Settings, program: CompiledProgram) -> list[OpenTransaction]:
    topics = settings.topics
    return list(find_open(settings, [*topics.own, *map(topics.extra, program.extra_topics)], STANDS_S))


def _verified(settings: Settings, program: CompiledProgram) -> Report:
    topics = settings.topics
    names = Names(
        settings.name, topics.input, topics.changes, topics.memberships, topics.rejected, topics.state, topics.journal,
        topics.prefix,
    )  # fmt: skip
    log = KafkaLog(settings, names, extra_topics(program, names))
    try:
        return check(log, program, names, Options(settings.grace_ms, settings.max_event_bytes))
    finally:
        log.close()
