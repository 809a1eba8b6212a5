"""Customers carried over from one revision of the definitions to another.

A partition judges by one program, the newest. A customer's profile says by which revision it is to be read; one of an
earlier revision is carried over when something touches it, and the others one after the other by a sweep over the
partition. Up to the instant of the touch the former program answers; from then on the new one.

What is carried. Cells with the same key are taken over, trimmed where the new program keeps less; new ones start blank.
Answers, standings and control go by the definition's name, stages by theirs. Then the customer is judged: what differs
is told with the cause `definitions`. Definitions that are gone end: segments are left, dimensions have no stage any
more. Definitions whose history was not kept are left as they are until it is (`core.warming`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stream.core.changes import Change, DefinitionsCause
from stream.core.coverage import Kept, known_since
from stream.core.events import FOREVER_MS, NEVER_MS
from stream.core.holds import Hold, Mode
from stream.core.profile import Profile, Standings
from stream.core.program import CellLayout, Cells, Program
from stream.core.transition import Revised, advance

FIRST_SEEN = "first_seen"

Following = Callable[[str, int], list[tuple[str, int]]]
"""(customer id, limit) -> the next customers of the committed store in the order of their keys, with their revision."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier revision: its program, and since when its cells are kept (`core.coverage`)."""

    program: Program
    kept: Kept


class Migration:
    """What a partition needs to carry its customers over to `program`.

    `earlier` gives the program of an earlier revision, `following` walks the store. `began_ms`: the instant at which
    the revision began in this partition; it is set before the first customer is carried over.
    """

    def __init__(self, program: Program, earlier: Callable[[int], Earlier], following: Following) -> None:
        self.program = program
        self.following = following
        self.began_ms = NEVER_MS
        self._earlier = earlier
        self._carriers: dict[int, Carrier] = {}

    def carrier(self, revision: int) -> Carrier:
        """From an earlier revision to the newest."""
        if revision not in self._carriers:
            self._carriers[revision] = Carrier(self._earlier(revision), self.program)
        return self._carriers[revision]


@dataclass(slots=True)
class _Ended:
    """What ends with the former program: its changes, and what a dimension that stays needs to know of that."""

    changes: list[Change] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)  # dimension that has no stage for now -> sequence of its change


