"""`segmenter replay`: events from a file through the same core, without Kafka; changes to standard output.

As if the worker were behind until the end of the file and then caught up at `--until`.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from stream.cli.definitions import load
from stream.codec.inbound import decode
from stream.codec.instants import from_text
from stream.codec.outbound import Encoder, Origin
from stream.core.events import FOREVER_MS, Decoded, Erasure, Event, Reason, Rejected
from stream.core.partition import Partition, Position
from stream.core.profile import Profile
from stream.core.program import Program
from stream.errors import ConfigError

RUN_ID = "00000000"
"""A replay is no run: the same file gives the same ids."""

WAKES_AT_ONCE = 5_000


def replay(
    file: Annotated[Path, typer.Argument(help="Events, one JSON object per line; - for standard input.")],
    definitions: Annotated[list[Path], typer.Option("--definitions", "-d", help="Definitions: file or folder.")],
    until: Annotated[
        str | None,
        typer.Option(help="Instant at which the replay has caught up; default: the time of the newest record."),
    ] = None,
) -> None:
    """Print every change that a history of events brings, one JSON value per line.

    A line may hold `_ts_ms`, the record's timestamp in ms; without it the event's own time stands for it. Rejected
    lines are told on standard error.
    """
    _, program = load(definitions)
    until_ms = None if until is None else _instant(until)
    out = sys.stdout.buffer
    result = replay_lines(_lines(file), program, until_ms, lambda value: _write(out, value))
    out.flush()
    for offset, reason, detail in result.rejected:
        typer.echo(f"line {offset + 1}: rejected, {reason}: {detail}", err=True)
    counts = ", ".join(f"{count} {what}" for what, count in result.counts.items() if count)
    typer.echo(f"replayed {counts or 'nothing'}", err=True)


class Replayed:
    """What became of the lines."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.rejected: list[tuple[int, str, str]] = []


def replay_lines(
    lines: Iterator[bytes], program: Program, until_ms: int | None, emit: Callable[[bytes], Any]
) -> Replayed:
    """The lines through one partition that is behind until their end and then catches up at `until_ms`.

    `emit` gets each change's value as JSON bytes, in order.
    """
    result = Replayed()
    read_ms = FOREVER_MS if until_ms is None else until_ms
    encoder = Encoder(Origin(program.name, RUN_ID, "replay", 0), program)
    customers: dict[str, Profile] = {}
    position = Position(0, replay_until_offset=FOREVER_MS, replay_until_ms=FOREVER_MS)
    partition = Partition(0, program, customers.get, lambda _from, _until: iter(()), position, grace_ms=0)
    newest_ms = 0

    def settle() -> None:
        pending = partition.pending
        for profile, change in pending.changes:
            emit(encoder.change(profile.customer_id, profile.born, change)[0])
        result.counts["changes"] += len(pending.changes)
        for rejected in pending.rejected:
            result.rejected.append((rejected.offset, str(rejected.reason), rejected.detail))
        for customer_id, profile_or_none in pending.touched.items():
            if profile_or_none is None:
                customers.pop(customer_id, None)
            else:
                customers[customer_id] = profile_or_none
        pending.changes.clear()
        pending.rejected.clear()
        pending.touched.clear()

    for offset, line in enumerate(lines):
        if not line.strip():
            continue
        item, timestamp_ms = _decode_line(line, offset, read_ms)
        newest_ms = max(newest_ms, timestamp_ms)
        partition.take(item, newest_ms if until_ms is None else until_ms)
        settle()
    clock_ms = newest_ms if until_ms is None else until_ms
    while not partition.step(clock_ms, WAKES_AT_ONCE):
        settle()
    settle()
    counts = partition.pending.counts
    for name in ("received", "accepted", "duplicate", "ignored", "rejected", "erased", "late"):
        result.counts[name] = getattr(counts, name)
    return result


def _decode_line(line: bytes, offset: int, read_ms: int) -> tuple[Decoded, int]:
    """The record that the line stands for: its key is the payload's own id, `_ts_ms` its timestamp."""
    key, timestamp_ms, value = b"", -1, line
    try:
        payload = orjson.loads(line)
    except ValueError:
        return decode(b"?", line, None, timestamp_ms, offset, read_ms), 0
    if isinstance(payload, dict):
        given = payload.pop("_ts_ms", None)
        if given is not None:
            if isinstance(given, bool) or not isinstance(given, int) or given < 0:
                detail = "_ts_ms must be a whole number of milliseconds"
                return Rejected(offset, Reason.BAD_TIMESTAMP, detail), 0
            timestamp_ms = given
            value = orjson.dumps(payload)
        customer_id = payload.get("userId") or payload.get("anonymousId")
        if isinstance(customer_id, str):
            key = customer_id.encode()
        if payload.get("type") == "erase" and key:
            return decode(key, None, None, timestamp_ms, offset, read_ms), max(timestamp_ms, 0)
    item = decode(key, value, None, timestamp_ms, offset, read_ms)
    if timestamp_ms < 0 and isinstance(item, Event | Erasure):
        timestamp_ms = item.time_ms
    return item, max(timestamp_ms, 0)


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as stream:
            yield from stream
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}") from None


def _instant(text: str) -> int:
    instant_ms = from_text(text)
    if instant_ms is None:
        raise ConfigError(f"--until: found {text!r}; expected an instant like 2026-03-01T00:00:00Z")
    return instant_ms


def _write(out: Any, value: bytes) -> None:
    out.write(value)
    out.write(b"\n")
