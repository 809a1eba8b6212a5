"""Texts as rows of characters: brackets that stay open, and characters that nobody sees."""

from __future__ import annotations

import re
import unicodedata

_QUOTED = re.compile(r'"[^"]*"?|\'[^\']*\'?')


def open_brackets(text: str) -> int:
    """How many brackets stay open in an expression's text (negative: closed too often)."""
    outside = _QUOTED.sub("", text)
    return sum(outside.count(c) for c in "([") - sum(outside.count(c) for c in ")]")


def hidden(text: str, blanks: bool = True) -> str | None:
    """A hint about the first character that looks like a blank, where a blank may stand, or like nothing at all; None
    when there is none."""
    for character in text:
        kind = unicodedata.category(character)
        if character != " " and kind in (("Zs", "Cf") if blanks else ("Cf",)):
            named = f"U+{ord(character):04X}, {unicodedata.name(character, 'unnamed').lower()}"
            return f"here stands {named}: " + ("write a plain blank" if kind == "Zs" else "take it away")
    return None
