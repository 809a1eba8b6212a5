"""One partition's order of things: records as they come, wakes when the clock allows, changes with their sequence.

The partition is told what was read (`take`) and how far time has come (`step`); it keeps what came of it in `pending`
until its owner has committed that (`committed`) or given it up (`aborted`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from stream.core.changes import Change, ErasureCause
from stream.core.events import FOREVER_MS, NEVER_MS, Decoded, Erasure, Event, Ignored, Reason, Rejected
from stream.core.memory import Verdict, fingerprint, recall, remember
from stream.core.migration import Migration
from stream.core.profile import Profile
from stream.core.program import Program
from stream.core.transition import Arrival, Wake, advance, moved
from stream.core.wakes import Stored, Wakes
from stream.core.warming import undecided

GRACE_MS = 2_000
"""How long a clock-fired wake waits for stragglers of a producer."""

_UNKNOWN = Profile("", (0, 0), 0, [])


@dataclass(slots=True)
class Counts:
    """What became of the records since the last commit; the first six add up to `received`."""

    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    ignored: int = 0
    rejected: int = 0
    erased: int = 0
    late: int = 0  # of the accepted: earlier than the customer's latest judged instant
    wakes: int = 0
    merged: int = 0  # entries of customers' states, merged or dropped because a cap was reached


@dataclass(slots=True)
class Pending:
    """What came of the records and steps since the last commit.

    touched   customer id -> profile, or None when erased
    changes   (profile as it was born, change), in order
    changed   ids of customers whose membership record must be written
    batches   (first offset, read time) of each batch; steps: (offset, clock, wakes met)
    sweeps    (offset, clock, customers visited, most of them): of a migration's sweep
    left      revision -> how many customers are no longer of it
    """

    touched: dict[str, Profile | None] = field(default_factory=dict)
    changes: list[tuple[Profile, Change]] = field(default_factory=list)
    changed: dict[str, None] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    batches: list[tuple[int, int]] = field(default_factory=list)
    steps: list[tuple[int, int, int]] = field(default_factory=list)
    sweeps: list[tuple[int, int, int, int]] = field(default_factory=list)
    left: dict[int, int] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a partition stands. `replay_until_*`: what lies before is history read at the first start. `sweep_after`:
    the customers up to this one were visited by the sweep of a migration."""

    next_offset: int
    clock_ms: int = NEVER_MS
    cursor_ms: int = NEVER_MS
    replay_until_offset: int = 0
    replay_until_ms: int = NEVER_MS
    sweep_after: str = ""


