"""One partition's state in one RocksDB.

Column families: `customers` (key -> state record), `wakes` (due instant + key -> nothing), `meta` (one record: what the
engine needs to know of all the rest). A commit is one write batch; the log is not synced, since a process that is
killed loses nothing so, and what a machine's crash tears off shows in `check`.

Measured (rocksdict 0.3.29): `write` holds the GIL, about 0.5 us an entry, and so does each step of a scan; flush and
compaction do not. So the engine's batches stay small, and a restore's are cut (`PART_BYTES`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from rocksdict import ColumnFamily, Rdict, ReadOptions, WriteBatch, WriteOptions

from stream.codec.snapshot import Tally
from stream.engine.interfaces import StoredWake
from stream.store.errors import StoreFull, StoreUnavailable, explain
from stream.store.keys import after, wake_key, wake_of
from stream.store.options import Memory, column_families, database_options
from stream.store.seal import Hashes, put, take

META_KEY = b"meta"
RESERVED_PREFIX = b"\x00"
"""In the `meta` family: keys of the processor's own records on the state topic."""
FIRST_STEP, STEP_GROWTH, SCAN_STEP = 20, 10, 2_000
"""Entries read before the iterator is let go, in the first step and at most: bounds memory, and no iterator outlives a
step (an open one would keep the database open, and its old files on disk)."""
READ_AHEAD_BYTES = 2 << 20
PART_BYTES = 2 << 20
"""About 5 ms of the GIL at a time."""

MOST_REMEMBERED = 1_000_000
"""Customers of whom `check` remembers what must be in the index, 70 bytes each; of more it adds up, and if that does
not agree looks for each one's entry, which takes 4 us."""

_SIZES = {
    "sst_bytes": "rocksdb.live-sst-files-size",
    "memtable_bytes": "rocksdb.cur-size-all-mem-tables",
    "estimated_keys": "rocksdb.estimate-num-keys",
    "pending_compaction_bytes": "rocksdb.estimate-pending-compaction-bytes",
}
"""Each family's own; they add up."""

_SIZES_OF_ALL = {
    "write_stopped": "rocksdb.is-write-stopped",
    "background_errors": "rocksdb.background-errors",
    "running_compactions": "rocksdb.num-running-compactions",
    "block_cache_bytes": "rocksdb.block-cache-usage",
}
"""The same whichever family is asked. The block cache is even that of all partitions."""


