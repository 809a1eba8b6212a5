"""What one partition's check must remember, in a temporary database on disk.

SQLite from the standard library: a private temporary database (`""`) lives in its page cache until that is full and
then in an unlinked file, so a small log never touches the disk, millions of customers need no more memory than
`CACHE_KIB`, and nothing is left behind whatever ends the process. `TMPDIR` (or `SQLITE_TMPDIR`) says where the file is.
A dict would be some times faster and would end with the machine's memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

CACHE_KIB = 64 << 10

_TABLES = """
CREATE TABLE states (key TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE wakes (due INTEGER, key TEXT, PRIMARY KEY (due, key)) WITHOUT ROWID;
CREATE TABLE told (key TEXT, definition TEXT, PRIMARY KEY (key, definition)) WITHOUT ROWID;
CREATE TABLE lives (key BLOB PRIMARY KEY, life BLOB NOT NULL);
CREATE TABLE births (input_offset INTEGER PRIMARY KEY, key BLOB NOT NULL);
CREATE TABLE pending (topic TEXT, key BLOB, mark BLOB, PRIMARY KEY (topic, key)) WITHOUT ROWID;
CREATE TABLE loose (topic TEXT, key BLOB, mark BLOB, PRIMARY KEY (topic, key)) WITHOUT ROWID;
CREATE TABLE restored (key BLOB PRIMARY KEY, mark BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE memberships (key BLOB PRIMARY KEY, value BLOB NOT NULL, log_offset INTEGER NOT NULL);
"""


class Disk:
    """The tables, by what they mean. Close it when the partition is done."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{CACHE_KIB}", "locking_mode=EXCLUSIVE"):
            self._base.execute(f"PRAGMA {pragma}")
        self._base.executescript(_TABLES)
        self._base.execute("BEGIN")  # never committed: the file is gone with the connection

    def close(self) -> None:
        self._base.close()

    # -- the model's customers and their wakes

    def state(self, customer_id: str) -> bytes | None:
        row = self._base.execute("SELECT value FROM states WHERE key = ?", (customer_id,)).fetchone()
        return None if row is None else row[0]

    def write_states(self, states: Iterable[tuple[str, bytes | None]]) -> None:
        """None: the customer is erased."""
        for customer_id, value in states:
            if value is None:
                self._base.execute("DELETE FROM states WHERE key = ?", (customer_id,))
            else:
                self._base.execute("INSERT OR REPLACE INTO states VALUES (?, ?)", (customer_id, value))

    def wakes(self, first: tuple[int, str], until_ms: int) -> Iterator[tuple[int, str]]:
        """From this one to that instant, both inclusive, in the order (due, customer)."""
        sql = "SELECT due, key FROM wakes WHERE (due, key) >= (?, ?) AND due <= ? ORDER BY due, key"
        return iter(self._base.execute(sql, (*first, until_ms)))

    def count_wakes(self, due_ms: int) -> int:
        row = self._base.execute("SELECT COUNT(*) FROM wakes WHERE due = ?", (due_ms,)).fetchone()
        found: int = row[0]
        return found

    def write_wakes(self, added: Iterable[tuple[int, str]], removed: Iterable[tuple[int, str]]) -> None:
        self._base.executemany("DELETE FROM wakes WHERE due = ? AND key = ?", removed)
        self._base.executemany("INSERT OR IGNORE INTO wakes VALUES (?, ?)", added)

    def following(self, key: str, limit: int) -> list[tuple[str, bytes]]:
        """The next customers after this one, in the order of their keys' bytes."""
        sql = "SELECT key, value FROM states WHERE key > ? ORDER BY key LIMIT ?"
        return self._base.execute(sql, (key, limit)).fetchall()

    def tell(self, customer_id: str, definition: str) -> None:
        """The customer's life has had a change of the definition of this name."""
        self._base.execute("INSERT OR IGNORE INTO told VALUES (?, ?)", (customer_id, definition))

    def forget_told(self, customer_id: str) -> set[str]:
        """The definitions told of in the life that is over."""
        sql = "SELECT definition FROM told WHERE key = ?"
        found = {row[0] for row in self._base.execute(sql, (customer_id,))}
        self._base.execute("DELETE FROM told WHERE key = ?", (customer_id,))
        return found

    # -- customers as a subscriber sees them

    def life(self, key: bytes) -> bytes | None:
        row = self._base.execute("SELECT life FROM lives WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def write_life(self, key: bytes, life: bytes | None) -> None:
        if life is None:
            self._base.execute("DELETE FROM lives WHERE key = ?", (key,))
        else:
            self._base.execute("INSERT OR REPLACE INTO lives VALUES (?, ?)", (key, life))

    def lives(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self._base.execute("SELECT key, life FROM lives"))

    def born(self, offset: int, key: bytes) -> bytes:
        """Whose life began at this input offset: `key`, unless somebody's did before."""
        self._base.execute("INSERT OR IGNORE INTO births VALUES (?, ?)", (offset, key))
        row = self._base.execute("SELECT key FROM births WHERE input_offset = ?", (offset,)).fetchone()
        found: bytes = row[0]
        return found

    def membership(self, key: bytes) -> tuple[bytes, int] | None:
        """Newest value and its offset."""
        sql = "SELECT value, log_offset FROM memberships WHERE key = ?"
        row: tuple[bytes, int] | None = self._base.execute(sql, (key,)).fetchone()
        return row

    def write_membership(self, key: bytes, value: bytes | None, offset: int) -> None:
        if value is None:
            self._base.execute("DELETE FROM memberships WHERE key = ?", (key,))
        else:
            self._base.execute("INSERT OR REPLACE INTO memberships VALUES (?, ?, ?)", (key, value, offset))

    def memberships(self) -> Iterator[tuple[bytes, bytes, int]]:
        return iter(self._base.execute("SELECT key, value, log_offset FROM memberships"))

    # -- compacted topics

    def wait_for(self, topic: str, key: bytes, mark: bytes) -> None:
        """The key's newest record was not there: compacted away, if a later one comes. `mark` b"": a tombstone."""
        self._base.execute("INSERT OR REPLACE INTO pending VALUES (?, ?, ?)", (topic, key, mark))

    def waits_for(self, topic: str, key: bytes) -> bytes | None:
        row = self._base.execute("SELECT mark FROM pending WHERE topic = ? AND key = ?", (topic, key)).fetchone()
        return None if row is None else row[0]

    def came(self, topic: str, key: bytes) -> None:
        self._base.execute("DELETE FROM pending WHERE topic = ? AND key = ?", (topic, key))

    def forget_tombstones(self, topic: str) -> None:
        """Keys of which the newest record is a tombstone wait for nothing."""
        self._base.execute("DELETE FROM pending WHERE topic = ? AND mark = ?", (topic, b""))

    def waiting(self, topic: str) -> Iterator[tuple[bytes, bytes]]:
        return iter(self._base.execute("SELECT key, mark FROM pending WHERE topic = ?", (topic,)))

    def found_loosely(self, topic: str, key: bytes, mark: bytes) -> None:
        """The key's newest record found, which may be any of several equal ones."""
        self._base.execute("INSERT OR REPLACE INTO loose VALUES (?, ?, ?)", (topic, key, mark))

    def loose(self, topic: str, key: bytes) -> bytes | None:
        row = self._base.execute("SELECT mark FROM loose WHERE topic = ? AND key = ?", (topic, key)).fetchone()
        return None if row is None else row[0]

    def forget_loose(self, topic: str) -> None:
        self._base.execute("DELETE FROM loose WHERE topic = ?", (topic,))

    # -- the state topic, read from its beginning

    def restore(self, marks: Iterable[tuple[bytes, bytes | None]]) -> None:
        for key, mark in marks:
            if mark is None:
                self._base.execute("DELETE FROM restored WHERE key = ?", (key,))
            else:
                self._base.execute("INSERT OR REPLACE INTO restored VALUES (?, ?)", (key, mark))

    def restored(self) -> Iterator[bytes]:
        return (row[0] for row in self._base.execute("SELECT mark FROM restored"))
