"""What the generated code calls: values of the language, safe against null, never and wrong types.

Numbers are int or float, amounts inside integers of a millionth (micros), instants and durations int milliseconds.
Comparing what can't be compared is false; arithmetic on it is null. A list on either side of a comparison means any of
its elements; `a != b` is always `not (a == b)`, so on a list it means none of them. `==` and `!=` know null.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from hashlib import blake2b
from json.encoder import encode_basestring
from math import isfinite
from typing import Any

from stream.core.events import NEVER_MS

MICRO = 1_000_000

KEPT_TEXT = 256
"""Bytes kept of a property's text for first(sel.prop) and last(sel.prop): longer than any code or category."""

KEY_TEXT = 36
"""Longer texts than a UUID are counted by their hash in distinct(), as are those that take more than a byte a
character: a full cell of 512 stays under 28 KiB."""

_PLAIN = re.compile(rf"[ !#-\[\]-~]{{0,{KEY_TEXT}}}")

Condition = Callable[[Any, Any], bool]


# -- paths -------------------------------------------------------------------------------------------------------------


def at(value: Any, path: tuple[str, ...]) -> Any:
    """What a path leads to; null where nothing is there. A step through a list gives the list of what each leads to."""
    for position, key in enumerate(path):
        if value.__class__ is dict:
            value = value.get(key)
        elif value.__class__ is list:
            rest = path[position:]
            return [at(element, rest) for element in value]
        else:
            return None
    return value


# -- comparisons -------------------------------------------------------------------------------------------------------


def equal(left: Any, right: Any) -> bool:
    if left.__class__ is list:
        if right.__class__ is list:
            return _share(left, right)
        return any(equal(each, right) for each in left)
    if right.__class__ is list:
        return any(equal(left, each) for each in right)
    if left.__class__ is bool or right.__class__ is bool:
        return left is right
    if left.__class__ is dict or right.__class__ is dict:
        return False
    return bool(left == right)


def _share(left: list[Any], right: list[Any]) -> bool:
    """Whether any of the one is equal to any of the other. By a set: an event may bring 60,000 of each."""
    known = {(each.__class__ is bool, each) for each in _single(left)}
    return any((each.__class__ is bool, each) in known for each in _single(right))


def _single(values: list[Any]) -> Iterator[Any]:
    """What is compared one by one: lists within are opened, objects are equal to nothing."""
    for each in values:
        if each.__class__ is list:
            yield from _single(each)
        elif each.__class__ is not dict:
            yield each


def unequal(left: Any, right: Any) -> bool:
    return not equal(left, right)


def _ordered(compare: Condition) -> Condition:
    def holds(left: Any, right: Any) -> bool:
        a, b = left.__class__, right.__class__
        if (a is int or a is float) and (b is int or b is float):
            return compare(left, right)
        if a is list:
            if b is list:
                return _any_pair(compare, left, right)
            return any(holds(each, right) for each in left)
        if b is list:
            return any(holds(left, each) for each in right)
        return a is str and b is str and compare(left, right)

    return holds


def _any_pair(compare: Condition, left: list[Any], right: list[Any]) -> bool:
    """By the least and the greatest of each: if any two compare so, these do."""
    rising = compare(0, 1)
    for kinds in ((int, float), (str,)):
        ours = [each for each in _single(left) if each.__class__ in kinds]
        theirs = [each for each in _single(right) if each.__class__ in kinds]
        if ours and theirs and compare(*((min(ours), max(theirs)) if rising else (max(ours), min(theirs)))):
            return True
    return False


less = _ordered(operator.lt)
at_most = _ordered(operator.le)
more = _ordered(operator.gt)
at_least = _ordered(operator.ge)


def contained(item: Any, collection: Any) -> bool:
    """`item in collection`; false when that is no list."""
    if collection.__class__ not in (list, tuple):
        return False
    return equal(item, list(collection)) if item.__class__ is list else any(equal(item, each) for each in collection)


def sign(left: Any, right: Any) -> int | None:
    """-1, 0 or 1 as left is before, at or after right; None when they can't be compared: null has no order."""
    if left is None or right is None:
        return None
    if equal(left, right):
        return 0
    return -1 if less(left, right) else 1 if more(left, right) else None


# -- texts -------------------------------------------------------------------------------------------------------------


def contains(text: Any, part: Any) -> bool:
    if text.__class__ is list:
        return any(contains(each, part) for each in text)
    return text.__class__ is str and part.__class__ is str and part in text


def starts_with(text: Any, part: Any) -> bool:
    if text.__class__ is list:
        return any(starts_with(each, part) for each in text)
    return text.__class__ is str and part.__class__ is str and text.startswith(part)


