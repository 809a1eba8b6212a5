"""Exceptions for the log: kinds and places, and not what they say.

What an exception says may hold what it stumbled over, a customer's id or a trait (`KeyError: 'ada@example.com'`), and
so may the local variables that a pretty traceback shows. Only errors made for the reader are quoted.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from stream.errors import SegmenterError

FRAMES = 12
"""The innermost of each exception; the outer ones are the event loop's."""

CHAINED = 5
"""Exceptions behind an exception."""


def summary(error: BaseException) -> str:
    """Its kind; what it says only if that can't be a customer's: our own messages, and the system's errors."""
    kind = type(error).__name__
    if isinstance(error, SegmenterError):
        return f"{kind}: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{kind}: {error.strerror}"
    return kind


def places(error: BaseException) -> str:
    """The exception and those behind it, each with where it came by, innermost last; never a value."""
    lines: list[str] = []
    for each in _chain(error):
        lines.append(summary(each))
        frames = traceback.extract_tb(each.__traceback__)[-FRAMES:]
        lines += [f"  {'/'.join(Path(at.filename).parts[-3:])}:{at.lineno} {at.name}" for at in frames]
    return "\n".join(lines)


def without_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: `exc_info` becomes the text `exception`."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = places(error)
    return event


def _chain(error: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = error
    for _ in range(CHAINED):
        if each is None:
            return
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
