"""Changes caused by the clock, held against the journal's steps: never early, never without a step or a record.

Independent of the model: a core that forgets the grace would agree with itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from stream.codec.instants import from_text
from stream.codec.journal import JournalRecord
from stream.verify.log import Record
from stream.verify.match import Tell
from stream.verify.report import Kind, Report

RECENT_STEPS = 1_000
"""Steps remembered, to call a change early that is read with a later commit than its own, as early ones are."""

Times = Mapping[bytes, list[tuple[int, int]]]
"""Customer key -> (read time, event time) of the customer's records in a commit."""


class WakeLaws:
    """Takes one partition's commits in order, each with the changes read for it."""

    def __init__(self, tell: Tell, report: Report) -> None:
        self._tell = tell
        self._report = report
        self._stepped: deque[int] = deque(maxlen=RECENT_STEPS)

    def take(
        self, journal: JournalRecord, changes: Iterable[tuple[Record, dict[str, Any]]], times: Times, grace_ms: int
    ) -> None:
        """The clock's changes of one commit. Each was decided by a step that had passed its due instant by the grace,
        or when a record of the same customer was read whose event time is later than the due instant."""
        steps = {clock_ms for _, clock_ms, *_ in (*journal.steps, *journal.sweeps)}
        self._stepped.extend(steps)
        for record, value in changes:
            cause = value.get("cause")
            if not isinstance(cause, dict) or cause.get("kind") != "clock":
                continue
            self._report.checked["changes caused by the clock"] += 1
            due_ms, decided_ms = _instant(cause.get("due_at")), _instant(value.get("decided_at"))
            if due_ms is None or decided_ms is None:
                self._tell(Kind.CHANGE_UNREADABLE, "due_at or decided_at is no instant", (record,), None)
                continue
            own = times.get(record.key or b"", ())
            by_step = decided_ms in steps and due_ms + grace_ms <= decided_ms
            by_record = any(read_ms == decided_ms and due_ms < time_ms for read_ms, time_ms in own)
            if not by_step and not by_record:
                self._breach(record, due_ms, decided_ms, grace_ms)

    def _breach(self, record: Record, due_ms: int, decided_ms: int, grace_ms: int) -> None:
        if decided_ms in self._stepped and due_ms + grace_ms > decided_ms:
            text = f"decided {decided_ms - due_ms} ms after the due instant, the grace is {grace_ms} ms"
            self._tell(Kind.WAKE_EARLY, text, (record,), None)
        else:
            text = "its commit has no clock step at the instant it was decided, nor a later record of the customer"
            self._tell(Kind.WAKE_GHOST, text, (record,), None)


def _instant(text: Any) -> int | None:
    return from_text(text) if isinstance(text, str) else None
