"""What `expected` and `expected_revised` say alike: what comes out, and of a customer's life which messages are taken,
how a change is counted, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.simulation.definitions import DAY_MS
from tests.simulation.events import Sent

KEPT_MESSAGES = 32
KEPT_MS = 7 * DAY_MS
LONG_AGO_MS = -(1 << 62)

Row = tuple[str, int, str | None, object, object, int, int | None, str]
"""(customer, sequence, definition, from, to, effective_ms, nth, kind of cause); an erasure has no definition."""


@dataclass
class Expected:
    rows: list[Row] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)  # (offset, reason)
    duplicates: int = 0
    held: int = 0  # answers kept back
    holds: dict[str, int] = field(default_factory=dict)  # key -> since when


@dataclass
class Life:
    """A customer from the first event to the erasure."""

    events: list[tuple[int, str]] = field(default_factory=list)  # (event time, kind)
    judged_ms: int = LONG_AGO_MS
    stage: str | None = None
    within: dict[str, bool] = field(default_factory=dict)  # by segment
    sequence: int = 0
    nth: dict[str, int] = field(default_factory=dict)
    messages: list[tuple[str, int]] = field(default_factory=list)
    forgotten_ms: int = LONG_AGO_MS

    def takes(self, expected: Expected, sent: Sent, time_ms: int, offset: int) -> bool:
        """Whether the event counts: not a second time, not when that can't be known, not when it breaks the core."""
        message = sent.message_id
        if message is None:
            return True
        if any(message == known for known, _ in self.messages):
            expected.duplicates += 1
            return False
        if time_ms <= self.forgotten_ms:
            expected.rejected.append((offset, "too-old"))
            return False
        if message.startswith("breaks-"):
            expected.rejected.append((offset, "internal"))
            return False
        return True

    def remember(self, message: str | None, time_ms: int) -> None:
        """A message that was taken; the oldest are forgotten for it, and with time."""
        if message is not None:
            self.messages.append((message, time_ms))
        while self.messages and (len(self.messages) > KEPT_MESSAGES or self.messages[0][1] < self.judged_ms - KEPT_MS):
            self.forgotten_ms = max(self.forgotten_ms, self.messages.pop(0)[1])

    def tell(
        self, expected: Expected, customer: str, change: tuple[str, object, object], now_ms: int, cause: str
    ) -> None:
        """`change`: (definition, from, to)."""
        definition, before, after = change
        self.judged_ms = now_ms
        self.sequence += 1
        self.nth[definition] = self.nth.get(definition, 0) + 1
        expected.rows.append((customer, self.sequence, definition, before, after, now_ms, self.nth[definition], cause))

    def turn(self, definition: str, answer: object) -> None:
        """From now on this is the answer."""
        if definition == "lifecycle":
            self.stage = str(answer)
        else:
            self.within[definition] = bool(answer)

    def end(self, expected: Expected, customer: str, time_ms: int) -> None:
        """The customer is forgotten."""
        at_ms = max(self.judged_ms, time_ms)
        expected.rows.append((customer, self.sequence + 1, None, None, None, at_ms, None, "erasure"))
