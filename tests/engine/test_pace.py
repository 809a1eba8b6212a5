"""When commits begin."""

from __future__ import annotations

import pytest

from stream.engine.pace import LONGEST_STRETCH_S, Pace


def pace(waited_s: float, took_s: float, broker_s: float = 0.0) -> Pace:
    pace = Pace(interval_s=0.1)
    pace.processed(waited_s)
    pace.committed(took_s, broker_s)
    return pace


def test_the_first_commit_begins_after_the_interval() -> None:
    assert Pace(interval_s=0.1).pause_s() == 0.1


def test_commits_begin_an_interval_after_one_another_while_nothing_waits() -> None:
    assert pace(waited_s=0.0, took_s=0.03).pause_s() == pytest.approx(0.07)


def test_after_a_long_commit_half_as_much_time_is_for_records_and_never_more_than_a_second_for_its_sake() -> None:
    assert pace(waited_s=0.0, took_s=0.4).pause_s() == pytest.approx(0.2)
    assert pace(waited_s=0.0, took_s=9.0).pause_s() == LONGEST_STRETCH_S


def test_who_is_behind_pauses_for_the_whole_interval() -> None:
    assert pace(waited_s=0.06, took_s=0.09).pause_s() == 0.1


@pytest.mark.parametrize("waited_s", [0.0, 0.06], ids=["nothing waits", "behind"])
def test_a_slow_broker_gets_as_much_time_as_it_took_up_to_a_second(waited_s: float) -> None:
    assert pace(waited_s, took_s=0.35, broker_s=0.3).pause_s() == 0.3
    assert pace(waited_s, took_s=3.1, broker_s=3.0).pause_s() == LONGEST_STRETCH_S
