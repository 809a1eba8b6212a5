"""What became of the soak's events: the changes as they lie in the topics, against the oracle and against themselves.

lost           changes the oracle expects that are not there
doubled        ids that are there more than once
out of order   a customer's sequence that does not go on by one
early          changes of the clock written before they were due and the grace was over, by the broker's own time
wrong          changes that are there and that the oracle does not expect

Where answers were held, or the definitions changed meanwhile, the oracle knows only where every customer must stand at
the end: lost are answers that nobody told then, wrong are other ones. Of the way there `segmenter verify` tells.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bench.soak.load import is_hot
from stream.codec.instants import from_text
from stream.codec.journal import decode_journal
from stream.core.partition import GRACE_MS
from stream.rules.load import load_definitions
from tests.kafka.kit import Incoming, end_offsets, read_all
from tests.kafka.pipeline import Pipeline, row_of
from tests.kafka.truth import ClockSteps, Row, clock_steps, expected_rows

TOPICS = ("segment-changes", "segment-memberships", "customer-events-rejected", "segmenter-state", "segmenter-journal")
EXAMPLES = 20


@dataclass
class Found:
    """Counts, each with what it was counted over."""

    events: int = 0
    changes: int = 0
    by_clock: int = 0
    commits: int = 0
    rejected: int = 0
    customers: int = 0
    compared_customers: int = 0
    compared_changes: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    early: int = 0
    wrong: int = 0
    hung_transactions: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, example: str) -> None:
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)

    @property
    def clean(self) -> bool:
        wrong = (self.lost, self.doubled, self.out_of_order, self.early, self.wrong, self.hung_transactions)
        return not any(wrong)


def examine(pipeline: Pipeline, compared: int, seed: int, *, only_final: bool) -> Found:
    """Read everything, the workers being stopped. `compared` customers, chosen by the seed, go through the oracle: it
    is slow by intent. `only_final`: it knows only where they stand at the end."""
    found = Found()
    events = read_all(pipeline.address, pipeline.input)
    journal = pipeline.read("segmenter-journal")
    records = pipeline.read("segment-changes")
    changes = [json.loads(record.value or b"{}") for record in records]
    found.events, found.changes, found.commits = len(events), len(changes), len(journal)
    found.by_clock = sum(change["cause"]["kind"] == "clock" for change in changes)
    found.rejected = len(pipeline.read("customer-events-rejected"))
    found.hung_transactions = sum(_is_open(pipeline, topic) for topic in TOPICS)
    _against_themselves(changes, found)
    _against_the_clock(journal, records, changes, found)
    # A hot customer's history is too long for an oracle that tries every instant anew.
    customers = sorted({change["customer_id"] for change in changes if not is_hot(change["customer_id"])})
    chosen = set(random.Random(seed).sample(customers, min(compared, len(customers))))
    _against_the_oracle(pipeline, events, clock_steps(journal, GRACE_MS), changes, chosen, found, only_final)
    return found


def _is_open(pipeline: Pipeline, topic: str) -> bool:
    """Whether a transaction that nobody ended holds its readers back."""
    name = pipeline.topic(topic)
    return end_offsets(pipeline.address, name) != end_offsets(pipeline.address, name, committed=True)


def _against_themselves(changes: list[dict[str, Any]], found: Found) -> None:
    ids = Counter(change["id"] for change in changes)
    found.doubled = sum(count - 1 for count in ids.values())
    last: dict[str, int] = {}
    for change in changes:
        customer_id = change["customer_id"]
        if change["sequence"] != last.get(customer_id, 0) + 1:
            found.out_of_order += 1
            found.note(f"{customer_id}: sequence {change['sequence']} after {last.get(customer_id, 0)}")
        last[customer_id] = change["sequence"]
    found.customers = len(last)


def _against_the_clock(
    journal: list[Incoming], records: list[Incoming], changes: list[dict[str, Any]], found: Found
) -> None:
    """The journal's records carry the broker's time, the changes ours: both run on one machine here."""
    for record in journal:
        for offset, clock_ms, _ in decode_journal(record.value or b"").steps:
            if clock_ms > record.timestamp_ms:
                found.early += 1
                found.note(f"partition {record.partition}, offset {offset}: clock {clock_ms} at {record.timestamp_ms}")
    for record, change in zip(records, changes):
        if change["cause"]["kind"] == "clock" and record.timestamp_ms < (from_text(change["cause"]["due_at"]) or 0):
            found.early += 1
            found.note(f"{change['customer_id']}: due {change['cause']['due_at']}, written {record.timestamp_ms}")


def _against_the_oracle(
    pipeline: Pipeline,
    events: list[Incoming],
    steps: ClockSteps,
    changes: list[dict[str, Any]],
    chosen: set[str],
    found: Found,
    only_final: bool,
) -> None:
    definitions = load_definitions([pipeline.definitions])
    until_ms = min(instants[-1][1] for instants in steps.values())
    rows = expected_rows(definitions, events, steps, until_ms, chosen.__contains__)
    rows_there = [row_of(change) for change in changes if change["customer_id"] in chosen]
    if only_final:
        names = {each.name for each in (*definitions.dimensions, *definitions.segments)}
        expected, there = Counter(final_answers(rows, names)), Counter(final_answers(rows_there, names))
    else:
        expected, there = Counter(rows), Counter(rows_there)
    found.compared_customers, found.compared_changes = len(chosen), expected.total()
    lost, wrong = expected - there, there - expected
    found.lost, found.wrong = lost.total(), wrong.total()
    for row in lost:
        found.note(f"lost: {row}")
    for row in wrong:
        found.note(f"wrong: {row}")


def final_answers(rows: Iterable[Row], names: set[str]) -> list[Row]:
    """(customer, definition, answer) of the definitions of these names; not being in a segment is no answer."""
    last: dict[tuple[str, str], str | int] = {}
    for customer_id, _, name, _, after, *_ in rows:
        if name in names:
            last[customer_id, name] = after
    return [(customer_id, name, after) for (customer_id, name), after in last.items() if after != 0]
