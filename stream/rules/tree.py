"""The checked tree of a definitions file: what `check` hands to `compile`, `explain`, `cases` and the tests' oracle.

Every name is resolved and every type known. Instants and durations are integer milliseconds, `never` is `NEVER_MS`.
Facts stand in the tree as `Fact` around their own expression, so that a reason can name them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from stream.errors import Place


class Type(Enum):
    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    DURATION = "duration"
    INSTANT = "instant"
    LIST = "list"
    NULL = "null"
    ANY = "any value"  # a property, or a group trait without declaration: known only on an event


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An expression: `text` is its source as the author wrote it (white space folded)."""

    place: Place
    type: Type
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal(Node):
    """A number, text, boolean, null, duration (ms), or instant (ms; `never`, `date("...")`)."""

    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf(Node):
    """A list in the text: `["shoes", "bags"]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Property(Node):
    """A value of the event at hand: within `where`, or the `.prop` of a selector.

    `root` is "properties", "context" or "timestamp" (then `path` is empty). A step through a list means any element.
    """

    root: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait(Node):
    """`traits.plan.tier` (source "traits") or `group.industry` (source "group")."""

    source: str
    path: tuple[str, ...]
    private: bool

    @property
    def name(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Match:
    """One alternative of a selector. `kinds` are track, page, screen; `name` restricts track to one event name."""

    kinds: frozenset[str]
    name: str | None
    where: Node | None


@dataclass(frozen=True, slots=True)
class Selector:
    """A union of matches; an event counts once even when several match."""

    matches: tuple[Match, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf(Node):
    """A word over history: count sum avg min max first last distinct active_days.

    `prop` is None for count, active_days and the instants first(sel), last(sel). `window_ms` None means ever;
    the window is (now - before - window, now - before].
    """

    word: str
    selector: Selector
    prop: Property | None
    window_ms: int | None
    before_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent(Node):
    """`silent(sel, d)`: max(last(sel), first_seen) <= now - d."""

    selector: Selector
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSeen(Node):
    """Event time of the customer's earliest accepted record of any kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now(Node):
    """The instant at which the customer is judged. `ago(d)` is Arithmetic("-", Now, d), `ahead(d)` "+"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(Node):
    name: str
    value: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOf(Node):
    """The stage of a dimension at this instant, as text."""

    dimension: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InSegment(Node):
    segment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare(Node):
    """left op right, op one of == != < <= > >=. Chained comparisons are an And of these."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Contains(Node):
    """`item in collection` (ListOf, or a path that holds a list); `negated` for `not in`."""

    item: Node
    collection: Node
    negated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class And(Node):
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Or(Node):
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Not(Node):
    part: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic(Node):
    """left op right, op one of + - * /; null-safe, results rounded to a millionth."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Node):
    """A function of values: contains(text, part), starts_with(text, part), lower(text), if(condition, a, b)."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class TraitDeclaration:
    """`type` is one of TEXT NUMBER BOOLEAN INSTANT (date) LIST."""

    name: str  # dotted path
    type: Type
    private: bool


@dataclass(frozen=True, slots=True)
class FactDefinition:
    name: str
    value: Node
    place: Place


@dataclass(frozen=True, slots=True)
class StageDefinition:
    name: str
    condition: Node | None  # None: otherwise
    place: Place


@dataclass(frozen=True, slots=True)
class DimensionDefinition:
    name: str
    stages: tuple[StageDefinition, ...]
    description: str | None
    place: Place


@dataclass(frozen=True, slots=True)
class Goal:
    """Reached when the selector's event happens within the duration after entry."""

    reached: Selector
    within_ms: int


@dataclass(frozen=True, slots=True)
class SegmentDefinition:
    """`when` already contains the audience (And of both) unless the segment says `audience: everyone`."""

    name: str
    when: Node
    topic: str | None
    carried: tuple[tuple[str, Node], ...]
    control_share: float | None  # 0.1 for 10%
    salt: str
    goal: Goal | None
    description: str | None
    action: str | None
    place: Place


@dataclass(frozen=True, slots=True)
class CaseGiven:
    """One thing that happens in a case: `at_ms` after the case's start; an event in Segment-spec shape without ids."""

    at_ms: int
    event: dict[str, Any]
    place: Place


@dataclass(frozen=True, slots=True)
class CaseExpect:
    """What must hold at `at_ms`. `stages`: dimension -> stage; `facts`: name -> value; `inside`/`outside`: segments in
    which the customer is / is not; `entered`/`exited`: exactly these changes since the row before (None: not asked)."""

    at_ms: int
    stages: dict[str, str]
    facts: dict[str, Any]
    inside: tuple[str, ...]
    outside: tuple[str, ...]
    entered: tuple[str, ...] | None
    exited: tuple[str, ...] | None
    place: Place


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    start_ms: int
    given: tuple[CaseGiven, ...]
    expect: tuple[CaseExpect, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Definitions:
    """One checked file, or folder of files. `order` names dimensions, then segments, each in file order;
    `evaluation` the same names so that each stands after all it refers to. `revision` counts the files deployed."""

    name: str
    zone: str
    accepts_too_old: bool
    traits: dict[str, TraitDeclaration]
    group: dict[str, TraitDeclaration]
    facts: tuple[FactDefinition, ...]
    dimensions: tuple[DimensionDefinition, ...]
    segments: tuple[SegmentDefinition, ...]
    evaluation: tuple[str, ...]
    events: dict[str, tuple[Match, ...]] = field(default_factory=dict)  # by the file's own names for them
    revision: int = 1
    cases: tuple[Case, ...] = field(default=())
    source: tuple[tuple[str, str], ...] = field(default=())  # (file name, text)