class Partition:
    def __init__(
        self,
        number: int,
        program: Program,
        load: Callable[[str], Profile | None],
        stored_wakes: Stored,
        position: Position,
        grace_ms: int = GRACE_MS,
        migration: Migration | None = None,
    ) -> None:
        self.number = number
        self.program = program
        self.grace_ms = grace_ms
        self.migration = migration
        self._revision = program.version
        self._sweep_after = position.sweep_after
        self._load = load
        self._committed_position = position
        self._replay_until = (position.replay_until_offset, position.replay_until_ms)
        self.next_offset = position.next_offset
        self.clock_ms = position.clock_ms
        self.wakes = Wakes(stored_wakes, position.cursor_ms)
        self.pending = Pending()

    # -- input

    def batch(self, first_offset: int, read_ms: int) -> None:
        """A batch begins: what follows was read at `read_ms`."""
        self.pending.batches.append((first_offset, read_ms))

    def take(self, item: Decoded, read_ms: int) -> None:
        """Take one record in. Offsets only rise; gaps are the log's control records or compacted-away ones."""
        assert item.offset >= self.next_offset, "offsets never go back"
        self.next_offset = item.offset + 1
        counts = self.pending.counts
        counts.received += 1
        if type(item) is Event:
            self._event(item, read_ms)
        elif type(item) is Rejected:
            self._reject(item)
        elif type(item) is Ignored:
            counts.ignored += 1
        else:
            assert type(item) is Erasure
            self._erase(item, read_ms)

    def skip_to(self, offset: int) -> None:
        """Nothing that concerns us lies before `offset` (transaction markers)."""
        if offset > self.next_offset:
            self.next_offset = offset

    def step(self, clock_ms: int, limit: int) -> bool:
        """Move the clock (never back) and fire up to `limit` wakes it has passed by the grace (or put them off, where
        the customer's real wake is later).

        Returns True when nothing more is due. Call again with the same clock for the rest.
        """
        self.clock_ms = max(self.clock_ms, clock_ms)
        met = 0
        for due_ms, customer_id in self.wakes.due(self.clock_ms - self.grace_ms, FOREVER_MS) if limit else ():
            profile = self._profile(customer_id)
            if profile is None or profile.indexed_ms != due_ms:
                continue  # stale: which of them an index holds depends on when it was rebuilt, so they don't count
            met += 1
            if profile.wake_ms == due_ms and profile.revision != self._revision:
                self._meet_former(profile, due_ms)
            if profile.wake_ms == due_ms:
                self._fire(profile, self.clock_ms)
            self._index(profile)
            self.pending.touched[customer_id] = profile
            if met == limit:
                break
        self._journal_step(met)
        return met < limit

    def sweep(self, clock_ms: int, limit: int) -> bool:
        """Visit the next `limit` customers of the committed store, and carry over those of an earlier revision, at the
        clock less the grace: the wakes up to there have fired. One that was touched since the commit is as it is now.

        Returns True when the last customer was visited.
        """
        assert self.migration is not None
        self.clock_ms = max(self.clock_ms, clock_ms)
        until_ms = self.clock_ms - self.grace_ms
        visited = self.migration.following(self._sweep_after, limit)
        for customer_id, revision in visited:
            profile = self._profile(customer_id) if revision != self._revision else None
            if profile is None or profile.revision == self._revision:
                continue
            self._carry_over(profile, until_ms + 1, self.clock_ms, until_ms < self._replay_until[1])
            self._index(profile)
            self.pending.touched[customer_id] = profile
        self._sweep_after = visited[-1][0] if len(visited) == limit else ""
        self.pending.sweeps.append((self.next_offset, self.clock_ms, len(visited), limit))
        return len(visited) < limit

    def _journal_step(self, met: int) -> None:
        steps = self.pending.steps
        if steps and steps[-1][0] == self.next_offset and not steps[-1][2]:
            steps.pop()  # nothing happened between the two: one step to the later instant is the same
        steps.append((self.next_offset, self.clock_ms, met))

    # -- commit

    @property
    def moved(self) -> bool:
        """Whether there is anything to commit (a mere move of the clock is not)."""
        return self.next_offset != self._committed_position.next_offset or bool(
            self.pending.touched or self.pending.sweeps
        )

    @property
    def committed_clock_ms(self) -> int:
        return self._committed_position.clock_ms

    def position(self) -> Position:
        return Position(self.next_offset, self.clock_ms, self.wakes.cursor_ms, *self._replay_until, self._sweep_after)

    def committed(self) -> None:
        """What was pending is in the log and in the store."""
        self.wakes.committed()
        self._committed_position = self.position()
        self.pending = Pending()

    def aborted(self) -> None:
        """Give up what was pending; touched profiles are half done and must not be used again."""
        self.wakes.aborted()
        self.next_offset = self._committed_position.next_offset
        self.clock_ms = self._committed_position.clock_ms
        self._sweep_after = self._committed_position.sweep_after
        self.pending = Pending()

    # -- one customer

    def _profile(self, customer_id: str) -> Profile | None:
        profile = self.pending.touched.get(customer_id, _UNKNOWN)
        return self._load(customer_id) if profile is _UNKNOWN else profile

    def _event(self, event: Event, read_ms: int) -> None:
        counts = self.pending.counts
        customer_id = event.customer_id
        mark = None if event.message_id is None else fingerprint(event.message_id)
        profile = self._profile(customer_id)
        if profile is None:
            profile = Profile(
                customer_id, (self.number, event.offset), len(self.program.definitions), self.program.blank()
            )
            profile.revision = self._revision
        else:
            verdict = recall(profile, mark, event.time_ms, self.program.accepts_too_old)
            if verdict is Verdict.DUPLICATE:
                counts.duplicate += 1
                return
            if verdict is Verdict.TOO_OLD:
                detail = "its time is before that of message ids already forgotten, so a repeat can't be told"
                self._reject(Rejected(event.offset, Reason.TOO_OLD, detail))
                return
            if profile.revision != self._revision:
                self._carry_over(profile, event.time_ms, read_ms, event.offset < self._replay_until[0])
            if profile.wake_ms < event.time_ms:
                self._fire_before(profile, event.time_ms, read_ms)
            if event.time_ms < profile.now_ms:
                counts.late += 1
        counts.accepted += 1
        merged = self.program.merged(profile.cells)
        changes = advance(profile, Arrival(event, read_ms, event.offset < self._replay_until[0]), self.program).changes
        counts.merged += self.program.merged(profile.cells) - merged
        remember(profile, mark, event.time_ms)
        if changes:
            self._changed(profile, changes)
        if profile.wake_ms < profile.indexed_ms or profile.indexed_ms <= profile.now_ms:
            self._index(profile)
        self.pending.touched[customer_id] = profile

    def _carry_over(self, profile: Profile, before_ms: int, decided_ms: int, replayed: bool) -> None:
        """Bring a customer of an earlier revision to the program, for what happens at `before_ms`: wakes due before
        it fire as the former definitions have it, and the customer is judged by the new ones just before it."""
        assert self.migration is not None, "a customer of another revision, and nothing to carry over"
        revision = profile.revision
        carrier = self.migration.carrier(revision)
        self._fire_before(profile, before_ms, decided_ms, carrier.old)
        at_ms = max(profile.now_ms, before_ms - 1)
        changes = carrier.carry(profile, at_ms, self.migration.began_ms, decided_ms, replayed)
        self.pending.left[revision] = self.pending.left.get(revision, 0) + 1
        if changes:
            self._changed(profile, changes)

    def _meet_former(self, profile: Profile, due_ms: int) -> None:
        """A wake of an earlier revision: when something would turn there, the new definitions say what."""
        assert self.migration is not None
        former = self.migration.carrier(profile.revision).old
        answers, _ = undecided(profile, *former.judge(profile.cells, due_ms), due_ms)
        if not moved(profile, answers, former):
            self._fire(profile, self.clock_ms, former)
        else:
            self._carry_over(profile, due_ms, self.clock_ms, due_ms < self._replay_until[1])

    def _fire_before(self, profile: Profile, time_ms: int, read_ms: int, program: Program | None = None) -> None:
        """A customer's wakes due strictly before its own next record come first, in order."""
        while profile.wake_ms < time_ms:
            self._fire(profile, read_ms, program)

    def _fire(self, profile: Profile, decided_ms: int, program: Program | None = None) -> None:
        """`program`: of the customer's revision, when that is not the newest."""
        due_ms = profile.wake_ms
        self.pending.counts.wakes += 1
        wake = Wake(due_ms, decided_ms, due_ms < self._replay_until[1])
        changes = advance(profile, wake, program or self.program).changes
        assert profile.wake_ms > due_ms, "a wake must lead to a later one"
        if changes:
            self._changed(profile, changes)

    def _changed(self, profile: Profile, changes: list[Change]) -> None:
        pending = self.pending
        for change in changes:
            pending.changes.append((profile, change))
        pending.changed[profile.customer_id] = None

    def _index(self, profile: Profile) -> None:
        if profile.indexed_ms != profile.wake_ms:
            self.wakes.remove(profile.indexed_ms, profile.customer_id)
            profile.indexed_ms = profile.wake_ms
        self.wakes.add(profile.wake_ms, profile.customer_id)

    def _reject(self, rejected: Rejected) -> None:
        self.pending.counts.rejected += 1
        self.pending.rejected.append(rejected)

    def _erase(self, erasure: Erasure, read_ms: int) -> None:
        self.pending.counts.erased += 1
        profile = self._profile(erasure.customer_id)
        if profile is None:
            return
        former = None
        if profile.revision != self._revision:
            # Nobody enters a segment to be forgotten: the customer goes by the definitions under which it stood.
            assert self.migration is not None
            former = self.migration.carrier(profile.revision).old
            self.pending.left[profile.revision] = self.pending.left.get(profile.revision, 0) + 1
        self._fire_before(profile, erasure.time_ms, read_ms, former)
        change = Change(
            definition=None,
            sequence=profile.sequence + 1,
            nth=1,
            set_index=1,
            set_size=1,
            before=None,
            after=None,
            effective_ms=max(profile.now_ms, erasure.time_ms),
            decided_ms=read_ms,
            cause=ErasureCause(erasure.offset, erasure.request_id),
            because=[],
            valid_until_ms=None,
            control=None,
            replayed=erasure.offset < self._replay_until[0],
            corrects=None,
            carried={},
            revision=profile.revision,
        )
        self._changed(profile, [change])
        self.wakes.remove(profile.indexed_ms, erasure.customer_id)
        self.pending.touched[erasure.customer_id] = None
