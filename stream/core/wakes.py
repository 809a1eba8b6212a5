"""The index of wakes of one partition: who must be asked again, in the order (due, customer).

The index is derived. An entry counts only if the customer's profile agrees (`indexed_ms`), so entries need not be
taken out when a customer's wake moves: a stale one is met later and dropped. And an entry may be *earlier* than the
customer's real wake: it is then put back at the real one. So an event that only pushes a wake further away (nearly
every event does) writes nothing here.

`stored` are the entries of the last commit; what came and went since stands in memory until the next.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

from stream.core.events import FOREVER_MS, NEVER_MS

Entry = tuple[int, str]
Stored = Callable[[Entry, int], Iterator[Entry]]
"""(from this entry, to due ms, both inclusive) -> committed entries in order."""


class Wakes:
    def __init__(self, stored: Stored, cursor_ms: int = NEVER_MS) -> None:
        self._stored = stored
        self._committed_cursor: Entry = (cursor_ms, "")
        self._cursor = self._committed_cursor  # committed entries below are gone or popped
        self._fresh: list[Entry] = []  # heap: added since the last commit, not yet popped
        self._edits: dict[Entry, bool] = {}  # what the next commit writes: True put, False delete
        self._quiet_until_ms = NEVER_MS  # no committed entry from the cursor up to here

    @property
    def cursor_ms(self) -> int:
        """No entry is earlier than this."""
        return min(self._cursor[0], self._fresh[0][0]) if self._fresh else self._cursor[0]

    def add(self, due_ms: int, customer_id: str) -> None:
        if due_ms < FOREVER_MS:
            entry = (due_ms, customer_id)
            heapq.heappush(self._fresh, entry)
            self._edits[entry] = True

    def remove(self, due_ms: int, customer_id: str) -> None:
        """Take an entry out of what is committed; one still in memory is met as stale."""
        if due_ms < FOREVER_MS:
            self._edits[due_ms, customer_id] = False

    def due(self, until_ms: int, limit: int) -> Iterator[Entry]:
        """Pop up to `limit` entries due at or before `until_ms`, in order; the caller may add while it iterates."""
        committed = self._committed(until_ms)
        ahead = next(committed, None)
        for _ in range(limit):
            while ahead is not None and self._edits.get(ahead) is False:
                self._cursor = ahead
                ahead = next(committed, None)
            while self._fresh and not self._edits[self._fresh[0]]:
                heapq.heappop(self._fresh)  # taken out again since it was added
            fresh = self._fresh[0] if self._fresh else None
            if fresh is not None and fresh[0] <= until_ms and (ahead is None or fresh <= ahead):
                entry = fresh
                heapq.heappop(self._fresh)
                while self._fresh and self._fresh[0] == entry:
                    heapq.heappop(self._fresh)
                if ahead == entry:
                    self._cursor = ahead
                    ahead = next(committed, None)
            elif ahead is not None:
                entry = self._cursor = ahead
                ahead = next(committed, None)
            else:
                break
            self._edits[entry] = False
            yield entry
        if ahead is None:
            self._quiet_until_ms = max(self._quiet_until_ms, until_ms)

    def peek(self) -> int | None:
        """When the index's first entry is due, a stale one included; None when there is none. Pops nothing."""
        while self._fresh and not self._edits[self._fresh[0]]:
            heapq.heappop(self._fresh)
        first = self._fresh[0] if self._fresh else None
        cursor = self._cursor
        for entry in self._stored(max(cursor, (self._quiet_until_ms, "")), FOREVER_MS):
            if entry > cursor and self._edits.get(entry) is not False:
                first = entry if first is None else min(first, entry)
                break
        return None if first is None else first[0]

    def _committed(self, until_ms: int) -> Iterator[Entry]:
        if until_ms <= self._quiet_until_ms:
            return iter(())
        cursor = self._cursor
        # From the very entry: before it lie the marks of those deleted, in a storm a great many due at one instant, and
        # a store that sweeps over 100,000 of them needs 20 ms.
        return (entry for entry in self._stored(cursor, until_ms) if entry > cursor)

    def edits(self) -> tuple[list[Entry], list[Entry]]:
        """(added, removed) since the last commit, for the store."""
        added = [entry for entry, put in self._edits.items() if put]
        return added, [entry for entry, put in self._edits.items() if not put]

    def committed(self) -> None:
        """The edits are in the store now."""
        if self._fresh:
            # An added entry may lie before what was already looked at.
            first_ms = self._fresh[0][0]
            self._cursor = min(self._cursor, (first_ms - 1, ""))
            self._quiet_until_ms = min(self._quiet_until_ms, first_ms - 1)
        self._fresh = []
        self._edits = {}
        self._committed_cursor = self._cursor

    def aborted(self) -> None:
        """Back to the last commit."""
        self._fresh = []
        self._edits = {}
        self._cursor = self._committed_cursor
        self._quiet_until_ms = NEVER_MS
