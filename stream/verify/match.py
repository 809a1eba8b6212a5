"""What the commits must have written, held against what is there, record by record.

On a topic that keeps everything (`Strict`) each expected record must be next. On a compacted one (`Compacted`) older
records of a key may be gone. There the offsets tell: a record can only have been compacted away where offsets are
missing, and a key's newest record is never compacted away, unless it is a tombstone that is old.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b

import orjson

from stream.verify.disk import Disk
from stream.verify.log import Record
from stream.verify.report import Expected, Kind
from stream.verify.tape import Tape

RECENT = 50_000
"""Identities remembered, to tell a record that is there again from a foreign one."""

Tell = Callable[[Kind, str, tuple[Record, ...], Expected | None], None]
"""Reports a breach: kind, message, the records involved, and what had to be there."""


def same(found: Record, expected: Expected) -> bool:
    return (
        found.value == expected.value
        and found.key == expected.key
        and (found.headers or []) == (expected.headers or [])
    )


def differences(found: Record, expected: Expected) -> str:
    """Which parts differ: names, no values."""
    parts = []
    if found.key != expected.key:
        parts.append("key")
    if found.value != expected.value:
        fields = _fields(found.value, expected.value)
        parts.append(f"value ({', '.join(fields)})" if fields else "value")
    if (found.headers or []) != (expected.headers or []):
        there, due = dict(found.headers or []), dict(expected.headers or [])
        names = sorted(name for name in there.keys() | due.keys() if there.get(name) != due.get(name))
        parts.append(f"headers ({', '.join(names) or 'their order'})")
    return " and ".join(parts)


def _fields(found: bytes | None, expected: bytes | None) -> list[str]:
    try:
        there, due = orjson.loads(found or b""), orjson.loads(expected or b"")
    except orjson.JSONDecodeError:
        return []
    if not isinstance(there, dict) or not isinstance(due, dict):
        return []
    nothing = object()
    return [name for name in {**due, **there} if there.get(name, nothing) != due.get(name, nothing)]


class Strict:
    """A topic that nothing is compacted from. `trimmed`: retention has deleted its beginning."""

    def __init__(self, tape: Tape, tell: Tell, trimmed: bool, altered: Kind) -> None:
        self.tape = tape
        self.tell = tell
        self.altered = altered
        self.deleted = 0  # expected records from before the first one kept
        self.matched = 0
        self._trimmed = trimmed
        self._recent: dict[bytes, None] = {}

    def take(self, expected: list[Expected], settled: bool) -> None:
        """One commit's records. `settled`: all of them are before the cut."""
        identities = [self.tape.identify(record) for record in expected]
        early: dict[bytes, Record] = {}
        for place, record in enumerate(expected):
            identity = identities[place]
            if identity in early:
                self._compare(early.pop(identity), record)
                continue
            found = self.tape.peek()
            if found is None:
                if self._trimmed and not self.matched:
                    self.deleted += 1  # with all the rest of the topic
                elif settled:
                    self.tell(Kind.MISSING, "the topic ends before it", (), record)
                continue
            if same(found, record) or self.tape.identify(found) == identity:
                self._compare(self.tape.take(), record)
                self._remember(identity)
                continue
            self._look_for(record, identity, set(identities[place + 1 :]), early)

    def _look_for(self, record: Expected, identity: bytes, due: set[bytes], early: dict[bytes, Record]) -> None:
        ahead = self.tape.find(identity)
        if ahead is None:
            if self._trimmed and not self.matched:
                self.deleted += 1
                return
            found = self.tape.peek()
            self.tell(Kind.MISSING, "another record stands where it should be", (found,) if found else (), record)
            return
        for _ in range(ahead):
            passed = self.tape.take()
            name = self.tape.identify(passed)
            if name in due and name not in early:
                early[name] = passed
                self.tell(Kind.ORDER, "it stands before one that was made earlier", (passed,), record)
            else:
                self._stray(passed, name)
            self._remember(name)
        self._compare(self.tape.take(), record)
        self._remember(identity)

    def rest(self) -> None:
        """The journal has ended: nothing more may be there."""
        for record in self.tape.rest():
            self._stray(record, self.tape.identify(record))

    def _compare(self, found: Record, expected: Expected) -> None:
        self.matched += 1
        if not same(found, expected):
            self.tell(self.altered, f"differs in {differences(found, expected)}", (found,), expected)

    def _stray(self, record: Record, identity: bytes) -> None:
        if identity in self._recent:
            self.tell(Kind.DOUBLED, "it is there again", (record,), None)
        else:
            self.tell(Kind.UNEXPECTED, "no commit wrote it", (record,), None)

    def _remember(self, identity: bytes) -> None:
        self._recent[identity] = None
        if len(self._recent) > 2 * RECENT:
            self._recent = dict.fromkeys(list(self._recent)[RECENT:])


