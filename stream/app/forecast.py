"""Who would move if other definitions were deployed now: every customer carried over in memory, nothing written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from stream.codec.snapshot import decode_profile
from stream.core.changes import Change
from stream.core.migration import Carrier, Earlier
from stream.core.program import Decider, Program
from stream.core.transition import Revised, Wake, advance

REASONS = 3
REASONS_COUNTED = 500
"""Different reasons kept apart per segment and direction: what is rarer is no sample."""


@dataclass(slots=True)
class Moves:
    """Of one segment (or stage flow): how many, of them held out, and why, most frequent first."""

    customers: int = 0
    held_out: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def take(self, change: Change) -> None:
        self.customers += 1
        self.held_out += change.control is True
        reason = "; ".join(map(_said, change.because)) or "it is removed"
        if reason in self.reasons or len(self.reasons) < REASONS_COUNTED:
            self.reasons[reason] += 1

    def samples(self) -> list[str]:
        return [reason for reason, _ in self.reasons.most_common(REASONS)]


@dataclass(slots=True)
class Forecast:
    """`entered`, `left`: by segment; `flows`: by (dimension, from stage, to stage), None for no stage; `warming`: by
    definition, how many customers it is undecided for."""

    customers: int = 0
    moved: int = 0
    entered: dict[str, Moves] = field(default_factory=dict)
    left: dict[str, Moves] = field(default_factory=dict)
    flows: dict[tuple[str, str | None, str | None], Moves] = field(default_factory=dict)
    warming: Counter[str] = field(default_factory=Counter)


class Forecaster:
    """Carries customers over to `new`, as if the revision began at `now_ms`. `earlier`: the program of a revision."""

    def __init__(self, new: Program, earlier: Callable[[int], Earlier], now_ms: int) -> None:
        self.forecast = Forecast()
        self._new = new
        self._earlier = earlier
        self._now_ms = now_ms
        self._carriers: dict[int, Carrier] = {}

    def take(self, customer_id: str, state: bytes) -> None:
        """One customer's state. Raises UnreadableState."""
        forecast, now_ms = self.forecast, self._now_ms
        profile = decode_profile(customer_id, state, self._new)
        carrier = self._carriers.get(profile.revision)
        if carrier is None:
            carrier = self._carriers[profile.revision] = Carrier(self._earlier(profile.revision), self._new)
        while profile.wake_ms <= now_ms:  # the worker would fire them first
            advance(profile, Wake(profile.wake_ms, now_ms, False), carrier.old)
        at_ms = max(profile.now_ms, now_ms)
        revised = Revised(at_ms, now_ms, False, profile.revision, self._new.version)
        changes = carrier.carry(profile, revised, now_ms)
        forecast.customers += 1
        forecast.moved += bool(changes)
        for change in changes:
            self._count(change)
        for index in profile.warming or ():
            forecast.warming[self._new.definitions[index].name] += 1

    def _count(self, change: Change) -> None:
        definition = change.definition
        assert definition is not None
        if definition.is_segment:
            moves = self.forecast.entered if change.after else self.forecast.left
            moves.setdefault(definition.name, Moves()).take(change)
            return
        before = change.former if change.before is None else definition.stages[change.before]
        after = None if change.after is None else definition.stages[change.after]
        self.forecast.flows.setdefault((definition.name, before, after), Moves()).take(change)


def _said(decider: Decider) -> str:
    """The condition without its value, which is the customer's."""
    condition = decider.condition
    return condition.expression if condition.holds else f"not ({condition.expression})"
