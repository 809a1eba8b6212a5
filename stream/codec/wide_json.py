"""JSON as it is published, of whatever number an expression comes to.

A sum of many numbers, or a product, may be wider than the 64 bits that orjson writes. Such a number is told as floating
point, as precise as those are: no reader of JSON is bound to read more. What is kept of a customer stays exact
(`codec.snapshot`).
"""

from __future__ import annotations

import sys
from typing import Any

import orjson

WIDE = "Integer exceeds 64-bit range"
"""What orjson says of an integer that it does not write."""


def json_bytes(value: Any, option: int = 0) -> bytes:
    """`value` as JSON, made of what orjson writes and of integers of any width."""
    try:
        return orjson.dumps(value, option=option)
    except TypeError as error:
        if str(error) != WIDE:
            raise
        return orjson.dumps(_within(value), option=option)


def _within(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _within(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_within(each) for each in value]
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        largest = int(sys.float_info.max)
        return float(max(-largest, min(value, largest)))
    return value
