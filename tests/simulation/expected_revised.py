"""What must come out of a world whose definitions change, said in the simplest way: per customer, from the whole
history, for these definitions alone. No code is shared with the worker; `expected` is the same for one revision.

What is taken from the journal: when each batch was read (an event lies never later), how far the clock had come
between two records (silence up to there has been judged), and where definitions began to be others and how many
customers a sweep visited.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.definitions import ACTIVE_MS, BROWSING_MS, KEEN_MS, REVISED_MS
from tests.simulation.events import BROWSE, OTHER, PURCHASE, Sent, reason_of
from tests.simulation.lives import LONG_AGO_MS, Expected, Life

Item = tuple[str, int, Any]
"""In order: ("clock", instant up to which silence is judged, None), ("record", read time, the record sent), ("commit",
instant at which its revision began where it is the first under it, revision) or ("sweep", instant, most visited)."""


@dataclass(frozen=True)
class Windows:
    """The definitions of a revision: their windows; None: there is no such segment. `silent`: the last stage's name."""

    active: int
    browsing: int
    keen: int | None = None
    regular: int | None = None
    curious: int | None = None
    silent: str = "inactive"

    @property
    def segments(self) -> tuple[str, ...]:
        """In the order of the file."""
        return ("keen", "browsing", "lost") if self.keen else ("browsing", "lost", "regular", "curious")


FIRST = Windows(ACTIVE_MS, BROWSING_MS, keen=KEEN_MS)
REVISIONS = {1: FIRST, 2: Windows(**REVISED_MS, silent="gone"), 3: FIRST}


@dataclass
class _Life(Life):
    kept_from: int = 0  # place of the first event since definitions ask for signing in
    revision: int = 1
    warming: dict[str, int] = field(default_factory=dict)  # definition -> until when it is left as it is


@dataclass
class _Now:
    """The partition's revision, when each began, who was there at the last commit, and whom the sweep visited last."""

    revision: int = 1
    began_ms: dict[int, int] = field(default_factory=dict)
    committed: list[str] = field(default_factory=list)
    swept: str = ""


def expect(items: Iterable[tuple[int, Item]]) -> Expected:
    """`items` of one partition in order, each with its offset."""
    expected = Expected()
    lives: dict[str, _Life] = {}
    now = _Now()
    for offset, (what, at_ms, sent) in items:
        if what == "clock":
            for customer, life in lives.items():
                _silence(expected, customer, life, at_ms + 1, now)
        elif what == "commit":
            now.committed = sorted(lives)
            if sent != now.revision:
                now.revision, now.began_ms[sent], now.swept = sent, at_ms, ""
        elif what == "sweep":
            visited = [each for each in now.committed if each > now.swept][:sent]
            now.swept = visited[-1] if len(visited) == sent else ""
            for customer in visited:
                if customer in lives and lives[customer].revision != now.revision:
                    _silence(expected, customer, lives[customer], at_ms + 1, None)
                    _carry(expected, customer, lives[customer], max(lives[customer].judged_ms, at_ms), now)
        elif sent is not None and sent.kind == "rejected":
            expected.rejected.append((offset, reason_of(sent)))
        elif sent is not None and sent.kind == "erase":
            _erase(expected, lives, sent, min(sent.stamp_ms, at_ms))
        elif sent is not None and sent.kind != "ignored":
            _event(expected, lives, sent, min(sent.stated_ms, sent.stamp_ms, at_ms), offset, now)
    return expected


def _event(expected: Expected, lives: dict[str, _Life], sent: Sent, time_ms: int, offset: int, now: _Now) -> None:
    life = lives.get(sent.customer) or _Life(revision=now.revision)
    if not life.takes(expected, sent, time_ms, offset):
        return
    lives[sent.customer] = life
    _silence(expected, sent.customer, life, time_ms, None)
    if life.revision != now.revision:
        _carry(expected, sent.customer, life, max(life.judged_ms, time_ms - 1), now)
    life.events.append((time_ms, sent.kind))
    life.judged_ms = max(life.judged_ms, time_ms)
    _judge(expected, sent.customer, life, life.judged_ms, "event")
    life.remember(sent.message_id, time_ms)


def _silence(expected: Expected, customer: str, life: _Life, before_ms: int, now: _Now | None) -> None:
    """What turns after the latest judged instant and strictly before this one, though nothing happens. With `now` a
    customer of an earlier revision is carried over just before the first instant at which something turns."""
    last_ms = life.judged_ms
    while (turn_ms := _next_turn(life, last_ms, before_ms)) is not None:
        last_ms = turn_ms
        if now is not None and life.revision != now.revision:
            if _answers(life, turn_ms) == _present(life):
                _warm(life, turn_ms)
                continue
            last_ms = max(life.judged_ms, turn_ms - 1)
            _carry(expected, customer, life, last_ms, now)
        else:
            _judge(expected, customer, life, turn_ms, "clock")


