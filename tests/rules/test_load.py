"""Laws of loading: files, folders, and any text at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import DefinitionErrors
from stream.rules.load import load_definitions, parse_definitions
from stream.rules.warnings import warnings
from tests.rules.texts import HEAD


def test_a_folder_is_one_set_of_definitions(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("definitions: 1\nname: shop\nevents: {purchase: Order Completed}\n", "utf-8")
    (tmp_path / "b.yml").write_text("facts: {orders: count(purchase)}\nsegments: {s: {when: orders > 1}}\n", "utf-8")
    (tmp_path / "notes.txt").write_text("no definitions", "utf-8")
    merged = load_definitions([tmp_path])
    assert (merged.name, merged.evaluation) == ("shop", ("s",))
    assert [Path(file).name for file, _ in merged.source] == ["a.yaml", "b.yml"]


def test_problems_of_all_files_come_together_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("definitions: 1\nname: a\nfacts: {x: ordres}\n", "utf-8")
    (tmp_path / "b.yaml").write_text("name: b\nfacts: {x: 1, y: purchse}\n", "utf-8")
    with pytest.raises(DefinitionErrors) as caught:
        load_definitions([tmp_path])
    found = [(Path(problem.place.file).name, problem.place.line) for problem in caught.value.problems]
    assert found == [("a.yaml", 3), ("b.yaml", 1), ("b.yaml", 2), ("b.yaml", 2)]


@pytest.mark.parametrize(
    ("content", "message"), [(None, "can't be read"), (b"a: \xff", "not UTF-8"), (b"#" * (2 << 20), "too large")]
)
def test_a_file_that_can_not_be_read_is_a_problem_with_its_name(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "a.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DefinitionErrors) as caught:
        load_definitions([file])
    assert [problem.place.file for problem in caught.value.problems] == [str(file)]
    assert message in caught.value.problems[0].message


def test_an_empty_folder_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(DefinitionErrors):
        load_definitions([tmp_path])


# ------------------------------------------------------------------ any text at all

WORDS = """
count sum last first silent in ago now never null true otherwise if date lower where before by not and or purchase
orders x traits.age group.x any page 30d 5m 10% 3 1.5 == != <= > + - * / ( ) [ ] , . " ' # { } :
"""
MARKS = ["\n", "    ", "- ", "a: ", "when: ", "stages:\n", "|\n", "\\", "é", "\u2028", "&a", "*a", "!!", "\t", "\x00"]
SOUP = st.lists(st.sampled_from([*WORDS.split(), *MARKS]), max_size=14).map(" ".join)
STANDS = [
    "@",
    "definitions: 1\n@",
    "definitions: 1\ntraits: @\nevents: @\n",
    HEAD + "  x: @\n",
    HEAD + "  x: |\n    @\n",
    HEAD + '  x: "@"\n',
    HEAD + "segments:\n  s: {when: @}\n",
    HEAD + "segments:\n  s:\n    when: @\n    with: {a: @}\n    goal: @\n",
    HEAD + "dimensions:\n  d:\n    stages:\n      - a: @\n      - b: otherwise\n",
    HEAD + "cases:\n  - @\n",
    HEAD + "cases:\n  - name: @\n    given: [@]\n    expect: [{at: @, orders: @}]\n",
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(STANDS), SOUP | st.text(max_size=40))
def test_any_text_gives_definitions_or_their_errors(stand: str, soup: str) -> None:
    text = stand.replace("@", soup)
    try:
        warnings(parse_definitions([("f.yaml", text)]))
    except DefinitionErrors as errors:
        assert errors.problems
        lines = text.count("\n") + text.count("\r") + 1
        assert all(1 <= problem.place.line <= lines and problem.place.column >= 1 for problem in errors.problems)
