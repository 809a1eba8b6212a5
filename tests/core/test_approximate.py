"""A change says when its answer rests on entries that were merged or dropped."""

from __future__ import annotations

import orjson

from stream.codec.outbound import Encoder, Origin
from stream.core.changes import Change
from stream.core.profile import Profile
from stream.core.transition import Arrival, advance
from stream.core.windows import CAP
from stream.rules.compile import CompiledProgram
from tests.rules.trees import START, event, program_of

BEYOND = CAP + 50


def changes_of(program: CompiledProgram, events: int) -> dict[str, Change]:
    """The newest change of each definition after so many orders of 1, each another product, a millisecond apart."""
    profile = Profile("customer", (0, 0), len(program.definitions), program.blank())
    found: dict[str, Change] = {}
    for number in range(events):
        order = event(START + number, properties={"total": 1, "product": f"p-{number}"}, offset=number)
        for change in advance(profile, Arrival(order, START + number, False), program).changes:
            assert change.definition is not None
            found[change.definition.name] = change
    return found


def test_a_change_after_its_cell_overflowed_is_approximate_and_one_before_is_not() -> None:
    program = program_of(
        f"segments:\n  spent-little:\n    when: sum(purchase.total, 7d) >= {CAP}\n"
        f"  spent:\n    when: sum(purchase.total, 7d) >= {BEYOND}\n"
        f"  ordered:\n    when: count(purchase) >= {BEYOND}\n"
        f"  both:\n    when: in('spent') and in('ordered')\n"
    )
    found = changes_of(program, BEYOND)
    assert {name: change.approximate for name, change in found.items()} == {
        "spent-little": False, "spent": True, "ordered": False, "both": True,
    }  # fmt: skip


def test_a_change_is_approximate_once_values_are_dropped() -> None:
    program = program_of(
        f"dimensions:\n  tried:\n    stages:\n      - some: count(purchase) < {BEYOND}\n"
        f"      - even: distinct(purchase.product, 7d) == distinct(purchase.total, 7d)\n      - many: otherwise\n"
    )
    found = changes_of(program, BEYOND)
    assert (found["tried"].after, found["tried"].approximate) == (2, True)


def test_the_value_says_approximate_only_when_it_is() -> None:
    program = program_of(
        "segments:\n  spent:\n    when: sum(purchase.total, 7d) >= 520\n  ordered:\n    when: count(purchase) >= 520\n"
    )
    encoder = Encoder(Origin("tests", "7f3a9c41", "customer-events", 0), program)
    values = {
        name: orjson.loads(encoder.change("customer", (0, 0), change)[0])
        for name, change in changes_of(program, 520).items()
    }
    assert values["spent"]["approximate"] is True
    assert "approximate" not in values["ordered"]
