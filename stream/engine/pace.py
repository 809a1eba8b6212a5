"""How long the engine takes records in before it commits again."""

from __future__ import annotations

LONGEST_STRETCH_S = 1.0


class Pace:
    """Commits begin `interval_s` after one another while everything read is also processed.

    A commit of much takes long, and nothing is processed meanwhile: the pause after it is at least half as long, and at
    least what the broker took (at 5,000 events/s on two cores five times that gave 1,419 ms from event to change at
    p99, once gave 466). Who is behind pauses for the whole interval: what the commits cost by themselves is shared
    by more records then, and with shorter pauses a worker at its limit stayed behind for ever.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._waited_s = 0.0
        self._took_s = self._broker_s = 0.0

    def processed(self, waited_s: float) -> None:
        """The newest batch was processed so long after it was read."""
        self._waited_s = waited_s

    def committed(self, took_s: float, broker_s: float) -> None:
        """A commit took so long, of which the broker so much; our own work for it grows with the pause."""
        self._took_s, self._broker_s = took_s, broker_s

    def pause_s(self) -> float:
        """From the end of the last commit to the begin of the next."""
        broker_s = min(self._broker_s, LONGEST_STRETCH_S)
        if self._waited_s > self._interval_s / 2:
            return max(self._interval_s, broker_s)
        return max(self._interval_s - self._took_s, min(self._took_s / 2, LONGEST_STRETCH_S), broker_s)
