"""Hints: what to write instead, where the text of an expression breaks off.

What an author meant is guessed from the word at which the parser stopped and from what stands before it. A hint sends
people somewhere, so a guess that may be wrong is not made.
"""

from __future__ import annotations

import re

from stream.rules.characters import hidden, open_brackets
from stream.rules.functions import FUNCTIONS, HISTORY
from stream.rules.literals import DURATION, NUMBER, UNIT_MS, is_date, unit_advice, unit_hint

_FOUND_WORD = re.compile(r"[A-Za-z0-9_$.%]+|&&|\|\||===?|<>|[^\s]")
_LAST_WORD = re.compile(r"[A-Za-z0-9_.]+$")
_SEPARATED = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})*,[0-9]|[0-9]{1,3}(?:\.[0-9]{3}){2,}(?![0-9])")
_DATE_OR_INSTANT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T[0-9:.]+)?")
_OVER_EVENTS = rf"\b(?:{'|'.join([*HISTORY, 'silent'])})\("
_WINDOW_IN_WORDS = re.compile(
    _OVER_EVENTS + r"[^()]*,\s*(?:since|from|last|past|during|within|in|over|for|window|days|period)$", re.IGNORECASE
)
_EVENT_IN_WORDS = re.compile(_OVER_EVENTS + r"\s*\[?\s*[A-Z][A-Za-z0-9_]*$")
_CAPITALIZED = re.compile(r"\s*[A-Z][A-Za-z0-9_]*$")
_UNIT_WORDS = {"millisecond": "ms", "second": "s", "sec": "s", "minute": "min", "hour": "h", "day": "d", "week": "w"}

_QUOTED_EVENT = 'event names of several words stand in quotes: "Order Completed"'
_PLAIN_AMOUNT = "amounts are plain numbers: 100"
_STRAIGHT = 'use straight quotes: "'
_PART_OF = 'of a text: contains(text, "part"); of a list: "part" in list'

_INSTEAD = {
    "=": "write `==` to compare",
    "===": "write `==` to compare",
    "equals": "write `==` to compare",
    "<>": "write `!=`",
    "≠": "write `!=`",
    "≥": "write `>=`",
    "≤": "write `<=`",
    "=>": "write `>=`",
    "=<": "write `<=`",
    "–": "write `-`",
    "−": "write `-`",
    "×": "write `*`",
    "÷": "write `/`",
    "&&": "write `and`",
    "&": "write `and`",
    "||": "write `or`",
    "|": "write `or`",
    "!": "write `not`",
    "xor": "write (a) != (b)",
    "?": "write if(condition, a, b)",
    "when": "write if(condition, a, b)",
    ";": "one expression per value",
    "is": "write `==`, also for null",
    "is not": "write `!=`, also for null",
    "is in": "write `in`",
    "is not in": "write `not in`",
    "contains": _PART_OF,
    "has": _PART_OF,
    "includes": _PART_OF,
    "starts_with": 'write starts_with(text, "start")',
    "starts with": 'write starts_with(text, "start")',
    "like": "write contains(text, part) or starts_with(text, part)",
    "matches": "there are no regular expressions: contains(text, part), starts_with(text, part)",
    "between": "write a <= x and x <= b",
    "where": "`where` belongs to the events inside a function: count(purchase where total > 100)",
    "before": "`before` is an argument after a window: count(purchase, 7d, before 7d)",
    "otherwise": "`otherwise` is the condition of a last stage, alone",
    "%": "a percentage is a number with %: 10%; there is no remainder of a division",
    "mod": "there is no remainder of a division",
    "$": _PLAIN_AMOUNT,
    "€": _PLAIN_AMOUNT,
    "£": _PLAIN_AMOUNT,
    "“": _STRAIGHT,
    "”": _STRAIGHT,
    "„": _STRAIGHT,
    "‘": _STRAIGHT,
    "’": _STRAIGHT,
}  # fmt: skip
"""Words and signs at which a text breaks off, in small letters."""

