"""Notices that the input, or one event, has gone quiet far below its own usual rate.

Per partition and name (the whole input, and each event whose absence moves somebody) the events of every minute are
counted as they are committed. *Usual* is the mean per minute: of all minutes so far, later exponentially weighted over
four times the length of the silence, at least an hour. A name is quiet when, over the whole length,

- fewer than a twentieth of the usual came, of all partitions together that were learned for as long as the weighting
  and the length itself;
- the usual would have been at least `LEAST_EXPECTED` events: small and night traffic is never judged;
- no such gap (below a tenth) has ended by itself within the last day, learning included: input that comes in batches
  has gaps as a habit.

Only minutes count in which a partition was read up to its end all the time: behind, restoring, stopped or without a
broker it neither learns nor judges, and the length begins anew. All of it is in memory: after a restart, or with a
partition that has just come, the guard learns first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

MINUTE_MS = 60_000
LEARNED_LENGTHS = 4
"""The usual is learned over so many lengths of the silence..."""
LEAST_LEARNED_MINUTES = 60
"""... and at least over so many minutes."""
LEAST_EXPECTED = 200
"""A twentieth of it is ten: where a fifth of the usual still comes, fewer come once in a hundred million lengths."""
QUIET_SHARE = 0.05
GAP_SHARE = 0.1
HABIT_MS = 86_400_000

WHOLE_INPUT = ""


@dataclass(frozen=True, slots=True)
class Quiet:
    """`name` (WHOLE_INPUT: all of it) brought `seen` events where `usual` were to be expected."""

    name: str
    seen: int
    usual: float


@dataclass(slots=True)
class _Reading:
    """What a partition brings."""

    current: dict[str, int] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    recent: dict[str, deque[int]] = field(default_factory=dict)
    learned: int = 0  # minutes
    whole: bool = False  # whether it was read up to its end since the minute began


class SilenceWatch:
    """One for a worker. `length_ms` is rounded up to minutes; `names` are the events watched beside the whole input."""

    def __init__(self, length_ms: int, names: Iterable[str]) -> None:
        self._length = max(1, -(-length_ms // MINUTE_MS))
        self._memory = max(LEAST_LEARNED_MINUTES, LEARNED_LENGTHS * self._length)
        self._names = (WHOLE_INPUT, *names)
        self._readings: dict[int, _Reading] = {}
        self._minute: int | None = None
        self._in_gap: set[str] = set()
        self._habit_until_ms: dict[str, int] = {}

    def count(self, partition: int, received: int, events: Mapping[str, int]) -> None:
        """What one commit of a partition took in."""
        current = self._readings.setdefault(partition, _Reading()).current
        current[WHOLE_INPUT] = current.get(WHOLE_INPUT, 0) + received
        for name in self._names[1:]:
            current[name] = current.get(name, 0) + events.get(name, 0)

    def forget(self, partitions: Iterable[int]) -> None:
        """They are no longer ours."""
        for partition in partitions:
            self._readings.pop(partition, None)

    def judge(self, now_ms: int, up_to_date: Collection[int], held: Collection[str]) -> list[Quiet]:
        """What has gone quiet. To be called several times a minute: `up_to_date` are the partitions read up to their
        end now, `held` the names held already, of which nothing is judged."""
        minute = now_ms // MINUTE_MS
        found: list[Quiet] = []
        if self._minute is not None and minute != self._minute:
            self._close(followed=minute == self._minute + 1)
            found = [quiet for name in self._names if (quiet := self._quiet(name, now_ms, name in held))]
        for partition in up_to_date:
            reading = self._readings.setdefault(partition, _Reading())
            if minute != self._minute:
                reading.whole = True
        for partition, reading in self._readings.items():
            if partition not in up_to_date:
                reading.whole = False
        self._minute = minute
        return found

    def _close(self, followed: bool) -> None:
        """A minute is over."""
        for reading in self._readings.values():
            counted, reading.current = reading.current, {}
            if not (reading.whole and followed):
                reading.recent.clear()
                reading.whole = False
                continue
            reading.learned += 1
            weight = 1 / min(reading.learned, self._memory)
            for name in self._names:
                number = counted.get(name, 0)
                before = reading.rates.get(name, 0.0)
                reading.rates[name] = before + weight * (number - before)
                reading.recent.setdefault(name, deque(maxlen=self._length)).append(number)

    def _quiet(self, name: str, now_ms: int, held: bool) -> Quiet | None:
        readings = [each for each in self._readings.values() if len(each.recent.get(name, ())) == self._length]
        if held:
            for reading in self._readings.values():
                reading.recent.pop(name, None)  # after a release the length begins anew
            self._in_gap.discard(name)
            return None
        seen, usual = self._compare(name, readings)
        if usual < LEAST_EXPECTED or seen >= GAP_SHARE * usual:
            if name in self._in_gap and usual >= LEAST_EXPECTED:
                self._in_gap.discard(name)
                self._habit_until_ms[name] = now_ms + HABIT_MS
            return None
        self._in_gap.add(name)
        if now_ms < self._habit_until_ms.get(name, 0):
            return None
        seen, usual = self._compare(name, [each for each in readings if each.learned >= self._memory + self._length])
        return Quiet(name, seen, usual) if usual >= LEAST_EXPECTED and seen < QUIET_SHARE * usual else None

    def _compare(self, name: str, readings: list[_Reading]) -> tuple[int, float]:
        """(events that came, events usual) over the length."""
        seen = sum(sum(reading.recent[name]) for reading in readings)
        return seen, self._length * sum(reading.rates[name] for reading in readings)
