"""Reading typed fields out of a document: a value of the wrong kind is reported once and gives None."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from stream.rules.characters import hidden
from stream.rules.document import Broken, Listing, Scalar, Value
from stream.rules.document import Mapping as YamlMapping
from stream.rules.expressions import Syntax, SyntaxProblem, parse
from stream.rules.literals import BadLiteral, duration_ms
from stream.rules.names import suggestion
from stream.rules.world import World

_KEY_WITHOUT_BLANK = re.compile(r"[a-z][a-z0-9_-]*:(?=\S)")

MAX_TEXT = 4_000
"""Characters of a documentation text."""


def mapping(world: World, value: Value | None, what: str, hint: str | None = None) -> YamlMapping | None:
    """A mapping; `what` names it in the error, `hint` says what to write."""
    if isinstance(value, YamlMapping):
        return value
    _report_kind(world, value, what, "a mapping", hint)
    return None


def listing(world: World, value: Value | None, what: str) -> Listing | None:
    """A sequence."""
    if isinstance(value, Listing):
        return value
    _report_kind(world, value, what, "a list")
    return None


def text(world: World, value: Value | None, what: str) -> str | None:
    """A text that is not empty, as it was written: a plain 404 is the text "404"."""
    if isinstance(value, Scalar) and value.value.strip() and not (value.plain and value.value in ("null", "~")):
        if len(value.value) <= MAX_TEXT:
            return value.value
        found = f"{len(value.value)} characters"
        world.report(value.place, f"{what} is too long", found, f"at most {MAX_TEXT}")
        return None
    _report_kind(world, value, what, "a text")
    return None


def names(world: World, value: Value | None, what: str) -> list[Scalar]:
    """A text or a list of texts, as their scalars; what is wrong is reported and left out."""
    items = value.items if isinstance(value, Listing) else [value]
    if not items:
        _report_kind(world, value, what, "a name or a list of names")
    return [item for item in items if text(world, item, what) is not None and isinstance(item, Scalar)]


def expression(world: World, value: Value | None, what: str, start: str = "value") -> Syntax | None:
    """The untyped tree of an expression."""
    if not isinstance(value, Scalar) or value.is_empty:
        _report_kind(world, value, what, "an expression")
        return None
    try:
        return parse(value.written(), start)
    except SyntaxProblem as error:
        world.problems.append(error.problem)
        return None


def duration(world: World, value: Value | None, what: str) -> int | None:
    """A plain duration such as 14d, in ms."""
    if not isinstance(value, Scalar) or value.is_empty:
        _report_kind(world, value, what, "a duration such as 14d")
        return None
    try:
        return duration_ms(value.value.strip())
    except BadLiteral as error:
        world.report(value.place, error.message, value.value[:60], "a duration such as 14d", error.hint)
        return None


def check_keys(
    world: World,
    found: YamlMapping,
    known: Iterable[str],
    what: str,
    later: Mapping[str, str] | None = None,
    meant: Mapping[str, str] | None = None,
) -> None:
    """Reports keys that nobody knows, and those that come later (key -> what to do meanwhile, or ""). `meant`: what
    others call our keys."""
    known_keys = list(known)
    for entry in found.entries:
        key = entry.key.value
        if key in known_keys:
            continue
        if later is not None and key in later:
            meanwhile = later[key] or "it comes later"
            world.report(entry.key.place, f"`{key}` is not supported yet", key, hint=meanwhile)
            continue
        expected = "one of " + ", ".join(known_keys)
        hint = hidden(key) or suggestion(key, known_keys, meant)
        world.report(entry.key.place, f"{what} has no such key", key[:60], expected, hint)


def blank_missing(written: str) -> str | None:
    """A hint when a text begins like a key: `when:orders > 1`."""
    key = _KEY_WITHOUT_BLANK.match(written)
    return f"a blank stands behind the colon: `{key.group()} ...`" if key else None


def _report_kind(world: World, value: Value | None, what: str, expected: str, hint: str | None = None) -> None:
    if value is None or isinstance(value, Broken):
        return
    found = {Listing: "a list", YamlMapping: "a mapping"}.get(type(value), "nothing")
    if isinstance(value, Scalar) and not value.is_empty:
        found = value.value[:60]
    if isinstance(value, Scalar) and expected == "a mapping":
        hint = blank_missing(value.value) or hint
    if expected == "an expression" and isinstance(value, Listing | YamlMapping):
        hint = "one expression stands here, no list and no { }; conditions are joined with `and`"
    world.report(value.place, f"{what} is not what belongs here", found, expected, hint)
