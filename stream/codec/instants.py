"""Instants: integer milliseconds UTC inside, RFC 3339 text at the edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

LAST_MS = 253_402_300_799_999
"""The last instant RFC 3339 can write: 9999-12-31T23:59:59.999Z."""

FIRST_MS = -62_135_596_800_000
"""The first instant Python's calendar knows: 0001-01-01T00:00:00.000Z."""

_DAY_MS = 86_400_000
_MILLISECONDS = {f".{milliseconds:03d}Z": milliseconds for milliseconds in range(1000)}
_SEPARATORS = frozenset(("T", "t", " ", ""))  # none: a date alone
_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)

LONGEST_TEXT = 40
"""Characters of an instant; nine decimals and an offset make 35."""


@lru_cache(maxsize=1024)
def _day(day: int) -> str:
    return (_EPOCH + timedelta(day)).isoformat()[:11]


@lru_cache(maxsize=4096)
def _second(second: int) -> str:
    day, rest = divmod(second, 86_400)
    return f"{_day(day)}{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}."


@lru_cache(maxsize=4096)
def _second_ms(text: str) -> int | None:
    """The instant of `2026-01-01T00:00:00`; None for another form, or what no calendar knows."""
    return from_text(text) if text[10] == "T" and text[13] == text[16] == ":" else None


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


def from_text(text: str) -> int | None:
    """The instant of an RFC 3339 or ISO 8601 text, None when it is not one.

    A date alone is its midnight, a text without offset is UTC, what is below a millisecond is cut off. Week dates,
    the basic form without hyphens, and leap seconds are not read. What `to_text` writes is read in 0.25 us, other
    forms in 0.5.
    """
    milliseconds = _MILLISECONDS.get(text[19:])
    if milliseconds is not None:
        second_ms = _second_ms(text[:19])
        if second_ms is not None:
            return second_ms + milliseconds
    # Python reads more than ISO 8601's calendar dates: week dates, the basic form, any separator.
    # Neither does it mind 60,000 zeros after the hour.
    if len(text) > LONGEST_TEXT or text[7:8] != "-" or text[10:11] not in _SEPARATORS:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        # RFC 3339 allows a small z, Python does not.
        return from_text(text[:-1] + "Z") if text[-1] == "z" else None
    since = instant - (_EPOCH if instant.tzinfo is None else _EPOCH_UTC)
    return since.days * _DAY_MS + since.seconds * 1000 + since.microseconds // 1000
