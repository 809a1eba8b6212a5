"""A worker's data directory: what survives its process, and how it may be found again.

A commit is one atomic write. Some copies of the past are kept, so that a fault can put one back in the place of what
was there: an old directory copied back, or the tail of the log torn off by a crash of the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from stream.codec.journal import META_KEY, RESERVED
from stream.codec.snapshot import DIGEST_MODULUS, digest, parked_of, wake_of
from stream.core.events import FOREVER_MS, NEVER_MS
from stream.core.holds import PARKED_AT_MS
from stream.engine.interfaces import StoredWake
from stream.engine.local import decode_local
from tests.simulation.broker import Log
from tests.simulation.host import Host

KEPT_COPIES = 4
COPY_EVERY_WRITES = 3


@dataclass
class Contents:
    customers: dict[bytes, bytes] = field(default_factory=dict)
    wakes: set[StoredWake] = field(default_factory=set)
    meta: bytes | None = None
    reserved: dict[bytes, bytes] = field(default_factory=dict)

    def copy(self) -> Contents:
        return Contents(dict(self.customers), set(self.wakes), self.meta, dict(self.reserved))


@dataclass
class Folder:
    """Of one partition."""

    now: Contents = field(default_factory=Contents)
    copies: list[Contents] = field(default_factory=list)  # of the past, oldest first
    writes: int = 0

    def remember(self) -> None:
        self.writes += 1
        if self.writes % COPY_EVERY_WRITES == 1:
            self.copies = [*self.copies, self.now.copy()][-KEPT_COPIES:]


class Disk:
    """One worker's folders; `held` are those its process has open."""

    def __init__(self) -> None:
        self.folders: dict[int, Folder] = {}
        self.held: dict[int, SimulatedStore] = {}

    def lose(self) -> bool:
        lost = bool(self.folders)
        self.folders = {}
        return lost

    def put_back(self, age: int) -> bool:
        """Put an older copy back for every partition: `age` 0 is the newest kept. False when there is none."""
        done = False
        for folder in self.folders.values():
            if folder.copies:
                folder.now = folder.copies[max(0, len(folder.copies) - 1 - age)].copy()
                done = True
        return done

    def damage(self) -> bool:
        """A record is gone, or the wake index, the newest meta still there: what a truncated MANIFEST leaves."""
        for folder in self.folders.values():
            if folder.now.customers:
                if folder.writes % 2:
                    folder.now.wakes.clear()
                else:
                    del folder.now.customers[min(folder.now.customers)]
                return True
        return False


class SimulatedStores:
    """Implements `engine.interfaces.Stores` for one process."""

    def __init__(self, host: Host, disk: Disk) -> None:
        self._host = host
        self._disk = disk
        disk.held = {}

    def open(self, partition: int) -> SimulatedStore:
        self._host.reach("open store")
        assert partition not in self._disk.held, f"the store of partition {partition} is open already"
        store = SimulatedStore(self._host, self._disk, partition)
        self._disk.held[partition] = store
        return store

    def set_aside(self, partition: int, reason: str) -> None:
        self._host.reach("set store aside")
        assert partition not in self._disk.held, "set aside while it is open"
        self._disk.folders.pop(partition, None)


class SimulatedStore:
    """Implements `engine.interfaces.StateStore`."""

    def __init__(self, host: Host, disk: Disk, partition: int) -> None:
        self._host = host
        self._disk = disk
        self._partition = partition
        self._folder = disk.folders.setdefault(partition, Folder())

    @property
    def _contents(self) -> Contents:
        self._host.live()
        assert self._disk.held.get(self._partition) is self, "a closed store is used"
        return self._folder.now

    def meta(self) -> bytes | None:
        return self._contents.meta

    def get(self, key: bytes) -> bytes | None:
        return self._contents.customers.get(key)

    def write(
        self,
        customers: list[tuple[bytes, bytes | None]],
        wakes_added: list[StoredWake],
        wakes_removed: list[StoredWake],
        meta: bytes | None,
        reserved: Sequence[tuple[bytes, bytes | None]] = (),
    ) -> None:
        self._host.reach("before store write")
        contents = self._contents
        self._folder.remember()
        for key, value in customers:
            if value is None:
                contents.customers.pop(key, None)
            else:
                contents.customers[key] = value
        for key, value in reserved:
            if value is None:
                contents.reserved.pop(key, None)
            else:
                contents.reserved[key] = value
        contents.wakes.difference_update(wakes_removed)
        contents.wakes.update(wakes_added)
        if meta is not None:
            contents.meta = meta
        self._host.reach("after store write")

    def due(self, from_ms: int, until_ms: int, from_key: bytes = b"") -> Iterator[StoredWake]:
        first = from_ms, from_key
        return iter(sorted(wake for wake in self._contents.wakes if first <= wake and wake[0] <= until_ms))

    def scan(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(sorted(self._contents.customers.items()))

    def following(self, key: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        return sorted(entry for entry in self._contents.customers.items() if entry[0] > key)[:limit]

    def reserved(self) -> dict[bytes, bytes]:
        return dict(self._contents.reserved)

    @property
    def unchanged(self) -> bool:
        return False

    def check(self, keys: int, digest_sum: int) -> str | None:
        customers = self._contents.customers
        found = sum(digest(key, value) for key, value in customers.items()) % DIGEST_MODULUS
        if (len(customers), found) != (keys, digest_sum):
            return "count or digest differ"
        due = {(wake_of(value), key) for key, value in customers.items() if wake_of(value) < FOREVER_MS}
        due |= {(PARKED_AT_MS, key) for key, value in customers.items() if parked_of(value) != NEVER_MS}
        return None if due <= self._contents.wakes else "wakes are missing"

    def close(self) -> None:
        if self._disk.held.get(self._partition) is self:
            del self._disk.held[self._partition]

    def sizes(self) -> dict[str, int]:
        return {}


def followed(store: Contents, log: Log) -> dict[bytes, bytes]:
    """The store's customers, with what the state topic says of them behind the end of its copy."""
    assert store.meta is not None
    position, _ = decode_local(store.meta)
    customers = dict(store.customers)
    for offset, entry in log.committed():
        key, value = (entry.record.key or b"", entry.record.value) if entry.record is not None else (b"", None)
        if offset < position or key == META_KEY or key.startswith(RESERVED):
            continue
        if value is None:
            customers.pop(key, None)
        else:
            customers[key] = value
    return customers
