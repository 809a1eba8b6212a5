"""Checked definitions to a program: what to keep, and functions compiled from generated Python.

    definitions -> needs (cells) -> source of fold, judge, rejudge -> CompiledProgram

`fold`, `judge` and `rejudge` are compiled at once; those behind `explain` and `facts` when they are first asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from stream.core import windows
from stream.core.events import Event
from stream.core.program import Answers, Ask, CellLayout, Cells, Decider, Definition, Explanation, Rejudge
from stream.errors import Place
from stream.rules.asks import asks_of, cell_key
from stream.rules.canonical import (
    by_name,
    canonical,
    closure,
    conditions_of,
    declared_type,
    definitions_hash,
    digest,
    part_hash,
)
from stream.rules.conversions import converter, day_of
from stream.rules.explain import Explainer, Run
from stream.rules.generate_conditions import CustomerExpressions
from stream.rules.generate_fold import event_names, write_fold
from stream.rules.generate_judge import FunctionWriter
from stream.rules.generate_told import TOLD_HELPERS, atoms_of, is_private, shown_values
from stream.rules.generate_values import HELPERS
from stream.rules.lookback import longest_lookback_ms
from stream.rules.needs import Cell, Needs, leaf_key, whole_leaves
from stream.rules.resting import absence_events, resting_on
from stream.rules.source import Module
from stream.rules.state_size import check_state_size
from stream.rules.tree import Definitions, DimensionDefinition, Node, SegmentDefinition
from stream.rules.turning import search

CELLS_VERSION = "1"
"""To be raised when a cell's contents come to mean something else although its layout says the same."""

_WINDOW_HELPERS: dict[str, Any] = {
    name: getattr(windows, name)
    for name in (
        "keep_newest", "keep_instant", "keep_amount", "keep_value", "keep_log", "add_to_total", "count_newest",
        "count_in", "sum_in", "average_in", "smallest_in", "greatest_in", "average", "sum_at_least",
        "distinct_between",
    )
}  # fmt: skip


def compile_program(definitions: Definitions) -> CompiledProgram:
    """The program of checked definitions.

    Raises DefinitionErrors when a customer's state could outgrow `state_size.MOST_STATE_BYTES`.
    """
    return CompiledProgram(definitions)


