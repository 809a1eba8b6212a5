"""What must be kept of a customer so that the definitions can be answered: the cells.

A cell is one index in the list `cells`. Definitions that need the same thing share it; it keeps what the most demanding
of them needs. `stream.core.windows` says how the larger kinds look.

    first_seen                      instant of the earliest event of any kind (NEVER_MS: none)
    counter                         how many events, ever
    total                           [sum, n, min, max] ever, in millionths
    first, last                     an instant (NEVER_MS: none)
    first_value, last_value         [instant, offset, value]
    newest, instants                the k newest instants; all in the longest window
    amounts                         instants with an amount each
    values, days                    latest instant of each different value; of each day of the file's zone
    value_log, day_log              the same, every occurrence: for windows that lie back
    trait                           [value, instant, offset]

After them stands, if any of them has a cap, how many entries were merged or dropped for it so far.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stream.core.events import FOREVER_MS, NEVER_MS
from stream.core.windows import CAP
from stream.rules.canonical import by_name, canonical, conditions_of, selector_key
from stream.rules.patterns import newest_levels
from stream.rules.tree import (
    Definitions,
    Fact,
    FirstSeen,
    Leaf,
    Literal,
    Node,
    Property,
    Selector,
    Silent,
    Trait,
)
from stream.rules.walk import children

Key = tuple[str, ...]

FIRST_SEEN: Key = ("first_seen",)

_BLANKS: dict[str, Any] = {
    "first_seen": NEVER_MS,
    "counter": 0,
    "total": [0, 0, None, None],
    "first": NEVER_MS,
    "last": NEVER_MS,
    "first_value": [NEVER_MS, -1, None],
    "last_value": [NEVER_MS, -1, None],
    "newest": [],
    "instants": [[], []],
    "amounts": [[], [], []],
    "values": [[], []],
    "days": [[], []],
    "value_log": [[], []],
    "day_log": [[], []],
    "trait": [None, NEVER_MS, -1],
}

_SLICED = frozenset({"instants", "amounts"})
_DROPPING = frozenset({"values", "days", "value_log", "day_log"})


@dataclass(slots=True)
class Cell:
    """One thing kept. `keep`: so many of the newest at least; `whole_ms`: all within; `longest_ms`: nothing older.

    `judged`: an answer rests on it (else only facts and carried values do). `sums_only`: amounts of one event may be
    added up before they are kept. `asked_by`: what in the file asks for so much.
    """

    key: Key
    kind: str
    selector: Selector | None = None
    prop: Property | None = None
    trait: Trait | None = None
    keep: int = 0
    whole_ms: int = 0
    longest_ms: int = 0
    judged: bool = False
    sums_only: bool = True
    asked_by: Node | None = None

    @property
    def blank(self) -> str:
        """Source of the cell of which nothing is known."""
        return repr(_BLANKS[self.kind])

    @property
    def is_bounded(self) -> bool:
        """Whether a word needs every entry of a window, of which only so many are kept one by one."""
        return self.kind == "amounts" or (self.whole_ms > 0 and self.kind in _SLICED | _DROPPING)

    def is_full(self, kept: Any) -> bool:
        """Whether entries of a bounded cell were merged, or (values, days) from now on are dropped."""
        return bool(kept[-1]) if self.kind in _SLICED else len(kept[0]) >= self.limit

    @property
    def limit(self) -> int:
        """How many values a cell of values, days or a log holds."""
        return max(self.keep, CAP if self.whole_ms else 1)


def leaf_key(leaf: Leaf) -> Key:
    """The key of the cell that answers a word over history."""
    selector = selector_key(leaf.selector)
    prop = canonical(leaf.prop) if leaf.prop is not None else ""
    ever = leaf.window_ms is None
    match leaf.word:
        case "count":
            return ("counter" if ever else "instants", selector)
        case "sum" | "avg" | "min" | "max":
            return ("total" if ever else "amounts", selector, prop)
        case "first" | "last":
            return (f"{leaf.word}_value", selector, prop) if prop else (leaf.word, selector)
        case "distinct":
            return ("value_log" if leaf.before_ms else "values", selector, prop)
        case "active_days":
            return ("day_log" if leaf.before_ms else "days", selector)
    raise AssertionError(f"unknown word {leaf.word}")


def last_key(selector: Selector) -> Key:
    """The key of the cell that holds last(selector)."""
    return ("last", selector_key(selector))


def trait_key(trait: Trait) -> Key:
    return ("trait", trait.source, *trait.path)


def whole_leaves(node: Node) -> Iterator[Leaf]:
    """The words that need every entry of their window, not just the newest few; facts are opened."""
    if isinstance(node, Leaf):
        yield node
    elif newest_levels(node) is None and not isinstance(node, Silent):
        for child in children(node):
            yield from whole_leaves(child)


class Needs:
    """The cells of some definitions, in the order in which they are first needed.

    merged_at   where, after all cells, the number stands of entries that caps made merge or drop; None: nothing has one
    """

    def __init__(self, definitions: Definitions) -> None:
        self._cells: dict[Key, Cell] = {}
        for definition in by_name(definitions).values():
            for condition in conditions_of(definition):
                self._visit(condition, judged=True)
        for fact in definitions.facts:
            self._visit(fact.value, judged=False)
        for segment in definitions.segments:
            for _, value in segment.carried:
                self._visit(value, judged=False)
        for cell in self._cells.values():
            if cell.kind == "instants" and not cell.whole_ms:
                cell.kind = "newest"
        self.cells: tuple[Cell, ...] = tuple(self._cells.values())
        self.merged_at: int | None = len(self.cells) if any(cell.is_bounded for cell in self.cells) else None
        self._index = {cell.key: index for index, cell in enumerate(self.cells)}

    def index(self, key: Key) -> int:
        """Where in the list of cells a thing is kept."""
        return self._index[key]

    def __contains__(self, key: Key) -> bool:
        return key in self._index

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)

    def _visit(self, node: Node, judged: bool) -> None:
        if isinstance(node, Fact):
            self._visit(node.value, judged)
            return
        newest = newest_levels(node)
        if newest is not None:
            leaf, levels = newest
            self._need_newest(node, leaf, max((1, *levels.levels)) + 1, judged)
        elif isinstance(node, Leaf):
            self._need_all(node, judged)
        elif isinstance(node, Silent):
            last = self._cell(last_key(node.selector), judged)
            last.selector, last.asked_by = node.selector, node
            self._cell(FIRST_SEEN, judged)
        elif isinstance(node, FirstSeen):
            self._cell(FIRST_SEEN, judged)
        elif isinstance(node, Trait):
            cell = self._cell(trait_key(node), judged)
            cell.trait = node
            cell.asked_by = cell.asked_by or node
        elif not isinstance(node, Literal):
            for child in children(node):
                self._visit(child, judged)

    def _need_newest(self, node: Node, leaf: Leaf, keep: int, judged: bool) -> None:
        """One more than the largest number compared with, so that a reason can say `more than`."""
        cell = self._leaf_cell(leaf, judged)
        if keep > cell.keep and not cell.whole_ms:
            cell.asked_by = node
        cell.keep = max(cell.keep, keep)

    def _need_all(self, leaf: Leaf, judged: bool) -> None:
        cell = self._leaf_cell(leaf, judged)
        if not cell.whole_ms:
            cell.asked_by = leaf
        cell.whole_ms = max(cell.whole_ms, _reach(leaf))
        cell.sums_only = cell.sums_only and leaf.word == "sum"

    def _leaf_cell(self, leaf: Leaf, judged: bool) -> Cell:
        cell = self._cell(leaf_key(leaf), judged)
        cell.selector = leaf.selector
        cell.prop = leaf.prop
        cell.longest_ms = max(cell.longest_ms, _reach(leaf))
        return cell

    def _cell(self, key: Key, judged: bool) -> Cell:
        cell = self._cells.setdefault(key, Cell(key, key[0]))
        cell.judged = cell.judged or judged
        return cell


def _reach(leaf: Leaf) -> int:
    """How far back a word looks; FOREVER_MS for ever."""
    return FOREVER_MS if leaf.window_ms is None else leaf.window_ms + leaf.before_ms
