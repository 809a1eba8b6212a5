"""Cells against naive recomputation over the whole history."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.events import FOREVER_MS
from stream.core.windows import (
    CAP,
    SLICES,
    add_to_total,
    average,
    average_in,
    count_in,
    count_newest,
    distinct_between,
    greatest_in,
    keep_amount,
    keep_instant,
    keep_log,
    keep_newest,
    keep_value,
    smallest_in,
    sum_at_least,
    sum_in,
)

TIMES = st.lists(st.integers(0, 60), max_size=20)
WINDOWS = st.integers(1, 30)
BEFORES = st.integers(0, 15)
ENTRIES = st.lists(st.tuples(st.integers(0, 60), st.integers(-5, 5)), max_size=20)


def inside(times: list[int], now: int, window: int, before: int = 0) -> list[int]:
    return [index for index, time in enumerate(times) if now - before - window < time <= now - before]


@given(TIMES, WINDOWS, st.integers(1, 6), st.integers(0, 40))
def test_the_newest_instants_answer_every_count_up_to_their_number(
    times: list[int], window: int, keep: int, later: int
) -> None:
    kept: list[int] = []
    for time in times:
        keep_newest(kept, time, keep, 30)
    now = max(times, default=0) + later
    assert count_newest(kept, now, window)[0] == min(keep, len(inside(times, now, window)))
    assert len(kept) <= keep


@given(TIMES, WINDOWS, BEFORES, st.integers(0, 6), st.integers(0, 40))
def test_all_instants_in_the_longest_window_answer_every_count_and_name_its_next_step(
    times: list[int], window: int, before: int, keep: int, later: int
) -> None:
    cell: list[Any] = [[], []]
    for time in times:
        keep_instant(cell, time, keep, 45, 60)
    now = max(times, default=0) + later
    count, following = count_in(cell, now, window, before)
    assert count == len(inside(times, now, window, before))
    assert following > now
    for between in range(now, min(following, now + 50)):
        assert count_in(cell, between, window, before)[0] == count


@given(ENTRIES, WINDOWS, BEFORES, st.integers(0, 40))
def test_amounts_in_a_window_have_the_sum_average_and_extremes_of_the_whole_history(
    entries: list[tuple[int, int]], window: int, before: int, later: int
) -> None:
    cell: list[Any] = [[], [], []]
    for time, micros in entries:
        keep_amount(cell, time, micros, 45)
    now = max((time for time, _ in entries), default=0) + later
    chosen = [entries[index][1] for index in inside([time for time, _ in entries], now, window, before)]
    assert sum_in(cell, now, window, before)[0] == sum(chosen)
    assert smallest_in(cell, now, window, before)[0] == min(chosen, default=None)
    assert greatest_in(cell, now, window, before)[0] == max(chosen, default=None)
    assert average_in(cell, now, window, before)[0] == average(sum(chosen), len(chosen))


@given(ENTRIES, WINDOWS, st.integers(-10, 10), st.integers(0, 40))
def test_a_sum_names_the_very_instant_at_which_it_crosses_its_threshold(
    entries: list[tuple[int, int]], window: int, threshold: int, later: int
) -> None:
    cell: list[Any] = [[], [], []]
    for time, micros in entries:
        keep_amount(cell, time, micros, 45)
    now = max((time for time, _ in entries), default=0) + later

    def truth(instant: int) -> bool:
        return sum(entries[i][1] for i in inside([time for time, _ in entries], instant, window)) >= threshold

    holds, turns = sum_at_least(cell, now, window, threshold)
    assert holds == truth(now)
    assert all(truth(instant) == holds for instant in range(now, min(turns, now + 40)))


@given(ENTRIES, WINDOWS, st.integers(1, 4), st.integers(0, 40))
def test_the_latest_instants_of_values_count_different_values(
    entries: list[tuple[int, int]], window: int, limit: int, later: int
) -> None:
    cell: list[Any] = [[], []]
    for time, key in entries:
        keep_value(cell, time, key, limit, 30)
    now = max((time for time, _ in entries), default=0) + later
    different = {entries[index][1] for index in inside([time for time, _ in entries], now, window)}
    assert count_newest(cell[0], now, window)[0] == min(limit, len(different))


@given(ENTRIES, WINDOWS, BEFORES, st.integers(0, 40))
def test_a_log_counts_different_values_in_a_window_that_lies_back(
    entries: list[tuple[int, int]], window: int, before: int, later: int
) -> None:
    cell: list[Any] = [[], []]
    for time, key in entries:
        keep_log(cell, time, key, CAP, 45)
    now = max((time for time, _ in entries), default=0) + later
    different = {entries[index][1] for index in inside([time for time, _ in entries], now, window, before)}
    assert distinct_between(cell, now, window, before)[0] == len(different)


@settings(max_examples=5)
@given(st.randoms(use_true_random=False))
def test_a_full_cell_stays_bounded_loses_nothing_and_errs_by_a_slice_at_most(random: Any) -> None:
    window = 64_000
    cell: list[Any] = [[], []]
    amounts: list[Any] = [[], [], []]
    times = []
    for step in range(1_500):
        time = step * 40 - random.choice([0, 0, 0, 30_000])
        times.append(time)
        keep_instant(cell, time, 0, window, window)
        keep_amount(amounts, time, 1, window)
    now = max(times)
    assert len(cell[0]) <= CAP and len(cell[1]) <= SLICES + 2
    counted = count_in(cell, now, window, 0)[0]
    exact = len(inside(times, now, window))
    near = len(inside(times, now, window + window // SLICES))
    assert exact <= counted <= near
    assert sum_in(amounts, now, window, 0)[0] == counted


def test_an_empty_cell_never_turns_by_itself() -> None:
    assert count_in([[], []], 0, 10, 5) == (0, FOREVER_MS)
    assert sum_at_least([[], [], []], 0, 10, 1) == (False, FOREVER_MS)


@given(st.lists(st.integers(-9, 9), min_size=1))
def test_a_total_has_sum_number_and_extremes(values: list[int]) -> None:
    cell: list[Any] = [0, 0, None, None]
    for value in values:
        add_to_total(cell, value)
    assert cell == [sum(values), len(values), min(values), max(values)]


def test_an_average_is_rounded_half_to_even() -> None:
    assert [average(total, 2) for total in (1, 3, -1, -3)] == [0, 2, 0, -2]
    assert average(0, 0) is None
