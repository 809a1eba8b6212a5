"""Laws of the hints: they say what was meant, and what they tell to write is accepted."""

from __future__ import annotations

import re

import pytest

from stream.errors import Problem
from stream.rules.functions import FUNCTIONS, INSTEAD, OTHER_WORDS
from stream.rules.warnings import warnings
from tests.rules.texts import HEAD, dimension, load, problems, segment

WORLD = (
    HEAD
    + """\
group: {industry: text}
dimensions:
  life: {stages: [{one-time: orders == 1}, {other: otherwise}]}
segments:
  win-back: {when: orders > 1}
"""
)


def when(expression: str) -> list[Problem]:
    return problems(f"{WORLD}  s:\n    when: |\n      {expression}\n")


# (what is written, what the hint says, how it looks when the hint is followed)
EXPRESSIONS = [
    ("traits.country is not null", "`!=`", "traits.country != null"),
    ("traits.country is null", "`==`", "traits.country == null"),
    ('traits.country is in ["DE"]', "`in`", 'traits.country in ["DE"]'),
    ("traits.country == not null", "`!=`", "traits.country != null"),
    ('traits.tags contains "b"', '"part" in list', '"b" in traits.tags'),
    ('traits.country contains "b"', 'contains(text, "part")', 'contains(traits.country, "b")'),
    ('traits.country starts_with "D"', 'starts_with(text, "start")', 'starts_with(traits.country, "D")'),
    ("orders > 1 xor spend > 2", "(a) != (b)", "(orders > 1) != (spend > 2)"),
    ("count(purchase, where total > 1) > 1", "right behind", "count(purchase where total > 1) > 1"),
    ("count(purchase, last 30d) > 1", "count(purchase, 30d)", "count(purchase, 30d) > 1"),
    ("count(purchase, window=30d) > 1", "count(purchase, 30d)", "count(purchase, 30d) > 1"),
    ("count(purchase, 7d..14d) > 1", "7d, before 7d", "count(purchase, 7d, before 7d) > 1"),
    ("count(purchase, 1h 30min) > 1", "1h30min", "count(purchase, 1h30min) > 1"),
    ('count(purchase, "30d") > 1', "no quotes: 30d", "count(purchase, 30d) > 1"),
    ('count("A", "B") > 1', 'count(["A", "B"])', 'count(["A", "B"]) > 1'),
    ("count(purchase, engaged, 30d) > 1", "count([purchase, engaged], 30d)", "count([purchase, engaged], 30d) > 1"),
    ("count(purchase where a > 1, engaged) > 1", "a list", 'count([purchase, "Product Viewed"]) > 1'),
    ("active_days(purchase, page, 30d) > 1", "[purchase, page], 30d", "active_days([purchase, page], 30d) > 1"),
    ("orders == 1 or 2 or 3", "orders in [1, 2, 3]", "orders in [1, 2, 3]"),
    ('traits.country != "DE" and "AT"', 'traits.country not in ["DE", "AT"]', 'traits.country not in ["DE", "AT"]'),
    ("last(purchase) > 2026-01-01", 'date("2026-01-01")', 'last(purchase) > date("2026-01-01")'),
    ("traits.born == 2026-01-01", 'date("2026-01-01")', 'traits.born == date("2026-01-01")'),
    ('last(purchase) > "01.01.2026"', 'date("2025-11-28")', 'last(purchase) > date("2025-11-28")'),
    ('last(purchase) > "2026-01-01"', 'date("2026-01-01")', 'last(purchase) > date("2026-01-01")'),
    ("last(purchase) > 2026-13-01", 'date("2025-11-28")', 'last(purchase) > date("2025-11-28")'),
    ('count(purchase where total > "1.5") > 1', "no quotes: 1.5", "count(purchase where total > 1.5) > 1"),
    (
        "count(purchase where country == traits.country) > 1",
        "count(purchase where total > 100) >= 1 and traits.country != null",
        "count(purchase where total > 100) >= 1 and traits.country != null",
    ),
    ("traits.country == DE", '"DE"', 'traits.country == "DE"'),
    ("traits.country != premium", '"premium"', 'traits.country != "premium"'),
    ("traits.country in [DE]", '"DE"', 'traits.country in ["DE"]'),
    ('country == "DE"', "write traits.country", 'traits.country == "DE"'),
    ('plan.tier == "x"', "write traits.plan.tier", 'traits.plan.tier == "x"'),
    ('industry == "x"', "write group.industry", 'group.industry == "x"'),
    ('traits.country in "DE"', 'in ["a", "b"]', 'traits.country in ["DE"]'),
    ("not in win-back", 'in("win-back")', 'not in("win-back")'),
    ("win-back", 'in("win-back")', 'in("win-back")'),
    ("orders > 1 and not win-back", 'in("win-back")', 'orders > 1 and not in("win-back")'),
    ('not_in("win-back")', 'not in("win-back")', 'not in("win-back")'),
    ("life == one-time", '"one-time"', 'life == "one-time"'),
    ("spend > $100", "plain numbers: 100", "spend > 100"),
    ("spend > 1.000,50", "1234.5", "spend > 1000.50"),
    ("now - first_seen > 18y", "6570d", "now - first_seen > 6570d"),
    ("last(purchase).revenue > 1", "last(purchase.revenue)", "last(purchase.revenue) > 1"),
    ("exists(purchase)", "count(purchase) >= 1", "count(purchase) >= 1"),
    ("average(purchase.revenue) > 1", "`avg`", "avg(purchase.revenue) > 1"),
]


