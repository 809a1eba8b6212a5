"""What the core knows of definitions: a `Program`. `stream.rules` compiles one from a team's file.

A program keeps what it must know of a customer in `cells`, a plain list that only the program understands (and
the codec stores: it holds nothing but int, float, str, bool, None, lists, and dicts with text keys).
An *answer* is an int: for a dimension the index of the stage, for a segment 1 (in) or 0 (out). The answers of a
customer stand in one tuple, in the order of `definitions`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from stream.core.events import Event

Cells = list[Any]
Answers = tuple[int, ...]
Rejudge = Callable[[Cells, int, Answers], tuple[Answers, int]]
"""(cells, now, present answers) -> answers, and the next instant, as `Program.judge` tells them. Only some are looked
at, and the instant is of those alone; the others are the present ones. `present` itself when none is another."""


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


class Condition(NamedTuple):
    """A condition of the file that held or failed, the same for every customer: a program makes it once."""

    expression: str
    holds: bool
    file: str
    line: int
    withheld: bool = False  # its value must not be given out


@dataclass(slots=True)  # not frozen: that makes one four times as dear, and a change has several
class Decider:
    """A condition that decided an answer, and the value it had (`because` in a change)."""

    condition: Condition
    value: Any


@dataclass(slots=True)  # as above
class Explanation:
    """What a change tells of its answer.

    because         the conditions that decided it
    valid_until_ms  the proven instant at which it changes if nothing happens; None when none is proven
    carried         the values of the segment's `with:`; instants as RFC 3339 text
    approximate     whether it, or what is carried with it, rests on entries that were merged or dropped for room
    """

    because: list[Decider]
    valid_until_ms: int | None
    carried: dict[str, Any]
    approximate: bool


@dataclass(frozen=True, slots=True)
class CellLayout:
    """How one cell is laid out, as far as customers can be carried over from one program to another.

    key         what is kept: cells with the same key hold the same thing
    kind        how: as `stream.rules.needs` names them
    keep        so many of the newest at least; `limit`: never more (values, days and logs)
    whole_ms    everything within; `longest_ms`: nothing older
    sums_only   the amounts of one event are added up before they are kept
    converts    to what a trait is converted; "" for other cells
    """

    key: str
    kind: str
    keep: int
    limit: int
    whole_ms: int
    longest_ms: int
    sums_only: bool
    converts: str


@dataclass(frozen=True, slots=True)
class Ask:
    """What a definition, with all it depends on, asks of one cell. `reach_ms`: how far back (FOREVER_MS: ever);
    `keep`: only so many of the newest (None: all of them). `text`, `place`: the word that asks."""

    key: str
    reach_ms: int
    keep: int | None
    text: str
    place: str


class Program(Protocol):
    """Compiled definitions. Every method is pure; `cells` changes only in `fold`.

    version      the revision of the definitions
    files        (name, text) of each file they were compiled from
    layout       the cells, in their order; `merged_at`: where behind them the number of merged entries stands
    fingerprint  of the layout: two releases that say the same read each other's cells
    """

    name: str
    version: int
    hash: str
    definitions: tuple[Definition, ...]
    accepts_too_old: bool
    files: tuple[tuple[str, str], ...]
    layout: tuple[CellLayout, ...]
    merged_at: int | None
    fingerprint: str

    def blank(self) -> Cells:
        """The cells of a customer of whom nothing is known."""

    def fold(self, cells: Cells, event: Event) -> bool:
        """Take the event in; False when no answer can differ for it."""

    def merged(self, cells: Cells) -> int:
        """How many entries were merged or dropped so far, because a cap of what is kept was reached."""

    def judge(self, cells: Cells, now_ms: int) -> tuple[Answers, int]:
        """All answers at `now_ms`, and the next instant at which one of their conditions may turn."""

    def rejudge(self, event: Event) -> Rejudge | None:
        """Looks at the answers that may be others after such an event, when they are few; None: judge them all."""

    def explain(self, index: int, cells: Cells, now_ms: int) -> Explanation:
        """Why this answer is as it is at `now_ms`, until when, and what goes with it."""

    def facts(self, cells: Cells, now_ms: int) -> dict[str, Any]:
        """The named facts; instants as RFC 3339 text."""

    def asks(self, index: int) -> tuple[Ask, ...]:
        """What a definition and all it depends on ask of the past."""

    def converted(self, cell: int, value: Any) -> Any:
        """A trait's value, as it was kept for another type, converted to the type this cell is declared with."""

    def held_out(self, index: int, customer_id: str) -> bool | None:
        """Whether the customer is in the segment's control group; None where there is none."""

    def resting_on(self, event: str) -> tuple[int, ...]:
        """The definitions that rest on track events of this name, themselves or through one they name."""
