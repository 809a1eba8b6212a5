"""The oracle of a partition's log: what every customer's changes must be, recomputed from the whole history.

`replay` reads the log in order and keeps every accepted event of every customer. What a customer's silence changes is
found by trying every instant at which anything could turn; nothing is remembered from one instant to the next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from stream.core.events import NEVER_MS, Erasure, Event
from stream.rules import tree
from stream.rules.tree import Definitions, Node, Type
from tests.oracle.evaluate import Duration, Instant, Judgement, in_order

DAY_MS = 86_400_000
KEPT_MESSAGE_IDS = 32
KEPT_MESSAGE_MS = 7 * DAY_MS


@dataclass(frozen=True)
class Step:
    """Between two records everything was read up to here: changes due at or before `until_ms` come about."""

    until_ms: int


Log = list[Event | Erasure | Step]


@dataclass
class Present:
    """The present answer to one definition: `sequence` of the change that brought it (0: none did)."""

    answer: int = -1
    since_ms: int = NEVER_MS
    sequence: int = 0
    by_clock: bool = False
    nth: int = 0


@dataclass
class Customer:
    present: list[Present]
    events: list[Event] = field(default_factory=list)
    judged_ms: int = NEVER_MS
    sequence: int = 0
    remembered: list[tuple[str, int]] = field(default_factory=list)  # (message id, event time), in log order
    forgotten_ms: int = NEVER_MS


def replay(definitions: Definitions, log: Log, until_ms: int) -> list[dict[str, Any]]:
    """All changes of a log, then of the silence up to and including `until_ms`. Order holds per customer."""
    return Oracle(definitions).run([*log, Step(until_ms)])


class Oracle:
    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self.durations = _Durations(definitions)
        self.names = [d.name for d in definitions.dimensions] + [s.name for s in definitions.segments]
        self.stages = [[stage.name for stage in d.stages] for d in definitions.dimensions]
        self.customers: dict[str, Customer] = {}
        self.changes: list[dict[str, Any]] = []
        self.rejected: list[int] = []  # offsets
        self.duplicates: list[int] = []

    def run(self, log: Log) -> list[dict[str, Any]]:
        for item in log:
            if isinstance(item, Event):
                self._event(item)
            elif isinstance(item, Erasure):
                self._erasure(item)
            else:
                for customer_id, customer in sorted(self.customers.items()):
                    self._silence(customer_id, customer, item.until_ms + 1)
        return self.changes

    def _event(self, event: Event) -> None:
        customer = self.customers.get(event.customer_id)
        if customer is None:
            customer = self.customers[event.customer_id] = Customer([Present() for _ in self.names])
        if event.message_id is not None:
            if any(event.message_id == message_id for message_id, _ in customer.remembered):
                self.duplicates.append(event.offset)
                return
            if event.time_ms <= customer.forgotten_ms and not self.definitions.accepts_too_old:
                self.rejected.append(event.offset)
                return
        self._silence(event.customer_id, customer, event.time_ms)
        customer.events = in_order([*customer.events, event])
        customer.judged_ms = max(customer.judged_ms, event.time_ms)
        self._report(event.customer_id, customer, self._answers(customer, customer.judged_ms), event)
        self._remember(customer, event)

    def _remember(self, customer: Customer, event: Event) -> None:
        remembered = customer.remembered
        if event.message_id is not None:
            remembered.append((event.message_id, event.time_ms))
        oldest_ms = customer.judged_ms - KEPT_MESSAGE_MS
        while remembered and (len(remembered) > KEPT_MESSAGE_IDS or remembered[0][1] < oldest_ms):
            _, time_ms = remembered.pop(0)
            customer.forgotten_ms = max(customer.forgotten_ms, time_ms)

    def _erasure(self, erasure: Erasure) -> None:
        customer = self.customers.get(erasure.customer_id)
        if customer is None:
            return
        self._silence(erasure.customer_id, customer, erasure.time_ms)
        self.changes.append(
            {
                "customer": erasure.customer_id,
                "definition": None,
                "from": None,
                "to": None,
                "effective_ms": max(customer.judged_ms, erasure.time_ms),
                "sequence": customer.sequence + 1,
                "nth": 1,
                "cause": "erasure",
                "corrects": None,
            }
        )
        del self.customers[erasure.customer_id]

    def _silence(self, customer_id: str, customer: Customer, before_ms: int) -> None:
        """Report what changes after the latest judged instant and strictly before this one, though nothing happens."""
        if not customer.events:
            return  # never seen: nothing can change
        for instant_ms in self.durations.turning_points(customer.events, customer.judged_ms, before_ms):
            answers = self._answers(customer, instant_ms)
            if answers != tuple(present.answer for present in customer.present):
                customer.judged_ms = instant_ms
                self._report(customer_id, customer, answers, None)

    def _answers(self, customer: Customer, now_ms: int) -> tuple[int, ...]:
        return Judgement(self.definitions, customer.events, now_ms).answers()

    def _report(self, customer_id: str, customer: Customer, answers: tuple[int, ...], event: Event | None) -> None:
        for index, (answer, present) in enumerate(zip(answers, customer.present)):
            is_segment = index >= len(self.stages)
            if answer == present.answer or (is_segment and present.answer < 0 and answer == 0):
                present.answer = answer
                continue
            customer.sequence += 1
            present.nth += 1
            self.changes.append(
                {
                    "customer": customer_id,
                    "definition": self.names[index],
                    "from": self._shown(index, present.answer),
                    "to": self._shown(index, answer),
                    "effective_ms": customer.judged_ms,
                    "sequence": customer.sequence,
                    "nth": present.nth,
                    "cause": "clock" if event is None else "event",
                    "corrects": _undone(present, event),
                }
            )
            present.answer = answer
            present.since_ms = customer.judged_ms
            present.sequence = customer.sequence
            present.by_clock = event is None

    def _shown(self, index: int, answer: int) -> str | bool | None:
        """A stage by its name (None: none yet); whether in a segment."""
        if index >= len(self.stages):
            return answer == 1
        return None if answer < 0 else self.stages[index][answer]


def _undone(present: Present, event: Event | None) -> int | None:
    """The change that would not have come about had the event been known in time."""
    if event is None or present.sequence == 0:
        return None
    late = event.time_ms < present.since_ms or (event.time_ms == present.since_ms and present.by_clock)
    return present.sequence if late else None


class _Durations:
    """Every instant at which anything could turn: an event, or a date that is written or known, plus a duration that
    occurs, plus or minus another that stands alone in an expression; and one millisecond later (`<` against `<=`)."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        nodes = [node for root in _roots(definitions) for node in _walk(root)]
        windows, alone = {0}, {0}
        for node in nodes:
            if isinstance(node, tree.Leaf):
                windows |= {node.before_ms, node.before_ms + (node.window_ms or 0)}
            elif isinstance(node, tree.Silent):
                windows.add(node.duration_ms)
            elif isinstance(node, tree.Literal) and node.type is Type.DURATION:
                alone.add(node.value)
        self._windows, self._alone = windows, alone
        self._dates = {n.value for n in nodes if isinstance(n, tree.Literal) and n.type is Type.INSTANT} - {NEVER_MS}
        self._traits = [node for node in nodes if isinstance(node, tree.Trait) and node.type is Type.INSTANT]
        self._computed = [node for node in nodes if _is_computed_duration(node)]

    def turning_points(self, events: list[Event], after_ms: int, before_ms: int) -> Iterator[int]:
        """In order, strictly between the two instants."""
        known = Judgement(self.definitions, events, after_ms)
        anchors = {event.time_ms for event in events} | self._dates
        anchors |= {value.ms for trait in self._traits if isinstance(value := known.value(trait), Instant)}
        alone = self._alone | {value.ms for node in self._computed if isinstance(value := known.value(node), Duration)}
        lengths = {first + second for first in self._windows | alone for second in alone}
        lengths |= {first - second for first in alone for second in alone}
        points = {anchor + length + later for anchor in anchors for length in lengths for later in (0, 1)}
        return iter(sorted(point for point in points if after_ms < point < before_ms))


def _is_computed_duration(node: Node) -> bool:
    """A duration that is not written but follows from the history, and stands still while nothing happens."""
    if not isinstance(node, tree.Arithmetic) or node.type is not Type.DURATION:
        return False
    parts = list(_walk(node))
    windowed = any(isinstance(part, tree.Leaf) and part.window_ms is not None for part in parts)
    return not windowed and not any(isinstance(part, tree.Now) for part in parts)


def _roots(definitions: Definitions) -> Iterator[Node]:
    for fact in definitions.facts:
        yield fact.value
    for dimension in definitions.dimensions:
        yield from (stage.condition for stage in dimension.stages if stage.condition is not None)
    for segment in definitions.segments:
        yield segment.when


def _walk(value: Any) -> Iterator[Node]:
    """A node and all below it, through whatever holds nodes."""
    if isinstance(value, Node):
        yield value
    if isinstance(value, Iterable) and not isinstance(value, str):
        for item in value:
            yield from _walk(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for part in dataclasses.fields(value):
            yield from _walk(getattr(value, part.name))