@pytest.mark.parametrize(("wrong", "hint", "right"), EXPRESSIONS)
def test_a_hint_says_what_was_meant_and_that_is_accepted(wrong: str, hint: str, right: str) -> None:
    (found,) = when(wrong)
    assert hint in (found.hint or "")
    assert when(right) == []


@pytest.mark.parametrize("written", sorted(set(INSTEAD.values())))
def test_what_is_written_instead_of_an_unknown_function_is_accepted(written: str) -> None:
    assert when(written if written != INSTEAD["coalesce"] else f"{written} > 1") == []


def test_functions_of_other_languages_lead_to_functions_that_there_are() -> None:
    assert set(OTHER_WORDS.values()) <= FUNCTIONS.keys()
    assert not (OTHER_WORDS.keys() | INSTEAD.keys()) & FUNCTIONS.keys()


@pytest.mark.parametrize(
    "wrong",
    [
        "median(purchase.revenue) > 1",
        "len(traits.tags) > 1",
        "round(orders) > 1",
        "orders > 1 or 5",
        'count(purchase, "last month") > 1',
        "orders > 1 or 2026-01-01",
        "orders > 1 or ago(30d)",
        'life == "other" or orders',
        "count(purchase where exists(engaged)) > 1",
        "count(purchase where len(a) > 1) > 1",
    ],
)
def test_what_is_far_off_is_not_taken_for_a_slip(wrong: str) -> None:
    (found,) = when(wrong)
    assert all(
        guess not in (found.hint or "") for guess in ("did you mean", "write", "compare it: 5", "ago(30d) >", "a list")
    )


def test_inside_where_a_segments_name_is_a_calculation_with_properties() -> None:
    assert when("count(purchase where win-back > 1) > 1") == []


def test_a_fact_minus_another_is_no_segments_name() -> None:
    facts = "facts:\n  win: count(purchase)\n  back: count(engaged)\n"
    assert problems(WORLD.replace("facts:\n", facts) + "  s: {when: win-back > 1}\n") == []


def test_an_unknown_event_gets_the_known_ones_and_the_advice_to_quote_its_name() -> None:
    (found,) = when("count(zzz) > 1")
    assert found.hint == (
        'known: any, engaged, page, purchase, screen. Or: an event\'s own name stands in quotes: "zzz"'
    )


