"""What goes out: a change of one answer of one customer, and what caused it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stream.core.program import Decider, Definition


@dataclass(slots=True)  # not frozen: these are made by the thousand, and frozen ones cost four times as much
class EventCause:
    message_id: str | None
    event: str  # event name, or page / screen / identify / group
    event_time_ms: int
    offset: int  # of the record in its input partition
    traceparent: str | None = None


@dataclass(slots=True)
class ClockCause:
    due_ms: int


@dataclass(slots=True)
class ErasureCause:
    offset: int
    request_id: str | None


@dataclass(slots=True)
class DefinitionsCause:
    from_revision: int
    to_revision: int


Cause = EventCause | ClockCause | ErasureCause | DefinitionsCause


@dataclass(slots=True)
class Change:
    """One change. `definition` None: the customer was erased. Stages are indices into `definition.stages`
    (None: no stage before); for a segment `before`/`after` are 0 and 1 (`before` None and 0 mean the same).
    `sequence` is gapless per customer and life, `nth` per definition. `corrects`: sequence of the change undone.
    `revision`: of the definitions it was told by. `former`: the stage before, where the definitions have it no longer.
    `approximate`: more happened than is kept one by one, so the answer may come late by a slice of its window."""

    definition: Definition | None
    sequence: int
    nth: int
    set_index: int
    set_size: int
    before: int | None
    after: int | None
    effective_ms: int
    decided_ms: int
    cause: Cause
    because: list[Decider]
    valid_until_ms: int | None
    control: bool | None
    replayed: bool
    corrects: int | None
    carried: dict[str, Any]
    approximate: bool = False
    revision: int = 1
    former: str | None = None
