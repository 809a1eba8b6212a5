"""Laws of what conditions ask of the past."""

from __future__ import annotations

import pytest

from stream.core.events import FOREVER_MS
from tests.rules.trees import DAY, segment_of


@pytest.mark.parametrize(
    ("condition", "asks"),
    [
        ("count(purchase, 30d) >= 4", [("instants", 30 * DAY, 5)]),
        ("sum(purchase.total, 7d, before 7d) > 5", [("amounts", 14 * DAY, None)]),
        ("count(purchase, 8d) > count(viewed, 3d)", [("instants", 8 * DAY, None), ("instants", 3 * DAY, None)]),
        ("count(purchase) >= 1", [("counter", FOREVER_MS, None)]),
        ("last(purchase) > ago(9d)", [("last", 9 * DAY, None)]),
        ("last(purchase) < ago(9d) - 2d", [("last", 11 * DAY, None)]),
        ("now - last(purchase) < if(traits.age > 3, 2 * 9d, 2d)", [("last", 20 * DAY, None)]),
        ("last(purchase where total > 3) > ago(9d)", [("last", 9 * DAY, None)]),
        ("now - last(purchase) > traits.age * 1d + 9d", [("last", FOREVER_MS, None)]),
        ("last(purchase) > ago(9d) - (now - date(\"2025-01-01\"))", [("last", FOREVER_MS, None)]),
        ("last(purchase) < now", [("last", FOREVER_MS, None)]),
        ("last(purchase) == never", [("last", FOREVER_MS, None)]),
        ("last(purchase) - last(viewed) < 3d", [("last", FOREVER_MS, None)] * 2),
        ("silent(purchase, 5d)", [("last", 5 * DAY, None), ("first_seen", 5 * DAY, None)]),
        ("traits.age > 3", []),
    ],
)  # fmt: skip
def test_each_word_asks_so_far_back_and_for_so_many(condition: str, asks: list) -> None:
    found = [(ask.key.partition("\0")[0], ask.reach_ms, ask.keep) for ask in segment_of(condition).asks(0)]
    assert found == asks


@pytest.mark.parametrize(
    "condition",
    [
        "now - last(purchase) > 9d",
        "9d <= now - last(purchase)",
        "last(purchase) + 9d < now",
        "ago(9d) > last(purchase) - 0d",
        "if(traits.age > 3, now - last(purchase), 0d) > 9d",
    ],
)
def test_what_holds_of_long_ago_but_not_of_never_asks_for_ever_too(condition: str) -> None:
    assert [ask.reach_ms for ask in segment_of(condition).asks(0)] == [9 * DAY, FOREVER_MS]


@pytest.mark.parametrize(
    "condition",
    [
        "now - last(purchase) < 9d",
        "last(purchase) + 9d >= now",
        "last(purchase) < ago(9d)",
        "if(traits.age > 3, last(purchase), now) <= ago(9d)",
        "now - first_seen > 9d",
    ],
)
def test_what_is_alike_of_long_ago_and_never_asks_no_further_back_than_its_durations(condition: str) -> None:
    assert [ask.reach_ms for ask in segment_of(condition).asks(0)] == [9 * DAY]


def test_days_of_another_zone_are_another_cell() -> None:
    here, there = (
        segment_of("active_days(any, 9d) >= 3", f"definitions: 1\nname: tests\nzone: {zone}\n")
        for zone in ("UTC", "Asia/Tokyo")
    )
    assert here.layout[0].key != there.layout[0].key and here.layout[0].kind == there.layout[0].kind