# ------------------------------------------------------------------ the file

TOP = "definitions: 1\n"

# (what is written, what the hint says, how it looks when the hint is followed)
FILES = [
    (TOP + "zone: berlin\n", "`Europe/Berlin`", TOP + "zone: Europe/Berlin\n"),
    (TOP + "zone: Europa/Berlin\n", "`Europe/Berlin`", TOP + "zone: Europe/Berlin\n"),
    *((f"{TOP}zone: {zone}\n", "a place", TOP + "zone: America/Los_Angeles\n") for zone in ("CEST", "PST", "GMT+1")),
    *((f"{TOP}zone: {zone}\n", "or UTC", TOP + "zone: UTC\n") for zone in ("UTC+2", "utc", "+02:00")),
    (TOP + "timezone: UTC\n", "`zone`", TOP + "zone: UTC\n"),
    (TOP + "name: My Shop\n", "try `my-shop`", TOP + "name: my-shop\n"),
    (TOP + "traits: {a: string}\n", "`text`", TOP + "traits: {a: text}\n"),
    (TOP + "traits: {a: int}\n", "`number`", TOP + "traits: {a: number}\n"),
    (TOP + "traits: {a: array}\n", "`list`", TOP + "traits: {a: list}\n"),
    (TOP + "traits: {a: bool}\n", "`boolean`", TOP + "traits: {a: boolean}\n"),
    (HEAD + "audience: everyone\n", "has no `audience`", HEAD),
    (HEAD + "segments:\n  s:\n    when:orders > 1\n", "a blank", HEAD + "segments:\n  s:\n    when: orders > 1\n"),
    (
        HEAD + "segments:\n  s:\n    when:\n      - orders > 1\n      - spend > 5\n",
        "joined with `and`",
        HEAD + "segments:\n  s:\n    when: orders > 1 and spend > 5\n",
    ),
    (segment("orders > 1", "control_group: 0.1"), "write 10%", segment("orders > 1", "control_group: 10%")),
    (segment("orders > 1", "control_group: 2.5"), "write 2.5%", segment("orders > 1", "control_group: 2.5%")),
    (HEAD + "segments:\n  s:\n    \u00a0when: orders > 1\n", "no-break space", segment("orders > 1")),
    (HEAD + "segments:\n  s\u200b:\n    when: orders > 1\n", "zero width space", segment("orders > 1")),
    (
        dimension("some: spend >= 100", "much: spend >= 1000", "none: otherwise"),
        "put this stage before `some`",
        dimension("much: spend >= 1000", "some: spend >= 100", "none: otherwise"),
    ),
    (dimension("New One: orders > 1", "b: otherwise"), "`new-one`", dimension("new-one: orders > 1", "b: otherwise")),
    (dimension("a:orders > 1", "b: otherwise"), "a blank", dimension("a: orders > 1", "b: otherwise")),
]


@pytest.mark.parametrize(("wrong", "hint", "right"), FILES)
def test_a_hint_about_the_file_says_what_was_meant_and_that_is_accepted(wrong: str, hint: str, right: str) -> None:
    assert hint in " ".join(found.hint or "" for found in problems(wrong))
    assert problems(right) == []


def test_a_zone_that_there_is_stays_one_without_summer_time_too() -> None:
    assert load(TOP + "zone: EST\n").zone == "EST"


def test_a_segments_condition_under_another_key_leads_to_when() -> None:
    found = problems(HEAD + "segments:\n  s:\n    condition: orders > 1\n")
    assert [each.hint for each in found] == [None, "did you mean `when`?"]


@pytest.mark.parametrize("name", ["2026-shop", '"123"', "_a"])
def test_a_name_that_begins_with_no_letter_is_told_so(name: str) -> None:
    (found,) = problems(f"{TOP}name: {name}\n")
    assert "a letter first" in (found.expected or "")


