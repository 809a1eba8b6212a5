"""A partition strays when the group says we have it and our consumer does not, for long; a worker is outside when the
group does not know it, for longer; a partition is an orphan when a group at rest has given it to nobody for long."""

from __future__ import annotations

import pytest

from stream.app.group_watch import ORPHANED_S, OUTSIDE_S, STRAYED_S, GroupWatch, Orphans, Outside, Strays
from stream.kafka.membership import GroupView

PARTITIONS = 4
NOTHING: frozenset[int] = frozenset()
UNKNOWN = GroupView({"z": frozenset({0, 1, 2, 3})}, "us")
"""A group that does not know us."""


def given(*partitions: int) -> GroupView:
    """A group that has given us these, and the others to another member."""
    ours = frozenset(partitions)
    return GroupView({"us": ours, "z": frozenset(range(PARTITIONS)) - ours}, "us")


def unowned(*partitions: int, rank: int = 0) -> GroupView:
    """A group in which nobody has these, and as many members stand before us as `rank` says."""
    before = {f"a{number}": NOTHING for number in range(rank)}
    return GroupView({"us": frozenset(range(PARTITIONS)) - set(partitions), **before}, "us")


def test_a_partition_that_the_group_has_given_us_and_the_consumer_never_had_strays_after_a_while() -> None:
    strays, held = Strays(), frozenset({0})

    assert strays.judge(given(0, 1, 2), held, 100.0) == []
    assert strays.judge(given(0, 1, 2), held, 99.9 + STRAYED_S) == []
    assert strays.judge(given(0, 1, 2), held, 100.0 + STRAYED_S) == [1, 2]


def test_a_worker_without_partitions_that_the_group_knows_as_such_waits_for_ever() -> None:
    strays = Strays()

    assert [strays.judge(given(), NOTHING, now_s) for now_s in (0.0, 1e3, 1e6)] == [[], [], []]


def test_partitions_that_are_still_being_let_go_of_are_nobodys_strays() -> None:
    strays = Strays()

    assert [strays.judge(given(0), frozenset({0, 1}), now_s) for now_s in (0.0, 1e3)] == [[], []]


@pytest.mark.parametrize("answer", [None, UNKNOWN], ids=["changes or does not answer", "does not know us"])
def test_a_group_that_does_not_say_what_we_have_begins_the_time_of_strays_anew(answer: GroupView | None) -> None:
    strays = Strays()
    strays.judge(given(1), NOTHING, 0.0)
    strays.judge(answer, NOTHING, 10.0)

    assert strays.judge(given(1), NOTHING, STRAYED_S) == []
    assert strays.judge(given(1), NOTHING, 2 * STRAYED_S) == [1]


def test_a_worker_that_its_group_does_not_know_is_outside_after_a_while() -> None:
    outside = Outside()

    told = [outside.judge(UNKNOWN, NOTHING, now_s) for now_s in (5.0, 4.9 + OUTSIDE_S, 5.0 + OUTSIDE_S)]
    assert told == [False, False, True]


@pytest.mark.parametrize("answer", [given(1), None], ids=["knows us", "no answer"])
def test_an_answer_that_knows_us_or_none_at_all_begins_the_time_outside_anew(answer: GroupView | None) -> None:
    outside = Outside()
    outside.judge(UNKNOWN, NOTHING, 0.0)
    outside.judge(answer, NOTHING, 1.0)

    assert not outside.judge(UNKNOWN, NOTHING, OUTSIDE_S + 0.5)


def test_a_consumer_that_still_has_partitions_is_not_outside_whatever_the_group_says() -> None:
    outside = Outside()

    assert [outside.judge(UNKNOWN, frozenset({0}), now_s) for now_s in (0.0, 10 * OUTSIDE_S)] == [False, False]


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_what_nobody_has_for_long_is_an_orphan_and_each_member_waits_its_turn(rank: int) -> None:
    orphans, patience_s = Orphans(PARTITIONS), ORPHANED_S * (1 + rank)

    assert [orphans.judge(unowned(1, rank=rank), now_s) for now_s in (5.0, 4.9 + patience_s)] == [[], []]
    assert orphans.judge(unowned(1, 2, rank=rank), 5.0 + patience_s) == [1, 2]


@pytest.mark.parametrize(
    "answer",
    [None, unowned(), GroupView({}, "us")],
    ids=["no answer", "all have an owner", "we are no member"],
)
def test_an_answer_without_any_orphans_begins_their_time_anew(answer: GroupView | None) -> None:
    orphans = Orphans(PARTITIONS)
    orphans.judge(unowned(1), 0.0)
    orphans.judge(answer, 10.0)

    assert orphans.judge(unowned(1), ORPHANED_S) == []


@pytest.mark.parametrize(
    ("answer", "after_s", "told"),
    [(given(3), STRAYED_S, "partitions [3], for 30 s now"), (UNKNOWN, OUTSIDE_S, "has not known it for 60 s")],
    ids=["strays", "outside"],
)
def test_a_worker_that_must_join_anew_ends_with_the_reason(answer: GroupView, after_s: float, told: str) -> None:
    ends: list[BaseException] = []
    watch = GroupWatch(lambda: None, lambda: None, lambda: NOTHING, ends.append, PARTITIONS)

    watch.look(answer, 0.0)
    watch.look(answer, after_s - 0.1)
    assert ends == []

    watch.look(answer, after_s)
    assert [told in str(end) for end in ends] == [True]


def test_for_orphans_the_group_is_nudged_and_nobody_ends() -> None:
    ends: list[BaseException] = []
    held = frozenset({0, 1})
    watch = GroupWatch(lambda: None, lambda: None, lambda: held, ends.append, PARTITIONS)

    assert [watch.look(unowned(2, 3), now_s) for now_s in (0.0, ORPHANED_S)] == [[], [2, 3]]
    assert ends == []
