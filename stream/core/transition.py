"""The one door: the only place where a customer is judged and gets other answers. (What definitions no longer have
ends in `core.migration`.)

`advance(profile, stimulus, program)` judges a customer at one instant and returns what changed. The profile is changed
in place; when the program raises, the profile is half done and its owner must drop it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from stream.core.changes import Cause, Change, ClockCause, DefinitionsCause, EventCause
from stream.core.events import FOREVER_MS, NEVER_MS, Event
from stream.core.holds import Hold
from stream.core.profile import Profile, Standings
from stream.core.program import Answers, Program, Rejudge
from stream.core.warming import covered, undecided

SWEEP_LIMIT = 64
"""Breakpoints looked at for the next flip; after so many the customer is simply asked again at the next one."""


@dataclass(slots=True)
class Arrival:
    """An event to fold and judge. `decided_ms` is the read time of its batch."""

    event: Event
    decided_ms: int
    replayed: bool


@dataclass(slots=True)
class Wake:
    """The customer's `wake_ms` has come. `decided_ms` is the clock, or the read time of the record that waits."""

    due_ms: int
    decided_ms: int
    replayed: bool


@dataclass(slots=True)
class Revised:
    """The customer is judged by other definitions than before (`core.migration` has laid its cells out anew). `due_ms`:
    the instant. `former`: the present stage of a dimension that has it no longer."""

    due_ms: int
    decided_ms: int
    replayed: bool
    from_revision: int
    to_revision: int
    former: dict[int, str] = field(default_factory=dict)


Stimulus = Arrival | Wake | Revised

JudgeAt = Callable[[int], tuple[Answers, int]]
"""Answers at an instant, and the next one at which any may differ."""


class Transition(NamedTuple):
    """`changes` of one cause, in the order of the definitions; the profile's next wake (FOREVER_MS: none)."""

    changes: list[Change]
    next_wake_ms: int


def advance(profile: Profile, stimulus: Stimulus, program: Program, hold: Hold | None = None) -> Transition:
    """Judge a customer for an event, a wake or other definitions.

    An event is folded first, then judged at max(event time, customer's latest judged instant). A wake must not be
    earlier than that instant. `wake_ms` is where an answer flips next, or earlier: then it is only asked again there.
    Answers that `hold` keeps back flip like the others, so that nothing is forgotten; they only don't show.
    """
    due_ms = profile.wake_ms
    by_time: Answers | None = None
    if type(stimulus) is Arrival:
        event = stimulus.event
        seen_before = profile.now_ms != NEVER_MS
        if hold is not None:
            at_ms = max(event.time_ms, profile.now_ms)
            by_time = undecided(profile, *program.judge(profile.cells, at_ms), at_ms)[0] if seen_before else ()
        touched = program.fold(profile.cells, event)
        now_ms = profile.now_ms = max(event.time_ms, profile.now_ms)
        if seen_before and now_ms < due_ms:
            if not touched:
                return Transition([], due_ms)
            if hold is None and profile.warming is None and (rejudge := program.rejudge(event)) is not None:
                return _advance_few(profile, stimulus, program, rejudge)
    else:
        assert not isinstance(stimulus, Arrival) and stimulus.due_ms >= profile.now_ms
        now_ms = stimulus.due_ms
    judged, turns_ms = program.judge(profile.cells, now_ms)
    if profile.warming is not None:
        if covered(profile, now_ms):
            profile.now_ms = now_ms  # a late event must not be judged at an instant that is not covered
        judged, turns_ms = undecided(profile, judged, turns_ms, now_ms)
    answers = judged if hold is None else hold.keep_back(profile, judged, by_time, now_ms, program)
    if answers != profile.answers:
        profile.now_ms = now_ms
        changes = _changes(profile, answers, program, stimulus)
    else:
        # A wake that changes nothing leaves no trace: the customer's own time stays where it was.
        changes = []
        if now_ms < due_ms <= turns_ms:
            return Transition(changes, due_ms)  # nothing can turn before the wake that stands
    profile.wake_ms = _next_flip(profile, lambda at_ms: program.judge(profile.cells, at_ms), judged, turns_ms)
    return Transition(changes, profile.wake_ms)


