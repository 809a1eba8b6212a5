"""`segmenter replay`: events from a file through the same core, without Kafka; changes to standard output.

As if the worker were behind until the end of the file and then caught up at `--until`.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NamedTuple

import orjson
import typer

from stream.cli.definitions import load
from stream.codec.inbound import MAX_BYTES, decode
from stream.codec.instants import LAST_MS, from_text
from stream.codec.outbound import Encoder, Origin
from stream.core.events import FOREVER_MS, Decoded, Erasure, Event, Ignored, Reason, Rejected
from stream.core.partition import Counts, Partition, Position
from stream.core.profile import Profile
from stream.core.program import Program
from stream.errors import ConfigError

RUN_ID = "00000000"
"""A replay is no run: the same file gives the same ids."""

WAKES_AT_ONCE = 5_000
MOST_NAMED = 5

NO_KEY = b"?"
"""Stands for the record's key where the payload names nobody: the codec then says what is wrong with its id."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def replay(
    file: Annotated[Path, typer.Argument(help="Events, one JSON object per line; - for standard input.")],
    definitions: Annotated[list[Path], typer.Option("--definitions", "-d", help="Definitions: file or folder.")],
    until: Annotated[
        str | None,
        typer.Option(
            help="Instant at which the replay has caught up, like 2026-03-01T00:00:00Z; what is later is taken for it. "
            "Default: the newest line's time."
        ),
    ] = None,
) -> None:
    """Print what a history of events brings: changes, as JSON lines.

    A line is an event as it would stand in the input topic. It may hold _ts_ms, the record's timestamp in ms; without
    it the event's own time stands for it. For convenience a line {"type": "erase", "userId": "..."} erases the
    customer, as a record without a value does. Rejected lines and the counts are told on standard error.
    """
    until_ms = None if until is None else _instant_of_option(until)
    _, program = load(definitions)
    out = sys.stdout.buffer
    changes = 0

    def write(value: bytes) -> None:
        nonlocal changes
        changes += 1
        out.write(value + b"\n")

    passed_over = PassedOver(frozenset(program.event_names))
    counts = replay_lines(_lines(file), program, until_ms, write, _tell_rejected, passed_over)
    out.flush()
    for line in passed_over.told():
        typer.echo(line, err=True)
    names = ("received", "accepted", "duplicate", "late", "ignored", "rejected", "erased")
    told = ", ".join(f"{getattr(counts, name)} {name}" for name in names if getattr(counts, name))
    typer.echo(f"replayed {told or 'nothing'}: {changes} changes", err=True)


@dataclass(slots=True)
class PassedOver:
    """What came and counted for little: most of it is right so, but a typing error lies here too."""

    asked: frozenset[str]  # names of events that the definitions ask for
    types: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    clamped: int = 0

    def see(self, item: Decoded, time_ms: int, until_ms: int | None) -> None:
        if isinstance(item, Ignored):
            self.types[item.kind] += 1
        elif isinstance(item, Event) and item.kind == "track" and item.name not in self.asked:
            self.names[item.name] += 1
        if isinstance(item, Event | Erasure) and until_ms is not None:
            self.clamped += item.time_ms == until_ms < time_ms

    def told(self) -> Iterator[str]:
        if self.types:
            yield f"ignored, of a type that is none of track, identify, page, screen, group: {_most(self.types)}"
        if self.names:
            yield f"events that no definition names: {_most(self.names)}"
        if self.clamped:
            yield f"later than --until, and taken for that instant: {self.clamped}"


def _most(found: Counter[str]) -> str:
    rest = len(found) - MOST_NAMED
    named = ", ".join(f"{name!r} ({count})" for name, count in found.most_common(MOST_NAMED))
    return named + (f" and {rest} more" if rest > 0 else "")


def replay_lines(
    lines: Iterable[bytes],
    program: Program,
    until_ms: int | None,
    emit: Callable[[bytes], Any],
    reject: Callable[[Rejected], Any],
    passed_over: PassedOver | None = None,
) -> Counts:
    """The lines through one partition that is behind until their end and then catches up at `until_ms`.

    `emit` gets each change's value as JSON bytes, in order, `reject` each line that can't be used; `Rejected.offset` is
    the line's number from 0. Blank lines are passed over.
    """
    replaying = _Replay(program, until_ms, emit, reject, passed_over)
    for number, line in enumerate(lines):
        if line.strip():
            replaying.take(line, number)
    replaying.catch_up()
    return replaying.counts


