"""The test cases of a definitions file, run through the same core as live traffic.

A case is the story of one customer: what is given happens in its order, silence is waited out to the millisecond, and
at each row of `expect` the customer must stand where the author says. A row is looked at after all that is given up
to its instant, and after every change that silence brought until then.

Beside the failures the report says for each condition of the definitions whether some case saw it hold, and some case
saw it fail: a condition seen one way only is not tested.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stream.core.changes import Change
from stream.core.events import Event, properties_of
from stream.core.partition import Partition, Position
from stream.core.profile import Profile
from stream.core.program import Cells, Decider
from stream.errors import Place, Problem
from stream.rules.compile import CompiledProgram
from stream.rules.literals import UNIT_MS
from stream.rules.tree import Case, CaseExpect, CaseGiven, Definitions

CUSTOMER = "case"
"""The id of the customer of every case (control groups are drawn by it)."""

EXPLAINED = 3
"""So many segments of one failure are explained; the rest would only repeat them."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A row of `expect` that does not hold; `because`: the conditions that decided otherwise, with their values."""

    case: str
    problem: Problem
    because: tuple[Decider, ...]

    def __str__(self) -> str:
        lines = [str(self.problem)]
        for decider in self.because:
            condition = decider.condition
            value = "withheld" if condition.withheld else _shown(decider.value)
            verdict = "holds" if condition.holds else "does not hold"
            lines.append(f"    {condition.file}:{condition.line}: {condition.expression} {verdict} ({value})")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Coverage:
    """A condition, the definition that names it first, and whether the cases saw it hold and fail."""

    definition: str
    expression: str
    place: Place
    seen_true: bool
    seen_false: bool

    @property
    def complete(self) -> bool:
        return self.seen_true and self.seen_false

    def __str__(self) -> str:
        missing = {(True, False): "never false", (False, True): "never true", (False, False): "never looked at"}
        return f"{self.place}: {self.expression}: {missing.get((self.seen_true, self.seen_false), 'seen both ways')}"


@dataclass(frozen=True, slots=True)
class CaseReport:
    """What came of all cases: how many there were, how many rows they expect, what failed, what they covered."""

    cases: int
    rows: int
    failures: tuple[Failure, ...]
    coverage: tuple[Coverage, ...]

    @property
    def uncovered(self) -> tuple[Coverage, ...]:
        return tuple(condition for condition in self.coverage if not condition.complete)


def run_cases(definitions: Definitions, program: CompiledProgram) -> CaseReport:
    """Run every case of `definitions`; `program` is what they compile to. Pure: cases don't see each other."""
    seen = _Seen(program)
    failures = [failure for case in definitions.cases for failure in _run(case, program, seen)]
    rows = sum(len(case.expect) for case in definitions.cases)
    return CaseReport(len(definitions.cases), rows, tuple(failures), seen.coverage())


class _Seen:
    """Which conditions were seen true and false."""

    def __init__(self, program: CompiledProgram) -> None:
        self._program = program
        self._true = [False] * len(program.conditions)
        self._false = [False] * len(program.conditions)

    def look(self, cells: Cells, now_ms: int) -> None:
        for index, holds in enumerate(self._program.atoms(cells, now_ms)):
            (self._true if holds else self._false)[index] = True

    def coverage(self) -> tuple[Coverage, ...]:
        return tuple(
            Coverage(definition, text, place, seen_true, seen_false)
            for (definition, text, place), seen_true, seen_false in zip(
                self._program.conditions, self._true, self._false, strict=True
            )
        )


