"""The decoded profiles of one partition, over its store: a bounded cache of what is committed.

A profile that is being changed is held by the partition's `pending`; it stays in here too until the commit, so that
the digest of its stored bytes is at hand. Only clean profiles are evicted, oldest first, after a commit.
"""

from __future__ import annotations

from collections.abc import Iterable

from stream.codec.snapshot import decode_profile, digest
from stream.core.profile import Profile
from stream.core.program import Program
from stream.engine.interfaces import StateStore


class Customers:
    def __init__(self, store: StateStore, program: Program, capacity: int) -> None:
        self._store = store
        self._program = program
        self.capacity = capacity  # this partition's share of the worker's
        self.store_reads = 0  # since the last commit
        self._profiles: dict[str, Profile] = {}
        self._digests: dict[str, int] = {}

    def load(self, customer_id: str) -> Profile | None:
        profile = self._profiles.get(customer_id)
        if profile is None:
            self.store_reads += 1
            key = customer_id.encode()
            stored = self._store.get(key)
            if stored is None:
                return None
            profile = decode_profile(customer_id, stored, self._program)
            self._profiles[customer_id] = profile
            self._digests[customer_id] = digest(key, stored)
        return profile

    def stored_digest(self, customer_id: str) -> int | None:
        """Digest of the committed bytes of a customer that was loaded or kept; None when there are none."""
        return self._digests.get(customer_id)

    def keep(self, customer_id: str, profile: Profile | None, stored_digest: int) -> None:
        """The profile is committed with these bytes' digest (None: erased)."""
        self._profiles.pop(customer_id, None)
        if profile is None:
            self._digests.pop(customer_id, None)
        else:
            self._profiles[customer_id] = profile
            self._digests[customer_id] = stored_digest

    def trim(self) -> None:
        """Evict the oldest down to the bound; only after a commit, when all are clean."""
        over = len(self._profiles) - self.capacity
        if over > 0:
            for customer_id in list(self._profiles)[:over]:
                del self._profiles[customer_id], self._digests[customer_id]

    def forget(self, customer_ids: Iterable[str]) -> None:
        """Drop profiles that an aborted commit left half changed."""
        for customer_id in customer_ids:
            self._profiles.pop(customer_id, None)
            self._digests.pop(customer_id, None)

    def __len__(self) -> int:
        return len(self._profiles)
