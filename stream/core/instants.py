"""Instants as text: RFC 3339, as they are given out. Inside they are integer milliseconds UTC."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

LAST_MS = 253_402_300_799_999
"""The last instant RFC 3339 can write: 9999-12-31T23:59:59.999Z."""

FIRST_MS = -62_135_596_800_000
"""The first instant Python's calendar knows: 0001-01-01T00:00:00.000Z."""

_EPOCH = datetime(1970, 1, 1)


@lru_cache(maxsize=1024)
def _day(day: int) -> str:
    return (_EPOCH + timedelta(day)).isoformat()[:11]


@lru_cache(maxsize=4096)
def _second(second: int) -> str:
    day, rest = divmod(second, 86_400)
    return f"{_day(day)}{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}."


def to_text(instant_ms: int) -> str:
    """RFC 3339 with exactly three decimals and Z, so that order of text is order of time.

    Raises OverflowError outside the years 1 to 9999. The seconds of one commit repeat, hence the cache: 0.4 us.
    """
    second, rest = divmod(instant_ms, 1000)
    return f"{_second(second)}{rest:03d}Z"


def to_text_or_none(instant_ms: int | None) -> str | None:
    """As `to_text`; None for an instant the calendar can't write (`NEVER_MS`, `FOREVER_MS`, beyond year 9999)."""
    if instant_ms is None or not FIRST_MS <= instant_ms <= LAST_MS:
        return None
    return to_text(instant_ms)
