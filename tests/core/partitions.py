"""A partition with a store in memory, driven record by record."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace

from stream.core.changes import Change, ClockCause, DefinitionsCause, EventCause
from stream.core.coverage import kept_since
from stream.core.events import Erasure, Event
from stream.core.migration import Earlier, Migration
from stream.core.partition import Partition, Position
from stream.core.profile import Profile
from stream.core.wakes import Entry
from stream.rules.compile import CompiledProgram

GRACE = 2_000


class House:
    """One partition and what was committed of it. `told`: the changes of the committed and the pending work."""

    def __init__(self, program: CompiledProgram, grace_ms: int = GRACE, position: Position | None = None) -> None:
        self.grace_ms = grace_ms
        self.earlier: dict[int, Earlier] = {}
        self.profiles: dict[str, Profile] = {}
        self.entries: set[Entry] = set()
        self.kept: list[Change] = []
        self.partition = Partition(7, program, self._load, self._between, position or Position(0), grace_ms)

    def take(self, *events: Event, read_ms: int | None = None) -> House:
        """Events at the next offsets, each read when it happened, or all at `read_ms`."""
        for each in events:
            event = replace(each, offset=self.partition.next_offset)
            self.partition.take(event, event.time_ms if read_ms is None else read_ms)
        return self

    def erase(self, time_ms: int, customer_id: str = "customer") -> House:
        self.partition.take(Erasure(customer_id, self.partition.next_offset, time_ms, "request"), time_ms)
        return self

    def step(self, clock_ms: int) -> House:
        while not self.partition.step(clock_ms, 3):
            pass
        return self

    def revise(self, program: CompiledProgram, began_ms: int) -> House:
        """Go on with other definitions, as a worker does that was restarted with them."""
        self.commit()
        old = self.partition.program
        kept = self.earlier[old.version].kept if old.version in self.earlier else {}
        self.earlier[old.version] = Earlier(old, kept)
        self.earlier[program.version] = Earlier(program, kept_since(old, kept, program, began_ms))
        migration = Migration(program, self.earlier.__getitem__, self._following)
        migration.began_ms = began_ms
        position = self.partition.position()
        self.partition = Partition(7, program, self._load, self._between, position, self.grace_ms, migration)
        return self

    def sweep(self, clock_ms: int, limit: int = 100) -> House:
        self.step(clock_ms)
        while not self.partition.sweep(clock_ms, limit):
            pass
        return self

    def _following(self, after: str, limit: int) -> list[tuple[str, int]]:
        later = sorted(customer_id for customer_id in self.profiles if customer_id > after)
        return [(customer_id, self.profiles[customer_id].revision) for customer_id in later[:limit]]

    def commit(self) -> House:
        for customer_id, profile in self.partition.pending.touched.items():
            if profile is None:
                self.profiles.pop(customer_id, None)
            else:
                self.profiles[customer_id] = deepcopy(profile)
        added, removed = self.partition.index_edits()
        self.entries = (self.entries | set(added)) - set(removed)
        self.kept += [change for _, change in self.partition.pending.changes]
        self.partition.committed()
        return self

    @property
    def told(self) -> list[Change]:
        return [*self.kept, *(change for _, change in self.partition.pending.changes)]

    def profile(self, customer_id: str = "customer") -> Profile | None:
        touched = self.partition.pending.touched
        return touched[customer_id] if customer_id in touched else self.profiles.get(customer_id)

    def _load(self, customer_id: str) -> Profile | None:
        return deepcopy(self.profiles.get(customer_id))

    def _between(self, first: Entry, until_ms: int) -> Iterator[Entry]:
        return iter(sorted(entry for entry in self.entries if first <= entry and entry[0] <= until_ms))


def told_as(change: Change) -> tuple[str, str, int, str]:
    """(definition, where to, when, brought by what): the short form of a change."""
    cause = {EventCause: "event", ClockCause: "clock", DefinitionsCause: "definitions"}.get(
        type(change.cause), "erasure"
    )
    if change.definition is None:
        return "customer", "erased", change.effective_ms, cause
    stages = change.definition.stages
    if change.after is None:
        return change.definition.name, "-", change.effective_ms, cause
    to = stages[change.after] if stages else ("out", "in")[change.after]
    return change.definition.name, to, change.effective_ms, cause
