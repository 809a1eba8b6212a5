"""Writing source: constants that travel beside the code, and the body of a function with names in scopes.

Generated code holds no user text: texts and lists become names k0, k1 ... whose values are handed over beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

DEEPEST = 40
"""Levels of indentation up to which alternatives are skipped lazily; Python reads at most 100."""


class Constants:
    """Values with names. The same value of the same type has one name."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self.values: list[Any] = []

    def name(self, value: Any) -> str:
        key = f"{type(value).__name__}:{value!r}"
        if key not in self._names:
            self._names[key] = f"k{len(self.values)}"
            self.values.append(value)
        return self._names[key]

    def literal(self, value: Any) -> str:
        """Source of a plain value: numbers, booleans and null in the code, all else beside it."""
        if value is None or isinstance(value, bool | int | float):
            return repr(value)
        return self.name(value)

    def namespace(self) -> dict[str, Any]:
        return {f"k{position}": value for position, value in enumerate(self.values)}


class Module:
    """Functions under way, with their constants."""

    def __init__(self) -> None:
        self.constants = Constants()
        self.functions: dict[str, str] = {}

    def add(self, name: str, parameters: str, lines: list[str]) -> str:
        self.functions[name] = "\n".join([f"def {name}({parameters}):", *lines])
        return name

    @property
    def source(self) -> str:
        return "\n\n\n".join(self.functions.values()) + "\n"

    def load(self, helpers: dict[str, Any], title: str) -> dict[str, Any]:
        """Compile, and return the namespace with the functions."""
        namespace = {**helpers, **self.constants.namespace(), "__name__": title}
        exec(compile(self.source, f"<{title}>", "exec"), namespace)
        return namespace


class Lines:
    """The body of a function. What several parts share is computed once, before the part that asks first.

    `shared(key, write)` gives the name of a value; `write` emits it and returns the name. To know what is shared, a
    body is written twice: first to count the requests (`expected` None), then for good.
    """

    def __init__(self, expected: Counter[Hashable] | None) -> None:
        self.requests: Counter[Hashable] = Counter()
        self._expected = expected
        self._done: list[str] = []
        self._top: list[str] = []
        self._body: list[str] = []
        self._level = 1
        self._scopes: list[dict[Hashable, str]] = [{}]
        self._names = 0

    @property
    def lazy(self) -> bool:
        """Whether alternatives may be skipped: not while counting, nor too deep."""
        return self._expected is not None and self._level < DEEPEST

    def emit(self, line: str) -> None:
        self._body.append("    " * self._level + line)

    def new(self, letter: str) -> str:
        self._names += 1
        return f"{letter}{self._names}"

    def finish_part(self) -> None:
        """What was shared by the part just written goes before it."""
        self._done += self._top + self._body
        self._top, self._body = [], []

    def all(self) -> list[str]:
        self.finish_part()
        return self._done

    def shared(self, key: Hashable, write: Callable[[], str]) -> str:
        self.requests[key] += 1
        for scope in reversed(self._scopes):
            if (known := scope.get(key)) is not None:
                return known
        if self._expected is not None and self._expected[key] > 1:
            with self._at_top():
                name = write()
            self._scopes[0][key] = name
        else:
            name = write()
            self._scopes[-1][key] = name
        return name

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Lines below `head`; names made inside are not known outside."""
        self.emit(head)
        self._level += 1
        self._scopes.append({})
        try:
            yield
        finally:
            self._level -= 1
            self._scopes.pop()

    @contextmanager
    def aside(self) -> Iterator[list[str]]:
        """Lines one level deeper, gathered and not yet emitted: the caller does it with `take`."""
        kept, self._body = self._body, []
        self._level += 1
        self._scopes.append({})
        gathered: list[str] = []
        try:
            yield gathered
        finally:
            gathered += self._body
            self._body = kept
            self._level -= 1
            self._scopes.pop()

    def take(self, lines: list[str]) -> None:
        self._body += lines

    @contextmanager
    def _at_top(self) -> Iterator[None]:
        body, level, scopes = self._body, self._level, self._scopes
        self._body, self._level, self._scopes = [], 1, scopes[:1]
        try:
            yield
        finally:
            self._top += self._body
            self._body, self._level, self._scopes = body, level, scopes
