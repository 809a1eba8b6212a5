"""The reasons of a change as JSON text: all but the values is made once for each condition and whether it held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from stream.core.program import Condition, Decider

BECAUSE_LIMIT = 20
"""Conditions named in a change; a reader wants the few that decided."""

EXPRESSION_LIMIT = 512
VALUE_LIMIT = 256
"""Characters of a text within a reason, items of a list: a reason shows a value, `with` carries it."""


class Reasons:
    """Keeps the text around the value of each condition met: so many as there are in the file, twice."""

    def __init__(self) -> None:
        self._around: dict[Condition, tuple[str, str]] = {}

    def text(self, deciders: Sequence[Decider]) -> str:
        """The list of the first of them; a value that is withheld is null, whatever it is."""
        around = self._around
        told = []
        for decider in deciders[:BECAUSE_LIMIT]:
            condition = decider.condition
            before, after = around.get(condition) or self._around_of(condition)
            told.append(f"{before}{'null' if condition.withheld else _shown(decider.value)}{after}")
        return f"[{','.join(told)}]"

    def _around_of(self, condition: Condition) -> tuple[str, str]:
        expression = json_text(_cut(condition.expression, EXPRESSION_LIMIT))
        withheld = '"withheld":true,' if condition.withheld else ""
        self._around[condition] = found = (
            f'{{"expression":{expression},"holds":{json_text(condition.holds)},"value":',
            f',{withheld}"file":{json_text(condition.file)},"line":{condition.line}}}',
        )
        return found


def json_text(value: Any) -> str:
    """A value as orjson writes it."""
    return orjson.dumps(value).decode()


def _shown(value: Any) -> str:
    if isinstance(value, str):
        value = _cut(value, VALUE_LIMIT)
    elif isinstance(value, list | tuple):
        value = [_cut(item, VALUE_LIMIT) if isinstance(item, str) else item for item in value[:BECAUSE_LIMIT]]
    return orjson.dumps(value).decode()


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
