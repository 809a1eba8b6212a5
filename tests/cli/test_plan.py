"""Laws of `segmenter plan`: what it prints and its exit codes; the forecast itself is held against Apache Kafka in
tests/kafka/test_definitions.py."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.commands import run

OLD = """definitions: 1
name: shop
events: {purchase: Order Completed}
segments:
  keen: {when: 'count(purchase, 10d) >= 2'}
"""


def files(folder: Path, new: str) -> tuple[str, str]:
    (folder / "old.yaml").write_text(OLD)
    (folder / "new.yaml").write_text(new)
    return str(folder / "old.yaml"), str(folder / "new.yaml")


def test_a_plan_without_settings_compares_and_ends_well(tmp_path: Path) -> None:
    done = run("plan", *files(tmp_path, OLD.replace("10d", "30d").replace("name: shop", "name: shop\nrevision: 2")))
    assert done.exit_code == 0
    assert "changed: segment keen" in done.output
    assert "when: count(purchase, 10d) >= 2 -> count(purchase, 30d) >= 2" in done.output
    assert "up to 20d long: keen" in done.output


def test_a_revision_that_was_not_raised_is_said_first_and_ends_with_one(tmp_path: Path) -> None:
    done = run("plan", *files(tmp_path, OLD.replace("10d", "30d")))
    assert done.exit_code == 1
    assert done.output.startswith("first: write `revision: 2`")


def test_the_customers_are_looked_at_only_when_the_revision_is_raised(tmp_path: Path) -> None:
    """No broker is there: it is not even asked."""
    old, new = files(tmp_path, OLD.replace("10d", "30d"))

    done = run("plan", old, new, "--name", "shop", "--broker", "127.0.0.1:1")

    assert (done.exit_code, done.output.partition("`")[0]) == (1, "first: write ")


def test_the_plan_as_json_holds_the_same(tmp_path: Path) -> None:
    done = run("plan", *files(tmp_path, OLD.replace("10d", "30d")), "--json")
    told = json.loads(done.stdout)
    assert told["forecast"] is None
    assert told["comparison"]["undecided_ms"] == {"keen": 20 * 86_400_000}
    assert "revision: 2" in told["comparison"]["revision"]


def test_a_broken_new_file_ends_with_three(tmp_path: Path) -> None:
    assert run("plan", *files(tmp_path, OLD.replace("count", "counts"))).exit_code == 3