def _next_turn(life: _Life, after_ms: int, before_ms: int) -> int | None:
    rules = REVISIONS[life.revision]
    lengths = {
        PURCHASE: (rules.active, rules.keen or rules.regular), BROWSE: (rules.browsing,), OTHER: (rules.curious,)
    }  # fmt: skip
    turns = {time_ms + length for time_ms, kind in life.events for length in lengths.get(kind, ()) if length}
    return min((turn for turn in (*turns, *life.warming.values()) if after_ms < turn < before_ms), default=None)


def _present(life: _Life) -> dict[str, object]:
    return {
        "lifecycle": life.stage,
        **{name: life.within.get(name, False) for name in REVISIONS[life.revision].segments},
    }


def _answers(life: _Life, now_ms: int) -> dict[str, object]:
    """By definition, in the order of the file; what is warming is as it was."""
    rules = REVISIONS[life.revision]

    def times(kind: str, window_ms: int | None, first: int = 0) -> list[int]:
        return [
            time_ms
            for time_ms, each in life.events[first:]
            if each == kind and time_ms <= now_ms and (window_ms is None or time_ms > now_ms - window_ms)
        ]  # fmt: skip

    stage = "prospect"
    if times(PURCHASE, None):
        stage = "active" if times(PURCHASE, rules.active) else rules.silent
    answers: dict[str, object] = {
        "lifecycle": stage,
        "keen": len(times(PURCHASE, rules.keen)) >= 2,
        "browsing": bool(times(BROWSE, rules.browsing)),
        "lost": stage == rules.silent,
        "regular": len(times(PURCHASE, rules.regular)) >= 2,
        "curious": bool(times(OTHER, rules.curious, life.kept_from)),
    }
    present = _present(life)
    return {name: held if life.warming.get(name, now_ms) > now_ms else answers[name] for name, held in present.items()}


def _warm(life: _Life, now_ms: int) -> None:
    """What has been waited for can be answered: the customer is judged then, whether anything changes or not."""
    if now_ms in life.warming.values():
        life.judged_ms = now_ms


def _judge(expected: Expected, customer: str, life: _Life, now_ms: int, cause: str) -> None:
    _warm(life, now_ms)
    present, answers = _present(life), _answers(life, now_ms)
    for definition, answer in answers.items():
        if answer != present[definition]:
            life.tell(expected, customer, (definition, present[definition], answer), now_ms, cause)
            life.turn(definition, answer)


def _carry(expected: Expected, customer: str, life: _Life, at_ms: int, now: _Now) -> None:
    """Other definitions from here on: removed segments are left, and what was not kept long enough waits."""
    former, revision = life.revision, now.revision
    old, new = REVISIONS[former].segments, REVISIONS[revision].segments
    for segment in old:
        if segment not in new:
            if life.within.get(segment):
                life.tell(expected, customer, (segment, True, False), at_ms, "definitions")
            life.within.pop(segment, None)
            life.nth.pop(segment, None)
    life.revision = revision
    life.judged_ms = at_ms
    life.warming = {}
    if (former, revision) == (1, 2):
        kept = {"browsing": (BROWSE, 2, BROWSING_MS), "regular": (PURCHASE, 3, KEEN_MS)}
        for segment, (kind, keep, window_ms) in kept.items():
            life.warming[segment] = _kept_since(life, kind, keep, window_ms) + REVISED_MS[segment]
        life.kept_from = len(life.events)
        life.warming["curious"] = now.began_ms[2] + REVISED_MS["curious"]
    elif (former, revision) == (2, 3):
        life.warming = dict.fromkeys(("keen", "browsing"), now.began_ms[2])  # kept for as long before it began
    _judge(expected, customer, life, at_ms, "definitions")


def _kept_since(life: _Life, kind: str, keep: int, window_ms: int) -> int:
    """Since when all events are known, where so many of the newest within a window are kept."""
    times = sorted(time_ms for time_ms, each in life.events if each == kind)
    if not times:
        return LONG_AGO_MS
    newest = [time_ms for time_ms in times if time_ms > times[-1] - window_ms][-keep:]
    return newest[0] if len(newest) == keep else times[-1] - window_ms


def _erase(expected: Expected, lives: dict[str, _Life], sent: Sent, time_ms: int) -> None:
    life = lives.pop(sent.customer, None)
    if life is not None:
        _silence(expected, sent.customer, life, time_ms, None)
        life.end(expected, sent.customer, time_ms)
