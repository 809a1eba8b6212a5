"""Source of `fold`: one function per event name and kind, straight down through the cells that take such an event.

Each selector's `where` is looked at once per event, however many cells rest on it.
"""

from __future__ import annotations

from collections.abc import Iterable

from stream.core.events import NEVER_MS
from stream.core.windows import MERGED
from stream.rules.canonical import selector_key
from stream.rules.generate_values import EventExpressions
from stream.rules.needs import FIRST_SEEN, Cell, Needs
from stream.rules.source import Module
from stream.rules.tree import Match, Selector, Trait, Type

_KINDS = ("page", "screen", "identify", "group")


def event_names(needs: Needs) -> tuple[str, ...]:
    """Names of track events that some cell asks for, sorted."""
    return tuple(sorted({match.name for cell in needs for match in _matches(cell) if match.name is not None}))


EventKind = tuple[str, str | None]
"""A call, and for track the event's name; None: any name that no cell asks for."""


def write_fold(module: Module, needs: Needs) -> dict[EventKind, frozenset[int]]:
    """Add `blank`, `fold(cells, e)` and `merged(cells)` to the module. Returns which cells each kind of event may
    change."""
    blanks = [cell.blank for cell in needs] + ["0"] * (needs.merged_at is not None)
    module.add("blank", "", [f"    return [{', '.join(blanks)}]"])
    module.add("merged", "cells", [f"    return {0 if needs.merged_at is None else f'cells[{needs.merged_at}]'}"])
    written: dict[str, str] = {}
    changed: dict[EventKind, frozenset[int]] = {}

    def function(kind: str, name: str | None) -> str:
        fold = _EventFold(module, needs, kind, name)
        lines = fold.lines()
        changed[kind, name] = frozenset(fold.cells)
        body = "\n".join(lines)
        if body not in written:
            written[body] = module.add(f"fold_{len(written)}", "cells, e", lines)
        return written[body]

    tracks = {name: function("track", name) for name in event_names(needs)}
    other = function("track", None)
    kinds = {kind: function(kind, None) for kind in _KINDS}
    table = ", ".join(f"{module.constants.name(name)}: {written_as}" for name, written_as in tracks.items())
    kind_table = ", ".join(f"{kind!r}: {written_as}" for kind, written_as in kinds.items())
    module.functions["tables"] = f"TRACKS = {{{table}}}\nKINDS = {{{kind_table}}}"
    module.add(
        "fold",
        "cells, e",
        [
            "    if e.kind == 'track':",
            f"        return TRACKS.get(e.name, {other})(cells, e)",
            "    return KINDS[e.kind](cells, e)",
        ],
    )
    return changed


def _matches(cell: Cell) -> Iterable[Match]:
    return cell.selector.matches if cell.selector is not None else ()


