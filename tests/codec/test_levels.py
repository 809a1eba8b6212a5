"""Laws of format levels: what one asks for on the control topic."""

from __future__ import annotations

import pytest

from stream.codec.levels import FORMER_LEVEL, NEWEST_LEVEL, level_asked, level_key


def test_a_level_that_is_asked_for_is_told_from_a_hold() -> None:
    assert level_asked(level_key(NEWEST_LEVEL)) == NEWEST_LEVEL
    assert level_asked("clock") is None and level_asked("segment/state-format") is None


@pytest.mark.parametrize(("key", "level"), [(level_key(9), NEWEST_LEVEL), ("state-format/x", FORMER_LEVEL)])
def test_a_level_of_a_later_release_is_asked_for_as_far_as_this_one_knows_it(key: str, level: int) -> None:
    assert level_asked(key) == level
