"""Bring one partition's state to what was last committed, or refuse.

The protocol. Read the group's stable committed offset; ask where the changelog ends, read_uncommitted; read it
read_committed until that end is reached (an older owner's open transaction must be decided first). The last `meta` on
the changelog must name that committed offset and commit number. A local copy saves reading what it already has; on any
doubt about it, it is set aside and everything is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from threading import Lock
from typing import Any, NamedTuple

from stream.codec.journal import META_KEY, RESERVED, Meta, decode_meta
from stream.codec.levels import NEWEST_LEVEL
from stream.codec.snapshot import Census, Tally, parked_of, wake_of
from stream.core.events import FOREVER_MS, NEVER_MS
from stream.core.holds import PARKED_AT_MS
from stream.core.program import Program
from stream.engine.definitions import Reserved, check_revision, left_over
from stream.engine.interfaces import (
    ChangelogReader,
    Committed,
    Offsets,
    StateStore,
    StoreDamaged,
    StoredWake,
    Stores,
)
from stream.engine.local import decode_local, encode_local
from stream.engine.observer import Observer
from stream.errors import StartRefused, UnreadableState

ASK_AGAIN_S = 0.1
"""So often who waits for its turn asks whether it is given up."""

SCAN_BATCH = 2_000
"""Customers per write while the wake index is built: bounds memory, large enough to be fast."""

LAST_RECORDS = 2_000
"""Read from the end of the state topic for its last `meta`, which every commit writes last."""

MOST_COUNTED = 500_000
"""Customers of a partition who are counted while the changelog is read, for which 170 bytes of each are remembered; of
more the store is read back."""


class GivenUp(Exception):
    """The partition was taken away while it was being restored."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a partition's state begins when nothing was ever committed."""

    start_from: str  # earliest or latest
    partition_count: int
    new_run_id: Callable[[], str]
    now_ms: Callable[[], int]
    level: int = NEWEST_LEVEL  # of the format: what begins anew owes nothing to a former release


@dataclass(frozen=True, slots=True)
class Restored:
    """`changelog_offset`: up to there the store has everything."""

    store: StateStore
    meta: Meta
    changelog_offset: int
    rebuilt: bool


class _Read(NamedTuple):
    """Of a whole changelog: its last meta, and its customers counted, if they are not too many."""

    meta: Meta | None
    census: Census | None