class _Replay:
    """One partition without Kafka: state in a dict, every line settled at once, nothing ever undone."""

    def __init__(
        self,
        program: Program,
        until_ms: int | None,
        emit: Callable[[bytes], Any],
        reject: Callable[[Rejected], Any],
        passed_over: PassedOver | None = None,
    ) -> None:
        self._passed_over = passed_over
        self._until_ms = until_ms
        self._emit = emit
        self._reject = reject
        self._newest_ms = 0
        self._customers: dict[str, Profile] = {}
        self._encoder = Encoder(Origin(program.name, RUN_ID, "replay", 0), program)
        all_is_history = Position(0, replay_until_offset=FOREVER_MS, replay_until_ms=FOREVER_MS)
        self._partition = Partition(
            0, program, self._customers.get, lambda _from, _until: iter(()), all_is_history, grace_ms=0
        )

    @property
    def counts(self) -> Counts:
        return self._partition.pending.counts

    @property
    def _clock_ms(self) -> int:
        """The instant at which all was read: what a change says of `decided_at`."""
        return self._newest_ms if self._until_ms is None else self._until_ms

    def take(self, line: bytes, number: int) -> None:
        item, time_ms = read_line(
            line, number, FOREVER_MS if self._until_ms is None else self._until_ms, self._newest_ms
        )
        if isinstance(item, Event | Erasure):
            self._newest_ms = max(self._newest_ms, time_ms)
        if self._passed_over is not None:
            self._passed_over.see(item, time_ms, self._until_ms)
        self._partition.take(item, self._clock_ms)
        self._settle()

    def catch_up(self) -> None:
        """All silence up to the end."""
        while not self._partition.step(self._clock_ms, WAKES_AT_ONCE):
            self._settle()
        self._settle()

    def _settle(self) -> None:
        pending = self._partition.pending
        for profile, change in pending.changes:
            self._emit(self._encoder.change(profile.customer_id, profile.born, change)[0])
        for rejected in pending.rejected:
            self._reject(rejected)
        for customer_id, profile_or_none in pending.touched.items():
            if profile_or_none is None:
                self._customers.pop(customer_id, None)
            else:
                self._customers[customer_id] = profile_or_none
        for settled in (pending.changes, pending.changed, pending.rejected, pending.touched, pending.steps):
            settled.clear()
        pending.lately.clear()


# -- one line


class Line(NamedTuple):
    """The record a line stands for, and its timestamp (0 where there is none, or nothing to date)."""

    item: Decoded
    time_ms: int


def read_line(line: bytes, number: int, read_ms: int, newest_ms: int) -> Line:
    """The line as a record: its key is the payload's own id, `_ts_ms` its timestamp. No event is later than `read_ms`.

    An erasure without a time happens at `newest_ms`; an event without one is rejected, since nobody could say what came
    before it.
    """
    value = line.strip()
    try:
        payload = orjson.loads(value)
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        return Line(decode(NO_KEY, value, None, 0, number, read_ms), 0)  # says what is wrong with it
    if not _is_timestamp(payload.get("_ts_ms")):
        detail = f"_ts_ms is no whole number of milliseconds since 1970, at most {LAST_MS}"
        return Line(Rejected(number, Reason.BAD_TIMESTAMP, detail), 0)
    key, time_ms = _key(payload), _record_time(payload)
    if payload.get("type") == "erase":
        if key == NO_KEY:
            return Line(Rejected(number, Reason.MISSING_CUSTOMER_ID, "an erase line names no userId"), 0)
        erased_ms = newest_ms if time_ms is None else time_ms
        return Line(decode(key, None, None, erased_ms, number, read_ms), erased_ms)
    if time_ms is not None:
        return Line(decode(key, value, None, time_ms, number, read_ms), time_ms)
    item = decode(key, value, None, 0, number, read_ms)
    if isinstance(item, Event):
        item = Rejected(number, Reason.BAD_TIMESTAMP, "the line has no time; give it a timestamp, or _ts_ms")
    return Line(item, 0)


def _key(payload: dict[str, Any]) -> bytes:
    customer_id = payload.get("userId") or payload.get("anonymousId")
    return customer_id.encode() if isinstance(customer_id, str) else NO_KEY


def _is_timestamp(given: Any) -> bool:
    return given is None or (type(given) is int and 0 <= given <= LAST_MS)


def _record_time(payload: dict[str, Any]) -> int | None:
    """The record's timestamp: as given, or when a collector took the event, or the latest its sender speaks of."""
    if payload.get("_ts_ms") is not None:
        given: int = payload["_ts_ms"]
        return given
    received_ms = _instant(payload.get("receivedAt"))
    if received_ms is not None:
        return received_ms
    told = [_instant(payload.get(field)) for field in ("timestamp", "originalTimestamp", "sentAt")]
    return max((time_ms for time_ms in told if time_ms is not None), default=None)


def _instant(text: Any) -> int | None:
    instant_ms = from_text(text) if isinstance(text, str) else None
    return instant_ms if instant_ms is not None and instant_ms >= 0 else None


# -- the command's edges


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as stream:
            yield from _bounded(stream)
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}") from None


def _bounded(stream: BinaryIO) -> Iterator[bytes]:
    """Lines, each cut soon after the largest size an event may have: the codec then says that it is too large."""
    longest = MAX_BYTES + 2
    line = stream.readline(longest).removeprefix(BYTE_ORDER_MARK)
    while line:
        rest = line
        while len(rest) == longest and not rest.endswith(b"\n"):
            rest = stream.readline(longest)
        yield line
        line = stream.readline(longest)


def _instant_of_option(text: str) -> int:
    instant_ms = _instant(text)
    if instant_ms is None:
        raise typer.BadParameter(
            f"found {text!r}, expected an instant like 2026-03-01T00:00:00Z", param_hint="'--until'"
        )
    return instant_ms


def _tell_rejected(rejected: Rejected) -> None:
    typer.echo(f"line {rejected.offset + 1}: rejected, {rejected.reason}: {rejected.detail}", err=True)
