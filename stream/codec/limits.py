"""What a payload may hold: the bounds, and the walk that checks them.

A payload beyond these bounds could be read but not stored (orjson reads 1,024 levels and writes 254), or would lose
digits without a word (orjson makes a float of 2^64).
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import orjson

from stream.core.events import Reason

MAX_DEPTH = 32
"""Levels of objects and lists; events from practice have 3 to 6."""

MAX_KEYS = 1000
"""Keys of all objects together."""

MAX_TEXT_BYTES = 65_536
"""UTF-8 bytes of one text or key."""

NUMBER_LIMIT = 2**53
"""From here on a JSON number is not exact in every language, ours (orjson) included."""

READABLE_DEPTH = 500
"""Levels for which Python's own reader has room, whatever its version and however deep it is called."""

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)
_TOO_DEEP = f"objects and lists are nested deeper than {MAX_DEPTH} levels"
_BAD_NUMBER = "a number is not below 2^53 in size; send long ids as text"


class Fault(NamedTuple):
    """Why a payload is refused; `detail` never holds a value from it."""

    reason: Reason
    detail: str


class _BoundBroken(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        self.fault = Fault(reason, detail)


def fault_within(parsed: Any, size: int) -> Fault | None:
    """The first bound that a parsed payload of `size` bytes breaks, or None.

    As long as orjson takes to parse a 277-byte event (0.8 us). Tried instead: to judge by the bytes alone (runs of
    digits, exponents, brackets) and walk only in doubt; 1.3 us, and less plain.
    """
    try:
        keys = _keys_within(parsed, 1)
    except _BoundBroken as broken:
        return broken.fault
    if keys > MAX_KEYS:
        return Fault(Reason.TOO_MANY_KEYS, f"more than {MAX_KEYS} keys in all objects together")
    if size > MAX_TEXT_BYTES and _holds_long_text(parsed):
        return Fault(Reason.TEXT_TOO_LONG, f"a text is longer than {MAX_TEXT_BYTES} bytes")
    return None


def _keys_within(value: Any, depth: int) -> int:
    """How many keys `value`, found at this level, holds in all its objects; checks depth and numbers on the way."""
    kind = type(value)
    keys = 0
    if kind is dict:
        keys = len(value)
        value = value.values()
    elif kind is not list:
        value = (value,)
        depth -= 1
    if depth > MAX_DEPTH:
        raise _BoundBroken(Reason.TOO_DEEP, _TOO_DEEP)
    for item in value:
        kind = type(item)
        if kind is str:
            continue
        if kind is dict or kind is list:
            keys += _keys_within(item, depth + 1)
        elif item is not None and not -NUMBER_LIMIT < item < NUMBER_LIMIT:
            raise _BoundBroken(Reason.BAD_NUMBER, _BAD_NUMBER)
    return keys


def _holds_long_text(parsed: Any) -> bool:
    pending = [parsed]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value)
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, str) and _is_long(value):
            return True
    return False


def _is_long(text: str) -> bool:
    if len(text) * 4 <= MAX_TEXT_BYTES:  # no character takes more than four bytes
        return False
    return len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES


def fault_of_unreadable(value: bytes, error: orjson.JSONDecodeError) -> Fault:
    """Why orjson could not read these bytes: the same under every version of Python, since the reason is journaled and
    told again by who checks. Slow; for bytes already refused."""
    try:
        text = value.decode()
    except UnicodeDecodeError as undecodable:
        return Fault(Reason.INVALID_UTF8, f"not UTF-8 at byte {undecodable.start}")
    too_large = False

    def read_number(digits: str) -> float:
        nonlocal too_large
        number = float(digits)
        too_large = too_large or not -NUMBER_LIMIT < number < NUMBER_LIMIT
        return number

    def refuse(constant: str) -> float:
        raise ValueError(constant)  # NaN, Infinity: Python's own extension of JSON

    invalid = Fault(Reason.INVALID_JSON, f"not JSON at character {error.pos}")
    too_deep = Fault(Reason.TOO_DEEP, _TOO_DEEP)
    try:
        parsed = json.loads(text, parse_float=read_number, parse_int=read_number, parse_constant=refuse)
    except RecursionError:  # at another depth, or none, in each version of Python
        return too_deep
    except json.JSONDecodeError as unreadable:
        return too_deep if _is_deep(text[: unreadable.pos]) else invalid
    except ValueError:
        return too_deep if _is_deep(text) else invalid
    if too_large:
        return too_deep if _is_deep(text) else Fault(Reason.BAD_NUMBER, _BAD_NUMBER)
    return fault_within(parsed, len(value)) or invalid


def _is_deep(text: str) -> bool:
    """Whether more objects and lists are open at once than `READABLE_DEPTH`, be they closed later or not."""
    if text.count("[") + text.count("{") <= READABLE_DEPTH:
        return False
    opened = 0
    for token in _TOKENS.finditer(text):
        first = text[token.start()]
        if first in "[{":
            opened += 1
            if opened > READABLE_DEPTH:
                return True
        elif first in "]}":
            opened -= 1
    return False
