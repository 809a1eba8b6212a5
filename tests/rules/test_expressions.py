"""Laws of the parser: shapes, places, bounds, and words where a text breaks off."""

from __future__ import annotations

import pytest

from stream.rules.document import Source, Written
from stream.rules.expressions import MAX_LENGTH, Syntax, SyntaxProblem, parse


def written(text: str) -> Written:
    return Written(Source("f.yaml", text), text, range(len(text) + 1), False, False)


def form(syntax: Syntax) -> str:
    """`and_(path(a), path(b))`"""
    inside = ", ".join(form(part) for part in syntax.parts)
    return syntax.value if not inside and syntax.value else f"{syntax.kind}({inside})"


SHAPES = {
    "a + b * 2": "operation(path(a), +, operation(path(b), *, number(2)))",
    "(a + b) * 2": "operation(operation(path(a), +, path(b)), *, number(2))",
    "a - b - c": "operation(operation(path(a), -, path(b)), -, path(c))",
    "a or b and not c": "or_(path(a), and_(path(b), not_(path(c))))",
    "not a == b": "not_(compare(path(a), ==, path(b)))",
    "1 < a <= 3": "compare(number(1), <, path(a), <=, number(3))",
    "a not in [1, 2,]": "not_in(path(a), list(number(1), number(2)))",
    'not in("b")': "not_(call(in, argument(string(b))))",
    "industry": "path(industry)",
    "traits.in.where": "path(traits, step(in), step(where))",
    'a."b c"': "path(a, step(b c))",
    '"A b".c': "text_path(A b, step(c))",
    r'"say \"x\""': 'string(say "x")',
    "count(a where b > 1 and c, 30d, before 7d)": (
        "call(count, argument(path(a), where(and_(compare(path(b), >, number(1)), path(c)))), "
        "argument(duration(30d)), before(duration(7d)))"
    ),
    '["A", b].c': "list(string(A), path(b), step(c))",
    "1_000.5": "number(1_000.5)",
    "1h30min": "duration(1h30min)",
}


@pytest.mark.parametrize(("text", "expected"), SHAPES.items())
def test_a_text_has_one_shape(text: str, expected: str) -> None:
    assert form(parse(written(text))) == expected


# text -> (column, part of found, part of hint)
BROKEN = {
    "": (1, "nothing", None),
    "a = 3": (3, "`=`", "`==`"),
    "a && b": (3, "`&&`", "`and`"),
    "a AND b": (3, "`AND`", "small letters"),
    "30m": (1, "`30m`", "`min`"),
    "ago(6mo)": (5, "`6mo`", "180d"),
    "ago(1y)": (5, "`1y`", "365d"),
    "ago(1.5d)": (5, "`1.5d`", "36h"),
    "ago(30 d)": (8, "`d`", "no space"),
    "count(Order Completed)": (13, "`Completed`", "in quotes"),
    "((a": (4, "the end", "bracket"),
    'a == "x': (6, '"x', None),
    "a is null": (3, "`is`", "`==`"),
    "“a”": (1, "`“`", "straight quotes"),
    "f(a 90d)": (5, "`90d`", "behind a comma: `, 90d`"),
    "f(a in 90d)": (8, "`90d`", "behind a comma"),
    "a > 2 90d": (7, "`90d`", None),
    "a > 30d ago": (9, "`ago`", "`ago(30d)`"),
    "a > 30 days": (8, "`days`", "`30d`"),
    "a > 2 months": (7, "`months`", "no fixed length"),
    "a > 1.5 d": (9, "`d`", "36h"),
    "a > 1 hour": (7, "`hour`", "`1h`"),
    "a => 2": (3, "`=`", "`>=`"),
    "a =< 2": (3, "`=`", "`<=`"),
    "a > 1,000": (6, "`,`", "without separators"),
    "a > 1.000,00": (10, "`,`", "without separators"),
    "a > 1.000.000": (5, "`1.000.000`", "without separators"),
    "a > 2,5": (6, "`,`", "decimal point"),
    "a > 100$": (8, "`$`", "plain numbers"),
    "a > 100€": (8, "`€`", "plain numbers"),
    "a > 18y": (5, "`18y`", "6570d"),
    "a > 1.5y": (5, "`1.5y`", "547d"),
    "a > 200y": (5, "`200y`", "365d"),
    "a > 30M": (5, "`30M`", "900d"),
    "a > 3 months": (7, "`months`", "90d"),
    "f(a, 1h 30min)": (9, "`30min`", "1h30min"),
    "a > 1h 30min": (8, "`30min`", "1h30min"),
    "a > 2.5 days": (9, "`days`", "whole numbers"),
    "f(a, 1h30)": (6, "`1h30`", "1h30min"),
    "f(a, 30d..60d)": (6, "`30d..60d`", "before 7d"),
    "a > 2026-01-01T00:00:00Z": (13, "`01T00`", 'date("2026-01-01")'),
    "count(a, window=30d)": (16, "`=`", "a plain duration"),
    "count(a, last 30d)": (15, "`30d`", "a plain duration"),
    "count(a, since last(b))": (16, "`last`", "a plain duration"),
    "count(a, from ago(9d) to ago(3d))": (15, "`ago`", "a plain duration"),
    "count(a, where b > 1)": (16, "`b`", "right behind the events"),
    "a is not null": (3, "`is`", "`!=`"),
    "a IS NOT NULL": (3, "`IS`", "`!=`"),
    "a == not null": (10, "`null`", "`!=`"),
    "a is in [1]": (3, "`is`", "`in`"),
    "a in 5": (6, "`5`", "in ["),
    "a contains 'b'": (3, "`contains`", "contains(text"),
    "a starts_with 'b'": (3, "`starts_with`", "starts_with(text"),
    "a xor b": (3, "`xor`", "(a) != (b)"),
    "a % 2": (3, "`%`", "no remainder"),
    "a mod 2": (3, "`mod`", "no remainder"),
    "case when a then b end": (6, "`when`", "if(condition, a, b)"),
    "SELECT count(*) FROM a": (8, "`count`", "count(purchase where"),
    "a <> 2": (4, "`>`", "`!=`"),
    "a ≠ 2": (3, "`≠`", "`!=`"),
    "a ≥ 2": (3, "`≥`", "`>=`"),
    "a ≤ 2": (3, "`≤`", "`<=`"),
    "a – 2": (3, "`–`", "`-`"),
    "last(a).b": (8, "`.b`", "inside the brackets"),
    "a\u00a0> 1": (2, "hidden", "U+00A0, no-break space: write a plain blank"),
    "a\u200b > 1": (2, "hidden", "U+200B, zero width space: take it away"),
    "silent a 90d": (8, "`a`", "silent(purchase, "),
    "count(a)) > 3": (9, "`)`", "no bracket is open"),
    "a where b": (3, "`where`", "inside a function"),
    "a # b": (3, "#", "block"),
    "a ==": (5, "the end", None),
    r'"a\n"': (1, '"a', "quote and the backslash"),
}


