"""Commands as a user runs them, inside this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from stream.cli.main import app
from stream.cli.templates import path_of

SMALLEST = path_of("smallest")
SHOP = path_of("shop")
DAY_MS = 86_400_000
START_MS = 1_767_571_200_000  # 2026-01-05T00:00:00Z


def run(*arguments: object, given: bytes | None = None) -> Result:
    """A command to its end; `given` is its standard input. A traceback of ours fails the test at once."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def order(customer: str, at_ms: int, message_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """One order; `_ts_ms` says when."""
    event = {"type": "track", "event": "Order Completed", "userId": customer, "_ts_ms": at_ms, **fields}
    return event if message_id is None else {**event, "messageId": message_id}


def replay(
    events: list[dict[str, Any] | bytes], definitions: Path = SMALLEST, until: str | None = None
) -> tuple[list[dict[str, Any]], Result]:
    """The changes, and the whole result, whose exit code was 0."""
    lines = b"".join((event if isinstance(event, bytes) else json.dumps(event).encode()) + b"\n" for event in events)
    result = run("replay", "-", "-d", definitions, *(() if until is None else ("--until", until)), given=lines)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()], result


def told(change: dict[str, Any]) -> tuple[Any, ...]:
    """What a change says, shortly: customer, segment or dimension, answer, effective at, cause."""
    answer = change["member"] if "segment" in change else change.get("to_stage")
    name = change.get("segment", change.get("dimension"))
    return (change["customer_id"], name, answer, change["effective_at"], change["cause"]["kind"])
