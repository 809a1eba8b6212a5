"""One topic's records of one partition, read on in order, with a bounded look ahead for finding one's place again."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from itertools import chain

from stream.verify.log import Headers, Record
from stream.verify.report import Expected

LOOK_AHEAD = 20_000
"""Records looked through for one that is not where it should be: as many as a commit holds."""

Identify = Callable[[Record | Expected], bytes]
"""What tells one record of the topic from every other; the rest of it may differ only when it was altered."""


def header(headers: Headers | None, name: str) -> bytes:
    """The last value of that name, b"" when there is none."""
    return next((value for key, value in reversed(headers or ()) if key == name), b"") or b""


class Tape:
    """`taken` is called with every record as it is passed, in order."""

    def __init__(
        self, records: Iterator[Record], identify: Identify, taken: Callable[[Record], object] | None = None
    ) -> None:
        self._records = records
        self.identify = identify
        self._taken = taken
        self._ahead: deque[Record] = deque()
        self._looked: Counter[bytes] | None = None  # identities of what is ahead, once somebody looked
        self.passed = 0

    def peek(self) -> Record | None:
        if not self._ahead:
            record = next(self._records, None)
            if record is None:
                return None
            self._put(record)
        return self._ahead[0]

    def take(self) -> Record:
        """The record that `peek` shows."""
        record = self._ahead.popleft()
        if self._looked is not None:
            identity = self.identify(record)
            self._looked[identity] -= 1
            if not self._looked[identity]:
                del self._looked[identity]
        self.passed += 1
        if self._taken is not None:
            self._taken(record)
        return record

    def extend(self, records: Iterator[Record]) -> None:
        """What follows the end."""
        self._records = chain(self._records, records)

    def until(self, offset: int) -> Iterator[Record]:
        """Take what lies before `offset`."""
        while (record := self.peek()) is not None and record.offset < offset:
            yield self.take()

    def rest(self) -> Iterator[Record]:
        while self.peek() is not None:
            yield self.take()

    def find(self, identity: bytes) -> int | None:
        """How many records come before the first of that identity; None: it is not near."""
        if self._looked is None:
            self._looked = Counter(self.identify(record) for record in self._ahead)
        while len(self._ahead) < LOOK_AHEAD:
            record = next(self._records, None)
            if record is None:
                break
            self._put(record)
        if identity not in self._looked:
            return None
        return next(place for place, record in enumerate(self._ahead) if self.identify(record) == identity)

    def _put(self, record: Record) -> None:
        self._ahead.append(record)
        if self._looked is not None:
            self._looked[self.identify(record)] += 1