class StateStore:
    """Implements `engine.interfaces.StateStore`. Its methods raise StoreDamaged, StoreFull or StoreUnavailable."""

    def __init__(self, path: Path, database: Rdict, sealed: Hashes | None, new: bool) -> None:
        self.path = path
        self._sealed = sealed or {}  # of the tables that were there when it was opened
        self._unchanged = sealed is not None  # byte for byte what was found whole before
        self._whole = self._unchanged or new  # nothing speaks against it: worth a seal
        self._database = database
        self._customers = database.get_column_family("customers")
        self._wakes = database.get_column_family("wakes")
        self._meta = database.get_column_family("meta")
        self._rebuilding = False  # something was written that is not logged
        self._closing = False
        self._in_customers = database.get_column_family_handle("customers")
        self._in_wakes = database.get_column_family_handle("wakes")
        self._in_meta = database.get_column_family_handle("meta")

    @classmethod
    def open(cls, path: Path, memory: Memory, hashes: Hashes | None = None) -> StateStore:
        """Open, or create, the store in this folder. `hashes` of its files, if they are known."""
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            sealed, new = take(path, hashes), not any(path.iterdir())
            return cls(path, Rdict(str(path), database_options(memory), column_families(memory)), sealed, new)
        except Exception as error:
            raise explain(path, "open", error) from error

    def meta(self) -> bytes | None:
        """What the last write or finished restore left; None in a new store and in one whose restore was cut off."""
        try:
            return self._meta.get(META_KEY)
        except Exception as error:
            raise self._failed("read meta", error) from error

    def get(self, key: bytes) -> bytes | None:
        try:
            return self._customers.get(key)
        except Exception as error:
            raise self._failed("read", error) from error

    def write(
        self,
        customers: list[tuple[bytes, bytes | None]],
        wakes_added: list[StoredWake],
        wakes_removed: list[StoredWake],
        meta: bytes | None,
        reserved: Sequence[tuple[bytes, bytes | None]] = (),
    ) -> None:
        """One atomic batch with its `meta`, and with records of the processor's own. A value None deletes; a wake
        removed and added stays.

        `meta` None: a part of a rebuild. It is written in pieces and not logged; the next write with `meta` makes all
        of it durable first. A store whose rebuild was cut off has no `meta`, and nobody takes it for whole.
        """
        if meta is None:
            self._write_part(customers, wakes_added, reserved)
            return
        batch = WriteBatch(raw_mode=True)
        for key, value in customers:
            _put_or_delete(batch, key, value, self._in_customers)
        for due_ms, key in wakes_removed:
            batch.delete(wake_key(due_ms, key), self._in_wakes)
        for due_ms, key in wakes_added:
            batch.put(wake_key(due_ms, key), b"", self._in_wakes)
        for key, value in reserved:
            _put_or_delete(batch, key, value, self._in_meta)
        batch.put(META_KEY, meta, self._in_meta)
        try:
            if self._rebuilding:
                self._flush()
                self._rebuilding = False
                self._whole = True  # who gives the `meta` has counted and compared
            self._database.write(batch)
        except Exception as error:
            raise self._failed("write", error) from error
        self._unchanged = False

    def _write_part(
        self,
        customers: list[tuple[bytes, bytes | None]],
        wakes: list[StoredWake],
        reserved: Sequence[tuple[bytes, bytes | None]],
    ) -> None:
        self._rebuilding, self._unchanged = True, False
        batch, size = WriteBatch(raw_mode=True), 0
        # In the order of their keys: each is looked for near the one before, 1 us less of 3.
        for key, value in sorted(customers, key=_first):
            if value is None:
                batch.delete(key, self._in_customers)
                continue
            batch.put(key, value, self._in_customers)
            size += len(value)
            if size >= PART_BYTES:
                self._write_unlogged(batch)
                batch, size = WriteBatch(raw_mode=True), 0
        for stored in sorted([wake_key(due_ms, key) for due_ms, key in wakes]):
            batch.put(stored, b"", self._in_wakes)
        for key, value in reserved:
            _put_or_delete(batch, key, value, self._in_meta)
        self._write_unlogged(batch)

    def _write_unlogged(self, batch: WriteBatch) -> None:
        unlogged = WriteOptions()
        unlogged.disable_wal = True  # type: ignore[method-assign, assignment]  # the stub calls it a method
        try:
            self._database.write(batch, unlogged)
        except Exception as error:
            raise self._failed("rebuild", error) from error

    def due(self, from_ms: int, until_ms: int, from_key: bytes = b"") -> Iterator[StoredWake]:
        """Wakes by instant, then by key, both ends inclusive; of those due at `from_ms` the ones from this key on. May
        be left early; sees writes made meanwhile."""
        start, end = wake_key(from_ms, from_key), wake_key(until_ms + 1, b"")
        for stored in self._steps(self._wakes, lambda start: self._wakes.keys(from_key=start), _same, start):
            if stored >= end:
                return
            yield wake_of(stored)

    def scan(self) -> Iterator[tuple[bytes, bytes]]:
        """All customers by key, with bounded memory. Sees writes made meanwhile."""
        return self._steps(
            self._customers, lambda start: self._customers.items(from_key=start, read_opt=_passing()), _first, b""
        )

    def following(self, key: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """The next customers after this key."""
        try:
            entries: list[Any] = list(islice(self._customers.items(from_key=after(key)), limit))
            if len(entries) < limit:
                _confirm_end(self._customers, entries[-1][0] if entries else after(key))
        except Exception as error:
            raise self._failed("scan", error) from error
        return entries

    def reserved(self) -> dict[bytes, bytes]:
        """The processor's own records beside `meta`."""
        entries = self._steps(self._meta, lambda start: self._meta.items(from_key=start), _first, RESERVED_PREFIX)
        return {key: value for key, value in entries if key.startswith(RESERVED_PREFIX)}

    @property
    def unchanged(self) -> bool:
        return self._unchanged

    def check(self, keys: int, digest: int) -> str | None:
        """Read everything: None when number and digest of the customers agree and each one's wake is in the index, else
        what is wrong. What was sealed when it was closed, and not written since, was compared byte for byte when it was
        opened."""
        if self._unchanged:
            return None
        self._whole = False
        tally, customers, derived = Tally(), self.scan(), 0
        remembered: set[int] | None = set() if keys <= MOST_REMEMBERED else None
        try:
            while records := list(islice(customers, SCAN_STEP)):
                hashes = [hash(wake_key(due_ms, key)) for due_ms, key in tally.take(records)]
                if remembered is None:
                    derived += sum(hashes)
                else:
                    remembered.update(hashes)
            # An index may hold entries that count no longer, so it is not enough to add up.
            if remembered is not None:
                remembered.difference_update(map(hash, self._all_wakes()))
                missing = len(remembered)
            else:
                whole = derived == sum(map(hash, self._all_wakes()))
                missing = 0 if whole else sum(1 for _ in self._missing_wakes())
            self.reserved()
        except (StoreFull, StoreUnavailable):
            raise  # the files may be whole
        except Exception as error:
            return f"can't be read to its end: {error}"
        if tally.keys != keys:
            return f"{tally.keys} customers found, {keys} expected"
        if tally.digest != digest:
            return f"{keys} customers, but not the content that was written: the digests differ"
        if missing:
            return f"{missing} customers' wakes are missing in the index"
        self._whole = True
        return None

    def _all_wakes(self) -> Iterator[bytes]:
        return self._steps(self._wakes, lambda start: self._wakes.keys(from_key=start, read_opt=_passing()), _same, b"")

    def _missing_wakes(self) -> Iterator[StoredWake]:
        """What the customers' states say must be in the index, and is not."""
        customers = self.scan()
        while records := list(islice(customers, SCAN_STEP)):
            for due_ms, key in Tally().take(records):
                if self._wakes.get(wake_key(due_ms, key)) is None:
                    yield due_ms, key

    def sizes(self) -> dict[str, int]:
        """Bytes and counts over all column families, for metrics."""
        families = (self._customers, self._wakes, self._meta)
        try:
            sizes = {
                name: sum(family.property_int_value(rocks_name) or 0 for family in families)
                for name, rocks_name in _SIZES.items()
            }
            for name, rocks_name in _SIZES_OF_ALL.items():
                sizes[name] = self._customers.property_int_value(rocks_name) or 0
            sizes["estimated_wakes"] = self._wakes.property_int_value(_SIZES["estimated_keys"]) or 0
            return sizes
        except Exception as error:
            raise self._failed("read sizes", error) from error

    def close(self) -> None:
        """Let go of the folder, and seal it if it is whole. RocksDB closes with the last of its handles, so all are
        dropped here."""
        self._closing = True
        if self._whole and not self._rebuilding:
            self._flush_to_seal()
        del self._in_customers, self._in_wakes, self._in_meta
        for handle in (self._customers, self._wakes, self._meta, self._database):
            try:
                handle.close()
            except Exception:  # damaged: its last write can't be flushed, and whoever closes it must still get on
                self._whole = False
        if self._whole and not self._rebuilding:
            put(self.path, self._sealed)

    def _flush_to_seal(self) -> None:
        """Everything into tables, so that opening has no log to replay."""
        try:
            self._flush()
        except Exception:
            self._whole = False  # nothing is lost, the log has it; but the next start shall look closely

    def _flush(self) -> None:
        """All families: one that is asked to flush goes alone, only flushes that RocksDB begins are atomic."""
        for family in (self._customers, self._wakes, self._meta):
            family.flush()

    def _failed(self, doing: str, error: Exception) -> Exception:
        if not self._closing:  # a reader whose handles go away says nothing against the folder
            self._whole = self._unchanged = False
        return explain(self.path, doing, error)

    def _steps(
        self, family: Rdict, read: Callable[[bytes], Iterator[Any]], key_of: Callable[[Any], bytes], start: bytes
    ) -> Iterator[Any]:
        """Entries from the key `start` on, read in steps, a small one first: often only the first entry is wanted."""
        step = FIRST_STEP
        while True:
            try:
                entries = list(islice(read(start), step))
                if len(entries) < step:
                    _confirm_end(family, key_of(entries[-1]) if entries else start)
            except Exception as error:
                raise self._failed("scan", error) from error
            yield from entries
            if len(entries) < step:
                return
            start = after(key_of(entries[-1]))
            step = min(SCAN_STEP, STEP_GROWTH * step)


def _passing() -> ReadOptions:
    """For reading all of it once: read ahead, and nothing of it kept. 1.0 us a customer instead of 2.2, and RocksDB's
    own threads have less to do; what it pushed out of the cache would be missed by the records to come."""
    options = ReadOptions()
    options.fill_cache(False)  # type: ignore[call-arg]  # the stub forgets the argument
    options.set_readahead_size(READ_AHEAD_BYTES)
    return options


def _put_or_delete(batch: WriteBatch, key: bytes, value: bytes | None, family: ColumnFamily) -> None:
    if value is None:
        batch.delete(key, family)
    else:
        batch.put(key, value, family)


def _confirm_end(family: Rdict, key: bytes) -> None:
    """A fast iterator ends silently at a damaged block. So a plain one looks again behind the last key seen, and is
    asked for its status, which raises. (`ReadOptions.set_iterate_lower_bound` of rocksdict 0.3.29 sets the upper one:
    no bounds here.)"""
    probe = family.iter()
    probe.seek(key)
    if probe.valid():
        probe.next()
    probe.status()


def _same(key: bytes) -> bytes:
    return key


def _first(entry: tuple[bytes, bytes | None]) -> bytes:
    return entry[0]