class Compacted:
    """A compacted topic. `unique(expected)`: the identity of the record is its alone, for ever.

    `markers`: offsets that each commit takes besides its records.

    A record whose bytes may be written again can stand for any of the equal ones of its key, where offsets are missing:
    it is matched with the first, *loosely*. The others then count as found too, and until a unique record is matched
    nothing can be said of how much room there is.
    """

    def __init__(
        self, topic: str, tape: Tape, tell: Tell, disk: Disk, markers: int, unique: Callable[[Expected], bool],
        kind_of: Callable[[bytes | None], Kind],
    ) -> None:  # fmt: skip
        self.topic = topic
        self.tape = tape
        self.tell = tell
        self.matched = 0
        self.superseded = 0  # expected records that are gone, which is compaction's right
        self._disk = disk
        self._markers = markers
        self._unique = unique
        self._kind_of = kind_of  # an altered record's key -> its kind of violation
        self._offset = -1  # of the last record matched
        self._skipped = 0  # expected since then, and gone
        self._commits = 0  # since then
        self._loose = False
        self._seen_last: dict[bytes, None] = {}
        self._waits = False  # whether any key waits for a newer record

    def take(self, expected: Sequence[Expected], settled: bool) -> None:
        """One commit's records. `settled`: all of them are before the cut."""
        for record in expected:
            found = self.tape.peek()
            if found is None:
                # The topic has ended: compacted away, if something newer of the key comes.
                if settled:
                    self._wait(record)
            elif same(found, record):
                self._match(record)
            elif self._unique(record) and (ahead := self.tape.find(self.tape.identify(record))) is not None:
                self._pass_by(ahead)
                self._match(record)
            elif self._has_room(found):
                self._skip(record)
            else:
                self._misfit(found, record)
        if expected:
            self._commits += 1

    def _has_room(self, found: Record) -> bool:
        """Whether offsets are missing where the expected record should be."""
        if self._loose:
            return True
        hole = found.offset - self._offset - 1 - self._commits * self._markers
        return hole > self._skipped

    def _match(self, record: Expected) -> None:
        """The record that is next is this one, though perhaps altered."""
        if self._unique(record):
            self._tighten()
        elif (found := self.tape.peek()) is not None and self._has_room(found):
            self._loose = True
            self._disk.found_loosely(self.topic, record.key or b"", mark_of(record.value))
        taken = self.tape.take()
        self._at(taken)
        self.matched += 1
        if not same(taken, record):
            self.tell(self._kind_of(record.key), f"differs in {differences(taken, record)}", (taken,), record)
        if self._waits:
            self._disk.came(self.topic, record.key or b"")
        self._seen_last[self.tape.identify(taken)] = None
        if len(self._seen_last) > 2 * RECENT:
            self._seen_last = dict.fromkeys(list(self._seen_last)[RECENT:])

    def _at(self, found: Record) -> None:
        self._offset, self._skipped, self._commits = found.offset, 0, 0

    def _tighten(self) -> None:
        """From a unique record on it is certain again what lies where."""
        if self._loose:
            self._loose = False
            self._disk.forget_loose(self.topic)

    def _skip(self, record: Expected) -> None:
        self._skipped += 1
        self.superseded += 1
        self._wait(record)

    def _wait(self, record: Expected) -> None:
        if self._loose and self._disk.loose(self.topic, record.key or b"") == mark_of(record.value):
            self._disk.came(self.topic, record.key or b"")  # what was found may as well be this one
            return
        self._waits = True
        self._disk.wait_for(self.topic, record.key or b"", mark_of(record.value))

    def _misfit(self, found: Record, record: Expected) -> None:
        """Another record stands exactly where this one must be."""
        ahead = self.tape.find(self.tape.identify(record))
        if ahead is not None:
            self._pass_by(ahead)
            self._match(record)
        elif found.key == record.key:
            self._at(self.tape.take())
            text = f"differs in {differences(found, record)}"
            self.tell(self._kind_of(record.key), text, (found,), record)
        else:
            self.tell(Kind.MISSING, "another record stands where it should be", (found,), record)

    def _pass_by(self, records: int) -> None:
        """Records that stand before one which was made later than everything that could account for them."""
        for _ in range(records):
            found = self.tape.take()
            key = found.key or b""
            if self._waits and self._disk.waits_for(self.topic, key) == mark_of(found.value):
                self._disk.came(self.topic, key)
                self.matched += 1
            else:
                self._stray(found)

    def _stray(self, found: Record) -> None:
        if self.tape.identify(found) in self._seen_last:
            self.tell(Kind.DOUBLED, "it is there again", (found,), None)
        else:
            self.tell(Kind.UNEXPECTED, "no commit wrote it", (found,), None)

    def rest(self, later: Callable[[], Iterator[Record]]) -> None:
        """The journal has ended. `later`: what came after the cut, which may have superseded what was before it."""
        for found in self.tape.rest():
            self._stray(found)
        if not self._waits:
            return
        self._disk.forget_tombstones(self.topic)  # even the newest of its key goes once it is old
        if next(self._disk.waiting(self.topic), None) is None:
            return
        for record in later():
            self._disk.came(self.topic, record.key or b"")
        for key, _ in self._disk.waiting(self.topic):
            text = "the key's newest record is not there, and compaction keeps that one"
            self.tell(Kind.MISSING, text, (), Expected(self.topic, key, None))


def mark_of(value: bytes | None) -> bytes:
    """Tells values apart; b"" for a tombstone."""
    return b"" if value is None else blake2b(value, digest_size=8).digest()
