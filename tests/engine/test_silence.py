"""Laws of the silence guard: what is far below the usual, and what is not judged."""

from __future__ import annotations

from collections.abc import Callable

from stream.engine.silence import LEAST_LEARNED_MINUTES, MINUTE_MS, WHOLE_INPUT, Quiet, SilenceWatch

LENGTH = 15
ORDER, VIEW = "Order Completed", "Product Viewed"


class Traffic:
    """Minutes of one worker; `found`: (minute, what was quiet)."""

    def __init__(self, length: int = LENGTH) -> None:
        self.watch = SilenceWatch(length * MINUTE_MS, (ORDER, VIEW))
        self.minute = 0
        self.found: list[tuple[int, Quiet]] = []
        self.held: set[str] = set()

    def go(
        self, minutes: int, orders: float | Callable[[int], float] = 0, views: float = 0, up_to_date: tuple = (0,)
    ) -> Traffic:
        for _ in range(minutes):
            for part in (0.1, 0.6):
                now_ms = int((self.minute + part) * MINUTE_MS)
                self.found += [(self.minute, quiet) for quiet in self.watch.judge(now_ms, up_to_date, self.held)]
                if part == 0.1:
                    ordered = int(orders(self.minute) if callable(orders) else orders)
                    for partition in up_to_date or (0,):
                        self.watch.count(partition, ordered + int(views), {ORDER: ordered, VIEW: int(views)})
            self.minute += 1
        return self

    @property
    def names(self) -> set[str]:
        return {quiet.name for _, quiet in self.found}


def test_an_event_that_stops_is_quiet_after_the_length_and_the_others_are_not() -> None:
    traffic = Traffic().go(120, orders=100, views=900)
    assert not traffic.found
    traffic.go(LENGTH + 2, orders=0, views=900)
    assert traffic.names == {ORDER}
    minute, quiet = traffic.found[0]
    assert LENGTH - 1 <= minute - 120 <= LENGTH + 1
    assert quiet.seen < 0.05 * quiet.usual


def test_the_whole_input_comes_first_when_all_of_it_stops() -> None:
    traffic = Traffic().go(120, orders=100, views=900).go(LENGTH + 2)
    assert traffic.found[0][1].name == WHOLE_INPUT


def test_small_traffic_is_never_quiet() -> None:
    assert not Traffic().go(2 * 1_440, orders=10, views=3).go(600).found


def test_of_all_that_comes_each_record_counts_once_whatever_it_is_called() -> None:
    watch, found = SilenceWatch(LENGTH * MINUTE_MS, (ORDER,)), []
    for minute in range(140):
        for part in (0.1, 0.6):
            found += watch.judge(int((minute + part) * MINUTE_MS), (0,), ())
        if minute < 120:
            watch.count(0, 10, {"": 10})  # pages, which have no name
    assert found == []  # 150 in fifteen minutes are too few to judge


def test_a_night_at_a_tenth_of_the_day_is_not_quiet() -> None:
    def day_and_night(minute: int) -> float:
        return 1_000 if minute % 1_440 < 900 else 100

    assert not Traffic().go(4 * 1_440, orders=day_and_night).found


def test_nothing_is_quiet_before_the_usual_is_learned() -> None:
    assert not Traffic().go(LEAST_LEARNED_MINUTES // 2, orders=1_000).go(LENGTH + 10).found


def test_gaps_that_are_a_habit_are_not_quiet() -> None:
    def hourly(minute: int) -> float:
        return 3_000 if minute % 60 < 10 else 0

    assert not Traffic().go(3 * 1_440, orders=hourly).found


def test_a_partition_behind_or_away_judges_nothing_and_begins_anew() -> None:
    traffic = Traffic().go(120, orders=1_000).go(60, up_to_date=()).go(LENGTH - 1)
    assert not traffic.found
    assert traffic.go(3).found


def test_a_partition_that_moves_away_takes_its_usual_along() -> None:
    traffic = Traffic().go(120, orders=1_000, up_to_date=(0, 1, 2, 3))
    traffic.watch.forget((1, 2, 3))
    assert not traffic.go(60, orders=1_000, up_to_date=(0,)).found


def test_after_a_release_the_length_begins_anew() -> None:
    traffic = Traffic().go(120, orders=1_000).go(LENGTH + 2)
    found = len(traffic.found)
    traffic.held = {WHOLE_INPUT, ORDER, VIEW}
    traffic.go(20)
    traffic.held = set()
    assert len(traffic.go(LENGTH - 2).found) == found


def test_time_that_passes_by_unseen_is_not_silence() -> None:
    traffic = Traffic().go(120, orders=1_000)
    traffic.minute += 600
    assert not traffic.go(LENGTH - 2, orders=0).found
