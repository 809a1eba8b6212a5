"""Laws of the memory of message ids."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from stream.core.events import NEVER_MS
from stream.core.memory import MARK_BYTES, MESSAGE_AGE_MS, MESSAGE_IDS, Verdict, fingerprint, recall, remember
from stream.core.profile import Profile

NOW_MS = 100 * MESSAGE_AGE_MS

MESSAGES = st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=120)
"""Numbers of messages as they come, each perhaps much later than the one before."""


def blank() -> Profile:
    return Profile("customer", (0, 0), 0, [])


def mark_of(number: int) -> bytes:
    return number.to_bytes(MARK_BYTES, "big")


def kept(profile: Profile) -> list[int]:
    """The numbers of the messages remembered."""
    marks = profile.marks
    return [int.from_bytes(marks[at : at + MARK_BYTES], "big") for at in range(0, len(marks), MARK_BYTES)]


def times_kept(profile: Profile) -> list[int]:
    return list(array("q", profile.mark_times))


def accept(profile: Profile, mark: bytes | None, time_ms: int) -> None:
    """What the partition does with a message it takes in."""
    profile.now_ms = max(profile.now_ms, time_ms)
    remember(profile, mark, time_ms)


def time_of(number: int) -> int:
    """A message is sent again with its own time; every seventh is days older than its neighbours."""
    return NOW_MS + number * 3_600_000 - (5 * 86_400_000 if number % 7 == 0 else 0)


def test_a_message_that_was_remembered_is_a_duplicate() -> None:
    profile = blank()
    accept(profile, fingerprint("m-1"), NOW_MS)
    assert recall(profile, fingerprint("m-1"), NOW_MS, False) is Verdict.DUPLICATE
    assert recall(profile, fingerprint("m-2"), NOW_MS, False) is Verdict.NEW


def test_a_message_without_id_is_never_a_repeat_and_nothing_is_remembered_of_it() -> None:
    profile = blank()
    profile.forgotten_ms = NOW_MS
    accept(profile, None, NOW_MS)
    assert recall(profile, None, NOW_MS - 1, False) is Verdict.NEW
    assert not profile.marks and not profile.mark_times


def test_an_id_exactly_seven_days_old_is_still_remembered_and_a_millisecond_later_forgotten() -> None:
    profile = blank()
    accept(profile, mark_of(1), NOW_MS)
    accept(profile, mark_of(2), NOW_MS + MESSAGE_AGE_MS)
    assert recall(profile, mark_of(1), NOW_MS, False) is Verdict.DUPLICATE
    assert profile.forgotten_ms == NEVER_MS
    accept(profile, mark_of(3), NOW_MS + MESSAGE_AGE_MS + 1)
    assert kept(profile) == [2, 3]
    assert profile.forgotten_ms == NOW_MS
    assert recall(profile, mark_of(1), NOW_MS, False) is Verdict.TOO_OLD


def test_an_id_exactly_seven_days_old_stays_when_others_are_forgotten_for_their_age() -> None:
    profile = blank()
    accept(profile, mark_of(1), NOW_MS - 1)
    accept(profile, mark_of(2), NOW_MS)
    accept(profile, mark_of(3), NOW_MS + MESSAGE_AGE_MS)
    assert kept(profile) == [2, 3]
    assert profile.forgotten_ms == NOW_MS - 1


def test_an_event_without_id_also_lets_old_ids_be_forgotten() -> None:
    profile = blank()
    accept(profile, mark_of(1), NOW_MS)
    accept(profile, None, NOW_MS + MESSAGE_AGE_MS + 1)
    assert not profile.marks
    assert profile.forgotten_ms == NOW_MS


def test_one_more_id_than_are_kept_forgets_the_first() -> None:
    profile = blank()
    for number in range(MESSAGE_IDS):
        accept(profile, mark_of(number), NOW_MS + number)
    assert len(kept(profile)) == MESSAGE_IDS and profile.forgotten_ms == NEVER_MS
    accept(profile, mark_of(MESSAGE_IDS), NOW_MS + MESSAGE_IDS)
    assert kept(profile) == list(range(1, MESSAGE_IDS + 1))
    assert profile.forgotten_ms == NOW_MS


def test_what_is_no_newer_than_a_forgotten_id_is_too_old_unless_the_definitions_accept_it() -> None:
    profile = blank()
    profile.forgotten_ms = NOW_MS
    assert recall(profile, mark_of(1), NOW_MS, False) is Verdict.TOO_OLD
    assert recall(profile, mark_of(1), NOW_MS, True) is Verdict.NEW
    assert recall(profile, mark_of(1), NOW_MS + 1, False) is Verdict.NEW


@given(MESSAGES)
def test_no_message_is_ever_taken_twice(messages: list[tuple[int, bool]]) -> None:
    profile = blank()
    taken: set[int] = set()
    for number, _ in messages:
        if recall(profile, mark_of(number), time_of(number), False) is Verdict.NEW:
            assert number not in taken
            taken.add(number)
            accept(profile, mark_of(number), time_of(number))


@given(MESSAGES)
def test_memory_stays_bounded_in_number_and_what_is_forgotten_never_grows_younger_again(
    messages: list[tuple[int, bool]],
) -> None:
    profile, later_ms = blank(), 0
    for number, much_later in messages:
        later_ms += 3 * 86_400_000 * much_later
        forgotten_ms = profile.forgotten_ms
        accept(profile, mark_of(number), time_of(number) + later_ms)
        assert len(kept(profile)) == len(times_kept(profile)) <= MESSAGE_IDS
        assert profile.forgotten_ms >= forgotten_ms
        assert times_kept(profile)[0] >= profile.now_ms - MESSAGE_AGE_MS


def test_the_end_of_one_mark_and_the_start_of_the_next_are_no_mark() -> None:
    profile = blank()
    accept(profile, b"abcdefgh", NOW_MS)
    accept(profile, b"ijklmnop", NOW_MS)
    assert recall(profile, b"efghijkl", NOW_MS, False) is Verdict.NEW
    accept(profile, b"efghijkl", NOW_MS)
    assert recall(profile, b"efghijkl", NOW_MS, False) is Verdict.DUPLICATE


def test_the_fingerprint_of_an_id_has_64_bits_and_never_changes() -> None:
    assert fingerprint("m-90213").hex() == "23d5f2cb7c03d346"
    assert all(len(fingerprint(f"m-{number}")) == MARK_BYTES for number in range(100))
