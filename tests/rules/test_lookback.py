"""How far back definitions look."""

from __future__ import annotations

import pytest

from stream.rules.compile import compile_program
from stream.rules.load import parse_definitions

DAY = 86_400_000


@pytest.mark.parametrize(
    ("condition", "days"),
    [
        ("count(purchase, 90d) >= 3", 90),
        ("count(purchase) == 1 and last(purchase) > ago(30d)", 30),
        ("silent(purchase, 180d)", 180),
        ("now - last(purchase) > 45d", 45),
        ("first_seen < ago(7d)", 7),
        ("last(purchase) < ago(3 * 30d)", 90),
        ("now - last(purchase) > 30d + 60d", 90),
        ("last(purchase) + 30d < ago(60d)", 90),
        ("(now - last(purchase)) / 1d > 90", 90),
        ("count(purchase, 30d, before 30d) > 0", 60),
        ("count(purchase) >= 3", 0),
        ("traits.birthday < ago(6570d)", 0),
        ("recent >= 2", 28),
    ],
)
def test_the_longest_window_silence_or_age_of_an_event_counts(condition: str, days: int) -> None:
    text = (
        "definitions: 1\nname: n\nevents:\n  purchase: Order Completed\ntraits:\n  birthday: {type: date}\n"
        f"facts:\n  recent: count(purchase, 28d)\nsegments:\n  one:\n    when: {condition}\n"
    )

    assert compile_program(parse_definitions([("n.yaml", text)])).longest_lookback_ms == days * DAY