class Carrier:
    """Carries customers over from one program to another."""

    def __init__(self, earlier: Earlier, new: Program) -> None:
        old = earlier.program
        self.old = old
        self._new = new
        self._kept = earlier.kept
        self._cells = {cell.key: index for index, cell in enumerate(old.layout)}
        self._layout = {cell.key: cell for cell in new.layout}
        self._places = {(each.name, each.is_segment): place for place, each in enumerate(old.definitions)}
        self._from = [self._places.get((each.name, each.is_segment)) for each in new.definitions]
        self._gone = [place for place in range(len(old.definitions)) if place not in self._from]
        self._asks = [
            tuple(ask for ask in new.asks(index) if ask.reach_ms < FOREVER_MS) if self._is_other(index) else ()
            for index in range(len(new.definitions))
        ]

    def carry(self, profile: Profile, revised: Revised, began_ms: int, hold: Hold | None = None) -> list[Change]:
        """Make the profile one of the new program, judged at `revised.due_ms`, which is not before its latest judged
        instant. Returns the changes, those of what ends first. What `hold` holds by time is kept back here too: nobody
        can tell what the definitions and what time has done."""
        at_ms, seen_ms = revised.due_ms, _seen_by(profile)
        warming = self._warming(profile, at_ms, began_ms)
        lost = self._lost_stages(profile)
        ended = _Ended()
        for place in self._gone:
            if profile.answers[place] > 0 or (self.old.definitions[place].stages and profile.answers[place] == 0):
                self._end(profile, place, revised, ended)
        for index, stage in lost.items():
            former_place = self._from[index]
            waits = index in warming or (hold is not None and hold.modes[index] is not Mode.FREE)
            if waits and former_place is not None:
                self._end(profile, former_place, revised, ended)
            else:
                revised.former[index] = stage
        profile.now_ms = at_ms  # nothing of before is judged by definitions that came later
        self._reshape(profile, ended, warming, seen_ms)
        profile.wake_ms = at_ms  # that of the former program means nothing now
        changes = [*ended.changes, *advance(profile, revised, self._new, hold).changes]
        for position, change in enumerate(changes):
            change.cause = changes[0].cause
            change.set_index, change.set_size = position + 1, len(changes)
        return changes

    # -- what is carried

    def _reshape(self, profile: Profile, ended: _Ended, warming: dict[int, int], seen_ms: int) -> None:
        old, definitions = profile.standings, len(self._new.definitions)
        standings = Standings(
            array("q", [0]) * definitions, array("I", [0]) * definitions, array("I", [0]) * definitions,
            bytearray(definitions),
        )  # fmt: skip
        answers = []
        control: list[bool | None] = []
        for index, (definition, place) in enumerate(zip(self._new.definitions, self._from, strict=True)):
            if place is None:
                answers.append(-1)
                control.append(None)
                continue
            standings.since_ms[index] = old.since_ms[place]
            standings.nth[index] = old.nth[place]
            standings.changed_by[index] = old.changed_by[place]
            standings.by_clock[index] = old.by_clock[place]
            answers.append(self._answer(index, place, profile.answers[place]))
            control.append(profile.control[place])
            if definition.name in ended.told:
                standings.nth[index] += 1
                standings.changed_by[index] = ended.told[definition.name]
                standings.since_ms[index], standings.by_clock[index] = profile.now_ms, 0
        profile.cells = self._carried_cells(profile, seen_ms)
        profile.answers = tuple(answers)
        profile.unpacked_standings = standings
        profile.control = control
        profile.revision = self._new.version
        profile.warming = warming or None

    def _answer(self, index: int, place: int, answer: int) -> int:
        """A dimension's stage by its name; -1: it is gone."""
        stages = self._new.definitions[index].stages
        if not stages or answer < 0:
            return answer
        stage = self.old.definitions[place].stages[answer]
        return stages.index(stage) if stage in stages else -1

    def _lost_stages(self, profile: Profile) -> dict[int, str]:
        lost = {}
        for index, place in enumerate(self._from):
            if (
                place is not None
                and profile.answers[place] >= 0
                and self._answer(index, place, profile.answers[place]) < 0
            ):
                lost[index] = self.old.definitions[place].stages[profile.answers[place]]
        return lost

    def _carried_cells(self, profile: Profile, seen_ms: int) -> Cells:
        old, cells = profile.cells, self._new.blank()
        for index, cell in enumerate(self._new.layout):
            at = self._cells.get(cell.key)
            if at is not None:
                cells[index] = _carried(self._new, index, self.old.layout[at], cell, old[at])
            elif cell.key == FIRST_SEEN:
                cells[index] = seen_ms
        if self._new.merged_at is not None and self.old.merged_at is not None:
            cells[self._new.merged_at] = old[self.old.merged_at]
        return cells

    # -- what ends

    def _end(self, profile: Profile, place: int, revised: Revised, ended: _Ended) -> None:
        """Out of a segment, or of every stage of a dimension. The former program tells what goes along."""
        definition, answer = self.old.definitions[place], profile.answers[place]
        told = self.old.explain(place, profile.cells, revised.due_ms)
        profile.sequence += 1
        ended.changes.append(
            Change(
                definition=definition,
                sequence=profile.sequence,
                nth=profile.standings.nth[place] + 1,
                set_index=0,
                set_size=0,
                before=answer,
                after=0 if definition.is_segment else None,
                effective_ms=revised.due_ms,
                decided_ms=revised.decided_ms,
                cause=DefinitionsCause(revised.from_revision, revised.to_revision),
                because=[],
                valid_until_ms=None,
                control=profile.control[place],
                replayed=revised.replayed,
                corrects=None,
                carried=told.carried,
                approximate=told.approximate,
                revision=revised.from_revision,
            )
        )
        ended.told[definition.name] = profile.sequence

    # -- what can't be answered yet

    def _is_other(self, index: int) -> bool:
        place = self._from[index]
        return place is None or self.old.definitions[place].part != self._new.definitions[index].part

    def _warming(self, profile: Profile, at_ms: int, began_ms: int) -> dict[int, int]:
        warming = {}
        for index, asks in enumerate(self._asks):
            place = self._from[index]
            if place is not None and not self._is_other(index):
                until_ms = (profile.warming or {}).get(place, NEVER_MS)
            else:
                until_ms = max(
                    (self._known_ms(profile, ask, began_ms) + ask.reach_ms for ask in asks), default=NEVER_MS
                )
            if until_ms > at_ms:
                warming[index] = until_ms
        return warming

    def _known_ms(self, profile: Profile, ask: Any, began_ms: int) -> int:
        at = self._cells.get(ask.key)
        old = None if at is None else self.old.layout[at]
        content = None if at is None else profile.cells[at]
        return known_since(ask, self._layout[ask.key], old, self._kept, began_ms, content)


def _carried(program: Program, index: int, old: CellLayout, new: CellLayout, content: Any) -> Any:
    """One cell as the new program keeps it."""
    if old.kind == "trait":
        if old.converts == new.converts:
            return content
        value, at_ms, offset = content
        return [None if value is None else program.converted(index, value), at_ms, offset]
    if new.kind == "newest":
        times = content if old.kind == "newest" else content[0]
        return _newest(times, new.keep, new.longest_ms)
    if new.kind == "instants":
        times, slices = (content, []) if old.kind == "newest" else content
        return _trimmed([times], slices, max(new.whole_ms, new.longest_ms))
    if new.kind == "amounts":
        times, amounts, slices = content
        return _trimmed([times, amounts], slices, new.longest_ms)
    if new.kind in ("values", "days", "value_log", "day_log"):
        times, keys = content
        first = max(0, len(times) - new.limit)
        return _trimmed([times[first:], keys[first:]], None, max(new.whole_ms, new.longest_ms))
    return content


def _newest(times: list[int], keep: int, longest_ms: int) -> list[int]:
    return [each for each in times[-keep:] if each > times[-1] - longest_ms]


def _trimmed(columns: list[list[Any]], slices: list[list[int]] | None, longest_ms: int) -> list[Any]:
    """The columns (the first holds instants, sorted) without what lies as far back as `longest_ms` from the newest."""
    times = columns[0]
    edge_ms = (times[-1] if times else NEVER_MS) - longest_ms
    first = bisect_right(times, edge_ms)
    kept: list[Any] = [column[first:] for column in columns]
    if slices is not None:
        kept.append([each for each in slices if each[0] > edge_ms])
    return kept


def _seen_by(profile: Profile) -> int:
    """A customer of before has been seen at the latest by then, whenever it was for the first time: when the oldest
    answer came about, or else at its latest judged instant."""
    standings = profile.standings
    told = [since for since, by in zip(standings.since_ms, standings.changed_by, strict=True) if by]
    return min(told, default=profile.now_ms)