def _advance_few(profile: Profile, arrival: Arrival, program: Program, rejudge: Rejudge) -> Transition:
    """Judge what an event can have changed. No other answer is another now, nor will be before the wake that stands."""
    due_ms, cells = profile.wake_ms, profile.cells
    answers, turns_ms = rejudge(cells, profile.now_ms, profile.answers)
    changes = [] if answers is profile.answers else _changes(profile, answers, program, arrival)
    if turns_ms < due_ms:
        profile.wake_ms = _next_flip(profile, lambda at_ms: rejudge(cells, at_ms, answers), answers, turns_ms, due_ms)
    return Transition(changes, profile.wake_ms)


def _next_flip(profile: Profile, judge: JudgeAt, judged: Answers, turns_ms: int, until_ms: int = FOREVER_MS) -> int:
    """The first instant after now at which an answer differs, at most `until_ms`; or where the sweep gave up and will
    ask again."""
    for _ in range(SWEEP_LIMIT):
        if turns_ms >= until_ms:
            return until_ms
        answers, later_ms = judge(turns_ms)
        if profile.warming is not None:
            if turns_ms in profile.warming.values():
                return turns_ms
            answers, later_ms = undecided(profile, answers, later_ms, turns_ms)
        if answers != judged:
            return turns_ms
        assert later_ms > turns_ms, "a program must name a later instant"
        turns_ms = later_ms
    return turns_ms


def moved(profile: Profile, answers: Answers, program: Program) -> list[int]:
    """The definitions whose answer is another one; not judged yet and out of a segment are the same to the outside."""
    present, definitions = profile.answers, program.definitions
    return [
        index
        for index, answer in enumerate(answers)
        if answer != present[index] and not (present[index] < 0 and answer == 0 and definitions[index].is_segment)
    ]


def _cause(stimulus: Stimulus) -> Cause:
    if type(stimulus) is Arrival:
        event = stimulus.event
        return EventCause(event.message_id, event.name or event.kind, event.time_ms, event.offset, event.traceparent)
    if type(stimulus) is Revised:
        return DefinitionsCause(stimulus.from_revision, stimulus.to_revision)
    assert type(stimulus) is Wake
    return ClockCause(stimulus.due_ms)


def _changes(profile: Profile, answers: Answers, program: Program, stimulus: Stimulus) -> list[Change]:
    definitions = program.definitions
    standings = profile.standings
    cause = _cause(stimulus)
    present = profile.answers
    turned = moved(profile, answers, program)
    corrected = [_corrected(standings, index, cause) for index in turned]
    profile.answers = answers
    former = stimulus.former if type(stimulus) is Revised else {}
    changes = []
    for position, index in enumerate(turned):
        definition = definitions[index]
        profile.sequence += 1
        standings.nth[index] += 1
        control = profile.control[index]
        if definition.is_segment:
            if answers[index]:
                control = program.held_out(index, profile.customer_id)
            profile.control[index] = control if answers[index] else None
        told = program.explain(index, profile.cells, profile.now_ms)
        changes.append(
            Change(
                definition=definition,
                sequence=profile.sequence,
                nth=standings.nth[index],
                set_index=position + 1,
                set_size=len(turned),
                before=present[index] if present[index] >= 0 else None,
                after=answers[index],
                effective_ms=profile.now_ms,
                decided_ms=stimulus.decided_ms,
                cause=cause,
                because=told.because,
                valid_until_ms=told.valid_until_ms,
                control=control,
                replayed=stimulus.replayed,
                corrects=corrected[position],
                carried=told.carried,
                approximate=told.approximate,
                revision=program.version,
                former=former.get(index),
            )
        )
        standings.since_ms[index] = profile.now_ms
        standings.changed_by[index] = profile.sequence
        standings.by_clock[index] = 1 if type(cause) is ClockCause else 0
    return changes


def _corrected(standings: Standings, index: int, cause: Cause) -> int | None:
    """The change that this one undoes: the event happened before the present answer came about, so that change should
    not have been. An event at the very instant counts as earlier than the clock, since it is folded before a wake."""
    if type(cause) is not EventCause or not standings.changed_by[index]:
        return None
    since_ms = standings.since_ms[index]
    earlier = cause.event_time_ms < since_ms or (cause.event_time_ms == since_ms and standings.by_clock[index])
    return standings.changed_by[index] if earlier else None
