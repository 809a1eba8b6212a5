"""A customer who was carried over against one who lived under the new definitions all along: once everything is warm,
what can be covered is answered alike, over random definitions and random histories."""

from __future__ import annotations

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from stream.core.events import FOREVER_MS, Event
from stream.core.program import Program
from tests.core.partitions import GRACE, House
from tests.oracle.generate import (
    DAY_MS,
    HEAD,
    START_MS,
    definition_files,
    end_of,
    logs,
    purchase_files,
    purchase_logs,
)
from tests.oracle.history import Log, Step
from tests.oracle.test_against_core import THOROUGH, compiled, examples

pytestmark = [pytest.mark.timeout(0)] if THOROUGH else []


@examples(40, 3_000)
@given(definition_files(), definition_files(), logs(), st.data())
def test_once_warm_what_can_be_covered_is_answered_as_if_the_definitions_had_always_been_there(old, new, log, data):
    check_any(old, new, log, data)


@examples(60, 3_000)
@given(purchase_files(), purchase_files(), purchase_logs(), st.data())
def test_windows_over_one_kind_of_event_that_grow_and_shrink_are_answered_alike(old, new, log, data):
    check_any(old, new, log, data)


def test_how_long_ago_something_was_that_was_not_kept_may_come_out_unlike():
    old, new = stages("last(purchase) > ago(1h)"), stages("now - last(any) > 1h")
    check(old, new, [tracked("Order Completed", 0, 0)], cut=1)


def test_who_had_something_rejected_as_too_old_by_one_file_alone_may_come_out_unlike():
    strict, lenient = (stages('last("Signed In") == never', settings) for settings in ("", "too_old: accept"))
    log = [tracked("Order Completed", 0, 0), tracked("Order Completed", 10, 1), tracked("Signed In", -1, 2)]
    check(strict, lenient, log, cut=3)
    check(lenient, strict, log, cut=3)


def stages(condition: str, settings: str = "") -> str:
    text = HEAD.format(settings=settings).replace("\n\n", "\n")
    return f"{text}dimensions:\n  dimension:\n    stages: [a: '{condition}', b: otherwise]\n"


def tracked(name: str, days: int, offset: int) -> Event:
    return Event("customer", "track", name, START_MS + days * DAY_MS, offset, f"message-{offset}", {}, {})


def check_any(old: str, new: str, log: Log, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(log)))
    note(f"{old}\n---\n{new}\n{log}\n{cut}")
    check(old, new, log, cut)


def check(old: str, new: str, log: Log, cut: int) -> None:
    _, before = compiled(old)
    _, after = compiled(new.replace("definitions: 1\n", "definitions: 1\nrevision: 2\n", 1))
    assert after.version == 2
    last_ms = end_of(log)
    carried, native = House(before), House(after)
    began_ms = max((instant(item) for item in log[:cut]), default=0)
    rejected = play(carried, log[:cut])
    carried.revise(after, began_ms)
    rejected |= play(carried, log[cut:])
    carried.step(last_ms).sweep(last_ms).step(2 * last_ms).commit()
    unlike = {customer_id for customer_id, _ in rejected ^ play(native, log)}
    native.step(last_ms).step(2 * last_ms).commit()
    assert carried.profiles.keys() == native.profiles.keys()
    comparable = [index for index in range(len(after.definitions)) if can_be_covered(before, after, index)]
    for customer_id, profile in carried.profiles.items():
        if customer_id in unlike:
            continue  # what was too old for one of them alone is in the history of the other
        lived = native.profiles[customer_id]
        assert profile.warming is None and profile.revision == 2
        for index in comparable:
            kept = [after.explain(index, each.cells, each.now_ms) for each in (profile, lived)]
            if not any(told.approximate for told in kept):
                assert max(profile.answers[index], 0) == max(lived.answers[index], 0), after.definitions[index].name


def instant(item: object) -> int:
    return item.until_ms if isinstance(item, Step) else item.time_ms  # type: ignore[attr-defined]


def play(house: House, log: Log) -> set[tuple[str, int]]:
    """Each item is read at the latest instant so far. Returns the rejected events: (customer id, offset)."""
    rejected = set()
    for item in log:
        if isinstance(item, Step):
            house.step(item.until_ms + GRACE)
        else:
            house.partition.skip_to(item.offset)
            house.partition.take(item, item.time_ms)
            rejected |= {(item.customer_id, each.offset) for each in house.partition.pending.rejected}
        house.commit()
    return rejected


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