@dataclass(slots=True)
class Restorer:
    """What restoring needs; one for the worker, `restore` is called from a worker thread per partition.

    A store is read, and its index written, for one partition at a time: two threads that want Python's lock all the
    time take a quarter longer than one after the other (docs/performance.md). What waits for the broker or the disk
    goes on beside.
    """

    program: Program
    offsets: Offsets
    changelog: ChangelogReader
    stores: Stores
    beginning: Beginning
    observer: Observer
    counting: Lock = field(default_factory=Lock)
    most_counted: int = MOST_COUNTED

    def restore(self, partition: int, given_up: Callable[[], bool]) -> Restored:
        """Raises StartRefused (with the remedy), GivenUp."""
        started = time.monotonic()
        committed = self.offsets.committed([partition])[partition]
        while True:
            try:
                restored = self._restore(partition, committed, given_up)
                break
            except StartRefused:
                # Another owner may have committed while we read: then what was read belongs to a later offset.
                before, committed = committed, self.offsets.committed([partition])[partition]
                if committed == before:
                    raise
                if given_up():
                    raise GivenUp from None
        restored = self._checked(partition, restored)
        seconds = time.monotonic() - started
        self.observer.restored(partition, restored.meta.keys, seconds, restored.rebuilt)
        return restored

    def _restore(self, partition: int, committed: Committed, given_up: Callable[[], bool]) -> Restored:
        first, end = self.offsets.changelog_bounds(partition)
        found = self._from_local(partition, committed, first, end, given_up)
        if isinstance(found, Restored):
            return found
        self._check_topic(partition, committed, first, end, given_up)  # first: a refusal leaves the copy where it is
        if found:
            self._set_aside(partition, found)
        return self._rebuild(partition, committed, first, end, given_up)

    def _check_topic(
        self, partition: int, committed: Committed, first: int, end: int, given_up: Callable[[], bool]
    ) -> None:
        """Raises StartRefused when the end of the state topic says already that it is not that of the committed offset,
        so that nobody reads all of it to find out; GivenUp."""
        start, meta = max(first, end - LAST_RECORDS), None
        for records, _ in self.changelog.read(partition, start, end):
            if given_up():
                raise GivenUp
            for key, value in records:
                if key == META_KEY:
                    meta = decode_meta(value or b"")
        if meta is None and start == first and committed.offset is not None:
            raise StartRefused(_emptied(partition, committed.offset))
        if meta is not None and not self._names(meta, committed):
            raise StartRefused(_disagreement(partition, meta, committed))

    # -- the local copy, brought up to date

    def _from_local(
        self, partition: int, committed: Committed, first: int, end: int, given_up: Callable[[], bool]
    ) -> Restored | str:
        """Or why the local copy must be set aside; "": there is none."""
        try:
            store = self.stores.open(partition)
        except StoreDamaged as damage:
            return str(damage)
        reason = None
        try:
            data = store.meta()
            if data is None:
                # A folder that was just made is no copy; one with customers and without meta is half of one.
                reason = "" if next(iter(store.scan()), None) is None else "it was not finished"
            else:
                position, meta = decode_local(data)
                if position > end:
                    reason = "it is ahead of the changelog"
                elif position < first:
                    reason = "the changelog no longer reaches back to it"
                if reason is None:
                    meta = self._follow(partition, store, position, end, meta, given_up)
                    if self._names(meta, committed):
                        if meta.commit_number:
                            reason = self._check(store, meta, given_up)
                        if reason is None and left_over(meta, store.reserved()):
                            reason = "it holds definitions that the state no longer has"
                        if reason is None:
                            return Restored(store, meta, end, rebuilt=False)
                    else:
                        reason = "it does not lead to the committed offset"
        except (StoreDamaged, UnreadableState) as damage:
            reason = str(damage)
        except BaseException:
            store.close()
            raise
        store.close()
        return reason or ""

    def _follow(
        self, partition: int, store: StateStore, position: int, end: int, meta: Meta, given_up: Callable[[], bool]
    ) -> Meta:
        """Read the changelog from where the copy ends. Older index entries may stay: they are stale, so harmless."""
        for records, after in self.changelog.read(partition, position, end):
            if given_up():
                raise GivenUp
            customers: list[tuple[bytes, bytes | None]] = []
            wakes: list[StoredWake] = []
            reserved: Reserved = []
            for key, value in records:
                if key == META_KEY:
                    meta = decode_meta(value or b"")
                elif key.startswith(RESERVED):
                    reserved.append((key, value))
                else:
                    customers.append((key, value))
                    if value is not None:
                        wakes += _entries(key, value)
            if records:
                store.write(customers, wakes, [], encode_local(after, meta), reserved)
            self.observer.restoring(partition, after - position, max(0, end - after), len(records))
        return meta

    # -- from the changelog alone

    def _rebuild(
        self, partition: int, committed: Committed, first: int, end: int, given_up: Callable[[], bool]
    ) -> Restored:
        store = self.stores.open(partition)
        try:
            read = self._read_all(partition, store, first, end, given_up)
            meta = read.meta
            if meta is None:
                if committed.offset is not None:
                    raise StartRefused(_emptied(partition, committed.offset))
                meta = self._begin(partition)
                store.write([], [], [], encode_local(end, meta))
                return Restored(store, meta, end, rebuilt=True)
            if not self._names(meta, committed):
                raise StartRefused(_disagreement(partition, meta, committed))
            with self._alone(given_up):
                self._index(partition, store, meta, read.census, given_up)
            store.write([], [], [], encode_local(end, meta))
        except BaseException:
            store.close()
            raise
        return Restored(store, meta, end, rebuilt=True)

    def _read_all(self, partition: int, store: StateStore, first: int, end: int, given_up: Callable[[], bool]) -> _Read:
        meta_bytes: bytes | None = None
        census: Census | None = Census()
        for records, after in self.changelog.read(partition, first, end):
            if given_up():
                raise GivenUp
            newest = dict(records)  # of a key's records only the last counts
            if META_KEY in newest:
                meta_bytes = newest.pop(META_KEY)
            reserved = [(key, newest.pop(key)) for key in list(newest) if key.startswith(RESERVED)]
            if newest or reserved:
                store.write(list(newest.items()), [], [], None, reserved)
            if census is not None:
                census.take(newest.items())
                if census.keys > self.most_counted:
                    census = None
            self.observer.restoring(partition, after - first, max(0, end - after), len(records))
        return _Read(None if meta_bytes is None else decode_meta(meta_bytes), census)

    def _index(
        self, partition: int, store: StateStore, meta: Meta, census: Census | None, given_up: Callable[[], bool]
    ) -> None:
        """Compare what was read with what the last commit counted, and write the wakes. Who was not counted while
        reading is counted in one pass over the store."""
        counted: Census | Tally
        if census is not None:
            counted, entries = census, census.indexed()
        else:
            counted = Tally()
            entries = _read_back(store, counted, given_up)
        while some := list(islice(entries, SCAN_BATCH)):
            if given_up():
                raise GivenUp
            store.write([], some, [], None)
        if (counted.keys, counted.digest) != (meta.keys, int(meta.digest, 16)):
            raise StartRefused(
                f"partition {partition}: the state topic holds {counted.keys} customers, the last commit counted "
                f"{meta.keys} (or their digest differs): records of the state topic are missing. Restore the topic "
                "from a copy, or begin anew under another `name` and `output_prefix`."
            )

    def _check(self, store: StateStore, meta: Meta, given_up: Callable[[], bool]) -> str | None:
        """What is wrong with a copy. Raises GivenUp."""
        if store.unchanged:
            return store.check(meta.keys, int(meta.digest, 16))
        with self._alone(given_up):
            return store.check(meta.keys, int(meta.digest, 16))

    @contextmanager
    def _alone(self, given_up: Callable[[], bool]) -> Iterator[None]:
        """Wait for the turn to count. Raises GivenUp."""
        while not self.counting.acquire(timeout=ASK_AGAIN_S):
            if given_up():
                raise GivenUp
        try:
            yield
        finally:
            self.counting.release()

    # -- checks

    def _begin(self, partition: int) -> Meta:
        low = self.offsets.low_watermarks([partition])[partition]
        high = self.offsets.high_watermarks([partition])[partition]
        beginning = self.beginning
        start = low if beginning.start_from == "earliest" else high
        return Meta.first(
            next_offset=start,
            run_id=beginning.new_run_id(),
            partition_count=beginning.partition_count,
            program=self._named(),
            replay_until_offset=high,
            replay_until_ms=beginning.now_ms(),
            level=beginning.level,
        )

    def _names(self, meta: Meta, committed: Committed) -> bool:
        """Whether the meta is the one of the committed offset. A partition that never committed has number 0."""
        if committed.offset is None:
            return meta.commit_number == 0
        return (meta.next_offset, meta.commit_number, meta.nonce) == (
            committed.offset,
            committed.commit_number,
            committed.nonce,
        )

    def _checked(self, partition: int, restored: Restored) -> Restored:
        """Whether input and definitions are those to go on with. Closes the store when they are not."""
        try:
            self._check_input(partition, restored.meta)
            check_revision(self.program, restored.meta, restored.store.reserved())
        except BaseException:
            restored.store.close()
            raise
        if restored.meta.commit_number == 0:
            return replace(restored, meta=replace(restored.meta, program=self._named()))  # nothing is of another yet
        return restored

    def _named(self) -> dict[str, Any]:
        return {"name": self.program.name, "version": self.program.version, "hash": self.program.hash}

    def _check_input(self, partition: int, meta: Meta) -> None:
        if meta.partition_count != self.beginning.partition_count:
            raise StartRefused(
                f"the input had {meta.partition_count} partitions when this state began and has "
                f"{self.beginning.partition_count} now: customers would move away from their state. Go back to "
                f"{meta.partition_count}, or begin anew under another `name` and `output_prefix`."
            )
        low = self.offsets.low_watermarks([partition])[partition]
        if low > meta.next_offset:
            raise StartRefused(
                f"partition {partition}: the next event to read is {meta.next_offset}, but the input begins at {low}: "
                f"retention has deleted {low - meta.next_offset} unread events. Lengthen the input's retention; to "
                "go on without them begin anew under another `name` and `output_prefix`."
            )

    def _set_aside(self, partition: int, reason: str) -> None:
        self.stores.set_aside(partition, reason)
        self.observer.set_aside(partition, reason)