_BEHIND = {
    "not": "`not` stands before a whole condition; a value is compared with `!=`",
    "where": "`where` stands right behind the events: count(purchase where total > 100)",
    "in": 'as in x in ["a", "b"], or in("win-back")',
    "select": "as in count(purchase where total > 100)",
}
"""Words behind which it breaks off."""


def word_at(text: str, offset: int) -> str:
    """The word, or the sign, that stands at an offset."""
    match = _FOUND_WORD.match(text, offset)
    return match.group()[:40] if match else text[offset : offset + 1]


def hint_at(text: str, offset: int, start: str) -> str | None:
    """What to try where a text breaks off; `start` is where it was to stand (see `expressions.parse`)."""
    word, before = word_at(text, offset), text[:offset].rstrip()
    return (
        hidden(word)
        or _of_a_window(before, word)
        or _of_a_number(text, offset)
        or _of_a_word(text, offset, word)
        or _of_what_stands_before(before, word, start)
    )


def _of_a_window(before: str, word: str) -> str | None:
    """A window in words, a duration without its comma or with a blank within."""
    if _WINDOW_IN_WORDS.search(before):
        return "a window is a plain duration, back from now: count(purchase, 30d)"
    inside = open_brackets(before) > 0
    if inside and ".." in word and DURATION.match(word):
        return "a window that ends earlier: count(purchase, 7d, before 7d)"
    if not DURATION.fullmatch(word):
        return None
    last = _LAST_WORD.search(before)
    if last is not None and DURATION.fullmatch(last.group()):
        return f"no space within a duration: {last.group()}{word}"
    return f"a duration stands behind a comma: `, {word}`" if inside else None


def _of_a_number(text: str, offset: int) -> str | None:
    """Dates without `date`, numbers with separators, units that there are not."""
    if (written := _around(_DATE_OR_INSTANT, text, offset)) and is_date(day := written.group(1)):
        return f'a date is written date("{day}")'
    if _around(_SEPARATED, text, offset):
        return "numbers are written without separators, with a decimal point: 1234.5"
    return unit_hint(text[offset : offset + 40])


def _around(pattern: re.Pattern[str], text: str, offset: int) -> re.Match[str] | None:
    return next((match for match in pattern.finditer(text) if match.start() <= offset < match.end()), None)


def _of_a_word(text: str, offset: int, word: str) -> str | None:
    lowered = word.lower()
    if lowered in ("and", "or", "not", "in") and word != lowered:
        return f"write `{lowered}` in small letters"
    words = text[offset : offset + 40].lower().split()[:3]
    phrases = [" ".join(words[:count]) for count in range(len(words), 0, -1)]
    signs = (text[offset : offset + 2], text[max(offset - 1, 0) : offset + 1])
    return next((_INSTEAD[each] for each in (*phrases, *signs, lowered) if each in _INSTEAD), None)


def _of_what_stands_before(before: str, word: str, start: str) -> str | None:
    if word == ")" and open_brackets(before) == 0:
        return "no bracket is open here"
    if re.match(r"\.[A-Za-z_]", word) and before.endswith(")"):
        return "a property stands inside the brackets: last(purchase.revenue)"
    last = _LAST_WORD.search(before)
    if last is not None and (hint := _hint_behind(last.group(), word.lower())):
        return hint
    named = _EVENT_IN_WORDS.search(before) or (start == "selector" and _CAPITALIZED.fullmatch(before))
    return _QUOTED_EVENT if named and word[0].isalpha() else None


def _hint_behind(last: str, word: str) -> str | None:
    """Advice when a function stands without brackets; when a unit, be it one of ours or an English word, stands apart
    from its number."""
    if last.lower() in _BEHIND:
        return _BEHIND[last.lower()]
    if last in FUNCTIONS:
        return f"as in {FUNCTIONS[last]}"
    if word == "ago" and DURATION.fullmatch(last):
        return f"write `ago({last})`"
    if not NUMBER.fullmatch(last):
        return None
    unit = word if word in UNIT_MS else _UNIT_WORDS.get(word.removesuffix("s"))
    if unit is None:
        return unit_advice(last, word)
    if not last.isdigit():
        return unit_hint(last + unit)
    return f"no space between number and unit: {last}{unit}" if unit == word else f"write `{last}{unit}`"
