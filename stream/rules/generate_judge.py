"""Source of functions over a customer's cells: `judge` for all definitions, and single ones for one question each.

A function evaluates the definitions it needs, each after what it refers to, into `d0`, `d1` ... by their place in the
program, and returns what `finish` writes.

Most events can change few answers. So for each kind of event on which no more than half of the definitions rest there
is a function that looks at those alone: what an event costs goes by what rests on it, not by how much is defined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stream.core.events import FOREVER_MS
from stream.rules.canonical import by_name, canonical, closure, referred
from stream.rules.generate_conditions import CustomerExpressions
from stream.rules.generate_fold import EventKind
from stream.rules.needs import Needs
from stream.rules.source import Lines, Module
from stream.rules.tree import Definitions, DimensionDefinition, Node, StageDefinition

Finish = Callable[[CustomerExpressions], str]


class FunctionWriter:
    """Writes functions `(cells, now)` of some definitions into a module."""

    def __init__(self, module: Module, definitions: Definitions, needs: Needs) -> None:
        self.module = module
        self._definitions = definitions
        self._needs = needs
        self._known = by_name(definitions)
        stages = [tuple(stage.name for stage in each.stages) for each in definitions.dimensions]
        stages += [()] * len(definitions.segments)
        self._answers = {name: (number, stages[number]) for number, name in enumerate(self._known)}
        self._signs: dict[str, str] = {}

    def judge(self) -> None:
        """`judge(cells, now)`: (answers, next)."""
        everything = ", ".join(f"d{number}" for number in range(len(self._known)))
        answers = f"({everything},)" if everything else "()"
        self.write("judge", set(self._known), lambda _: f"{answers}, nxt")

    def rejudge(self, changed: Mapping[EventKind, frozenset[int]]) -> None:
        """`rejudge(e)`: a function `(cells, now, present)`, or None where most answers may be others after the event.
        `changed`: the cells that each kind of event may change.

        It returns (answers, next) as `judge` does, but looks only at what rests on such an event: the other answers are
        those of `present`. When nothing differs it returns `present` itself.
        """
        resting: dict[int, set[str]] = {}
        for name in self._known:
            for cell in self._reads(name):
                resting.setdefault(cell, set()).add(name)
        written: dict[frozenset[str], str] = {}

        def function(cells: frozenset[int]) -> str:
            names = frozenset().union(*(resting.get(cell, ()) for cell in cells))
            if 2 * len(names) > len(self._known):
                return "None"
            if names not in written:
                answers = self._mixed({self._answers[name][0] for name in names})
                written[names] = self.write(
                    f"rejudge_{len(written)}", set(names), lambda _: f"{answers}, nxt", parameters="cells, now, present"
                )
            return written[names]

        functions = {kind: function(cells) for kind, cells in changed.items()}
        constant = self.module.constants.name
        tracks = ", ".join(f"{constant(name)}: {to}" for (_, name), to in functions.items() if name is not None)
        kinds = ", ".join(f"{kind!r}: {to}" for (kind, name), to in functions.items() if name is None)
        self.module.functions["rejudge tables"] = f"OF_TRACKS = {{{tracks}}}\nOF_KINDS = {{{kinds}}}"
        lines = [
            "    if e.kind == 'track' and e.name in OF_TRACKS:",
            "        return OF_TRACKS[e.name]",
            "    return OF_KINDS[e.kind]",
        ]
        self.module.add("rejudge", "e", lines)

    def _mixed(self, fresh: set[int]) -> str:
        """Source of all answers, those of `fresh` looked at and the others present. Stretches of these are taken whole:
        a file may have a thousand events with a definition each."""
        if not fresh:
            return "present"
        same = " and ".join(f"d{number} == present[{number}]" for number in sorted(fresh))
        parts: list[str] = []
        before = 0
        for number in sorted(fresh):
            parts += [f"*present[{before}:{number}]"] * (number > before) + [f"d{number}"]
            before = number + 1
        parts += [f"*present[{before}:]"] * (before < len(self._known))
        return f"(present if {same} else ({', '.join(parts)},))"

    def own(self, name: str) -> str:
        """`(cells, now)`: (answer of one definition, the instant at which it may differ)."""
        number = self._answers[name][0]
        return self.write(f"own_{number}", {name}, lambda _: f"d{number}, nxt")

    def look(self, name: str, nodes: list[Node], finish: Finish) -> str:
        """A function of expressions at one instant; nothing after it is asked."""
        return self.write(name, referred(nodes), finish, after=False)

    def write(
        self, name: str, names: set[str], finish: Finish, after: bool = True, parameters: str = "cells, now"
    ) -> str:
        counting, _ = self._body(Lines(None), names, finish, after)
        lines, read = self._body(Lines(counting.requests), names, finish, after)
        cells = [f"    c{index} = cells[{index}]" for index in sorted(read)]
        if len(read) > 2 and 2 * len(read) > len(self._needs.cells):
            names_of_all = [f"c{index}" for index in range(len(self._needs.cells))]
            if self._needs.merged_at is not None:
                names_of_all.append("_")
            cells = [f"    {', '.join(names_of_all)} = cells"]
        return self.module.add(name, parameters, [f"    nxt = {FOREVER_MS}", *cells, *lines.all()])

    def _reads(self, name: str) -> set[int]:
        """The cells on which a definition rests, itself or through those it names."""
        return self._body(Lines(None), {name}, lambda _: "", after=True)[1]

    def _body(self, lines: Lines, names: set[str], finish: Finish, after: bool) -> tuple[Lines, set[int]]:
        expressions = CustomerExpressions(
            self.module, self._needs, self._answers, lines, self._sign_of if after else None
        )
        for name in closure(self._definitions, names):
            number = self._answers[name][0]
            definition = self._known[name]
            if isinstance(definition, DimensionDefinition):
                _stages(expressions, number, list(enumerate(definition.stages)))
            else:
                lines.emit(f"d{number} = 1 if {expressions.condition(definition.when)} else 0")
            lines.finish_part()
        lines.emit(f"return {finish(expressions)}")
        return lines, expressions.cells_read

    def _sign_of(self, left: Node, right: Node) -> str:
        key = f"{canonical(left)}~{canonical(right)}"
        if key not in self._signs:
            name = self._signs[key] = f"sign_{len(self._signs)}"
            self.look(name, [left, right], lambda to: f"sign({to.value(left)}, {to.value(right)})")
        return self._signs[key]


def _stages(expressions: CustomerExpressions, number: int, stages: list[tuple[int, StageDefinition]]) -> None:
    """The first stage that holds; later conditions are looked at only when the earlier ones failed."""
    lines = expressions.lines
    (position, stage), *rest = stages
    if stage.condition is None or not rest:
        lines.emit(f"d{number} = {position}")
    elif lines.lazy:
        with lines.block(f"if {expressions.condition(stage.condition)}:"):
            lines.emit(f"d{number} = {position}")
        with lines.block("else:"):
            _stages(expressions, number, rest)
    else:
        sources = [expressions.condition(each.condition) for _, each in stages if each.condition is not None]
        for (each, _), source in zip(stages, sources):
            word = "if" if each == position else "elif"
            lines.emit(f"{word} {source}: d{number} = {each}")
        lines.emit(f"else: d{number} = {stages[-1][0]}")
