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
        ("now - last(purchase) > 9d", [("last", 9 * DAY, None)]),
        ("last(purchase) < ago(9d) - 2d", [("last", 11 * DAY, None)]),
        ("last(purchase) + 2d < ago(9d)", [("last", 11 * DAY, None)]),
        ("now - last(purchase) > if(traits.age > 3, 2 * 9d, 2d)", [("last", 20 * DAY, None)]),
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


def test_days_of_another_zone_are_another_cell() -> None:
    here, there = (
        segment_of("active_days(any, 9d) >= 3", f"definitions: 1\nname: tests\nzone: {zone}\n")
        for zone in ("UTC", "Asia/Tokyo")
    )
    assert here.layout[0].key != there.layout[0].key and here.layout[0].kind == there.layout[0].kind
