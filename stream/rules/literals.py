"""Literals: numbers, percentages, durations, instants; text to value, with what is wrong said in words."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from fractions import Fraction

from stream.core.instants import FORM

UNIT_MS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

MAX_DURATION_MS = 36_600 * UNIT_MS["d"]
"""A hundred years: longer is a slip of the pen."""

MAX_NUMBER = 10**15
"""Amounts are integers of a millionth; beyond this a double can't hold even whole numbers safely."""

DURATION = re.compile(r"(?:[0-9]+(?:ms|min|s|h|d|w))+")
_PART = re.compile(r"([0-9]+)(ms|min|s|h|d|w)")
NUMBER = re.compile(r"[0-9]+(?:_[0-9]{3})*(?:\.[0-9]+)?")
_NUMBER_WITH_UNIT = re.compile(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

_WITHOUT_LENGTH = {
    **dict.fromkeys(("m", "mo", "mon", "month", "months"), ("months", 30)),
    **dict.fromkeys(("y", "yr", "year", "years"), ("years", 365)),
}
"""Units of no fixed length, and days that stand for one of them."""

_AS_IN = "write 30d, 1h30min, 2w; units: ms s min h d w"


class BadLiteral(ValueError):
    """What is wrong with a literal; `hint` says what to try."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def duration_ms(text: str) -> int:
    """`1h30min` in milliseconds; raises BadLiteral."""
    if not DURATION.fullmatch(text):
        raise BadLiteral("this is not a duration", unit_hint(text) or _AS_IN)
    total = sum(int(amount[:20]) * UNIT_MS[unit] for amount, unit in _PART.findall(text))
    if total > MAX_DURATION_MS:
        raise BadLiteral("the duration is too long", "at most 36600d, a hundred years")
    return total


def unit_hint(text: str) -> str | None:
    """Advice when a text begins like a number with a unit, and is no duration."""
    match = _NUMBER_WITH_UNIT.match(text)
    if match is None:
        return None
    amount, unit = match.groups()
    if unit in UNIT_MS:
        return _AS_IN if amount.isdigit() else "whole numbers only: 36h, not 1.5d"
    return unit_advice(amount, unit.lower()) or f"`{unit[:20]}` is no unit; units: ms s min h d w"


def unit_advice(amount: str, unit: str) -> str | None:
    """Advice for months and years; None for all other words."""
    if unit not in _WITHOUT_LENGTH:
        return None
    units, length = _WITHOUT_LENGTH[unit]
    days = int(Fraction(amount.replace("_", "")[:20]) * length)
    days = days if 0 < days * UNIT_MS["d"] <= MAX_DURATION_MS else length
    advice = f"{units} have no fixed length, write {days}d"
    return f"write `min` for minutes; {advice}" if unit == "m" else advice


def without_currency(text: str) -> str | None:
    """The number of an amount such as $100; None for all else."""
    amount = text.removeprefix("$")
    return amount if amount != text and NUMBER.fullmatch(amount) else None


def is_date(text: str) -> bool:
    """Whether `date` takes this text as a day."""
    try:
        return _DATE.fullmatch(text) is not None and date.fromisoformat(text) is not None
    except ValueError:
        return False


def number(text: str) -> int | float:
    """A number of at most 6 decimals; raises BadLiteral."""
    return _exact(Fraction(text.replace("_", "")[:100]))


def percentage(text: str) -> int | float:
    """`10%` as 0.1; raises BadLiteral."""
    return _exact(Fraction(text.removesuffix("%")[:100]) / 100)


def _exact(value: Fraction) -> int | float:
    if abs(value) > MAX_NUMBER:
        raise BadLiteral("the number is too large", "at most 1e15")
    if value.denominator == 1:
        return value.numerator
    if 1_000_000 % value.denominator:
        raise BadLiteral(
            "the number is too fine", "amounts are kept in millionths: at most 6 decimals, 4 in a percentage"
        )
    return float(value)


def instant_ms(text: str, zone: tzinfo) -> int:
    """A date (midnight in `zone`) or an RFC 3339 instant, in ms UTC; raises BadLiteral."""
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text)
            moment = datetime(day.year, day.month, day.day, tzinfo=zone)
        elif _INSTANT.fullmatch(text):
            if FORM.fullmatch(text) is None:
                raise BadLiteral("there is no such date", "hours are 00 to 23")
            moment = datetime.fromisoformat(text.upper())
        else:
            raise BadLiteral("this is not a date", 'write "2025-11-28" or "2025-11-28T09:30:00Z"')
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    except BadLiteral:
        raise
    except (ValueError, OverflowError) as error:
        raise BadLiteral("there is no such date", str(error)) from None
