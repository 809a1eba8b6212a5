"""What an expression may refer to, and where its problems go."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from stream.errors import Place, Problem
from stream.rules.tree import Match, Node, TraitDeclaration


@dataclass(slots=True)
class World:
    """The names of all files together. A name that was declared but is wrong maps to None: its uses say nothing more.

    `group` None: no `group:` block, so that any `group.x` may be read.
    """

    zone: tzinfo = UTC
    events: dict[str, tuple[Match, ...] | None] = field(default_factory=dict)
    traits: dict[str, TraitDeclaration | None] = field(default_factory=dict)
    group: dict[str, TraitDeclaration | None] | None = None
    facts: dict[str, Node | None] = field(default_factory=dict)
    dimensions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    segments: dict[str, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def report(
        self,
        place: Place,
        message: str,
        found: str | None = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.problems.append(Problem(place, message, found, expected, hint))
