"""Traits as their declared types, days of a zone, and values as they are shown.

Conversion is lenient in form, not in meaning: "27" is a number, "true" a boolean, 27 a text. What can't be read is
null.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from stream.core.instants import FORM
from stream.rules.tree import Type
from stream.rules.values import cut, number

MAX_TRAIT_TEXT = 1_024
"""Bytes kept of a text trait: what a definition compares is a code or a name, not a letter."""

MAX_LIST = 100
"""Elements kept of a list trait: with texts of 1,024 it would be 100 KiB, so list texts are cut shorter."""

MAX_ELEMENT_TEXT = 256
"""Bytes kept of a text in a list trait."""

_NUMBER = re.compile(r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*")
_LARGEST = 10**15
"""As `literals.MAX_NUMBER`: beyond it a millionth is lost."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DAY_MS = 86_400_000
_QUARTER_MS = 900_000
"""Zones change their offset only at full quarters of an hour UTC (since 1972)."""

_MAX_QUARTERS = 20_000

Convert = Callable[[Any], Any]


def to_number(raw: Any) -> int | float | None:
    if raw.__class__ is str and len(raw) <= 40 and _NUMBER.fullmatch(raw):
        raw = float(raw) if any(each in raw for each in ".eE") else int(raw)
    if raw.__class__ is int or raw.__class__ is float:
        return raw if -_LARGEST <= raw <= _LARGEST else None
    return None


def to_text(raw: Any) -> str | None:
    if raw.__class__ is str:
        return cut(raw, MAX_TRAIT_TEXT)
    if raw.__class__ is int:
        return str(raw)
    if raw.__class__ is float:
        return str(int(raw)) if raw.is_integer() else repr(raw)
    return None


def to_boolean(raw: Any) -> bool | None:
    if raw.__class__ is bool:
        return raw
    if raw.__class__ is str:
        return {"true": True, "false": False}.get(raw)
    return None


def to_list(raw: Any) -> list[Any] | None:
    return [_element(each) for each in raw[:MAX_LIST]] if raw.__class__ is list else None


def to_anything(raw: Any) -> Any:
    """An undeclared group trait: scalars and lists of them, cut like the rest."""
    if raw.__class__ is list:
        return to_list(raw)
    return cut(raw, MAX_TRAIT_TEXT) if raw.__class__ is str else raw if raw.__class__ in (int, float, bool) else None


def _element(raw: Any) -> Any:
    return cut(raw, MAX_ELEMENT_TEXT) if raw.__class__ is str else raw if raw.__class__ in (int, float, bool) else None


def to_instant(zone: ZoneInfo) -> Convert:
    """A converter of RFC 3339 text or a date; a date, and a time without offset, are of the zone."""

    def convert(raw: Any) -> int | None:
        if raw.__class__ is not str or len(raw) > 40 or FORM.fullmatch(raw) is None:
            return None
        try:
            if len(raw) == 10:
                day = date.fromisoformat(raw)
                moment = datetime(day.year, day.month, day.day, tzinfo=zone)
            else:
                moment = datetime.fromisoformat(raw)
                if moment.tzinfo is None:
                    moment = moment.replace(tzinfo=zone)
            return (moment - _EPOCH) // _MILLISECOND
        except (ValueError, OverflowError):
            return None

    return convert


def converter(type_: Type, zone: ZoneInfo) -> Convert:
    """The function that brings a trait to its declared type."""
    if type_ is Type.INSTANT:
        return to_instant(zone)
    table: dict[Type, Convert] = {
        Type.NUMBER: to_number,
        Type.TEXT: to_text,
        Type.BOOLEAN: to_boolean,
        Type.LIST: to_list,
    }
    return table.get(type_, to_anything)


def day_of(zone: ZoneInfo) -> Callable[[int], int]:
    """A function from an instant to the number of its day in the zone (1970-01-01 is 0)."""
    offsets: dict[int, int] = {}

    def day(time_ms: int) -> int:
        quarter = time_ms // _QUARTER_MS
        offset = offsets.get(quarter)
        if offset is None:
            if len(offsets) >= _MAX_QUARTERS:
                offsets.clear()
            try:
                shift = (_EPOCH + timedelta(milliseconds=quarter * _QUARTER_MS)).astimezone(zone).utcoffset()
            except (ValueError, OverflowError):
                shift = None
            offset = offsets[quarter] = shift // _MILLISECOND if shift is not None else 0
        return (time_ms + offset) // _DAY_MS

    return day


def plain(value: Any) -> Any:
    """A value that is no instant as it is given out: whole numbers as int, durations as ms, a list as it is now."""
    if value.__class__ is float:
        return number(round(value * 1_000_000)) if abs(value) < _LARGEST else value
    return list(value) if value.__class__ is list else value
