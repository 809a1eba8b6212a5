"""Laws of the memory of message ids."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.core.events import NEVER_MS
from stream.core.memory import MESSAGE_AGE_MS, MESSAGE_IDS, Verdict, fingerprint, recall, remember
from stream.core.profile import Profile

NOW_MS = 100 * MESSAGE_AGE_MS

MESSAGES = st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=120)
"""Numbers of messages as they come, each perhaps much later than the one before."""


def blank() -> Profile:
    return Profile("customer", (0, 0), 0, [])


def accept(profile: Profile, mark: int | None, time_ms: int) -> None:
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
    assert not profile.message_ids and not profile.message_times


def test_an_id_exactly_seven_days_old_is_still_remembered_and_a_millisecond_later_forgotten() -> None:
    profile = blank()
    accept(profile, 1, NOW_MS)
    accept(profile, 2, NOW_MS + MESSAGE_AGE_MS)
    assert recall(profile, 1, NOW_MS, False) is Verdict.DUPLICATE
    assert profile.forgotten_ms == NEVER_MS
    accept(profile, 3, NOW_MS + MESSAGE_AGE_MS + 1)
    assert list(profile.message_ids) == [2, 3]
    assert profile.forgotten_ms == NOW_MS
    assert recall(profile, 1, NOW_MS, False) is Verdict.TOO_OLD


def test_an_id_exactly_seven_days_old_stays_when_others_are_forgotten_for_their_age() -> None:
    profile = blank()
    accept(profile, 1, NOW_MS - 1)
    accept(profile, 2, NOW_MS)
    accept(profile, 3, NOW_MS + MESSAGE_AGE_MS)
    assert list(profile.message_ids) == [2, 3]
    assert profile.forgotten_ms == NOW_MS - 1


def test_an_event_without_id_also_lets_old_ids_be_forgotten() -> None:
    profile = blank()
    accept(profile, 1, NOW_MS)
    accept(profile, None, NOW_MS + MESSAGE_AGE_MS + 1)
    assert not profile.message_ids
    assert profile.forgotten_ms == NOW_MS


def test_one_more_id_than_are_kept_forgets_the_first() -> None:
    profile = blank()
    for number in range(MESSAGE_IDS):
        accept(profile, number, NOW_MS + number)
    assert len(profile.message_ids) == MESSAGE_IDS and profile.forgotten_ms == NEVER_MS
    accept(profile, MESSAGE_IDS, NOW_MS + MESSAGE_IDS)
    assert list(profile.message_ids) == list(range(1, MESSAGE_IDS + 1))
    assert profile.forgotten_ms == NOW_MS


def test_what_is_no_newer_than_a_forgotten_id_is_too_old_unless_the_definitions_accept_it() -> None:
    profile = blank()
    profile.forgotten_ms = NOW_MS
    assert recall(profile, 1, NOW_MS, False) is Verdict.TOO_OLD
    assert recall(profile, 1, NOW_MS, True) is Verdict.NEW
    assert recall(profile, 1, NOW_MS + 1, False) is Verdict.NEW


@given(MESSAGES)
def test_no_message_is_ever_taken_twice(messages: list[tuple[int, bool]]) -> None:
    profile = blank()
    taken: set[int] = set()
    for number, _ in messages:
        if recall(profile, number, time_of(number), False) is Verdict.NEW:
            assert number not in taken
            taken.add(number)
            accept(profile, number, time_of(number))


@given(MESSAGES)
def test_memory_stays_bounded_in_number_and_what_is_forgotten_never_grows_younger_again(
    messages: list[tuple[int, bool]],
) -> None:
    profile, later_ms = blank(), 0
    for number, much_later in messages:
        later_ms += 3 * 86_400_000 * much_later
        forgotten_ms = profile.forgotten_ms
        accept(profile, number, time_of(number) + later_ms)
        assert len(profile.message_ids) == len(profile.message_times) <= MESSAGE_IDS
        assert profile.forgotten_ms >= forgotten_ms
        assert profile.message_times[0] >= profile.now_ms - MESSAGE_AGE_MS


def test_the_fingerprint_of_an_id_fits_64_signed_bits_and_never_changes() -> None:
    assert fingerprint("m-90213") == fingerprint("m-90213")
    assert all(-(1 << 63) <= fingerprint(f"m-{number}") < 1 << 63 for number in range(1_000))
