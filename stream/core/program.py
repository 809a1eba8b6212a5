"""What the core knows of definitions: a `Program`. `stream.rules` compiles one from a team's file.

A program keeps what it must know of a customer in `cells`, a plain list that only the program understands (and
the codec stores: it holds nothing but int, float, str, bool, None, lists, and dicts with text keys).
An *answer* is an int: for a dimension the index of the stage, for a segment 1 (in) or 0 (out). The answers of a
customer stand in one tuple, in the order of `definitions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from stream.core.events import Event

Cells = list[Any]
Answers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """A dimension (a customer is in one of its stages) or a segment (in or out)."""

    name: str
    stages: tuple[str, ...]  # empty for a segment
    topic: str | None  # extra topic that also gets this segment's changes
    part: str  # hash of this definition with all it depends on, 12 hex digits

    @property
    def is_segment(self) -> bool:
        return not self.stages


@dataclass(slots=True)  # not frozen: that makes one four times as dear, and a change has several
class Decider:
    """A condition that decided an answer, and the value it had (`because` in a change)."""

    expression: str
    holds: bool
    value: Any
    file: str
    line: int
    withheld: bool = False


class Program(Protocol):
    """Compiled definitions. Every method is pure; `cells` changes only in `fold`."""

    name: str
    version: int
    hash: str
    definitions: tuple[Definition, ...]
    accepts_too_old: bool

    def blank(self) -> Cells:
        """The cells of a customer of whom nothing is known."""

    def fold(self, cells: Cells, event: Event) -> bool:
        """Take the event in; False when no answer can differ for it."""

    def merged(self, cells: Cells) -> int:
        """How many entries were merged or dropped so far, because a cap of what is kept was reached."""

    def judge(self, cells: Cells, now_ms: int) -> tuple[Answers, int]:
        """All answers at `now_ms`, and the next instant at which one of their conditions may turn."""

    def valid_until(self, index: int, cells: Cells, now_ms: int) -> int | None:
        """The proven instant at which this answer changes if nothing happens; None when none is proven."""

    def because(self, index: int, cells: Cells, now_ms: int) -> list[Decider]:
        """The conditions that decided this answer."""

    def approximate(self, index: int, cells: Cells) -> bool:
        """Whether this answer, or what is carried with it, rests on entries that were merged or dropped for room."""

    def carried(self, index: int, cells: Cells, now_ms: int) -> dict[str, Any]:
        """The values of the segment's `with:`; instants as RFC 3339 text."""

    def facts(self, cells: Cells, now_ms: int) -> dict[str, Any]:
        """The named facts; instants as RFC 3339 text."""

    def held_out(self, index: int, customer_id: str) -> bool | None:
        """Whether the customer is in the segment's control group; None where there is none."""

    def resting_on(self, event: str) -> tuple[int, ...]:
        """The definitions that rest on track events of this name, themselves or through one they name."""