class CompiledProgram:
    """A `core.program.Program`, and what the command line and the metrics want to know of one.

    source          the generated code of fold, judge and rejudge
    constants       the values that stand beside it as k0, k1 ...
    conditions      every condition of the file once: (definition, text, place), in the order of `atoms`
    event_names     names of track events that some definition asks for
    absence_events  those of them of which it alone can move a customer that none comes
    extra_topics    topics that segments name, each once
    files, layout, merged_at, fingerprint: as `core.program.Program` says
    most_state_bytes  no customer's state record is larger
    longest_lookback_ms  the longest window, silence or age of an event asked for; 0: none
    """

    def __init__(self, definitions: Definitions) -> None:
        self.name = definitions.name
        self.version = definitions.revision
        self.hash = definitions_hash(definitions)
        self.accepts_too_old = definitions.accepts_too_old
        self.definitions: tuple[Definition, ...] = tuple(
            _definition(definitions, each) for each in by_name(definitions).values()
        )
        self.fact_names: tuple[str, ...] = tuple(fact.name for fact in definitions.facts)
        self.extra_topics: tuple[str, ...] = tuple(
            dict.fromkeys(each.topic for each in self.definitions if each.topic is not None)
        )
        self._tree = definitions
        self._known = list(by_name(definitions).values())
        self._needs = Needs(definitions)
        self.most_state_bytes = check_state_size(definitions, self._needs)
        self.files = definitions.source
        self.layout = tuple(_layout(definitions, cell) for cell in self._needs)
        self.merged_at = self._needs.merged_at
        self.fingerprint = digest(CELLS_VERSION, *map(repr, self.layout))
        self.longest_lookback_ms = longest_lookback_ms(definitions)
        self.event_names: tuple[str, ...] = event_names(self._needs)
        self.absence_events: tuple[str, ...] = absence_events(definitions)
        self._helpers = {**HELPERS, **_WINDOW_HELPERS, **TOLD_HELPERS, "search": search, **self._zone_helpers()}
        module = Module()
        changed = write_fold(module, self._needs)
        writer = FunctionWriter(module, definitions, self._needs)
        writer.judge()
        writer.rejudge(changed)
        self.source = module.source
        self.constants: tuple[Any, ...] = tuple(module.constants.values)
        loaded = module.load(self._helpers, f"definitions {self.hash}")
        self.blank: Callable[[], Cells] = loaded["blank"]
        self.fold: Callable[[Cells, Event], bool] = loaded["fold"]
        self.merged: Callable[[Cells], int] = loaded["merged"]
        self.judge: Callable[[Cells, int], tuple[Answers, int]] = loaded["judge"]
        self.rejudge: Callable[[Event], Rejudge | None] = loaded["rejudge"]
        self._explainers: dict[int, Explainer] = {}

    def explain(self, index: int, cells: Cells, now_ms: int) -> Explanation:
        """Why this answer is as it is, until when, and what goes with it: at most 20 reasons, values of private traits
        withheld from them, but carried where the segment names them."""
        return (self._explainers.get(index) or self._explainer(index)).explain(cells, now_ms)

    def because(self, index: int, cells: Cells, now_ms: int) -> list[Decider]:
        """The reasons alone."""
        return self._explainer(index).because(cells, now_ms)

    def valid_until(self, index: int, cells: Cells, now_ms: int) -> int | None:
        """The proven instant at which this answer changes if nothing happens; None when none is proven."""
        return self._explainer(index).valid_until(cells, now_ms)

    def facts(self, cells: Cells, now_ms: int) -> dict[str, Any]:
        """The named facts; instants as RFC 3339 text; None for those that rest on a private trait."""
        found: dict[str, Any] = self._facts(cells, now_ms)
        return found

    def held_out(self, index: int, customer_id: str) -> bool | None:
        """Whether the customer is in the segment's control group; None where there is none. By hash alone, so a larger
        share keeps those whom a smaller one held out."""
        definition = self._known[index]
        if not isinstance(definition, SegmentDefinition) or definition.control_share is None:
            return None
        text = "\0".join((definition.salt, definition.name, customer_id))
        place = int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        return place < definition.control_share * 2.0**64

    def resting_on(self, event: str) -> tuple[int, ...]:
        """The definitions that rest on track events of this name, themselves or through one they name."""
        return resting_on(self._tree, event)

    def asks(self, index: int) -> tuple[Ask, ...]:
        """What a definition and all it depends on ask of the past."""
        known = by_name(self._tree)
        names = closure(self._tree, {self.definitions[index].name})
        return asks_of([condition for each in names for condition in conditions_of(known[each])], self._tree.zone)

    def converted(self, cell: int, value: Any) -> Any:
        """A trait's value, as it was kept for another type, converted to the type this cell is declared with."""
        return self._helpers[f"convert_{cell}"](value)

    def _bounded_cells(self, name: str) -> list[tuple[int, Cell]]:
        """The cells whose cap may make an answer, or what is carried with it, approximate; with their index."""
        known = by_name(self._tree)
        nodes = [condition for each in closure(self._tree, {name}) for condition in conditions_of(known[each])]
        definition = known[name]
        if isinstance(definition, SegmentDefinition):
            nodes += [value for _, value in definition.carried]
        places = sorted({self._needs.index(leaf_key(leaf)) for node in nodes for leaf in whole_leaves(node)})
        return [(at, cell) for at in places if (cell := self._needs.cells[at]).is_bounded]

    @cached_property
    def _conditions(self) -> list[tuple[str, Node]]:
        found: dict[tuple[Place, str], tuple[str, Node]] = {}
        for definition in self._known:
            for condition in conditions_of(definition):
                for atom in atoms_of(condition):
                    found.setdefault((atom.place, canonical(atom)), (definition.name, atom))
        return list(found.values())

    @property
    def conditions(self) -> list[tuple[str, str, Place]]:
        """Every condition once, by the definition that names it first."""
        return [(name, atom.text, atom.place) for name, atom in self._conditions]

    def atoms(self, cells: Cells, now_ms: int) -> list[bool | None]:
        """The truth of each of `conditions`: for coverage, not for speed."""
        found: list[bool | None] = self._truths(cells, now_ms)
        return found

    # -- functions made when asked for ---------------------------------------------------------------------------------

    def own(self, name: str) -> Run:
        """(answer of the definition, the instant at which it may differ)"""
        module = Module()
        return self._loaded(module, FunctionWriter(module, self._tree, self._needs).own(name))

    def look(self, nodes: list[Node], finish: Callable[[CustomerExpressions], str]) -> Run:
        """What `finish` writes about expressions at one instant."""
        module = Module()
        return self._loaded(module, FunctionWriter(module, self._tree, self._needs).look("look", nodes, finish))

    def _loaded(self, module: Module, name: str) -> Run:
        run: Run = module.load(self._helpers, f"definitions {self.hash}")[name]
        return run

    def _explainer(self, index: int) -> Explainer:
        if index not in self._explainers:
            bounded = self._bounded_cells(self.definitions[index].name)
            self._explainers[index] = Explainer(self._known[index], self._needs, bounded, self)
        return self._explainers[index]

    @cached_property
    def _facts(self) -> Run:
        facts = self._tree.facts
        told = [(fact.name, None if is_private(fact.value) else fact.value) for fact in facts]
        return self.look([value for _, value in told if value is not None], shown_values(told))

    @cached_property
    def _truths(self) -> Run:
        atoms = [atom for _, atom in self._conditions]
        return self.look(atoms, lambda to: f"[{', '.join(to.condition(atom) for atom in atoms)}]")

    def _zone_helpers(self) -> dict[str, Any]:
        zone = ZoneInfo(self._tree.zone)
        helpers: dict[str, Any] = {"day": day_of(zone)}
        for index, cell in enumerate(self._needs):
            if cell.trait is not None:
                helpers[f"convert_{index}"] = converter(declared_type(self._tree, cell.trait), zone)
        return helpers


def _layout(definitions: Definitions, cell: Cell) -> CellLayout:
    converts = "" if cell.trait is None else declared_type(definitions, cell.trait).value
    return CellLayout(
        cell_key(cell.key, definitions.zone), cell.kind, cell.keep, cell.limit, cell.whole_ms, cell.longest_ms,
        cell.sums_only, converts,
    )  # fmt: skip


def _definition(definitions: Definitions, each: DimensionDefinition | SegmentDefinition) -> Definition:
    part = part_hash(definitions, each.name)
    if isinstance(each, SegmentDefinition):
        return Definition(each.name, (), each.topic, part)
    return Definition(each.name, tuple(stage.name for stage in each.stages), None, part)
