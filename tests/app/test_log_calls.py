"""Every log call of the package: what is about a partition carries it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

STREAM = Path(__file__).parents[2] / "stream"
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}

WORKER_WIDE = {
    "worker_starting", "worker_failed", "silence_held", "holds_changed",
    "certificate_unread", "watch_failed", "clock_blocked", "clock_runs", "clock_not_compared",
    "commit_aborted", "producer_not_initialised_yet", "producer_renewed", "source_paused", "source_resumed",
    "fewer_partitions_than_processes",
    "processes_started", "processes_told_to_stop", "process_ended", "processes_killed",
}  # fmt: skip
"""About the process, its producer or all partitions at once. All other lines are about partitions."""


class Call(NamedTuple):
    place: str
    events: list[str]
    fields: set[str]


def calls() -> list[Call]:
    """Every call of a logger named `log`. An event chosen by a condition counts as both."""
    found = []
    for path in sorted(STREAM.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
                continue
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "log"):
                continue
            event = node.args[0]
            chosen = [event.body, event.orelse] if isinstance(event, ast.IfExp) else [event]
            names = [str(each.value) for each in chosen if isinstance(each, ast.Constant)]
            assert len(names) == len(chosen), f"{path.name}:{node.lineno}: an event that is not a text of the code"
            fields = {keyword.arg for keyword in node.keywords if keyword.arg}
            found.append(Call(f"{path.relative_to(STREAM)}:{node.lineno}", names, fields))
    return found


CALLS = calls()


def test_every_line_about_a_partition_carries_it() -> None:
    lacking = [
        f"{call.place}: {event}"
        for call in CALLS
        for event in call.events
        if event not in WORKER_WIDE and not call.fields & {"partition", "partitions"}
    ]

    assert len(CALLS) > 15
    assert lacking == []


def test_the_list_of_lines_about_the_whole_worker_names_only_lines_that_are_written() -> None:
    assert {event for call in CALLS for event in call.events} >= WORKER_WIDE


def test_an_event_is_one_word_for_a_search() -> None:
    assert [event for call in CALLS for event in call.events if not event.replace("_", "a").isidentifier()] == []


def test_no_line_has_a_field_for_what_is_personal() -> None:
    personal = {"customer", "customer_id", "key", "value", "payload", "traits", "properties", "message_id", "user_id"}

    assert [call.place for call in CALLS if call.fields & personal] == []
