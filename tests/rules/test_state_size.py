"""No customer's state outgrows the bound that follows from the definitions; too large a bound is refused."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.codec.snapshot import encode_profile
from stream.core.events import NEVER_MS, Event
from stream.core.memory import MESSAGE_IDS
from stream.core.profile import Profile
from stream.errors import DefinitionErrors
from stream.rules.compile import CompiledProgram
from stream.rules.state_size import MOST_STATE_BYTES
from tests.rules.trees import DAY, START, call, event, program_of

WINDOW = 64 * DAY
BURST = 1_100
"""More than any cell keeps, at the end of the window; before them one event in each slice."""

WORDS = (
    "count(purchase, 64d) >= 900",
    "count(purchase, 64d) > count(purchase, 32d)",
    "count(purchase) > count(viewed)",
    "sum(purchase.total, 64d) > 5",
    "avg(purchase.total, 32d, before 32d) > 5",
    "sum(purchase.parts.price, 64d) > 5",
    "max(purchase.total) > avg(purchase.parts.price)",
    "distinct(purchase.code, 64d) > count(viewed)",
    "distinct(purchase.code, 30d, before 34d) > 5",
    "distinct(purchase.code) >= 1000",
    "active_days(purchase, 64d) > count(viewed)",
    "active_days(purchase, 64d, before 1d) > 2",
    "first(purchase.code) == last(purchase.code)",
    "first(purchase) < last(purchase)",
    "silent(purchase, 7d)",
    "traits.country == 'DE'",
    "traits.age > 5",
    "traits.plan.tier == 'pro'",
    "'a' in traits.tags",
    "traits.born > ago(7d)",
)
TEXTS = st.sampled_from(["\x01", '"', "\\", "ü", "漢", "🛒", "a", "\n"])
NUMBERS = st.sampled_from(
    [2**53 - 1, 1 - 2**53, -0.123456789012345678, 1.2345678901234567e-300, 0, 9.007199254740991e15]
)


def program_with(words: list[str]) -> CompiledProgram:
    return program_of("segments:\n" + "".join(f"  s{n}:\n    when: >-\n      {word}\n" for n, word in enumerate(words)))


def driven(program: CompiledProgram, character: str, number: Any, length: int) -> Profile:
    """A customer of whom everything is kept that can be, in texts of this character and such numbers."""
    profile = Profile("customer", (99, 2**62), len(program.definitions), program.blank())
    text = character * length
    times = [START + WINDOW * slice_ // 64 for slice_ in range(64)]
    times += [START + WINDOW + each for each in range(BURST)]
    for offset, time_ms in enumerate(times, 2**60):
        some: dict[str, Any] = {"total": number, "code": f"{offset % 5_000:04d}{text}"}
        some["parts"] = [{"price": number}] * 3
        program.fold(profile.cells, event(time_ms, properties=some, offset=offset))
    traits = {"country": text, "age": number, "plan": {"tier": text}, "tags": [text] * 200, "born": "0001-01-01"}
    call_: Event = call("identify", times[-1], traits, 2**60)
    program.fold(profile.cells, call_)
    most = len(program.definitions)
    profile.sequence, profile.now_ms, profile.wake_ms = 2**50, times[-1], times[-1] + DAY
    profile.standings.since_ms = array("q", [NEVER_MS] * most)
    profile.control = [False] * most
    profile.answers = (199,) * most
    profile.marks = array("q", [-(2**63)] * MESSAGE_IDS).tobytes()
    profile.mark_times = array("q", times[-MESSAGE_IDS:]).tobytes()
    return profile


@settings(max_examples=12, deadline=None)
@given(st.sets(st.sampled_from(WORDS), min_size=1, max_size=6), TEXTS, NUMBERS, st.sampled_from([20, 300, 5_000]))
def test_a_customer_driven_to_all_caps_stays_below_the_bound(
    words: set[str], character: str, number: Any, length: int
) -> None:
    program = program_with(sorted(words))
    assert len(encode_profile(driven(program, character, number, length))) <= program.most_state_bytes


@pytest.mark.parametrize("word", WORDS)
def test_of_each_word_alone_the_bound_holds_and_is_near(word: str) -> None:
    program = program_with([word])
    sizes = [
        len(encode_profile(driven(program, character, number, length)))
        for character, number, length in (("\x01", 1 - 2**53, 5_000), ("a", -0.1234567890123456, 31))
    ]
    assert program.most_state_bytes / 2 < max(sizes) <= program.most_state_bytes


def test_definitions_under_which_a_state_could_outgrow_its_bound_are_refused_with_the_dearest_words() -> None:
    conditions = ["count(purchase) == 1", *(f"sum(purchase.p{number}, 365d) > 1" for number in range(12))]
    with pytest.raises(DefinitionErrors) as refused:
        program_with(conditions)
    problems = refused.value.problems
    assert len(problems) == 5
    first = problems[0]
    assert (first.place.file, first.place.line) == ("tests.yaml", 20)
    assert first.message.startswith("one customer's state could take ")
    assert first.found is not None
    assert first.found.startswith("`sum(purchase.p0, 365d)`, which keeps 512 amounts with their instants and 66 slices")
    assert first.expected == f"at most {MOST_STATE_BYTES // 1024} KiB for all words together"
    assert first.hint is not None and "without a window" in first.hint


def test_a_count_compared_with_a_number_costs_little_where_a_published_fact_costs_its_window() -> None:
    compared = program_of("segments:\n  s:\n    when: count(purchase, 365d) >= 5\n")
    published = program_of("facts:\n  n: count(purchase, 365d)\nsegments:\n  s:\n    when: n >= 5\n")
    assert compared.most_state_bytes < 1_024 < 7_000 < published.most_state_bytes


def test_words_over_the_same_events_and_property_cost_once() -> None:
    one = program_with(["sum(purchase.total, 365d) > 1"])
    four = program_with([f"{word}(purchase.total, 30d) > 1" for word in ("sum", "avg", "min", "max")])
    assert four.most_state_bytes < one.most_state_bytes + 100
