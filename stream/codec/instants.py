"""Instants: integer milliseconds UTC inside, RFC 3339 text at the edges. Writing them is `core.instants`."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from stream.core.instants import FIRST_MS, FORM, LAST_MS, to_text, to_text_or_none

__all__ = ["FIRST_MS", "LAST_MS", "from_text", "to_text", "to_text_or_none"]

_DAY_MS = 86_400_000
_MILLISECONDS = {f".{milliseconds:03d}Z": milliseconds for milliseconds in range(1000)}
_SEPARATORS = frozenset(("T", "t", " ", ""))  # none: a date alone
_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)

LONGEST_TEXT = 40
"""Characters of an instant; nine decimals and an offset make 35."""


@lru_cache(maxsize=4096)
def _second_ms(text: str) -> int | None:
    """The instant of `2026-01-01T00:00:00`; None for another form, or what no calendar knows."""
    return from_text(text) if text[10] == "T" and text[13] == text[16] == ":" else None


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
    # Python reads more than ISO 8601's calendar dates, how much more differs by version, and any separator.
    # Neither does it mind 60,000 zeros after the hour.
    if len(text) > LONGEST_TEXT or text[10:11] not in _SEPARATORS or FORM.fullmatch(text) is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        # RFC 3339 allows a small z, Python does not.
        return from_text(text[:-1] + "Z") if text[-1] == "z" else None
    since = instant - (_EPOCH if instant.tzinfo is None else _EPOCH_UTC)
    return since.days * _DAY_MS + since.seconds * 1000 + since.microseconds // 1000
