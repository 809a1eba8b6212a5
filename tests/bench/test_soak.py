"""What the soak deploys, and how it compares what came of it."""

from __future__ import annotations

import random
from pathlib import Path

from bench.soak.people import changed
from bench.soak.truth import final_answers
from stream.rules.compile import compile_program
from stream.rules.load import load_definitions


def test_whatever_the_dice_say_what_is_deployed_is_a_revision_and_histories_come_and_go_with_it(tmp_path: Path):
    dice, layouts = random.Random(1), set()
    for revision in range(2, 22):
        deployed = tmp_path / "soak.yaml"
        deployed.write_text(changed(dice, revision))
        program = compile_program(load_definitions([deployed]))
        assert program.version == revision
        layouts.add(program.fingerprint)
    assert len(layouts) > 2, "each keeps the same cells"


def test_the_last_answer_of_each_definition_counts_and_being_out_of_a_segment_is_none():
    rows = [
        ("ann", 1, "lifecycle", None, "prospect", 10, None, "event"),
        ("ann", 2, "gone", 0, 1, 20, 1, "clock"),
        ("bob", 1, "gone", 0, 1, 20, 1, "clock"),
        ("ann", 3, "lifecycle", "prospect", "active", 30, None, "event"),
        ("ann", 4, "gone", 1, 0, 30, 1, "event"),
        ("bob", 2, "removed", 0, 1, 30, 1, "event"),
    ]
    assert final_answers(rows, {"lifecycle", "gone"}) == [("ann", "lifecycle", "active"), ("bob", "gone", 1)]
