"""The errors a reader can meet. Each says where, what was found, what was expected and what to try.

`DefinitionErrors` is the author's fault, `ConfigError` the operator's, `StartRefused` tells that starting would
lose or double something. An event that can't be used is never an exception: it is the value `core.events.Rejected`.
Anything else that is raised is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class SegmenterError(Exception):
    """Base of the errors that end a command with one clear message. `exit_code` is the process's."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a definitions file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong (or, as a warning, doubtful) in a definitions file."""

    place: Place
    message: str
    found: str | None = None
    expected: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}"
        if self.found is not None:
            text += f"; found {self.found}"
        if self.expected is not None:
            text += f"; expected {self.expected}"
        if self.hint is not None:
            text += f"\n    hint: {self.hint}"
        return text


class DefinitionErrors(SegmenterError):
    """All errors of the definitions, in the order of the file."""

    exit_code = 3

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda p: (p.place.file, p.place.line, p.place.column))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ConfigError(SegmenterError):
    """A setting is missing or wrong: which, what was found, what was expected."""

    exit_code = 4


class StartRefused(SegmenterError):
    """Starting would lose, double or misread something; the message names the remedy."""

    exit_code = 5


class UnreadableState(SegmenterError):
    """A state record can't be read: damaged, or written by a version this one does not know."""

    exit_code = 6


class LogUnreadable(SegmenterError):
    """The topics could not be read to the end, so nothing is proven either way."""

    exit_code = 7
