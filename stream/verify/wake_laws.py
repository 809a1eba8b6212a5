"""Changes caused by the clock, held against the journal's steps: never early, never without a step or a record.

Independent of the model: a core that forgets the grace would agree with itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stream.codec.instants import from_text
from stream.codec.journal import JournalRecord
from stream.verify.log import Record
from stream.verify.match import Tell
from stream.verify.report import Kind, Report

Times = Mapping[bytes, list[tuple[int, int]]]
"""Customer key -> (read time, event time) of the customer's records in a commit."""


def check_wakes(
    journal: JournalRecord,
    changes: Iterable[tuple[Record, dict[str, Any]]],
    times: Times,
    grace_ms: int,
    tell: Tell,
    report: Report,
) -> None:
    """The clock's changes of one commit. Each was decided by a step that had passed its due instant by the grace, or
    when a record of the same customer was read whose event time is later than the due instant."""
    steps = {clock_ms for _, clock_ms, _ in journal.steps}
    for record, value in changes:
        cause = value.get("cause")
        if not isinstance(cause, dict) or cause.get("kind") != "clock":
            continue
        report.checked["changes caused by the clock"] += 1
        due_ms, decided_ms = _instant(cause.get("due_at")), _instant(value.get("decided_at"))
        if due_ms is None or decided_ms is None:
            tell(Kind.CHANGE_UNREADABLE, "due_at or decided_at is no instant", (record,), None)
            continue
        if decided_ms in steps and due_ms + grace_ms <= decided_ms:
            continue
        own = times.get(record.key or b"", ())
        if any(read_ms == decided_ms and due_ms < time_ms for read_ms, time_ms in own):
            continue
        if decided_ms in steps:
            text = f"decided {decided_ms - due_ms} ms after the due instant, the grace is {grace_ms} ms"
            tell(Kind.WAKE_EARLY, text, (record,), None)
        else:
            text = "decided at an instant at which the journal has no clock step, nor a later record of the customer"
            tell(Kind.WAKE_GHOST, text, (record,), None)


def _instant(text: Any) -> int | None:
    return from_text(text) if isinstance(text, str) else None