class _Story:
    """One customer while a case goes on, alone in a partition of their own, so that all is as live."""

    def __init__(self, program: CompiledProgram, seen: _Seen) -> None:
        self.program = program
        self._seen = seen
        self._partition = Partition(0, program, lambda _: None, lambda _from, _to: iter(()), Position(0), grace_ms=0)
        self._read = 0  # changes that earlier rows have seen

    @property
    def profile(self) -> Profile | None:
        """None while the customer is not known yet."""
        return self._partition.pending.touched.get(CUSTOMER)

    def happen(self, event: Event) -> None:
        self.wait(event.time_ms - 1)
        self._partition.take(event, event.time_ms)
        self._look()

    def wait(self, until_ms: int) -> None:
        """Let silence do its work up to and including an instant, one wake at a time."""
        while not self._partition.step(until_ms, limit=1):
            self._look()

    def _look(self) -> None:
        if self.profile is not None:
            self._seen.look(self.profile.cells, self.profile.now_ms)

    def stand(self, now_ms: int) -> None:
        """All has happened up to a row's instant."""
        self.wait(now_ms)
        if self.profile is not None:
            self._seen.look(self.profile.cells, now_ms)

    def changes(self) -> list[Change]:
        """Those since the row before."""
        fresh = [change for _, change in self._partition.pending.changes[self._read :]]
        self._read += len(fresh)
        return fresh

    def answer(self, name: str) -> str | bool | None:
        """The stage of a dimension (None: no stage), whether inside a segment."""
        index = self.index(name)
        definition = self.program.definitions[index]
        answer = self.profile.answers[index] if self.profile is not None else -1
        if definition.is_segment:
            return answer == 1
        return definition.stages[answer] if answer >= 0 else None

    def index(self, name: str) -> int:
        return next(i for i, definition in enumerate(self.program.definitions) if definition.name == name)

    def facts(self, now_ms: int) -> dict[str, object]:
        cells = self.profile.cells if self.profile is not None else self.program.blank()
        return self.program.facts(cells, now_ms)

    def turns(self, names: Iterable[str], now_ms: int) -> Iterator[tuple[str, int]]:
        """Of definitions, the proven instants at which their answers change by themselves if nothing happens."""
        for name in list(names)[:EXPLAINED] if self.profile is not None else ():
            assert self.profile is not None
            until_ms = self.program.valid_until(self.index(name), self.profile.cells, now_ms)
            if until_ms is not None:
                yield name, until_ms

    def because(self, names: Iterable[str], now_ms: int) -> tuple[Decider, ...]:
        if self.profile is None:
            return ()
        cells = self.profile.cells
        explained = [self.index(name) for name in list(names)[:EXPLAINED]]
        return tuple(decider for index in explained for decider in self.program.because(index, cells, now_ms))


def _run(case: Case, program: CompiledProgram, seen: _Seen) -> Iterator[Failure]:
    story = _Story(program, seen)
    given = sorted(case.given, key=lambda step: step.at_ms)
    events = deque(_event(step, case.start_ms, offset) for offset, step in enumerate(given))
    for row in case.expect:
        now_ms = case.start_ms + row.at_ms
        while events and events[0].time_ms <= now_ms:
            story.happen(events.popleft())
        story.stand(now_ms)
        yield from _compare(case.name, row, story, now_ms)


def _moved(changes: list[Change], entered: bool) -> set[str]:
    """The segments entered (or exited) by changes."""
    return {
        change.definition.name
        for change in changes
        if change.definition is not None and change.definition.is_segment and bool(change.after) is entered
    }


def _event(given: CaseGiven, start_ms: int, offset: int) -> Event:
    call = given.event
    kind = call["type"]
    return Event(
        customer_id=CUSTOMER,
        kind=kind,
        name=call["event"] if kind == "track" else "",
        time_ms=start_ms + given.at_ms,
        offset=offset,
        message_id=call.get("messageId"),
        properties=properties_of(call, kind),
        context=call.get("context") or {},
    )


def _compare(case: str, row: CaseExpect, story: _Story, now_ms: int) -> Iterator[Failure]:
    def failure(what: str, found: str, expected: str, names: Iterable[str] = ()) -> Failure:
        message = f'case "{case}", at {_offset(row.at_ms)}: {what}'
        start_ms = now_ms - row.at_ms
        turns = [
            f"`{name}` turns by itself at {_offset(at_ms - start_ms)}" for name, at_ms in story.turns(names, now_ms)
        ]
        problem = Problem(row.place, message, found, expected, "; ".join(turns) or None)
        return Failure(case, problem, story.because(names, now_ms))

    for dimension, expected in row.stages.items():
        found = story.answer(dimension)
        if found != expected:
            yield failure(dimension, str(found or "no stage"), expected, [dimension])
    for segments, wanted in ((row.inside, True), (row.outside, False)):
        for segment in segments:
            if story.answer(segment) is not wanted:
                said = ("outside", "inside") if wanted else ("inside", "outside")
                yield failure(segment, *said, [segment])
    changes = story.changes()
    for verb, names, entered in (("entered", row.entered, True), ("exited", row.exited, False)):
        if names is not None and (moved := _moved(changes, entered)) != set(names):
            order = [definition.name for definition in story.program.definitions]
            differing = sorted(moved ^ set(names), key=order.index)
            yield failure(verb, _listed(sorted(moved, key=order.index)), _listed(names), differing)
    if row.facts:
        facts = story.facts(now_ms)
        for name, value in row.facts.items():
            if not _same(facts[name], value):
                yield failure(name, _shown(facts[name]), _shown(value))


def _same(found: object, expected: object) -> bool:
    """Equal, and of one kind: true is not 1."""
    return isinstance(found, bool) is isinstance(expected, bool) and found == expected


def _shown(value: object) -> str:
    """As one writes it."""
    return json.dumps(value, ensure_ascii=False)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _offset(at_ms: int) -> str:
    """An offset as one writes it: 36h as 1d12h."""
    text = ""
    for unit in ("d", "h", "min", "s", "ms"):
        amount, at_ms = divmod(at_ms, UNIT_MS[unit])
        text += f"{amount}{unit}" if amount else ""
    return text or "0d"
