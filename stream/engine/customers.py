"""The committed states of one partition's customers, over its store: a bounded cache of their bytes.

At rest a customer is the bytes that were committed, and their digest behind them. Read into objects a state is some
hundred of them, all over memory, which the garbage collector walks; to read the bytes anew costs no more than to fetch
those (docs/performance.md). A profile that is being changed is held by the partition's `pending` until the commit.

The cache has two generations: what is used or committed comes into the young one; when that is full it becomes the
old one, and what nobody used since is forgotten with the old.
"""

from __future__ import annotations

from stream.codec.snapshot import decode_profile, digest
from stream.core.profile import Profile
from stream.core.program import Program
from stream.engine.interfaces import StateStore

DIGEST_BYTES = 16


class Customers:
    def __init__(self, store: StateStore, program: Program, capacity: int) -> None:
        self._store = store
        self._program = program
        self.capacity = capacity  # this partition's share of the worker's
        self.store_reads = 0  # since the last commit
        self._young: dict[str, bytes] = {}  # committed bytes, then their digest
        self._old: dict[str, bytes] = {}

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
        """Digest of the committed bytes of a customer that was loaded or kept since the last commit; None when there
        are none."""
        stored = self._young.get(customer_id) or self._old.get(customer_id)
        return None if stored is None else int.from_bytes(stored[-DIGEST_BYTES:], "big")

    def keep(self, customer_id: str, value: bytes | None, value_digest: int) -> None:
        """These bytes are committed (None: the customer is erased)."""
        self._old.pop(customer_id, None)
        if value is None:
            self._young.pop(customer_id, None)
        else:
            self._young[customer_id] = value + value_digest.to_bytes(DIGEST_BYTES, "big")

    def trim(self) -> None:
        """Forget what was not used for long, only after a commit: until then digests of what was loaded are needed."""
        if len(self._young) > self.capacity // 2:
            self._old, self._young = self._young, {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
