"""What must come out of a world, said in the simplest way: per customer, from the whole history, for these definitions
alone. No code is shared with the worker, and none with the general oracle, which must agree (`test_expected`).

What is taken from the journal: when each batch was read (an event lies never later), and how far the clock had come
between two records (silence up to there has been judged).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.simulation.definitions import ACTIVE_MS, BROWSING_MS, KEEN_MS
from tests.simulation.events import BROWSE, PURCHASE, Sent, reason_of
from tests.simulation.lives import LONG_AGO_MS, Expected, Life

STAGES = ("prospect", "active", "inactive")
SEGMENTS = ("keen", "browsing", "lost")
Item = tuple[str, int, Sent | str | None]
"""("clock", instant up to which silence is judged, None), ("record", read time, the record sent), or ("hold" or
"release", instant, key), in order; with each goes its offset."""


@dataclass
class _Life(Life):
    within: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(SEGMENTS, False))
    parked_ms: int | None = None  # since when an answer is kept back
    looked_ms: int = LONG_AGO_MS  # silence up to here was looked at, whether or not it was told


def expect(items: Iterable[tuple[int, Item]]) -> Expected:
    """`items` of one partition in order, each with its offset."""
    expected = Expected()
    lives: dict[str, _Life] = {}
    for offset, (what, at_ms, sent) in items:
        if what == "clock":
            for customer, life in lives.items() if "clock" not in expected.holds else ():
                _silence(expected, customer, life, at_ms + 1)
        elif what == "hold":
            expected.holds[str(sent)] = at_ms
        elif what == "release":
            del expected.holds[str(sent)]
        elif not isinstance(sent, Sent):
            raise AssertionError(what)
        elif sent.kind == "rejected":
            expected.rejected.append((offset, reason_of(sent)))
        elif sent.kind == "erase":
            _erase(expected, lives, sent, min(sent.stamp_ms, at_ms))
        elif sent.kind != "ignored":
            _event(expected, lives, sent, min(sent.stated_ms, sent.stamp_ms, at_ms), offset)
    return expected


def _event(expected: Expected, lives: dict[str, _Life], sent: Sent, time_ms: int, offset: int) -> None:
    life = lives.get(sent.customer) or _Life()
    if not life.takes(expected, sent, time_ms, offset):
        return
    lives[sent.customer] = life
    _silence(expected, sent.customer, life, time_ms)
    now_ms = max(life.judged_ms, time_ms)
    by_time = _answers(life, now_ms) if life.events else None
    due = {turn for turn in _turns(life) if turn > life.looked_ms}
    if life.parked_ms is not None:
        due.add(max(life.parked_ms, life.judged_ms))
    passed_over = by_time is not None and not _matters(life, sent.kind, time_ms) and now_ms not in due
    life.events.append((time_ms, sent.kind))
    life.judged_ms = now_ms
    if not passed_over:
        # What a browse can't bear on is not asked again at an instant that silence has passed.
        alone = sent.kind == BROWSE and by_time is not None and not expected.holds and now_ms not in due
        _judge(expected, sent.customer, life, now_ms, "event", by_time, {"browsing"} if alone else None)
        life.looked_ms = now_ms
    life.remember(sent.message_id, time_ms)


def _silence(expected: Expected, customer: str, life: _Life, before_ms: int) -> None:
    """What turns after the latest judged instant and strictly before this one, though nothing happens."""
    turns = _turns(life)
    begin_ms = max(life.judged_ms, life.looked_ms)
    if life.parked_ms is not None:
        begin_ms = max(life.parked_ms, life.judged_ms) - 1
        turns.add(begin_ms + 1)
    for turn_ms in sorted(turn for turn in turns if begin_ms < turn < before_ms):
        _judge(expected, customer, life, turn_ms, "clock")
        life.looked_ms = max(life.looked_ms, turn_ms)


def _matters(life: _Life, kind: str, time_ms: int) -> bool:
    """Whether an event can bear on an answer: a browse does not when two newer ones are known, nor when it lay out of
    the window already at the newest."""
    if kind != BROWSE:
        return kind == PURCHASE
    browses = sorted(at_ms for at_ms, other in life.events if other == BROWSE)
    return not browses or (time_ms > browses[-1] - BROWSING_MS and (len(browses) < 2 or time_ms > browses[-2]))


def _turns(life: _Life) -> set[int]:
    """When an answer may turn though nothing happens."""
    lengths = {PURCHASE: (ACTIVE_MS, KEEN_MS), BROWSE: (BROWSING_MS,)}
    return {time_ms + length for time_ms, kind in life.events for length in lengths.get(kind, ())}


def _answers(life: _Life, now_ms: int, ahead: bool = False) -> dict[str, object]:
    """What is true of the customer at an instant. `ahead`: counting what came after it, too."""
    purchases = [time_ms for time_ms, kind in life.events if kind == PURCHASE and (ahead or time_ms <= now_ms)]
    browses = [time_ms for time_ms, kind in life.events if kind == BROWSE and (ahead or time_ms <= now_ms)]
    if not purchases:
        stage = "prospect"
    else:
        stage = "active" if max(purchases) > now_ms - ACTIVE_MS else "inactive"
    return {
        "lifecycle": stage,
        "keen": sum(time_ms > now_ms - KEEN_MS for time_ms in purchases) >= 2,
        "browsing": any(time_ms > now_ms - BROWSING_MS for time_ms in browses),
        "lost": stage == "inactive",
    }


RESTS_ON = {"lifecycle": PURCHASE, "keen": PURCHASE, "lost": PURCHASE, "browsing": BROWSE}
EVENTS = {PURCHASE: "Order Completed", BROWSE: "Product Viewed"}


def _judge(
    expected: Expected,
    customer: str,
    life: _Life,
    now_ms: int,
    cause: str,
    by_time: dict[str, object] | None = None,
    names: set[str] | None = None,
) -> None:
    """`names`: only these."""
    answers = {name: answer for name, answer in _answers(life, now_ms).items() if names is None or name in names}
    told: dict[str, object] = {"lifecycle": life.stage, **life.within}
    kept = {name for name, answer in answers.items() if answer != told[name]}
    kept = {name for name in kept if _is_held(expected.holds, name, life, now_ms, answers[name], cause, by_time)}
    expected.held += len(kept)
    if not kept:
        life.parked_ms = None
    elif life.parked_ms is None:
        life.parked_ms = now_ms
    for name, answer in answers.items():
        if answer != told[name] and name not in kept:
            life.tell(expected, customer, (name, told[name], answer), now_ms, cause)
            life.turn(name, answer)


def _is_held(
    holds: dict[str, int], name: str, life: _Life, now_ms: int, answer: object, cause: str, by_time: dict | None
) -> bool:
    """Whether a new answer is kept back."""
    if f"segment/{name}" in holds:
        return True
    since = [holds[key] for key in ("clock", f"event/{EVENTS[RESTS_ON[name]]}") if key in holds]
    if not since:
        return False
    if cause == "clock" or (by_time is not None and by_time[name] == answer):
        return True
    # An event's own doing: then it is so too had time stopped when the hold began.
    return by_time is not None and min(since) < now_ms and _answers(life, min(since), ahead=True)[name] != answer


def _erase(expected: Expected, lives: dict[str, _Life], sent: Sent, time_ms: int) -> None:
    life = lives.pop(sent.customer, None)
    if life is not None:
        _silence(expected, sent.customer, life, time_ms)
        life.end(expected, sent.customer, time_ms)
