"""Laws of strict YAML: what is refused, and that every text knows its place in the file."""

from __future__ import annotations

import pytest

from stream.errors import Problem
from stream.rules.document import MAX_FILE_BYTES, Mapping, Scalar, Source, read_document
from tests.rules.texts import HEAD, LINES, places, problems

# (text, line and column of the only problem, part of its message)
REFUSED = {
    "a key twice": ("a: 1\nb: 2\na: 3\n", (3, 1), "stands twice"),
    "a key that is a number": ("a: {1: x}\n", (1, 5), "a key must be a text"),
    "a key that is true": ("true: x\n", (1, 1), "a key must be a text"),
    "a key that is nothing": ("? \n: x\n", (1, 2), "a key must be a text"),
    "a key that is a list": ("? [a]\n: x\n", (1, 3), "a key must be a text"),
    "yes": ("a: yes\n", (1, 4), "disagree"),
    "Off in a list": ("a: [x, Off]\n", (1, 8), "disagree"),
    "on as a key": ("on: x\n", (1, 1), "disagree"),
    "an anchor": ("a: &x 1\n", (1, 4), "anchors"),
    "an alias": ("a: *x\n", (1, 4), "aliases"),
    "a tag": ("a: !!python/object:os.system x\n", (1, 4), "tags"),
    "a second document": ("a: 1\n---\nb: 1\n", (2, 1), "second document"),
    "a list as the file": ("- a\n", (1, 1), "not a mapping"),
    "an empty file": ("# nothing\n", (1, 1), "empty"),
    "no YAML": ("a: [b\n", (2, 1), "not YAML"),
    "a text with a colon": ("a: b: c\n", (1, 5), "not YAML"),
    "a tab": ("a:\n\tb: c\n", (2, 1), "not YAML"),
    "a control character": ("a: \x07\n", (1, 4), "not text"),
    "an escape beyond Unicode": ('a: "\\UFFFFFFFF"\n', (1, 1), "not YAML"),
    "nesting without end": ("a: " + "[" * 50_000, (1, 28), "nested too deep"),
    "a comma inside { }": ("a: {b: if(x, 1, 2), c: 3}\n", (1, 8), "comma"),
    "too much": ("#" * (MAX_FILE_BYTES + 1), (1, 1), "too large"),
}


def read(text: str) -> tuple[Mapping | None, list[Problem]]:
    found: list[Problem] = []
    return read_document(Source("f.yaml", text), found), found


@pytest.mark.parametrize(("text", "place", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_yaml_readers_could_take_in_two_ways_is_refused_with_its_place(
    text: str, place: tuple[int, int], message: str
) -> None:
    _, found = read(text)
    assert places(found) == [place]
    assert message in found[0].message


def test_a_key_that_stands_twice_names_the_first_line() -> None:
    assert read("a: 1\nb: 2\na: 3\n")[1][0].hint == "first at line 1"


def test_an_expression_that_begins_with_a_quote_gets_the_hint_to_quote_it_whole() -> None:
    _, found = read('a: "Order Completed".revenue > 1\n')
    assert places(found) == [(1, 21)]
    assert "in quotes as a whole" in (found[0].hint or "")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('a: "count("X") > 1"\n', "quotes within quotes"),
        ("a:\n\tb: c\n", "not with tabs"),
        ("a: b: c\n", "`: ` must stand in quotes"),
        ("a:\n  - s\n    when: c\n", "a colon is missing behind `s`"),
        ("a\n  b: c\n", "a colon is missing behind `a`"),
        ("a:b c\nd: e\n", "a blank is missing behind `a:`"),
        ("a: b\n  c: d\n", "begin in the same column"),
        ('a: !count("A")\n', "write `not`"),
        ("a: !(b > 1)\n", "write `not`"),
        ("a: ! b\n", "write `not`"),
        ("a:\n  b: c\n \u00a0 d: e\n", "U+00A0, no-break space"),
    ],
)
def test_what_is_no_yaml_gets_the_hint_that_fits(text: str, hint: str) -> None:
    assert hint in (read(text)[1][0].hint or "")


@pytest.mark.parametrize(
    "text",
    [
        'a: 1\nb: "x\nc: 3\n',
        "a: 1\nb: 'x\nc: 3\n",
        'a: 1\nb: "x\nc: "y z"\nd: 4\n',
    ],
)
def test_a_quote_that_nobody_closes_is_told_where_it_begins(text: str) -> None:
    _, found = read(text)
    assert places(found) == [(2, 4)]
    assert found[0].found == "a quote that is not closed"


def test_a_quote_within_other_quotes_is_not_taken_for_one_that_is_not_closed() -> None:
    _, found = read('a: "x"\nb: \'y "z\' c\n')
    assert places(found) == [(2, 11)]


# (how the value is written, what it says, offset in it, place of that offset in the file)
WRITTEN = {
    "plain": ("a: one two\n", "one two", 4, (1, 8)),
    "plain over lines": ("a: one\n   two\n", "one\n   two", 7, (2, 4)),
    "double quotes": ('a: "x \\"y\\" z"\n', 'x "y" z', 6, (1, 13)),
    "single quotes": ("a: 'it''s z'\n", "it's z", 5, (1, 11)),
    "folded quotes": ('a: "one\n   two"\n', "one two", 4, (2, 4)),
    "a numbered escape": ('a: "\\u00e4 z"\n', "ä z", 2, (1, 12)),
    "a literal block": ("a: |\n  one\n  two\n", "  one\n  two\n", 8, (3, 3)),
    "a folded block": ("a: >-\n  one\n  two\n", "  one\n  two\n", 8, (3, 3)),
    "Windows line ends": ("a: |\r\n  one\r\n  two\r\n", "  one\n  two\n", 8, (3, 3)),
    "after a byte order mark": ("\ufeffa: one two\n", "one two", 4, (1, 8)),
}


@pytest.mark.parametrize(("text", "said", "offset", "place"), WRITTEN.values(), ids=WRITTEN.keys())
def test_every_character_of_a_text_knows_its_place_in_the_file(
    text: str, said: str, offset: int, place: tuple[int, int]
) -> None:
    document, found = read(text)
    assert document is not None and not found
    value = document.get("a")
    assert isinstance(value, Scalar)
    written = value.written()
    assert written.text == said
    assert (written.place(offset).line, written.place(offset).column) == place


def test_a_file_that_is_no_yaml_hides_the_names_it_declares_so_only_its_yaml_is_reported() -> None:
    assert len(problems(HEAD + "segments: [\n")) == 1


def test_a_hash_inside_an_unquoted_expression_is_caught() -> None:
    found = problems(HEAD + 'segments:\n  s:\n    when: count("Item # 5") >= 1\n')
    assert places(found) == [(LINES + 3, 17)]
    assert "YAML takes ` #` for a comment" in found[0].message


def test_a_comment_after_a_whole_expression_is_a_comment() -> None:
    assert problems(HEAD + "segments:\n  s:\n    when: orders >= 1  # at least one\n") == []


def test_a_comma_in_an_expression_inside_braces_is_one_problem_and_hides_no_other() -> None:
    found = problems(HEAD + "segments:\n  s: {when: contains(lower(traits.country), true), salt: x, tpic: y}\n")
    assert places(found) == [(LINES + 2, 13), (LINES + 2, 61)]
