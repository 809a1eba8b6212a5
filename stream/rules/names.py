"""Names: what is legal, what is reserved, and which known name an unknown one is likely to mean."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from stream.rules.functions import FUNCTIONS, LATER_FUNCTIONS

MAX_LENGTH = 64

MOST_COMPARED = 1_000
"""Known names among which a misspelt one is looked for; each takes some ten microseconds."""

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
"""Events, facts and dimensions: they stand bare in expressions."""

HYPHENATED = re.compile(r"[a-z][a-z0-9_-]*")
"""Segments and the file's own name: they stand in quotes."""

STAGE = re.compile(r"[a-z0-9][a-z0-9_-]*")

WORDS = frozenset({
    "and", "or", "not", "in", "where", "within", "without", "before", "then", "unless", "by", "otherwise", "true",
    "false", "null", "never", "now", "any", "page", "screen", "first_seen", "last_seen", "traits", "group",
    "properties", "context", "timestamp", "audience",
})  # fmt: skip
INSTANTS = ("now", "first_seen", "last_seen")
"""They stand bare, without brackets."""

CASE_KEYS = frozenset({"at", "in", "not_in", "entered", "exited", "facts"})
"""Keys of an `expect` row, where dimensions stand beside them."""

RESERVED = WORDS | CASE_KEYS | FUNCTIONS.keys() | LATER_FUNCTIONS


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to this one, or None when none is close."""
    candidates = list(known)
    if name.lower() in candidates:
        return name.lower()
    close = difflib.get_close_matches(name[:MAX_LENGTH], candidates[:MOST_COMPARED], n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint with the nearest name; the whole list when it is short and nothing is near."""
    candidates = sorted(set(known))
    found = nearest(name, candidates)
    if found is not None:
        return f"did you mean `{found}`?"
    if candidates and len(candidates) <= 8:
        return "known: " + ", ".join(candidates)
    return None
