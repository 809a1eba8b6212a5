"""All checks that a start makes, one after the other, without starting: findings, each with its remedy."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stream.app.data_dir import IN_USE, look_at
from stream.app.listening import check_is_free
from stream.app.starting import CLOCK_REMEDY, history_problem, skew_text
from stream.codec.levels import FORMER_LEVEL, UPGRADE
from stream.config import Address, Settings
from stream.engine.definitions import check_named
from stream.engine.guard import GUARDS
from stream.engine.holding import check_keepable
from stream.errors import ConfigError, SegmenterError, StartRefused, UnreadableState
from stream.kafka.last_commits import LastCommits
from stream.kafka.look import Look
from stream.kafka.offsets import KafkaOffsets
from stream.kafka.set_back import OffsetsRefused, apart
from stream.kafka.skew import measure_skew
from stream.kafka.topics import COPIES, HISTORY, TOPIC_CHECKS, examine_topics, input_partitions, weak_topics
from stream.rules.compile import CompiledProgram

LEAST_FREE_BYTES = 1 << 30
"""A worker beside its write buffers and one rebuild needs more than that."""

KAFKA_CHECKS = (*TOPIC_CHECKS, COPIES, HISTORY, "offsets", "state", "clock")


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `ok` None: it could not be made, for the reason in `text`."""

    name: str
    ok: bool | None
    text: str
    remedy: str = ""


def examine(settings: Settings, program: CompiledProgram, clock: Callable[[], int]) -> Iterator[Finding]:
    """Every check that a start makes. `clock` tells this machine's time in ms."""
    yield Finding("definitions", True, f"{program.name} {program.hash}")
    yield from _own_machine(settings)
    look = Look(settings)
    try:
        partitions = input_partitions(settings, look)
        yield Finding("brokers", True, settings.kafka_properties()["bootstrap.servers"])
    except SegmenterError as error:
        if "no such topic" not in str(error):
            yield Finding("brokers", False, str(error), "start the brokers, or put `kafka` in the settings right")
            yield from (Finding(name, None, "the brokers don't answer") for name in KAFKA_CHECKS)
            return
        partitions = 0
        yield Finding("brokers", True, settings.kafka_properties()["bootstrap.servers"])
    if 0 < partitions < settings.processes:
        yield _processes(settings.processes, partitions)
    try:
        topics = list(_topics(settings, program, look))
        yield from topics
        if not partitions:
            yield from (Finding(name, None, "there is no input") for name in (HISTORY, "offsets"))
        else:
            yield _history(settings, program, partitions, look)
            yield _offsets(settings, partitions)
        if all(finding.ok for finding in topics if finding.name == TOPIC_CHECKS[0]):
            yield _state(settings, program, partitions)
        else:
            yield Finding("state", None, "topics are missing")
        yield _clock(settings, clock, look)
    except SegmenterError as error:  # the brokers went away in the middle, or do not let us look
        yield Finding("brokers", False, str(error), "look at the brokers and at what they allow this user")


def _own_machine(settings: Settings) -> Iterator[Finding]:
    trouble = look_at(settings.data_dir)
    if trouble == IN_USE and _taken(settings.listen):
        yield Finding("data_dir", True, f"{settings.data_dir} is in use, and so is {settings.listen}: this worker runs")
        return
    members = settings.members()
    if len(members) > 1 and trouble is not None:
        yield _data_dir(settings.data_dir, trouble)
    for member in members:
        yield _data_dir(member.data_dir, look_at(member.data_dir))
        taken = _taken(member.listen)
        yield Finding("listen", not taken, taken or f"{member.listen} is free", "another `listen`" if taken else "")


def _taken(listen: Address) -> str:
    """Why nobody can listen there, "" where one can."""
    try:
        check_is_free(listen)
    except ConfigError as error:
        return str(error)
    return ""


def _processes(processes: int, partitions: int) -> Finding:
    """A worker starts all the same."""
    text = f"found {partitions} partitions for {processes} processes: {processes - partitions} will have nothing to do"
    return Finding("processes", True, text, f"`processes: {partitions}`")


