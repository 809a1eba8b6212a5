"""What is wrong with a file that is no YAML: where, and what to try. PyYAML's own words come late and far off."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from stream.rules.characters import hidden, open_brackets

LOOKED_BACK = 200
"""Characters before a mistake in which its cause is looked for."""

TAG_HINT = "`!` begins a tag in YAML; in an expression write `not`"
_QUOTED_AT_THE_END = re.compile(r"[:\-]\s+[\"'](.*)[\"']\s*$")
_TAGGED = re.compile(r"[:\-]\s+!")
_NAME = re.compile(r"\s*(?:-\s+)?([A-Za-z0-9_-]+)")
_KEY_WITHOUT_BLANK = re.compile(r"\s*(?:-\s+)?([A-Za-z0-9_-]+:)\S")


@dataclass(frozen=True, slots=True)
class Slip:
    """`index` in the text."""

    index: int
    found: str
    hint: str | None


def slip(text: str, error: yaml.MarkedYAMLError) -> Slip:
    """Where the reader of YAML gave up, or where its cause stands."""
    mark = error.problem_mark or error.context_mark
    index = mark.index if mark is not None else 0
    if (quote := _unclosed_quote(text, error, index)) is not None:
        return Slip(quote, "a quote that is not closed", "close it on its line")
    message = ", ".join(part for part in (error.context, error.problem) if part)
    line_start = text.rfind("\n", 0, index) + 1
    before = text[max(line_start, index - LOOKED_BACK) : index]
    indent = before[: len(before) - len(before.lstrip())]
    hint = hidden(indent + text[index : index + 1]) or _hint(text, index, before, error.problem or "")
    return Slip(index, message, hint)


def _hint(text: str, index: int, before: str, problem: str) -> str | None:
    quoted = _QUOTED_AT_THE_END.search(before)
    if text[index : index + 1] == "\t":
        return "indent with spaces, not with tabs"
    if _TAGGED.search(before):
        return TAG_HINT
    if quoted and open_brackets(quoted.group(1)) > 0:
        return "quotes within quotes: leave the outer ones away, or make them of the other kind"
    if quoted:
        return "an expression that begins with a quote must stand in quotes as a whole: '\"A b\".revenue > 1'"
    if "{" in before:
        return "inside { } an expression with commas or brackets must stand in quotes"
    if "mapping values" in problem:
        return _colon_hint(before, text[: text.rfind("\n", 0, index) + 1])
    return "indent with spaces, not with tabs" if "\t" in before else None


def _colon_hint(before: str, above: str) -> str:
    """A second colon in a text; or the text goes on from a line further up, where a key was meant."""
    last = next((line for line in reversed(above.splitlines()) if line.strip()), "")
    if ": " in before:
        return "a text that holds `: ` must stand in quotes"
    if name := _NAME.fullmatch(last.rstrip()):
        return f"a colon is missing behind `{name.group(1)[:60]}` in the line above"
    if key := _KEY_WITHOUT_BLANK.match(last):
        return f"in the line above a blank is missing behind `{key.group(1)[:60]}`"
    return "keys of one block begin in the same column; a text over several lines holds no `: `"


def _unclosed_quote(text: str, error: yaml.MarkedYAMLError, index: int) -> int | None:
    """Where a quoted text begins that runs to the end of the file, or on to the first quote of a later line."""
    if error.context == "while scanning a quoted scalar" and error.context_mark is not None:
        return error.context_mark.index
    line_start = text.rfind("\n", 0, index) + 1
    before = text[line_start:index]
    if before.count('"') % 2 == 0:
        return None
    opening = text.rfind('"', 0, line_start + before.index('"'))
    ahead = text[text.rfind("\n", 0, opening) + 1 : max(opening, 0)].rstrip()
    return opening if opening >= 0 and (not ahead or ahead[-1] in ":-[{,") else None
