"""A partition strays when the group says we have it and our consumer does not, for long."""

from __future__ import annotations

from stream.app.strays import STRAYED_S, Strays


def strays(*held: int) -> Strays:
    return Strays(lambda: None, lambda: frozenset(held), lambda error: None)


def test_a_partition_that_the_group_has_given_us_and_the_consumer_never_had_strays_after_a_while() -> None:
    watch = strays(0)

    assert watch.strayed(frozenset({0, 1, 2}), 100.0) == []
    assert watch.strayed(frozenset({0, 1, 2}), 99.9 + STRAYED_S) == []
    assert watch.strayed(frozenset({0, 1, 2}), 100.0 + STRAYED_S) == [1, 2]


def test_a_worker_without_partitions_that_the_group_knows_as_such_waits_for_ever() -> None:
    watch = strays()

    assert [watch.strayed(frozenset(), now_s) for now_s in (0.0, 1e3, 1e6)] == [[], [], []]


def test_partitions_that_are_still_being_let_go_of_are_nobodys_strays() -> None:
    watch = strays(0, 1)

    assert [watch.strayed(frozenset({0}), now_s) for now_s in (0.0, 1e3)] == [[], []]


def test_a_group_that_changes_or_does_not_answer_begins_the_time_anew() -> None:
    watch = strays()
    watch.strayed(frozenset({1}), 0.0)
    watch.strayed(None, 10.0)

    assert watch.strayed(frozenset({1}), STRAYED_S) == []
    assert watch.strayed(frozenset({1}), 2 * STRAYED_S) == [1]
