"""Source of what is told of a customer: values as they are given out, and the conditions that decided an answer.

Once an answer is known, so is the truth of the conditions behind it. Of an `and` that holds every part decides, of an
`or` that fails too; only of an `and` that fails and of an `or` that holds the code asks which parts did. Everything of
a reason but its value is a constant, made once: the reasons of the benchmark's lifecycle take 2.1 us, and took 5.3 when
closures weighed the conditions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from stream.core.instants import to_text_or_none
from stream.core.program import Condition, Decider
from stream.rules.conversions import plain
from stream.rules.generate_conditions import CustomerExpressions
from stream.rules.generate_values import is_condition
from stream.rules.needs import Needs, leaf_key
from stream.rules.patterns import bare, newest_levels
from stream.rules.tree import (
    And,
    Call,
    Compare,
    Contains,
    FirstSeen,
    Leaf,
    ListOf,
    Literal,
    Node,
    Not,
    Or,
    Silent,
    Trait,
    Type,
)
from stream.rules.walk import descendants

MOST_DECIDERS = 20
"""Reasons given for one change: more is not read, and a change stays under 8 KiB."""

_PLAIN_WORDS = frozenset({"count", "sum", "avg", "min", "max", "distinct", "active_days"})
"""Words whose value is a number as it is given out."""

Said = tuple[str, int, str]
"""The whole path of the file, the line, the text: the same condition is named once."""


def or_more(count: int, keep: int) -> int | str:
    """A count of which only the newest `keep` instants are kept."""
    return count if count < keep else f"{count} or more"


TOLD_HELPERS: dict[str, Any] = {"Decider": Decider, "instant": to_text_or_none, "plain": plain, "or_more": or_more}


def is_private(node: Node) -> bool:
    """Whether a private trait is read."""
    return any(isinstance(each, Trait) and each.private for each in descendants(node))


def shown_values(named: Sequence[tuple[str, Node | None]]) -> Callable[[CustomerExpressions], str]:
    """Writes a dict of values by name, as they are given out; None for a value that must not be."""

    def finish(to: CustomerExpressions) -> str:
        constant = to.constants.name
        items = [f"{constant(name)}: {'None' if node is None else _shown(to, node)}" for name, node in named]
        return f"{{{', '.join(items)}}}"

    return finish


def atoms_of(node: Node) -> Iterator[Node]:
    """The conditions that and, or, not and facts put together, in the order of the text."""
    node = bare(node)
    if isinstance(node, And | Or):
        for part in node.parts:
            yield from atoms_of(part)
    elif isinstance(node, Not):
        yield from atoms_of(node.part)
    else:
        yield node


class Reasons:
    """Writes the list of Deciders of conditions whose truth is known, the first MOST_DECIDERS different ones."""

    def __init__(self, needs: Needs, known: list[tuple[Node, bool]]) -> None:
        self._needs = needs
        self._known = known
        self._times = Counter(_said(atom) for node, _ in known for atom in atoms_of(node))
        self._flags: dict[Said, str] = {}

    def __call__(self, to: CustomerExpressions) -> str:
        lines = to.lines
        repeated = [said for said, times in self._times.items() if times > 1]
        self._flags = {said: f"said_{number}" for number, said in enumerate(repeated)}
        lines.emit("told = []")
        for flag in self._flags.values():
            lines.emit(f"{flag} = False")
        for node, truth in self._known:
            self._tell(to, node, truth, [])
        return "told" if len(self._times) <= MOST_DECIDERS else f"told[:{MOST_DECIDERS}]"

    def _tell(self, to: CustomerExpressions, node: Node, truth: bool, asked: list[str]) -> None:
        """What decided that `node` is `truth`, where everything in `asked` holds. Each is asked in a line of its own
        instead of a block within a block, since facts of facts may nest deeper than Python reads."""
        node = bare(node)
        if isinstance(node, Not):
            self._tell(to, node.part, not truth, asked)
        elif isinstance(node, And | Or):
            for part in node.parts:
                if isinstance(node, And) is truth:
                    self._tell(to, part, truth, asked)
                else:
                    name, source = to.lines.new("w"), to.condition(part)
                    decides = " and ".join([*asked, source if truth else f"not {source}"])
                    to.lines.emit(f"{name} = {decides}")
                    self._tell(to, part, truth, [name])
        else:
            self._tell_atom(to, node, truth, asked)

    def _tell_atom(self, to: CustomerExpressions, atom: Node, holds: bool, asked: list[str]) -> None:
        flag = self._flags.get(_said(atom))
        when = [*asked, f"not {flag}"] if flag is not None else asked
        if not when:
            to.lines.emit(f"told.append({self._decider(to, atom, holds)})")
            return
        with to.lines.block(f"if {' and '.join(when)}:"):
            if flag is not None:
                to.lines.emit(f"{flag} = True")
            to.lines.emit(f"told.append({self._decider(to, atom, holds)})")

    def _decider(self, to: CustomerExpressions, atom: Node, holds: bool) -> str:
        place, private = atom.place, is_private(atom)
        # Where the file lies on some machine is not the subscribers' business.
        condition = Condition(atom.text, holds, place.file.rpartition("/")[2], place.line, private)
        return f"Decider({to.constants.name(condition)}, {'None' if private else self._value(to, atom)})"

    def _value(self, to: CustomerExpressions, atom: Node) -> str:
        if isinstance(atom, Silent):
            return _silent_since(to, atom)
        side = left_side(atom)
        if (keep := self._kept(atom)) is not None:
            return f"or_more({to.value(side)}, {keep})"
        if side is atom:
            return to.value(atom) if is_condition(atom) else f"plain({to.value(atom)})"
        return _shown(to, side)

    def _kept(self, node: Node) -> int | None:
        """How many instants are kept for a count, when it can't be told how many more there are."""
        newest = newest_levels(node)
        if newest is None:
            return None
        cell = self._needs.cells[self._needs.index(leaf_key(newest[0]))]
        return None if cell.whole_ms else cell.keep


def left_side(node: Node) -> Node:
    """The value that a condition looks at."""
    if isinstance(node, Compare):
        sides = [node.left, node.right]
    elif isinstance(node, Contains):
        sides = [node.item, node.collection]
    elif isinstance(node, Call) and is_condition(node):
        sides = list(node.arguments)
    else:
        return node
    return next((each for each in sides if not isinstance(bare(each), Literal | ListOf)), sides[0])


def _said(atom: Node) -> Said:
    return atom.place.file, atom.place.line, atom.text


def _shown(to: CustomerExpressions, node: Node) -> str:
    """A value as it is given out: instants as text, whole numbers as int, durations as ms."""
    if isinstance(leaf := bare(node), Leaf) and leaf.word in _PLAIN_WORDS:
        return to.value(leaf)
    return f"{'instant' if node.type is Type.INSTANT else 'plain'}({to.value(node)})"


def _silent_since(to: CustomerExpressions, node: Silent) -> str:
    """The value looked at is the instant since when it has been silent."""
    place, text = node.place, node.text
    last = Leaf(
        place=place, type=Type.INSTANT, text=text, word="last", selector=node.selector, prop=None,
        window_ms=None, before_ms=0,
    )  # fmt: skip
    seen = FirstSeen(place=place, type=Type.INSTANT, text=text)
    return f"instant(max({to.value(last)}, {to.value(seen)}))"
