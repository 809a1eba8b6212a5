"""The compiled core against the oracle, over random definitions and random histories.

`HYPOTHESIS_PROFILE=thorough` runs many more examples than the few that every test run affords.
"""

from __future__ import annotations

import copy
import os
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, reject, settings
from hypothesis import strategies as st

from stream.core.changes import Change, ClockCause, EventCause
from stream.core.events import FOREVER_MS, NEVER_MS, Erasure, Event
from stream.core.partition import GRACE_MS, Partition, Position
from stream.core.profile import Profile
from stream.core.program import Program
from stream.errors import DefinitionErrors
from stream.rules.compile import compile_program
from stream.rules.load import parse_definitions
from stream.rules.tree import Definitions
from tests.oracle.evaluate import Judgement, in_order
from tests.oracle.generate import DAY_MS, HOUR_MS, definition_files, end_of, logs, purchase_files, purchase_logs
from tests.oracle.history import Log, Oracle, Step, replay

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
pytestmark = [pytest.mark.timeout(0)] if THOROUGH else []


def examples(few: int, many: int) -> settings:
    """So many examples: `few` in every run, `many` in a thorough one."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(
        max_examples=many if THOROUGH else few,
        deadline=None,
        suppress_health_check=slow,
        print_blob=True,
        database=None,
    )


def compiled(text: str) -> tuple[Definitions, Program]:
    """Both forms of a random file. A stage that by chance could never hold is rightly refused, and so is a state that
    could outgrow its bound: no examples."""
    try:
        definitions = parse_definitions([("random.yaml", text)])
    except DefinitionErrors as errors:
        if all("can't be reached" in problem.message for problem in errors.problems):
            reject()
        raise
    try:
        return definitions, compile_program(definitions)
    except DefinitionErrors:  # of the state's size: it has no other
        reject()


class Outside:
    """A partition with the least around it: a store in memory and commits where the test wants them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.profiles: dict[str, Profile] = {}
        self.entries: set[tuple[int, str]] = set()
        self.changes: list[dict[str, Any]] = []
        self.partition = Partition(
            0,
            program,
            lambda customer_id: copy.deepcopy(self.profiles.get(customer_id)),
            lambda first, until_ms: iter(sorted(e for e in self.entries if first <= e and e[0] <= until_ms)),
            Position(0),
        )

    def run(self, log: Log, until_ms: int, commit_after: int = 1) -> list[dict[str, Any]]:
        """The whole log, with a commit after so many items, then the clock up to `until_ms`."""
        for count, item in enumerate([*log, Step(until_ms)], start=1):
            if isinstance(item, Step):
                while not self.partition.step(item.until_ms + GRACE_MS, limit=3):
                    self.commit()
            else:
                self.partition.batch(item.offset, item.time_ms)
                self.partition.take(item, item.time_ms)
            if count % commit_after == 0:
                self.commit()
        self.commit()
        return self.changes

    def commit(self) -> None:
        pending = self.partition.pending
        self.changes += [shown(profile, change) for profile, change in pending.changes]
        for customer_id, profile in pending.touched.items():
            if profile is None:
                self.profiles.pop(customer_id, None)
            else:
                self.profiles[customer_id] = copy.deepcopy(profile)
        added, removed = self.partition.index_edits()
        self.entries = (self.entries - set(removed)) | set(added)
        self.partition.committed()


def shown(profile: Profile, change: Change) -> dict[str, Any]:
    """A change as the oracle tells it."""
    definition = change.definition

    def answer(value: int | None) -> str | bool | None:
        if definition is None:
            return None
        if definition.is_segment:
            return value == 1
        return None if value is None else definition.stages[value]

    causes = {EventCause: "event", ClockCause: "clock"}
    return {
        "customer": profile.customer_id,
        "definition": None if definition is None else definition.name,
        "from": answer(change.before),
        "to": answer(change.after),
        "effective_ms": change.effective_ms,
        "sequence": change.sequence,
        "nth": change.nth,
        "cause": causes.get(type(change.cause), "erasure"),
        "corrects": change.corrects,
    }


