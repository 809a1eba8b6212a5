"""The parser of expressions, from `grammar.lark`.

Lark takes 0.1 s to work out its tables, longer than all else that reading definitions takes. So they lie beside the
grammar, in `grammar.json`, written by

    python -m stream.rules.grammar

They count only for the very grammar and the release of Lark that they name; else they are worked out again.
"""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import lark
from lark import Lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

STARTS = ("value", "stage", "selector")
GRAMMAR = Path(__file__).with_name("grammar.lark")
TABLES = Path(__file__).with_name("grammar.json")


@cache
def parser() -> Lark:
    """Parses from any of STARTS; its trees know their places."""
    text = GRAMMAR.read_text(encoding="utf-8")
    tables = stored_tables(text)
    return built(text) if tables is None else Lark.load(tables)


def built(text: str) -> Lark:
    """With tables worked out anew."""
    return Lark(text, parser="lalr", lexer="contextual", start=list(STARTS), propagate_positions=True)


def stored_tables(text: str) -> dict[str, Any] | None:
    """None: there are none of this grammar, these starts and this release of Lark."""
    try:
        stored: dict[str, Any] = json.loads(TABLES.read_text(encoding="utf-8"), object_hook=_numbered)
    except (OSError, ValueError):
        return None
    return stored["tables"] if stored.get("of") == _origin(text) else None


def write_tables() -> None:
    text = GRAMMAR.read_text(encoding="utf-8")
    data, memo = built(text).memo_serialize([TerminalDef, Rule])
    stored = {"of": _origin(text), "tables": {"data": data, "memo": memo}}
    TABLES.write_text(json.dumps(stored, separators=(",", ":")) + "\n", encoding="utf-8")


def _origin(text: str) -> dict[str, Any]:
    return {"grammar": sha256(text.encode()).hexdigest(), "lark": lark.__version__, "starts": list(STARTS)}


def _numbered(found: dict[str, Any]) -> dict[Any, Any]:
    """JSON has text for keys; Lark's tables are by number."""
    return {int(key) if key.isdecimal() else key: value for key, value in found.items()}


if __name__ == "__main__":
    write_tables()
