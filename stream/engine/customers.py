"""The committed states of one partition's customers, over its store: a bounded cache of their bytes, written behind.

At rest a customer is the bytes that were committed, and their digest behind them. Read into objects a state is some
hundred of them, all over memory, which the garbage collector walks; to read the bytes anew costs no more than to fetch
those (docs/performance.md). A profile that is being changed is held by the partition's `pending` until the commit.

The cache has two generations: what is committed, or comes from the store, is put into the young one; when that is full
it becomes the old one, and what was not put there since is forgotten with the old.

What was committed is in the changelog, so the store may have it later: when the changelog has grown by so much that it
is this one's turn, and before it is forgotten. A customer of whom much is heard is so written once for many commits.
The store's copy then claims to reach only up to the oldest state that it lacks; after a kill the rest is read from
there (`engine.restore`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from stream.codec.snapshot import decode_profile, digest
from stream.core.profile import Profile
from stream.core.program import Program
from stream.engine.interfaces import StateStore

DIGEST_BYTES = 16

MOST_BEHIND = 50_000
"""Offsets of the changelog, at most, from the oldest state that the store lacks to the end: so much is read for a
partition after a kill."""

Kept = tuple[str, bytes | None, int]
"""(customer id, bytes, their digest) as committed; None and 0: erased."""

ToWrite = list[tuple[bytes, bytes | None]]


class _Commit(NamedTuple):
    number: int
    position: int  # where its records begin in the changelog, or before
    customer_ids: list[str]


class Customers:
    """`position`: offset of the changelog up to which the store has everything."""

    def __init__(self, store: StateStore, program: Program, capacity: int, position: int) -> None:
        self._store = store
        self._program = program
        self.capacity = capacity  # this partition's share of the worker's
        self.store_reads = 0  # since the last commit
        self._young: dict[str, bytes] = {}  # committed bytes, then their digest
        self._old: dict[str, bytes] = {}
        self._position = position  # behind the last commit's records in the changelog
        self._commits: deque[_Commit] = deque()  # of which something may be unwritten, oldest first
        self._last_commit = 0
        self._unwritten: dict[str, int] = {}  # customer -> the commit's number; held above until it is written

    def load(self, customer_id: str) -> Profile | None:
        """The committed state, read anew at each call."""
        stored = self._young.get(customer_id) or self._old.get(customer_id)
        if stored is None:
            self.store_reads += 1
            key = customer_id.encode()
            value = self._store.get(key)
            if value is None:
                return None
            stored = value + digest(key, value).to_bytes(DIGEST_BYTES, "big")
            self._young[customer_id] = stored
        return decode_profile(customer_id, stored[:-DIGEST_BYTES], self._program)

    def stored_digest(self, customer_id: str) -> int | None:
        """Digest of the committed bytes of a customer that was loaded or committed since the last commit; None when
        there are none."""
        stored = self._young.get(customer_id) or self._old.get(customer_id)
        return None if stored is None else int.from_bytes(stored[-DIGEST_BYTES:], "big")

    def committed(self, kept: Sequence[Kept], position: int) -> ToWrite:
        """These are committed, and the changelog goes on at `position` (0: not known). Returns what the store must
        write now, with `reaches`."""
        young, old, unwritten = self._young, self._old, self._unwritten
        self._last_commit = number = self._last_commit + 1
        to_write: ToWrite = []
        for customer_id, value, value_digest in kept:
            old.pop(customer_id, None)
            if value is None:
                young.pop(customer_id, None)
                unwritten.pop(customer_id, None)
                to_write.append((customer_id.encode(), None))  # at once: nothing is held that would hide the old bytes
            else:
                young[customer_id] = value + value_digest.to_bytes(DIGEST_BYTES, "big")
                unwritten[customer_id] = number
        if kept:
            self._commits.append(_Commit(number, self._position, [each[0] for each in kept]))
        self._position = max(self._position, position)
        half = self.capacity // 2
        while self._position - self.reaches > min(half, MOST_BEHIND):
            self._write_oldest(to_write)
        if len(young) > half:
            # Only now, after a commit: until then digests of what was loaded are needed.
            to_write += [self._write(customer_id) for customer_id in old if customer_id in unwritten]
            self._old, self._young = young, {}
        return to_write

    def unwritten(self) -> ToWrite:
        """All that the store lacks; it must write it now, with `reaches`."""
        to_write: ToWrite = []
        while self._commits:
            self._write_oldest(to_write)
        return to_write

    @property
    def is_behind(self) -> bool:
        """Whether the store may lack something."""
        return bool(self._commits)

    @property
    def reaches(self) -> int:
        """Offset of the changelog from which on all is found that the store lacks."""
        return self._commits[0].position if self._commits else self._position

    def _write_oldest(self, to_write: ToWrite) -> None:
        commit = self._commits.popleft()
        latest = self._unwritten.get
        for customer_id in commit.customer_ids:
            if latest(customer_id) == commit.number:
                to_write.append(self._write(customer_id))

    def _write(self, customer_id: str) -> tuple[bytes, bytes]:
        del self._unwritten[customer_id]
        stored = self._young.get(customer_id) or self._old[customer_id]
        return customer_id.encode(), stored[:-DIGEST_BYTES]

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
