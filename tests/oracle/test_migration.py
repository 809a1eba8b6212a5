"""A customer who was carried over against one who lived under the new definitions all along: once everything is warm,
what can be covered is answered alike, over random definitions and random histories."""

from __future__ import annotations

from hypothesis import given, note
from hypothesis import strategies as st

from stream.core.events import FOREVER_MS
from stream.core.program import Program
from tests.core.partitions import GRACE, House
from tests.oracle.generate import definition_files, end_of, logs, purchase_files, purchase_logs
from tests.oracle.history import Log, Step
from tests.oracle.test_against_core import compiled, examples


@examples(40, 3_000)
@given(definition_files(), definition_files(), logs(), st.data())
def test_once_warm_what_can_be_covered_is_answered_as_if_the_definitions_had_always_been_there(old, new, log, data):
    check(old, new, log, data.draw(st.integers(0, len(log))))


@examples(60, 3_000)
@given(purchase_files(), purchase_files(), purchase_logs(), st.data())
def test_windows_over_one_kind_of_event_that_grow_and_shrink_are_answered_alike(old, new, log, data):
    check(old, new, log, data.draw(st.integers(0, len(log))))


def check(old: str, new: str, log: Log, cut: int) -> None:
    _, before = compiled(old)
    _, after = compiled(new.replace("definitions: 1\n", "definitions: 1\nrevision: 2\n", 1))
    note(f"{old}\n---\n{new}\n{log}\n{cut}")
    assert after.version == 2
    last_ms = end_of(log)
    carried, native = House(before), House(after)
    began_ms = max((instant(item) for item in log[:cut]), default=0)
    play(carried, log[:cut])
    carried.revise(after, began_ms)
    play(carried, log[cut:])
    carried.step(last_ms).sweep(last_ms).step(2 * last_ms).commit()
    play(native, log)
    native.step(last_ms).step(2 * last_ms).commit()
    assert carried.profiles.keys() == native.profiles.keys()
    comparable = [index for index in range(len(after.definitions)) if can_be_covered(before, after, index)]
    for customer_id, profile in carried.profiles.items():
        lived = native.profiles[customer_id]
        assert profile.warming is None and profile.revision == 2
        for index in comparable:
            kept = [after.explain(index, each.cells, each.now_ms) for each in (profile, lived)]
            if not any(told.approximate for told in kept):
                assert max(profile.answers[index], 0) == max(lived.answers[index], 0), after.definitions[index].name


def instant(item: object) -> int:
    return item.until_ms if isinstance(item, Step) else item.time_ms  # type: ignore[attr-defined]


def play(house: House, log: Log) -> None:
    """Each item is read at the latest instant so far."""
    for item in log:
        if isinstance(item, Step):
            house.step(item.until_ms + GRACE)
        else:
            house.partition.skip_to(item.offset)
            house.partition.take(item, item.time_ms)
        house.commit()


def can_be_covered(old: Program, new: Program, index: int) -> bool:
    """Whether all that the definition asks about is within a window, or was asked by the old definitions alike."""
    known = {cell.key: cell for cell in old.layout}
    traits = {cell.key for cell in new.layout if cell.kind == "trait" and cell != known.get(cell.key)}
    if traits:
        return False  # a trait is no ask: whose definition it is can't be told here
    for ask in new.asks(index):
        former = known.get(ask.key)
        kind = ask.key.partition("\0")[0]
        if former is None and (ask.reach_ms >= FOREVER_MS or kind in ("first", "first_seen")):
            return False
        if former is None or ask.reach_ms < FOREVER_MS or kind in SINGLE:
            continue
        entries = former.keep if kind in ("newest", "instants") else former.limit
        if former.longest_ms < FOREVER_MS or ask.keep is None or ask.keep > entries:
            return False  # what the former definitions did not need for ever, or so much of, is gone
    return True


SINGLE = ("first", "last", "counter", "total", "first_value", "last_value", "first_seen")