@pytest.mark.parametrize("text", BROKEN)
def test_where_a_text_breaks_off_the_place_and_what_was_found_are_named(text: str) -> None:
    column, found, hint = BROKEN[text]
    with pytest.raises(SyntaxProblem) as caught:
        parse(written(text))
    problem = caught.value.problem
    assert (problem.place.line, problem.place.column) == (1, column)
    assert found in (problem.found or "")
    assert hint is None or hint in (problem.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        "a.count b",
        "a then b",
        "a foo b",
        "a > 30d foo",
        "count(a since b)",
        "count(a today)",
        "a plus b",
        "(a b)",
        "a > 5 foo",
        "a == 'b' 'c'",
    ],
)
def test_where_nobody_knows_what_was_meant_there_is_no_hint(text: str) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse(written(text))
    assert caught.value.problem.hint is None


def test_an_events_name_of_several_words_is_told_to_stand_in_quotes() -> None:
    for text, start in (("last(Order Completed) > a", "value"), ("Order Completed", "selector")):
        with pytest.raises(SyntaxProblem) as caught:
            parse(written(text), start)
        assert "in quotes" in (caught.value.problem.hint or "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(" * 10_000, "too long"),
        ("(" * 1_000 + "1" + ")" * 1_000, "nested too deep"),
        ("not " * 900 + "a", "nested too deep"),
        ("-" * 3_000 + "1", "nested too deep"),
        ("f(" * 41 + "1" + ")" * 41, "nested too deep"),
        ("+".join("1" * 1_500), "nested too deep"),
        ("a" * (MAX_LENGTH + 1), "too long"),
    ],
)
def test_length_and_depth_of_an_expression_are_bounded(text: str, message: str) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse(written(text))
    assert message in caught.value.problem.message


def test_a_node_knows_its_text_with_white_space_folded() -> None:
    tree = parse(written("a  and\n  (b   or c)"))
    assert tree.text == "a and (b or c)"
    assert tree.parts[1].text == "b or c"
    assert (tree.parts[1].place.line, tree.parts[1].place.column) == (2, 4)


def test_otherwise_is_a_stage_alone() -> None:
    assert parse(written("otherwise"), "stage").kind == "otherwise"
    with pytest.raises(SyntaxProblem):
        parse(written("otherwise or a"), "stage")


def test_comments_are_for_blocks() -> None:
    text = 'a # why "not\n  and b'
    block = Written(Source("f.yaml", text), text, range(len(text) + 1), True, False)
    assert form(parse(block)) == "and_(path(a), path(b))"
