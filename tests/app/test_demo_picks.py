from __future__ import annotations

from typing import Any

from stream.app.demo_picks import Picks

STAGES = ("lifecycle", "recency")


def entered(segment: str, customer: str = "c1") -> dict[str, Any]:
    return {"segment": segment, "member": True, "customer_id": customer, "cause": {"kind": "event"}}


def moved(dimension: str, cause: str) -> dict[str, Any]:
    return {"dimension": dimension, "from_stage": "active", "to_stage": "inactive", "cause": {"kind": cause}}


def test_not_more_are_shown_than_can_be_read() -> None:
    picks = Picks(STAGES, per_second=4)
    shown = 0
    for tenth in range(100):
        for number in range(50):
            picks.offer(entered(f"segment-{number}"))
        shown += len(picks.take(100.0 + tenth / 10))

    assert 30 <= shown <= 40


def test_a_rare_kind_is_shown_though_another_floods() -> None:
    picks = Picks(STAGES, per_second=1)
    picks.offer(entered("cart-abandoned"))
    picks.take(0.0)

    picks.offer(entered("cart-abandoned"))
    picks.offer(entered("win-back"))
    picks.offer(entered("cart-abandoned"))

    assert [change["segment"] for change in picks.take(1.0)] == ["win-back"]


def test_of_one_kind_the_newest_is_shown() -> None:
    picks = Picks(STAGES, per_second=1)
    picks.offer(entered("win-back", "c1"))
    picks.offer(entered("win-back", "c2"))

    assert [change["customer_id"] for change in picks.take(0.0)] == ["c2"]


def test_of_stages_only_those_of_lifecycle_that_silence_brought_are_shown() -> None:
    picks = Picks(STAGES, per_second=1)
    for change in (moved("lifecycle", "event"), moved("recency", "clock"), {"cause": {"kind": "erasure"}}):
        picks.offer(change)
    assert picks.take(0.0) == []

    picks.offer(moved("lifecycle", "clock"))

    assert len(picks.take(0.0)) == 1


def test_without_a_lifecycle_every_dimension_counts() -> None:
    picks = Picks(("recency",), per_second=1)
    picks.offer(moved("recency", "clock"))

    assert len(picks.take(0.0)) == 1