def by_customer(changes: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Order is promised per customer, never across customers."""
    grouped: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for change in changes:
        grouped[change["customer"]].append(change)
    return dict(grouped)


@examples(25, 3_000)
@given(definition_files(), logs())
def test_the_compiled_core_tells_what_the_oracle_tells(text: str, log: Log) -> None:
    note(text)
    definitions, program = compiled(text)

    told = by_customer(Outside(program).run(log, end_of(log)))

    assert told == by_customer(replay(definitions, log, end_of(log)))


@examples(25, 5_000)
@given(purchase_files(), purchase_logs())
def test_every_window_and_bound_turns_when_the_oracle_says(text: str, log: Log) -> None:
    note(text)
    definitions, program = compiled(text)

    told = Outside(program).run(log, end_of(log))

    assert told == replay(definitions, log, end_of(log))


@examples(5, 1_000)
@given(definition_files(computed_durations=True), logs(customers=1))
def test_computed_durations_turn_when_the_oracle_says(text: str, log: Log) -> None:
    note(text)
    definitions, program = compiled(text)

    told = Outside(program).run(log, end_of(log))

    assert told == replay(definitions, log, end_of(log))


@examples(10, 2_000)
@given(
    definition_files(), logs(customers=1), st.lists(st.sampled_from([0, 1, HOUR_MS, DAY_MS, 9 * DAY_MS]), max_size=6)
)
def test_answers_hold_at_every_instant_until_the_next_turn(text: str, log: Log, waits: list[int]) -> None:
    note(text)
    definitions, program = compiled(text)
    events = [item for item in log if isinstance(item, Event)]
    cells = program.blank()
    now_ms = NEVER_MS
    for count, event in enumerate(events, start=1):
        program.fold(cells, event)
        now_ms = max(now_ms, event.time_ms)
        instant_ms = now_ms
        for wait_ms in [0, *waits]:
            instant_ms += wait_ms
            answers, turns_ms = program.judge(cells, instant_ms)
            assert answers == Judgement(definitions, in_order(events[:count]), instant_ms).answers()
            assert turns_ms > instant_ms
            if turns_ms < FOREVER_MS:
                assert program.judge(cells, turns_ms - 1)[0] == answers
            valid_until = [program.valid_until(index, cells, instant_ms) for index in range(len(answers))]
            for index, until_ms in enumerate(valid_until):
                if until_ms is not None:
                    assert program.judge(cells, until_ms - 1)[0][index] == answers[index]
                    assert program.judge(cells, until_ms)[0][index] != answers[index]


@examples(5, 500)
@given(definition_files(), logs(), st.integers(1, 5))
def test_where_commits_fall_does_not_matter(text: str, log: Log, commit_after: int) -> None:
    note(text)
    _, program = compiled(text)

    often = by_customer(Outside(program).run(log, end_of(log), commit_after))

    assert often == by_customer(Outside(program).run(log, end_of(log), commit_after=1_000))


@examples(5, 500)
@given(definition_files(), logs())
def test_other_customers_do_not_matter(text: str, log: Log) -> None:
    note(text)
    _, program = compiled(text)
    alone = [item for item in log if isinstance(item, Step) or item.customer_id == "customer-0"]

    together = by_customer(Outside(program).run(log, end_of(log))).get("customer-0")

    assert together == by_customer(Outside(program).run(alone, end_of(log))).get("customer-0")


@examples(5, 500)
@given(definition_files(), logs())
def test_repeated_messages_do_not_matter(text: str, log: Log) -> None:
    note(text)
    definitions, program = compiled(text)
    oracle = Oracle(definitions)
    oracle.run([*log, Step(end_of(log))])
    once = [item for item in log if not isinstance(item, Event | Erasure) or item.offset not in oracle.duplicates]

    told = by_customer(Outside(program).run(log, end_of(log)))

    assert told == by_customer(Outside(program).run(once, end_of(log)))


@examples(15, 3_000)
@given(definition_files(), logs(customers=1))
def test_what_does_not_rest_on_an_event_is_the_same_after_it(text: str, log: Log) -> None:
    note(text)
    _, program = compiled(text)
    cells = program.blank()
    now_ms = NEVER_MS
    for event in (item for item in log if isinstance(item, Event)):
        now_ms = max(now_ms, event.time_ms)
        before, turned_ms = program.judge(cells, now_ms)
        program.fold(cells, event)
        answers, turns_ms = program.judge(cells, now_ms)
        rejudge = program.rejudge(event)
        if rejudge is not None:
            few, few_turn_ms = rejudge(cells, now_ms, before)
            assert few == answers
            assert (few is before) == (answers == before)
            assert few_turn_ms >= turns_ms
            assert min(few_turn_ms, turned_ms) <= turns_ms


CHAINED = """
definitions: 1
name: chained
dimensions:
  lifecycle:
    stages:
      - prospect: count("Order Completed") == 0
      - customer: otherwise
segments:
  known:
    when: lifecycle == "customer"
  looking:
    when: count("Product Viewed", 7d) >= 2
  searching:
    when: count("Products Searched", 7d) >= 2
"""


def test_what_rests_on_an_event_through_another_definition_is_judged_after_it() -> None:
    log: Log = [
        Event("customer-0", "track", name, offset, offset, None, {}, {})
        for offset, name in enumerate(["Product Viewed", "Order Completed"])
    ]
    definitions, program = compiled(CHAINED)

    told = Outside(program).run(log, end_of(log))

    assert told == replay(definitions, log, end_of(log))
    assert ("known", True) in {(change["definition"], change["to"]) for change in told}