@pytest.mark.parametrize(
    "stages",
    [
        ("a: orders > 3", "b: orders >= 4", "c: otherwise"),  # both say the same
        ("a: orders < 3", "b: orders > 1", "c: orders > 2", "d: otherwise"),  # `b` would be left nothing
        ("a: orders < 3", "b: orders > 2 and orders < 5", "c: orders < 9", "e: orders < 5", "f: otherwise"),  # nor `e`
    ],
)
def test_a_stage_is_told_to_change_places_only_where_both_can_be_reached_then(stages: tuple[str, ...]) -> None:
    (found,) = problems(dimension(*stages))
    assert "takes all of these already" in found.message and found.hint is None


ROWS = [
    ("at: 0d, event: A, properties: {a: 1}", "`with`", "at: 0d, event: A, with: {a: 1}"),
    ("at: 0d, event: A, with: {a: 5,00}", "a decimal point", "at: 0d, event: A, with: {a: 5.00}"),
    ("at: 1d, entered: none", "`entered: []`", "at: 1d, entered: []"),
    ("at: 1d, in: life", "`life: one-time`", "at: 1d, life: one-time"),
]


@pytest.mark.parametrize(("wrong", "hint", "right"), ROWS)
def test_a_hint_about_a_row_of_a_case_says_what_was_meant_and_that_is_accepted(
    wrong: str, hint: str, right: str
) -> None:
    def case(row: str) -> str:
        expected = row if row.startswith("at: 1d") else "at: 1d, life: other"
        given = "at: 0d, event: A" if expected == row else row
        return f"{WORLD}cases:\n  - {{name: c, given: [{{{given}}}], expect: [{{{expected}}}]}}\n"

    (found,) = problems(case(wrong))
    assert hint in (found.hint or "")
    assert problems(case(right)) == []


def test_a_call_of_given_under_its_own_name_leads_to_our_key() -> None:
    for row, key in (("track: A", "event"), ("identify: {country: DE}", "traits")):
        text = f"{WORLD}cases:\n  - {{name: c, given: [{{at: 0d, {row}}}], expect: [{{at: 1d, life: other}}]}}\n"
        assert f"did you mean `{key}`?" in [found.hint for found in problems(text)]


# ------------------------------------------------------------------ warnings

# (what is written, what the hint says, how it looks when the hint is followed)
DOUBTS = [
    ("first(purchase) < ago(30d)", "add `and first(purchase) != never`", " and first(purchase) != never"),
    ("last(purchase) < ago(30d)", "or add `and last(purchase) != never`", " and last(purchase) != never"),
    ("not (last(engaged) > last(purchase))", "add `and last(engaged) != never`", " and last(engaged) != never"),
]


@pytest.mark.parametrize(("doubtful", "hint", "added"), DOUBTS)
def test_a_doubt_is_gone_when_its_hint_is_followed(doubtful: str, hint: str, added: str) -> None:
    (found,) = warnings(load(segment(doubtful)))
    assert hint in (found.hint or "")
    assert warnings(load(segment(doubtful + added))) == []


def test_silence_is_advised_for_the_last_event_only() -> None:
    advised = {
        "last(purchase) < ago(30d)": "silent(purchase, 30d)",
        "last(purchase) < now - 30d": "silent(purchase, ...)",
    }
    for doubtful, hint in advised.items():
        assert hint in (warnings(load(segment(doubtful)))[0].hint or "")
    assert "silent" not in (warnings(load(segment("first(purchase) < ago(30d)")))[0].hint or "")


def test_a_doubt_says_with_the_authors_not_what_is_true() -> None:
    said = [
        re.findall("`(.*?)` is true", warnings(load(segment(condition)))[0].message)
        for condition in ("last(engaged) >= last(purchase)", "not (last(engaged) > last(purchase))")
    ]
    assert said == [["never >= never"], ["not (never > never)"]]
