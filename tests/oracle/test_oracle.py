"""The oracle itself, on examples small enough to compute by hand."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from stream.core.events import Erasure, Event
from stream.rules.load import parse_definitions
from stream.rules.tree import Definitions
from tests.oracle.evaluate import NEVER, Duration, Instant, Judgement, arithmetic, compare
from tests.oracle.history import DAY_MS, Log, Oracle, replay

SHOP = """definitions: 1
name: shop
events:
  purchase: Order Completed
traits:
  marketing_consent: boolean
audience: traits.marketing_consent == true
facts:
  orders:     count(purchase)
  spend_365d: sum(purchase.revenue, 365d)
dimensions:
  lifecycle:
    stages:
      - prospect: orders == 0
      - new:      orders == 1 and first(purchase) > ago(30d)
      - active:   last(purchase) > ago(180d)
      - inactive: otherwise
  recency:
    stages:
      - never: last(purchase) == never
      - hot:   last(purchase) > ago(7d)
      - warm:  last(purchase) > ago(30d)
      - cool:  last(purchase) > ago(90d)
      - cold:  otherwise
segments:
  win-back:
    when: lifecycle == "inactive" and spend_365d >= 200
"""


def definitions(text: str) -> Definitions:
    return parse_definitions([("test.yaml", text)])


def event(offset: int, at_days: float, kind: str = "track", name: str = "Order Completed", **properties: Any) -> Event:
    time_ms = round(at_days * DAY_MS)
    name = name if kind == "track" else ""
    return Event("ada", kind, name, time_ms, offset, properties.pop("message_id", None), properties, {})


def told(changes: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """(day, definition, from, to, cause, corrects) of each change."""
    keys = ("definition", "from", "to", "cause", "corrects")
    return [(change["effective_ms"] / DAY_MS, *(change[key] for key in keys)) for change in changes]


def test_one_order_then_silence_walks_through_the_stages_on_the_day() -> None:
    log: Log = [event(0, 0, "identify", marketing_consent=True), event(1, 0, revenue=250)]

    changes = replay(definitions(SHOP), log, 400 * DAY_MS)

    assert told(changes) == [
        (0, "lifecycle", None, "prospect", "event", None),
        (0, "recency", None, "never", "event", None),
        (0, "lifecycle", "prospect", "new", "event", None),
        (0, "recency", "never", "hot", "event", None),
        (7, "recency", "hot", "warm", "clock", None),
        (30, "lifecycle", "new", "active", "clock", None),
        (30, "recency", "warm", "cool", "clock", None),
        (90, "recency", "cool", "cold", "clock", None),
        (180, "lifecycle", "active", "inactive", "clock", None),
        (180, "win-back", False, True, "clock", None),
        (365, "win-back", True, False, "clock", None),
    ]
    assert [change["sequence"] for change in changes] == list(range(1, 12))


def test_an_order_at_the_very_instant_of_a_lapse_prevents_it() -> None:
    log: Log = [event(0, 0), event(1, 180)]

    lapses = [change for change in replay(definitions(SHOP), log, 181 * DAY_MS) if change["to"] == "inactive"]

    assert lapses == []


def test_a_late_order_names_the_lapse_it_undoes() -> None:
    log: Log = [event(0, 0), event(1, 200, "page"), event(2, 170)]

    changes = [change for change in replay(definitions(SHOP), log, 200 * DAY_MS) if change["definition"] == "lifecycle"]

    assert told(changes)[-2:] == [
        (180, "lifecycle", "active", "inactive", "clock", None),
        (200, "lifecycle", "inactive", "active", "event", changes[-2]["sequence"]),
    ]


def test_a_repeated_message_counts_once_and_one_that_may_be_a_repeat_is_too_old() -> None:
    oracle = Oracle(definitions(SHOP))
    repeated, perhaps_repeated = event(1, 0, message_id="a"), event(3, 0, message_id="c")

    oracle.run([event(0, 0, message_id="a"), repeated, event(2, 8, message_id="b"), perhaps_repeated, event(4, 0)])

    assert (oracle.duplicates, oracle.rejected) == ([1], [3])
    assert [accepted.offset for accepted in oracle.customers["ada"].events] == [0, 4, 2]


def test_an_erased_customer_begins_a_new_life() -> None:
    log: Log = [event(0, 0), Erasure("ada", 1, 8 * DAY_MS), event(2, 9)]

    changes = replay(definitions(SHOP), log, 9 * DAY_MS)

    assert [(change["definition"], change["cause"], change["sequence"]) for change in changes] == [
        ("lifecycle", "event", 1),
        ("recency", "event", 2),
        ("recency", "clock", 3),
        (None, "erasure", 4),
        ("lifecycle", "event", 1),
        ("recency", "event", 2),
    ]


def test_a_window_holds_its_end_and_not_its_beginning() -> None:
    text = "definitions: 1\nname: a\nfacts:\n  recent: count(any, 7d)\n  earlier: count(any, 7d, before 7d)\n"
    events = [event(0, 0), event(1, 7)]

    values = [Judgement(definitions(text), events, day * DAY_MS).facts() for day in (7, 14, 21)]

    assert values == [{"recent": 1, "earlier": 1}, {"recent": 0, "earlier": 1}, {"recent": 0, "earlier": 0}]


def test_identify_replaces_the_top_level_keys_it_names() -> None:
    traits = "traits:\n  plan.tier: text\n  age: number\n"
    text = f"definitions: 1\nname: a\n{traits}facts:\n  tier: traits.plan.tier\n  age_now: traits.age\n"
    events = [event(0, 0, "identify", plan={"tier": "pro"}, age="27"), event(1, 1, "identify", plan={"seats": 5})]

    values = [Judgement(definitions(text), events[:count], 2 * DAY_MS).facts() for count in (1, 2)]

    assert values == [{"tier": "pro", "age_now": 27}, {"tier": None, "age_now": 27}]


def test_null_and_wrong_types_compare_false_and_differ() -> None:
    five, text = Fraction(5), "5"

    assert [compare(op, None, five) for op in ("==", "!=", "<", ">=")] == [False, True, False, False]
    assert [compare(op, text, five) for op in ("==", "!=", "<", ">=")] == [False, True, False, False]
    assert compare("==", None, None) and not compare("<=", None, None)
    assert compare("<", NEVER, Instant(-(10**15))) and compare("==", NEVER, NEVER)


def test_arithmetic_is_exact_to_a_millionth_and_null_is_catching() -> None:
    assert arithmetic("/", Fraction(1), Fraction(3)) == Fraction(333_333, 1_000_000)
    assert arithmetic("/", Fraction(1), Fraction(0)) is None
    assert arithmetic("-", NEVER, Duration(1)) is None
    assert arithmetic("*", Duration(3), Fraction(1, 2)) == Duration(2)  # 1.5 rounds to even