class _EventFold:
    """The body of one fold function. `r` is True once something changed on which an answer rests. `cells`: what it may
    change."""

    def __init__(self, module: Module, needs: Needs, kind: str, name: str | None) -> None:
        self._constants = module.constants
        self._needs = needs
        self._kind = kind
        self._name = name
        self._expressions = EventExpressions(module.constants)
        self.cells: set[int] = set()
        self._lines: list[str] = []
        self._level = 1

    def lines(self) -> list[str]:
        if FIRST_SEEN in self._needs:
            self._first_seen(self._needs.index(FIRST_SEEN))
        if self._kind in ("identify", "group"):
            self._traits()
        else:
            self._selectors()
        if not self._lines:
            return ["    return False"]
        return ["    t = e.time_ms", "    p = e.properties", "    r = False", *self._lines, "    return r"]

    def _emit(self, line: str) -> None:
        self._lines.append("    " * self._level + line)

    def _changed(self, cell: Cell) -> None:
        if cell.judged:
            self._emit("r = True")

    def _first_seen(self, index: int) -> None:
        self.cells.add(index)
        self._earliest(index, self._needs.cells[index])

    # -- traits --------------------------------------------------------------------------------------------------------

    def _traits(self) -> None:
        source = "traits" if self._kind == "identify" else "group"
        for index, cell in enumerate(self._needs):
            if cell.trait is not None and cell.trait.source == source:
                self._trait(index, cell, cell.trait)

    def _trait(self, index: int, cell: Cell, trait: Trait) -> None:
        self.cells.add(index)
        top = self._constants.name(trait.path[0])
        self._emit(f"if {top} in p:")
        self._emit(f"    c = cells[{index}]")
        self._emit("    if t > c[1] or (t == c[1] and e.offset > c[2]):")
        read = f"p[{top}]"
        if len(trait.path) > 1:
            step = "at" if trait.type is Type.ANY else "inside"  # only a declared list may be stepped through
            read = f"{step}({read}, {self._constants.name(trait.path[1:])})"
        self._emit(f"        v = convert_{index}({read})")
        if cell.judged:
            self._emit("        if v != c[0] or v.__class__ is not c[0].__class__:")
            self._emit("            r = True")
        self._emit("        c[0] = v; c[1] = t; c[2] = e.offset")

    # -- events --------------------------------------------------------------------------------------------------------

    def _selectors(self) -> None:
        groups: dict[str, list[int]] = {}
        selectors: dict[str, Selector] = {}
        for index, cell in enumerate(self._needs):
            if cell.selector is not None:
                key = selector_key(cell.selector)
                selectors.setdefault(key, cell.selector)
                groups.setdefault(key, []).append(index)
        for key, indices in groups.items():
            wheres = [match.where for match in selectors[key].matches if self._takes(match)]
            if not wheres:
                continue
            if any(where is None for where in wheres):
                self._group(indices)
            else:
                conditions = dict.fromkeys(self._expressions.condition(where) for where in wheres if where is not None)
                self._emit(f"if {' or '.join(conditions)}:")
                self._level += 1
                self._group(indices)
                self._level -= 1

    def _takes(self, match: Match) -> bool:
        if self._kind not in match.kinds:
            return False
        return match.name is None or (self._kind == "track" and match.name == self._name)

    def _group(self, indices: list[int]) -> None:
        self.cells.update(indices)
        for index in indices:
            cell = self._needs.cells[index]
            getattr(self, f"_{cell.kind}")(index, cell)

    def _read(self, cell: Cell) -> str:
        assert cell.prop is not None
        return self._expressions.read(cell.prop)

    def _counter(self, index: int, cell: Cell) -> None:
        self._emit(f"cells[{index}] += 1")
        self._changed(cell)

    def _last(self, index: int, cell: Cell) -> None:
        self._emit(f"if t > cells[{index}]:")
        self._emit(f"    cells[{index}] = t")
        self._below(cell)

    def _first(self, index: int, cell: Cell) -> None:
        self._earliest(index, cell)

    def _earliest(self, index: int, cell: Cell) -> None:
        self._emit(f"if t < cells[{index}] or cells[{index}] == {NEVER_MS}:")
        self._emit(f"    cells[{index}] = t")
        self._below(cell)

    def _below(self, cell: Cell) -> None:
        self._level += 1
        self._changed(cell)
        self._level -= 1

    def _last_value(self, index: int, cell: Cell) -> None:
        self._edge_value(index, cell, "t > c[0] or (t == c[0] and e.offset > c[1])")

    def _first_value(self, index: int, cell: Cell) -> None:
        self._edge_value(index, cell, f"t < c[0] or c[0] == {NEVER_MS} or (t == c[0] and e.offset < c[1])")

    def _edge_value(self, index: int, cell: Cell, replaces: str) -> None:
        self._emit(f"c = cells[{index}]")
        self._emit(f"if {replaces}:")
        self._emit(f"    c[0] = t; c[1] = e.offset; c[2] = scalar({self._read(cell)})")
        self._below(cell)

    def _newest(self, index: int, cell: Cell) -> None:
        self._keep(f"keep_newest(cells[{index}], t, {cell.keep}, {cell.longest_ms})", cell)

    def _instants(self, index: int, cell: Cell) -> None:
        self._keep(f"keep_instant(cells[{index}], t, {cell.keep}, {cell.whole_ms}, {cell.longest_ms})", cell)

    def _amounts(self, index: int, cell: Cell) -> None:
        self._emit(f"v = amounts({self._read(cell)})")
        if cell.sums_only:
            self._emit("if v:")
            self._emit("    m = v[0] if len(v) == 1 else sum(v)")
        else:
            self._emit("for m in v:")
        self._level += 1
        self._keep(f"keep_amount(cells[{index}], t, m, {cell.longest_ms})", cell)
        self._level -= 1

    def _total(self, index: int, cell: Cell) -> None:
        self._emit(f"for m in amounts({self._read(cell)}):")
        self._level += 1
        self._emit(f"add_to_total(cells[{index}], m)")
        self._changed(cell)
        self._level -= 1

    def _values(self, index: int, cell: Cell) -> None:
        self._each_key(index, cell, "keep_value")

    def _value_log(self, index: int, cell: Cell) -> None:
        self._each_key(index, cell, "keep_log")

    def _each_key(self, index: int, cell: Cell, keep: str) -> None:
        self._emit(f"for m in keys({self._read(cell)}):")
        self._level += 1
        self._keep(f"{keep}(cells[{index}], t, m, {cell.limit}, {cell.longest_ms})", cell)
        self._level -= 1

    def _days(self, index: int, cell: Cell) -> None:
        self._keep(f"keep_value(cells[{index}], t, day(t), {cell.limit}, {cell.longest_ms})", cell)

    def _day_log(self, index: int, cell: Cell) -> None:
        self._keep(f"keep_log(cells[{index}], t, day(t), {cell.limit}, {cell.longest_ms})", cell)

    def _keep(self, call: str, cell: Cell) -> None:
        if cell.is_bounded:
            self._emit(f"k = {call}")
            self._emit("if k:")
            self._emit(f"    if k == {MERGED}: cells[{self._needs.merged_at}] += 1")
            self._below(cell)
        elif cell.judged:
            self._emit(f"if {call}:")
            self._emit("    r = True")
        else:
            self._emit(call)
