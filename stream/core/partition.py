"""One partition's order of things: records as they come, wakes when the clock allows, changes with their sequence.

The partition is told what was read (`take`) and how far time has come (`step`); it keeps what came of it in `pending`
until its owner has committed that (`committed`) or given it up (`aborted`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stream.core.changes import Change, ErasureCause
from stream.core.events import FOREVER_MS, NEVER_MS, Decoded, Erasure, Event, Ignored, Reason, Rejected
from stream.core.holds import PARKED_AT_MS, Hold, Parked, hold_of
from stream.core.memory import Verdict, fingerprint, recall, remember
from stream.core.migration import Migration
from stream.core.profile import Profile
from stream.core.program import Program
from stream.core.transition import Arrival, Revised, Stimulus, Wake, advance, moved
from stream.core.wakes import Entry, Stored, Wakes
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
    lately    ids of customers touched since their owner last looked, also several times; the owner empties it
    changed   ids of customers whose membership record must be written
    batches   (first offset, read time) of each batch; steps: (offset, clock, wakes met)
    sweeps    (offset, clock, customers visited, most of them): of a migration's sweep
    left      revision -> how many customers are no longer of it
    holds     (offset, how many steps before, instant, key, held or released)
    """

    touched: dict[str, Profile | None] = field(default_factory=dict)
    lately: list[str] = field(default_factory=list)
    changes: list[tuple[Profile, Change]] = field(default_factory=list)
    changed: dict[str, None] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    batches: list[tuple[int, int]] = field(default_factory=list)
    steps: list[tuple[int, int, int]] = field(default_factory=list)
    sweeps: list[tuple[int, int, int, int]] = field(default_factory=list)
    left: dict[int, int] = field(default_factory=dict)
    holds: list[tuple[int, int, int, str, bool]] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a partition stands. `replay_until_*`: what lies before is history read at the first start. `holds`: key ->
    since when it is in force. `sweep_after`: the customers up to this one were visited by the sweep of a migration."""

    next_offset: int
    clock_ms: int = NEVER_MS
    cursor_ms: int = NEVER_MS
    replay_until_offset: int = 0
    replay_until_ms: int = NEVER_MS
    holds: Mapping[str, int] = field(default_factory=dict)
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
        self.wakes = Wakes(_above_parked(stored_wakes), position.cursor_ms)
        self.parked = Parked(stored_wakes)
        self.parked_at_once = FOREVER_MS  # looked at in one step, when something is released
        self.holds = position.holds
        self.hold = hold_of(program, position.holds)
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
        if not limit or (self.hold is not None and self.hold.whole):
            self._journal_step(0)
            return bool(limit)  # while all is held, wakes wait in the index
        met = 0 if self.parked.all_seen else self._unpark_some(limit)
        if not self.parked.all_seen:
            self._journal_step(met)
            return False
        for due_ms, customer_id in self.wakes.due(self.clock_ms - self.grace_ms, FOREVER_MS) if met < limit else ():
            profile = self._profile(customer_id)
            if profile is None or profile.indexed_ms != due_ms:
                continue  # stale: which of them an index holds depends on when it was rebuilt, so they don't count
            met += 1
            if profile.wake_ms == due_ms and profile.revision != self._revision:
                self._meet_former(profile, due_ms)
            if profile.wake_ms == due_ms:
                self._fire(profile, self.clock_ms)
            self._index(profile)
            self._touch(customer_id, profile)
            if met == limit:
                break
        self._journal_step(met)
        return met < limit

    def sweep(self, clock_ms: int, limit: int) -> bool:
        """Visit the next `limit` customers of the committed store, and carry over those of an earlier revision, at the
        clock less the grace: the wakes up to there have fired, what was kept back and is released among them. One that
        was touched since the commit is as it is now.

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
            if profile.parked_ms != NEVER_MS and self._unpark(profile) and profile.wake_ms > until_ms:
                continue  # what was kept back comes first, by the clock; the next round meets the customer again
            self._carry_over(profile, until_ms + 1, self.clock_ms, until_ms < self._replay_until[1])
            self._index(profile)
            self._touch(customer_id, profile)
        self._sweep_after = visited[-1][0] if len(visited) == limit else ""
        self.pending.sweeps.append((self.next_offset, self.clock_ms, len(visited), limit))
        return len(visited) < limit

    def _journal_step(self, met: int) -> None:
        steps, holds = self.pending.steps, self.pending.holds
        held_since = bool(holds) and holds[-1][1] == len(steps)
        if steps and steps[-1][0] == self.next_offset and not steps[-1][2] and not held_since:
            steps.pop()  # nothing happened between the two: one step to the later instant is the same
        steps.append((self.next_offset, self.clock_ms, met))

    # -- holds

    def set_hold(self, key: str, held: bool, at_ms: int) -> None:
        """From here on this is held, or no longer: see `core.holds`. What is so already stays as it is."""
        if held == (key in self.holds):
            return
        self.pending.holds.append((self.next_offset, len(self.pending.steps), at_ms, key, held))
        self._hold({**self.holds, key: at_ms} if held else {k: at for k, at in self.holds.items() if k != key})
        if not held:
            self.parked.rewind()

    def _hold(self, holds: Mapping[str, int]) -> None:
        self.holds = holds
        self.hold = hold_of(self.program, holds)

    def _unpark_some(self, limit: int) -> int:
        """Give parked customers of whom something is released their wake. Returns how many, at most `limit`; others
        don't count, since which of them are looked at depends on when the worker was started."""
        met = 0
        for seen, customer_id in enumerate(self.parked.entries(), 1):
            profile = self._profile(customer_id)
            if profile is None or profile.parked_ms == NEVER_MS:
                self.parked.note(customer_id, False)  # stale
            elif self._unpark(profile):
                met += 1
            if met == limit or seen >= self.parked_at_once:
                break
        return met

    def _unpark(self, profile: Profile) -> bool:
        """What was kept back is due when it was, or at the customer's latest judged instant. False: still held."""
        program = self._program_of(profile)
        hold = self._hold_of(program)
        if hold is not None and not hold.frees(profile, program):
            return False
        profile.wake_ms = min(profile.wake_ms, max(profile.parked_ms, profile.now_ms))
        profile.parked_ms = NEVER_MS
        self.parked.note(profile.customer_id, False)
        self._index(profile)
        self._touch(profile.customer_id, profile)
        return True

    def _hold_of(self, program: Program) -> Hold | None:
        return self.hold if program is self.program else hold_of(program, self.holds)

    def _advance_held(self, profile: Profile, stimulus: Stimulus, program: Program) -> list[Change]:
        was_parked = profile.parked_ms != NEVER_MS
        changes = advance(profile, stimulus, program, self._hold_of(program)).changes
        self._note_parked(profile, was_parked)
        return changes

    def _note_parked(self, profile: Profile, was_parked: bool) -> None:
        is_parked = profile.parked_ms != NEVER_MS
        if was_parked != is_parked:
            self.parked.note(profile.customer_id, is_parked)

    # -- commit

    @property
    def has_pending(self) -> bool:
        """Whether there is anything to commit (a mere move of the clock is not)."""
        pending = self.pending
        return self.next_offset != self._committed_position.next_offset or bool(
            pending.touched or pending.holds or pending.sweeps
        )

    @property
    def committed_clock_ms(self) -> int:
        return self._committed_position.clock_ms

    def position(self) -> Position:
        return Position(
            self.next_offset, self.clock_ms, self.wakes.cursor_ms, *self._replay_until, self.holds, self._sweep_after
        )

    def index_edits(self) -> tuple[list[Entry], list[Entry]]:
        """(added, removed) since the last commit, for the store's index of wakes and parked customers."""
        (added, removed), (parked, unparked) = self.wakes.edits(), self.parked.edits()
        return added + parked, removed + unparked

    def committed(self) -> None:
        """What was pending is in the log and in the store."""
        self.wakes.committed()
        self.parked.committed()
        self._committed_position = self.position()
        self.pending = Pending()

    def aborted(self) -> None:
        """Give up what was pending; touched profiles are half done and must not be used again."""
        self.wakes.aborted()
        self.parked.aborted()
        self._hold(self._committed_position.holds)
        self.next_offset = self._committed_position.next_offset
        self.clock_ms = self._committed_position.clock_ms
        self._sweep_after = self._committed_position.sweep_after
        self.pending = Pending()

    # -- one customer

    def _profile(self, customer_id: str) -> Profile | None:
        profile = self.pending.touched.get(customer_id, _UNKNOWN)
        return self._load(customer_id) if profile is _UNKNOWN else profile

    def _touch(self, customer_id: str, profile: Profile | None) -> None:
        pending = self.pending
        pending.touched[customer_id] = profile
        pending.lately.append(customer_id)

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
                detail = "its time is no later than that of message ids already forgotten, so a repeat can't be told"
                self._reject(Rejected(event.offset, Reason.TOO_OLD, detail))
                return
            if profile.parked_ms != NEVER_MS:
                self._unpark(profile)  # released, and the clock has not come to it yet
            if profile.revision != self._revision:
                self._carry_over(profile, event.time_ms, read_ms, event.offset < self._replay_until[0])
            if profile.wake_ms < event.time_ms:
                self._fire_before(profile, event.time_ms, read_ms)
            if event.time_ms < profile.now_ms:
                counts.late += 1
        counts.accepted += 1
        merged = self.program.merged(profile.cells)
        arrival = Arrival(event, read_ms, event.offset < self._replay_until[0])
        if self.hold is None:
            changes = advance(profile, arrival, self.program).changes
        else:
            changes = self._advance_held(profile, arrival, self.program)
        counts.merged += self.program.merged(profile.cells) - merged
        remember(profile, mark, event.time_ms)
        if changes:
            self._changed(profile, changes)
        if profile.wake_ms < profile.indexed_ms or profile.indexed_ms <= profile.now_ms:
            self._index(profile)
        self._touch(customer_id, profile)

    def _program_of(self, profile: Profile) -> Program:
        """By which its answers and cells are to be read."""
        if profile.revision == self._revision:
            return self.program
        assert self.migration is not None, "a customer of another revision, and nothing to carry over"
        return self.migration.carrier(profile.revision).old

    def _carry_over(self, profile: Profile, before_ms: int, decided_ms: int, replayed: bool) -> None:
        """Bring a customer of an earlier revision to the program, for what happens at `before_ms`: wakes due before
        it fire as the former definitions have it, and the customer is judged by the new ones just before it."""
        assert self.migration is not None, "a customer of another revision, and nothing to carry over"
        revision = profile.revision
        carrier = self.migration.carrier(revision)
        self._fire_before(profile, before_ms, decided_ms, carrier.old)
        was_parked = profile.parked_ms != NEVER_MS
        at_ms = max(profile.now_ms, before_ms - 1)
        revised = Revised(at_ms, decided_ms, replayed, revision, self._revision)
        changes = carrier.carry(profile, revised, self.migration.began_ms, self.hold)
        if self.hold is None:
            profile.parked_ms = NEVER_MS  # what was held of the former definitions, the new ones have not
        self._note_parked(profile, was_parked)
        self.pending.left[revision] = self.pending.left.get(revision, 0) + 1
        if changes:
            self._changed(profile, changes)

    def _meet_former(self, profile: Profile, due_ms: int) -> None:
        """A wake of an earlier revision: when something would turn there, the new definitions say what."""
        former = self._program_of(profile)
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
        changes = self._advance_held(profile, wake, program or self.program)
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
        if profile.parked_ms != NEVER_MS:
            self._unpark(profile)
        former = None
        if profile.revision != self._revision:
            # Nobody enters a segment to be forgotten: the customer goes by the definitions under which it stood.
            former = self._program_of(profile)
            self.pending.left[profile.revision] = self.pending.left.get(profile.revision, 0) + 1
        self._fire_before(profile, erasure.time_ms, read_ms, former)
        self.parked.note(profile.customer_id, False)
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
        self._touch(erasure.customer_id, None)


def _above_parked(stored: Stored) -> Stored:
    return lambda first, until_ms: stored(max(first, (PARKED_AT_MS + 1, "")), until_ms)