def _read_back(store: StateStore, tally: Tally, given_up: Callable[[], bool]) -> Iterator[StoredWake]:
    """Count all customers; what the index must hold of them. Raises GivenUp."""
    customers = store.scan()
    while some := list(islice(customers, SCAN_BATCH)):
        if given_up():
            raise GivenUp
        yield from tally.take(some)


def _entries(key: bytes, value: bytes) -> Iterator[StoredWake]:
    """What the index holds of a customer's state."""
    if wake_of(value) < FOREVER_MS:
        yield wake_of(value), key
    if parked_of(value) != NEVER_MS:
        yield PARKED_AT_MS, key


def _emptied(partition: int, offset: int) -> str:
    return (
        f"partition {partition}: the group has committed offset {offset}, but the state topic holds nothing for it. "
        "The state topic was emptied or deleted, or another pipeline used this group. Restore the topic, or begin anew "
        "under another `name` and `output_prefix` (all customers are then new)."
    )


def _disagreement(partition: int, meta: Meta, committed: Committed) -> str:
    found = "no offset" if committed.offset is None else f"offset {committed.offset}, commit {committed.commit_number}"
    return (
        f"partition {partition}: the state topic says offset {meta.next_offset}, commit {meta.commit_number}, the "
        f"group has committed {found}. Going on would lose or repeat events. If the group's offsets were reset or have "
        "expired, `segmenter state offsets` sets them back; otherwise begin anew under another `name` and "
        "`output_prefix`."
    )
