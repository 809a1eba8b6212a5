"""Laws of the comparison of our wall clock with the broker's."""

from __future__ import annotations

from stream.kafka.broker_clock import BrokerClock

HOUR = 3_600_000
EPOCH = 1_767_225_600_000  # the broker's clock when the monotonic one is 0


def measured(*spans: tuple[int, int, int]) -> BrokerClock:
    """(appended, sent, acknowledged), all on the monotonic clock."""
    clock = BrokerClock()
    for appended, sent, acknowledged in spans:
        clock.appended(EPOCH + appended, sent, acknowledged)
    return clock


def test_before_the_first_append_time_nothing_is_told() -> None:
    assert BrokerClock().ahead_ms(EPOCH, 0) is None


def test_what_lies_within_the_sending_is_no_difference() -> None:
    clock = measured((1_000, 500, 4_000))

    assert [clock.ahead_ms(EPOCH + 5_000 + ahead, 5_000) for ahead in (-3_000, 0, 500)] == [0, 0, 0]
    assert [clock.ahead_ms(EPOCH + 5_000 + ahead, 5_000) for ahead in (-3_500, 3_700)] == [-500, 3_200]


def test_a_wall_clock_that_stepped_within_a_commit_shows_at_the_next_reading() -> None:
    clock = measured((1_000, 990, 1_010))  # the wall clock went an hour ahead between 990 and 1,010

    assert clock.ahead_ms(EPOCH + 1_100 + HOUR, 1_100) == HOUR - 10


def test_it_tells_of_a_wall_clock_that_is_right_again_without_a_new_measure() -> None:
    clock = measured((1_000, 990, 1_010))
    assert clock.ahead_ms(EPOCH + 2_000 + HOUR, 2_000) == HOUR - 10

    assert clock.ahead_ms(EPOCH + 3_000, 3_000) == 0


def test_a_slow_commit_makes_it_no_vaguer() -> None:
    clock = measured((1_000, 990, 1_010), (8_000, 2_000, 22_000))

    assert clock.ahead_ms(EPOCH + 30_000 + 5_000, 30_000) == 4_990


def test_the_newest_measure_holds_when_the_brokers_clock_has_stepped() -> None:
    clock = measured((1_000, 990, 1_010), (2_000 + HOUR, 1_990, 2_010))

    assert clock.ahead_ms(EPOCH + 3_000, 3_000) == -(HOUR - 10)
