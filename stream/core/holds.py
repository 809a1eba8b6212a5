"""Holds: answers that are kept back until a human lets them go.

A hold has a key and the instant since which it is in force. `clock` holds every answer that time alone would change;
`event/<name>` does so for the definitions that rest on that event; `segment/<name>` holds every change of one segment.
Events are folded all the while. What an event itself brings about is let through, unless the segment is held wholly.

"Itself" is strict: the answer must differ from what time alone would have made of it, and must come out the same if
time had stopped when the hold began. So a page view never lets a held silence through, not even in a condition that
asks for both.

A customer of whom something is kept back is *parked*: `profile.parked_ms` tells since when, and the index of wakes has
an entry at `PARKED_AT_MS`, below every real instant. An entry counts only if the profile agrees.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from stream.core.events import NEVER_MS
from stream.core.profile import Profile
from stream.core.program import Answers, Program
from stream.core.wakes import Stored
from stream.core.warming import undecided

CLOCK = "clock"
EVENT = "event/"
SEGMENT = "segment/"
STOPPED = "partition/"
"""With a partition's number: it reads nothing. Holds no answer, but is kept and journaled with the others."""

PARKED_AT_MS = NEVER_MS
"""Where the index keeps parked customers: no wake is due then."""


class Mode(IntEnum):
    FREE = 0
    BY_TIME = 1  # what time alone would change is kept back
    WHOLLY = 2  # every change is


@dataclass(frozen=True, slots=True)
class Hold:
    """What is held of each definition, in the program's order. `since_ms`: where by time, since when.

    whole: everything is held by time, so no wake needs to be looked at.
    """

    modes: tuple[Mode, ...]
    since_ms: tuple[int, ...]
    whole: bool

    def keep_back(
        self, profile: Profile, judged: Answers, by_time: Answers | None, now_ms: int, program: Program
    ) -> Answers:
        """The answers to show of those judged at `now_ms`; parks the profile, or unparks it when nothing is kept back.
        A definition that has no answer yet, for it came with other definitions, is kept without one.

        `by_time`: for an event, what the answers were at the same instant before it was folded, () for the first of a
        customer, whose answers are told; None: a wake, for which nothing but time is the reason.
        """
        present = profile.answers
        stopped: dict[int, Answers] = {}
        shown = list(judged)
        for index, mode in enumerate(self.modes):
            answer = judged[index]
            if mode is Mode.FREE or answer == present[index]:
                continue
            if present[index] < 0 and answer == 0 and program.definitions[index].is_segment:
                continue  # not judged yet and out are the same to the outside
            if mode is Mode.WHOLLY:
                shown[index] = max(present[index], 0)
                continue
            if by_time == ():
                continue
            if by_time is not None and by_time[index] != answer:
                since_ms = self.since_ms[index]
                if since_ms >= now_ms:
                    continue
                if since_ms not in stopped:
                    stopped[since_ms] = program.judge(profile.cells, since_ms)[0]
                if stopped[since_ms][index] == answer:
                    continue
            shown[index] = present[index]
        answers = tuple(shown)
        if answers == judged:
            profile.parked_ms = NEVER_MS
        elif profile.parked_ms == NEVER_MS:
            profile.parked_ms = now_ms
        return answers

    def frees(self, profile: Profile, program: Program) -> bool:
        """Whether something kept back of a parked profile no longer is, under what is held now: at the instant since
        which it is parked, or at a later one that has been looked at in vain since."""
        if self.whole:
            return False
        at_ms = max(profile.parked_ms, profile.now_ms)
        while True:
            judged, turns_ms = undecided(profile, *program.judge(profile.cells, at_ms), at_ms)
            if any(
                mode is Mode.FREE and old != new
                for mode, old, new in zip(self.modes, profile.answers, judged, strict=True)
            ):
                return True
            if turns_ms >= profile.wake_ms:
                return False
            at_ms = turns_ms


def hold_of(program: Program, holds: Mapping[str, int]) -> Hold | None:
    """What these holds (key -> since when) mean for a program; None: nothing is held. Keys of names that the program
    does not know, and of other things, hold nothing."""
    modes = [Mode.FREE] * len(program.definitions)
    since_ms = [NEVER_MS] * len(modes)
    for key, began_ms in holds.items():
        for index in _held_by_time(program, key):
            since_ms[index] = min(since_ms[index], began_ms) if modes[index] else began_ms
            modes[index] = Mode.BY_TIME
    for index, definition in enumerate(program.definitions):
        if definition.is_segment and SEGMENT + definition.name in holds:
            modes[index] = Mode.WHOLLY
    if not any(modes):
        return None
    return Hold(tuple(modes), tuple(since_ms), CLOCK in holds)


def _held_by_time(program: Program, key: str) -> Iterator[int]:
    if key == CLOCK:
        yield from range(len(program.definitions))
    elif key.startswith(EVENT):
        yield from program.resting_on(key.removeprefix(EVENT))


class Parked:
    """The parked customers of one partition in order, for when something is released.

    Each is looked at once after `rewind`. Nothing is kept of how far that has come: after a restart all are looked at
    again, which changes nothing for those that are still kept back.
    """

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._edits: dict[str, bool] = {}  # what the next commit writes: True put, False delete
        self._after = ""
        self.all_seen = False

    def rewind(self) -> None:
        self._after = ""
        self.all_seen = False

    def note(self, customer_id: str, parked: bool) -> None:
        self._edits[customer_id] = parked

    def entries(self) -> Iterator[str]:
        """Those not seen since the rewind; `note` may be called meanwhile, of those already seen."""
        after = self._after
        fresh = sorted(customer_id for customer_id, put in self._edits.items() if put and customer_id > after)
        entries = self._stored((PARKED_AT_MS, after), PARKED_AT_MS)
        stored = (customer_id for _, customer_id in entries if customer_id > after)
        for customer_id in heapq.merge(stored, fresh):
            if customer_id == self._after or self._edits.get(customer_id) is False:
                continue
            self._after = customer_id
            yield customer_id
        self.all_seen = True

    def edits(self) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
        """(added, removed) since the last commit, for the index."""
        added = [(PARKED_AT_MS, customer_id) for customer_id, put in self._edits.items() if put]
        return added, [(PARKED_AT_MS, customer_id) for customer_id, put in self._edits.items() if not put]

    def committed(self) -> None:
        self._edits = {}

    def aborted(self) -> None:
        self._edits = {}
        self.rewind()
