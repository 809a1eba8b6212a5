"""The parser's tables that lie in the package are those of the grammar."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stream.rules import expressions, grammar
from stream.rules.load import load_definitions
from tests.rules.texts import problems, with_fact

PACK = Path(__file__).parents[2] / "examples" / "segments"
EXAMPLES = sorted(path for path in PACK.glob("*.yaml") if path.stem != "coverage")  # which is no definitions file
BROKEN = [
    "count(",
    "count(purchase,, 3d)",
    "1 = 1",
    "a b",
    "",
    "sum(purchase.revenue 3d) > 1",
    "not",
    'last("x) > 1',
    "%",
]


def with_both(monkeypatch: pytest.MonkeyPatch, work: Callable[[], Any]) -> tuple[Any, Any]:
    """What comes of it with the stored tables, and with tables worked out anew."""
    stored = work()
    fresh = grammar.built(grammar.GRAMMAR.read_text("utf-8"))
    monkeypatch.setattr(expressions, "parser", lambda: fresh)
    return stored, work()


def test_the_tables_are_those_of_the_grammar_and_of_the_release_of_lark_in_use() -> None:
    text = grammar.GRAMMAR.read_text("utf-8")

    assert grammar.stored_tables(text) is not None, "write them anew: python -m stream.rules.grammar"
    assert grammar.stored_tables(text + "\n") is None


def test_tables_that_are_missing_or_torn_are_worked_out_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = grammar.GRAMMAR.read_text("utf-8")
    torn = tmp_path / "grammar.json"
    torn.write_bytes(grammar.TABLES.read_bytes()[:1000])

    for path in (torn, tmp_path / "not-there.json"):
        monkeypatch.setattr(grammar, "TABLES", path)
        assert grammar.stored_tables(text) is None


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_file_reads_the_same_with_the_stored_tables(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored, fresh = with_both(monkeypatch, lambda: load_definitions([path]))

    assert stored == fresh


@pytest.mark.parametrize("expression", BROKEN)
def test_an_error_is_told_the_same_with_the_stored_tables(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stored, fresh = with_both(monkeypatch, lambda: problems(with_fact(expression)))

    assert stored == fresh
    assert stored