def _data_dir(path: Path, trouble: str | None) -> Finding:
    if trouble is not None:
        remedy = "a `data_dir` and an `instance` of its own" if trouble == IN_USE else "a folder this user may write"
        return Finding("data_dir", False, f"{path}: found that {trouble}", remedy)
    there = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
    free = shutil.disk_usage(there).free
    text = f"{path}: {free / (1 << 30):.1f} GiB free"
    if free < LEAST_FREE_BYTES:
        return Finding("data_dir", False, f"{text}, expected 1 at least", "make room, or another `data_dir`")
    return Finding("data_dir", True, text)


def _topics(settings: Settings, program: CompiledProgram, look: Look) -> Iterator[Finding]:
    problems = examine_topics(settings, program.extra_topics, look)
    missing = any(problem.kind == TOPIC_CHECKS[0] for problem in problems)
    for kind in TOPIC_CHECKS:
        found = [problem for problem in problems if problem.kind == kind]
        yield from (Finding(kind, False, problem.text, problem.remedy) for problem in found)
        if not found:
            yield Finding(kind, True, "of those that are there" if missing else "as they should be")
    weak = weak_topics(settings, program.extra_topics, look)
    yield from (Finding(COPIES, False, problem.text, problem.remedy) for problem in weak)
    if not weak:
        yield Finding(COPIES, True, "as many of each partition as of the input's")


def _history(settings: Settings, program: CompiledProgram, partitions: int, look: Look) -> Finding:
    problem = history_problem(settings, program, partitions, look)
    if problem is not None:
        return Finding(HISTORY, False, problem.text, problem.remedy)
    return Finding(HISTORY, True, f"{settings.topics.input} holds what the first start needs, or that is long past")


def _offsets(settings: Settings, partitions: int) -> Finding:
    offsets = KafkaOffsets(settings)
    committed = offsets.committed(range(partitions))
    first = offsets.low_watermarks(range(partitions))
    lost = {
        number: first[number] - place.offset
        for number, place in committed.items()
        if place.offset is not None and first[number] > place.offset
    }
    if lost:
        told = ", ".join(f"{count} of partition {number}" for number, count in lost.items())
        remedy = "lengthen the input's retention; to go on without them begin anew (`name` and `output_prefix`)"
        return Finding("offsets", False, f"retention has deleted unread events: {told}", remedy)
    begun = sum(place.offset is not None for place in committed.values())
    return Finding("offsets", True, f"{begun} of {partitions} partitions committed, all of it still in the input")


def _state(settings: Settings, program: CompiledProgram, partitions: int) -> Finding:
    """Whether the state can be gone on with, as far as its last commits tell."""
    try:
        last = LastCommits(settings).read()
        found = [each for each in last if each.meta is not None]
        for each in found:
            assert each.meta is not None
            check_named(program, each.meta)
            if each.meta.partition_count != partitions:
                text = f"the input has {partitions} partitions, the state began with {each.meta.partition_count}"
                return Finding("state", False, text, "go back, or begin anew (`name` and `output_prefix`)")
            if each.meta.level == FORMER_LEVEL and settings.silence_hold_ms:
                check_keepable(each.partition, [GUARDS[0]])
        wrong = apart(settings, last)
        if wrong:
            return Finding("state", False, "; ".join(map(str, wrong)), "`segmenter state offsets` sets them back")
    except (StartRefused, UnreadableState, OffsetsRefused) as error:
        return Finding("state", False, str(error), UPGRADE if UPGRADE in str(error) else "")
    former = sum(each.meta is not None and each.meta.level == FORMER_LEVEL for each in found)
    if former:
        return Finding("state", True, f"{former} partitions are at format level {FORMER_LEVEL}; {UPGRADE} raises it")
    return Finding("state", True, f"{len(found)} of {partitions} partitions committed by these definitions or earlier")


def _clock(settings: Settings, clock: Callable[[], int], look: Look) -> Finding:
    skew = measure_skew(settings, clock, look)
    if skew.ahead_ms is None:
        return Finding("clock", None, skew.why_not)
    return Finding("clock", not skew.too_large, skew_text(skew), CLOCK_REMEDY if skew.too_large else "")
