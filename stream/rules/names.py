"""Names: what is legal, what is reserved, and which known name an unknown one is likely to mean."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from stream.rules.functions import FUNCTIONS, LATER_FUNCTIONS

MAX_LENGTH = 64

MOST_COMPARED = 1_000
"""Known names among which a misspelt one is looked for; each takes some ten microseconds."""

CLOSE = 0.75
"""As difflib measures: of four letters one may be another. Below that are other words: `condition` is no `action`."""

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
WORDS_OF_VALUES = {
    "null": "null", "none": "null", "nil": "null", "undefined": "null", "true": "true", "false": "false",
}  # fmt: skip
"""What others write for our values, in small letters."""

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
    close = difflib.get_close_matches(name[:MAX_LENGTH], candidates[:MOST_COMPARED], n=1, cutoff=CLOSE)
    return close[0] if close else None


def suggestion(name: str, known: Iterable[str], meant: Mapping[str, str] | None = None) -> str | None:
    """A hint with the name that is likely to be meant: by `meant` (another's word -> ours), or the nearest."""
    candidates = set(known)
    found = (meant or {}).get(name.lower())
    if found not in candidates:
        found = nearest(name, sorted(candidates))
    return None if found is None else f"did you mean `{found}`?"


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint with the nearest name; the whole list when it is short and nothing is near."""
    candidates = sorted(set(known))
    if (hint := suggestion(name, candidates)) is not None:
        return hint
    if candidates and len(candidates) <= 8:
        return "known: " + ", ".join(candidates)
    return None


def either(hint: str | None, other: str) -> str:
    """Two hints, if there are two."""
    if hint is None:
        return other
    return f"{hint}{'' if hint.endswith('?') else '.'} Or: {other}"


def legal_name(name: str, pattern: re.Pattern[str]) -> str | None:
    """A hint with a name like this one that fits the pattern; None when there is none."""
    hyphen = "_" if pattern is IDENTIFIER else "-"
    like = re.sub(r"[^a-z0-9]+", hyphen, name.lower()).strip("_-")[:MAX_LENGTH]
    return f"try `{like}`" if pattern.fullmatch(like) and like not in RESERVED else None