def lower(text: Any) -> str | None:
    return text.lower() if text.__class__ is str else None


# -- arithmetic --------------------------------------------------------------------------------------------------------


def micros(number: int | float) -> int:
    """A number in millionths, half to even."""
    if number.__class__ is int:
        return number * MICRO
    millionths = number * MICRO
    return round(millionths) if isfinite(millionths) else int(number) * MICRO


def number(millionths: int | None) -> int | float | None:
    """Millionths as a number: int when whole, or larger than any float."""
    if millionths is None:
        return None
    whole, rest = divmod(millionths, MICRO)
    try:
        return millionths / MICRO if rest else whole
    except OverflowError:
        return whole


def quotient(dividend: int, divisor: int) -> int:
    """dividend / divisor to a whole number, half to even."""
    if divisor < 0:
        dividend, divisor = -dividend, -divisor
    whole, rest = divmod(dividend, divisor)
    return whole + (2 * rest > divisor or (2 * rest == divisor and whole % 2 == 1))


def add_numbers(left: Any, right: Any) -> int | float | None:
    return number(micros(left) + micros(right)) if _numeric(left) and _numeric(right) else None


def subtract_numbers(left: Any, right: Any) -> int | float | None:
    return number(micros(left) - micros(right)) if _numeric(left) and _numeric(right) else None


def multiply_numbers(left: Any, right: Any) -> int | float | None:
    if not (_numeric(left) and _numeric(right)):
        return None
    return number(quotient(micros(left) * micros(right), MICRO))


def divide_numbers(left: Any, right: Any) -> int | float | None:
    """Also duration / duration."""
    if not (_numeric(left) and _numeric(right)) or not (divisor := micros(right)):
        return None
    return number(quotient(micros(left) * MICRO, divisor))


def add_times(left: Any, right: Any) -> int | None:
    """instant + duration, duration + instant, duration + duration"""
    return left + right if _known(left) and _known(right) else None


def subtract_times(left: Any, right: Any) -> int | None:
    """instant - instant, instant - duration, duration - duration"""
    return left - right if _known(left) and _known(right) else None


def stretch(duration: Any, factor: Any) -> int | None:
    """duration * number"""
    return quotient(duration * micros(factor), MICRO) if _known(duration) and _numeric(factor) else None


def shrink(duration: Any, divisor: Any) -> int | None:
    """duration / number"""
    if not (_known(duration) and _numeric(divisor)) or not (millionths := micros(divisor)):
        return None
    return quotient(duration * MICRO, millionths)


def _numeric(value: Any) -> bool:
    return value.__class__ is int or value.__class__ is float


def _known(instant: Any) -> bool:
    return instant.__class__ is int and instant != NEVER_MS


# -- what folding takes from an event ----------------------------------------------------------------------------------


def amounts(value: Any) -> list[int]:
    """The numbers a path led to, in millionths; what is no number is passed over."""
    if value.__class__ is int or value.__class__ is float:
        return [micros(value)]
    if value.__class__ is list:
        return [each for element in value for each in amounts(element)]
    return []


def keys(value: Any) -> list[str]:
    """The values a path led to as keys, so that 1 and "1" differ and 1 and 1.0 do not; null and objects don't count."""
    if value.__class__ is str:
        if _PLAIN.fullmatch(value):
            return [f"t{value}"]
        return ["h" + blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()]
    if value.__class__ is bool:
        return ["yes" if value else "no"]
    if value.__class__ is int:
        return [f"n{value}"]
    if value.__class__ is float:
        return [f"n{int(value) if value.is_integer() else value!r}"]
    if value.__class__ is list:
        return [each for element in value for each in keys(element)]
    return []


def cut(text: str, most: int) -> str:
    """The beginning of a text that takes at most `most` bytes in a state record, which is JSON in UTF-8."""
    if 6 * len(text) <= most:  # no character takes more: a control character is \u0001
        return text
    text = text[:most]
    while (excess := len(encode_basestring(text).encode("utf-8", "surrogatepass")) - 2 - most) > 0:
        text = text[: -max(1, excess // 6)]
    return text


def scalar(value: Any) -> Any:
    """A value small enough to keep: text is cut, lists and objects are null."""
    if value.__class__ is str:
        return cut(value, KEPT_TEXT)
    return value if value.__class__ in (int, float, bool) else None


def inside(value: Any, path: tuple[str, ...]) -> Any:
    """What a trait's path leads to below its top-level key; null through anything but objects."""
    for key in path:
        if value.__class__ is not dict:
            return None
        value = value.get(key)
    return value
