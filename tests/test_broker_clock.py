"""Laws of the comparison of our wall clock with the broker's."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from stream.kafka.broker_clock import BrokerClock

HOUR = 3_600_000
EPOCH = 1_767_225_600_000  # the broker's clock when the monotonic one is 0


class Machine:
    """A machine of which we set the time, in ms and parts of one, and how far its wall clock is from the broker's."""

    def __init__(self) -> None:
        self.now_ms: float = 0
        self.ahead_ms: float = 0
        self.clock = BrokerClock(self.monotonic)

    def monotonic(self) -> int:
        return int(self.now_ms)

    def wall(self) -> int:
        return int(EPOCH + self.now_ms + self.ahead_ms)

    def standing_still(self, before_ms: float, after_ms: float) -> Callable[[], int]:
        """A reading of the wall clock before and after which the process stands still."""

        def read() -> int:
            self.now_ms += before_ms
            wall_ms = self.wall()
            self.now_ms += after_ms
            return wall_ms

        return read

    def append(self, appended_ms: float, sent_ms: float, acknowledged_ms: float, stepped_ms: float = 0) -> None:
        """A record, by the monotonic clock; the broker's has stepped by `stepped_ms`."""
        self.now_ms = acknowledged_ms
        self.clock.appended(int(EPOCH + appended_ms + stepped_ms), int(sent_ms))

    def found(self, ahead_ms: float, now_ms: float) -> int | None:
        """What the clock tells when the wall clock is ahead by so much."""
        self.now_ms, self.ahead_ms = now_ms, ahead_ms
        return self.clock.ahead_ms(self.wall)


def measured(*spans: tuple[int, int, int]) -> Machine:
    """(appended, sent, acknowledged)."""
    machine = Machine()
    for span in spans:
        machine.append(*span)
    return machine


def test_before_the_first_append_time_nothing_is_told() -> None:
    assert Machine().found(0, 0) is None


def test_what_lies_within_the_sending_is_no_difference() -> None:
    machine = measured((1_000, 500, 4_000))

    assert [machine.found(ahead, 5_000) for ahead in (-3_000, 0, 500)] == [0, 0, 0]
    assert [machine.found(ahead, 5_000) for ahead in (-3_500, 3_700)] == [-498, 3_198]  # 2 for what ms cut off


def test_a_wall_clock_that_stepped_within_a_commit_shows_at_the_next_reading() -> None:
    machine = measured((1_000, 990, 1_010))  # the wall clock went an hour ahead between 990 and 1,010

    assert machine.found(HOUR, 1_100) == HOUR - 12


def test_it_tells_of_a_wall_clock_that_is_right_again_without_a_new_measure() -> None:
    machine = measured((1_000, 990, 1_010))
    assert machine.found(HOUR, 2_000) == HOUR - 12

    assert machine.found(0, 3_000) == 0


def test_a_slow_commit_makes_it_no_vaguer() -> None:
    machine = measured((1_000, 990, 1_010), (8_000, 2_000, 22_000))

    assert machine.found(5_000, 30_000) == 4_988


def test_the_newest_measure_holds_when_the_brokers_clock_has_stepped() -> None:
    machine = measured((1_000, 990, 1_010))
    machine.append(2_000, 1_990, 2_010, stepped_ms=HOUR)

    assert machine.found(0, 3_000) == -(HOUR - 12)


parts_ms = st.floats(0, 5_000)


@given(start=parts_ms, sent=parts_ms, acknowledged=parts_ms, rest=parts_ms, before=parts_ms, after=parts_ms)
def test_clocks_that_agree_are_never_told_apart_wherever_the_process_stands_still(
    start: float, sent: float, acknowledged: float, rest: float, before: float, after: float
) -> None:
    machine = Machine()
    machine.append(start + sent, start, start + sent + acknowledged)
    machine.now_ms += rest

    assert machine.clock.ahead_ms(machine.standing_still(before, after)) == 0


@given(ahead=st.floats(-HOUR, HOUR), sent=parts_ms, acknowledged=parts_ms, before=parts_ms, after=parts_ms)
def test_never_more_is_told_than_the_clocks_differ_by(
    ahead: float, sent: float, acknowledged: float, before: float, after: float
) -> None:
    machine = Machine()
    machine.append(1_000 + sent, 1_000, 1_000 + sent + acknowledged)
    machine.ahead_ms = ahead

    told = machine.clock.ahead_ms(machine.standing_still(before, after))

    assert told is not None
    assert told == 0 or (abs(told) <= abs(ahead) and told * ahead > 0)
    assert abs(ahead) - abs(told) <= sent + acknowledged + before + after + 4
