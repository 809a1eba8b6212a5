"""A partition is an orphan when a group at rest has given it to nobody for long; one member after the other acts."""

from __future__ import annotations

import pytest

from stream.app.orphans import ORPHANED_S, Orphans
from stream.kafka.membership import Unowned


def orphans() -> Orphans:
    return Orphans(lambda: None, lambda: None)


def unowned(*partitions: int, rank: int = 0) -> Unowned:
    return Unowned(frozenset(partitions), rank)


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_what_nobody_has_for_long_is_an_orphan_and_each_member_waits_its_turn(rank: int) -> None:
    watch, patience_s = orphans(), ORPHANED_S * (1 + rank)

    assert [watch.orphaned(unowned(1, rank=rank), now_s) for now_s in (5.0, 4.9 + patience_s)] == [False, False]
    assert watch.orphaned(unowned(1, 2, rank=rank), 5.0 + patience_s)


@pytest.mark.parametrize("answer", [None, unowned()], ids=["no answer", "all have an owner"])
def test_an_answer_without_any_begins_the_time_anew(answer: Unowned | None) -> None:
    watch = orphans()
    watch.orphaned(unowned(1), 0.0)
    watch.orphaned(answer, 10.0)

    assert not watch.orphaned(unowned(1), ORPHANED_S)
