"""Whether a world at rest holds what it must: the expectation, the verifier, and what only a world can see (the clock
against the instants at which records were really appended, the stores of the owners)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from stream.codec.instants import from_text
from stream.codec.journal import META_KEY, RESERVED, JournalRecord, decode_journal, decode_meta
from stream.codec.snapshot import DIGEST_MODULUS, digest, parked_of, revision_of, wake_of
from stream.core.events import FOREVER_MS, NEVER_MS
from stream.core.holds import PARKED_AT_MS
from stream.engine.local import decode_local
from stream.engine.transaction import offset_metadata
from stream.verify.check import Options, check
from stream.verify.log import MemoryLog, Names, Record
from tests.simulation.broker import Entry
from tests.simulation.client import CHANGES, INPUT, JOURNAL, MEMBERSHIPS, REJECTED, STATE
from tests.simulation.definitions import PROGRAM
from tests.simulation.disk import followed
from tests.simulation.events import payload
from tests.simulation.expected import Item, expect
from tests.simulation.expected_revised import expect as expect_revised
from tests.simulation.items import PARTITIONS
from tests.simulation.lives import Row
from tests.simulation.process import GRACE_MS, MAX_EVENT_BYTES
from tests.simulation.world import World

NAMES = Names("simulated", INPUT, CHANGES, MEMBERSHIPS, REJECTED, STATE, JOURNAL)
SHOWN = 3


def problems(world: World) -> list[str]:
    """One line for each thing that is wrong; empty when the world is as it must be."""
    found = list(world.problems)
    for partition in range(PARTITIONS):
        journal = [
            (entry, decode_journal(entry.record.value or b""))
            for _, entry in world.broker.log(JOURNAL, partition).committed()
            if entry.record is not None
        ]
        found += [f"partition {partition}: {line}" for line in _partition(world, partition, journal)]
    return found + _verified(world)


def _partition(world: World, partition: int, journal: list[tuple[Entry, JournalRecord]]) -> Iterator[str]:
    yield from _outputs(world, partition)
    if not world.stormy:  # how far a step came then depends on the index: only a replay can tell
        yield from _expectation(world, partition, [record for _, record in journal])
    yield from _clock(world, partition, journal)
    yield from _state(world, partition)


# -- what was told


def _outputs(world: World, partition: int) -> Iterator[str]:
    changes = [json.loads(record.value or b"") for record in world.broker.values(CHANGES, partition)]
    if len({change["id"] for change in changes}) != len(changes):
        yield "an id came twice"
    world.counts["changes"] += len(changes)
    world.counts["changes by silence"] += sum(change["cause"]["kind"] == "clock" for change in changes)
    world.counts["changes by definitions"] += sum(change["cause"]["kind"] == "definitions" for change in changes)
    world.counts["corrections"] += sum(change.get("corrects") is not None for change in changes)


def _expectation(world: World, partition: int, journal: list[JournalRecord]) -> Iterator[str]:
    revised = any(record.definitions["version"] > 1 for record in journal)
    if revised and any(record.holds for record in journal):
        return  # what of a migration is kept back, and since when, only a replay can tell
    items = list(history(world, partition, journal))
    expected = expect_revised(items) if revised else expect(of_one_revision(items))
    world.counts["duplicates passed over"] += expected.duplicates
    world.counts["answers kept back"] += expected.held
    changes = [row_of(json.loads(record.value or b"")) for record in world.broker.values(CHANGES, partition)]
    yield from _difference("change", _by_customer(expected.rows), _by_customer(changes))
    rejected = []
    for offset, reason in expected.rejected:
        sent = world.sent[partition, offset]
        rejected.append((offset, payload(sent), sent.customer.encode(), reason.encode()))
    yield from _difference("rejected record", rejected, list(_rejected(world, partition)))


def history(world: World, partition: int, journal: list[JournalRecord]) -> Iterator[tuple[int, Item]]:
    """The input as it can be read, with the steps of the clock between, as the journal tells them, what was held and
    released, and of a migration where commits end, under which revision, and what its sweep visits."""
    moves = [move for record in journal for move in _moves(record)]
    batches = [(first, read_ms) for record in journal for first, read_ms in record.batches]
    read_ms = 0
    for offset, _ in world.broker.log(INPUT, partition).committed():
        while moves and moves[0][0] <= offset:
            yield moves.pop(0)
        while batches and batches[0][0] <= offset:
            read_ms = batches.pop(0)[1]
        yield offset, ("record", read_ms, world.sent[partition, offset])
    yield from moves


def of_one_revision(items: list[tuple[int, Item]]) -> list[tuple[int, Item]]:
    """Without what tells of a migration."""
    return [item for item in items if item[1][0] not in ("commit", "sweep")]


def _moves(record: JournalRecord) -> Iterator[tuple[int, Item]]:
    """A sweep goes on at a step of its offset and clock, and never after something was held or released."""
    yield record.from_offset, ("commit", record.definitions_text.get("began_ms", 0), record.definitions["version"])
    holds, sweeps = list(record.holds), list(record.sweeps)
    for count, (offset, clock_ms, _) in enumerate(record.steps):
        while holds and holds[0][1] == count:
            yield from map(_swept, sweeps)
            sweeps = []
            yield _held(holds.pop(0))
        while sweeps and (sweeps[0][0], sweeps[0][1]) < (offset, clock_ms):
            yield _swept(sweeps.pop(0))
        yield offset, ("clock", clock_ms - GRACE_MS, None)
    yield from map(_swept, sweeps)
    yield from map(_held, holds)


def _swept(sweep: list[int]) -> tuple[int, Item]:
    offset, clock_ms, _, most = sweep
    return offset, ("sweep", clock_ms - GRACE_MS, most)


def _held(hold: list[Any]) -> tuple[int, Item]:
    offset, _, at_ms, key, held = hold
    return offset, ("hold" if held else "release", at_ms, key)


def row_of(change: dict[str, Any]) -> Row:
    """A change as the expectation tells it."""
    name, before, after = change.get("dimension"), change.get("from_stage"), change.get("to_stage")
    if "segment" in change:
        name, before, after = change["segment"], not change["member"], change["member"]
    erased = name is None
    return (
        change["customer_id"], change["sequence"], name, before, after, from_text(change["effective_at"]) or 0,
        None if erased else change["nth"], change["cause"]["kind"],
    )  # fmt: skip


def _by_customer(rows: list[Row]) -> list[Row]:
    """Order is promised per customer, never across customers."""
    return sorted(rows, key=lambda row: row[0])


def _rejected(world: World, partition: int) -> Iterator[tuple[Any, ...]]:
    for record in world.broker.values(REJECTED, partition):
        headers = dict(record.headers or [])
        yield int(headers["segmenter_source_offset"]), record.value, record.key, headers["segmenter_reason"]


def _difference(what: str, expected: list[Any], found: list[Any]) -> Iterator[str]:
    if expected == found:
        return
    missing = [row for row in expected if row not in found]
    surplus = [row for row in found if row not in expected or found.count(row) > 1]
    yield (
        f"{what}s differ: {len(expected)} expected, {len(found)} found; missing {missing[:SHOWN]}, "
        f"unexpected {surplus[:SHOWN]}"
    )


# -- the clock


def _clock(world: World, partition: int, journal: list[tuple[Entry, JournalRecord]]) -> Iterator[str]:
    """The clock stands at T only when everything that was in the log at T has been read. `at_ms` is the broker's."""
    log = world.broker.log(INPUT, partition)
    for entry, record in journal:
        for offset, clock_ms, _ in record.steps:
            if clock_ms - world.most_skew_ms > entry.at_ms:
                yield f"the clock went {clock_ms - entry.at_ms} ms ahead of the time"
            for unread in log.entries[offset:]:
                if unread is not None and unread.record is not None and unread.at_ms < clock_ms - world.most_skew_ms:
                    yield f"the clock passed {clock_ms} while a record appended at {unread.at_ms} was unread"
                    return


# -- the state


def _state(world: World, partition: int) -> Iterator[str]:
    """Changelog, meta, committed offset and the owner's store say the same; no wake that is due is left."""
    customers: dict[bytes, bytes] = {}
    reserved: dict[bytes, bytes] = {}
    meta_bytes = None
    for record in world.broker.values(STATE, partition):
        if record.key == META_KEY:
            meta_bytes = record.value
        elif (record.key or b"").startswith(RESERVED):
            reserved[record.key or b""] = record.value or b""
        elif record.value is None:
            customers.pop(record.key or b"", None)
        else:
            customers[record.key or b""] = record.value
    if meta_bytes is None:
        if world.broker.log(INPUT, partition).end:
            yield "nothing was ever committed"
        return
    meta = decode_meta(meta_bytes)
    total = sum(digest(key, value) for key, value in customers.items()) % DIGEST_MODULUS
    if (len(customers), f"{total:032x}") != (meta.keys, meta.digest):
        yield "the state topic does not add up to its meta"
    if world.broker.offsets.get(partition) != (meta.next_offset, offset_metadata(meta)):
        yield f"committed {world.broker.offsets.get(partition)}, the meta says {meta.next_offset}, {meta.commit_number}"
    revisions = {revision_of(value) for value in customers.values()}
    if meta.earlier or revisions - {meta.program["version"]}:
        yield f"customers of revisions {revisions} are left, the meta says {meta.earlier}"
    texts = {key for key, value in reserved.items() if value}
    if len(texts) != 1:
        yield f"the texts of {len(texts)} revisions are left"
    disk = world.stores().get(partition)
    if disk is None:
        return
    store = disk.folders[partition].now
    if store.reserved != {key: reserved[key] for key in texts}:
        yield "the owner's store has other definitions than the state topic"
    if store.meta is None or decode_local(store.meta)[1] != meta:
        yield "the owner's store has another meta than the state topic"
    elif followed(store, world.broker.log(STATE, partition)) != customers:
        yield "the owner's store is not what the state topic holds, nor leads to it"
    wakes = {(wake_of(value), key) for key, value in customers.items() if wake_of(value) < FOREVER_MS}
    if not wakes <= store.wakes:
        yield f"{len(wakes - store.wakes)} wakes are missing in the owner's store"
    parked = {(PARKED_AT_MS, key) for key, value in customers.items() if parked_of(value) != NEVER_MS}
    if not parked <= store.wakes:  # entries that count no longer go with the next commit
        yield "customers who are parked are missing in the owner's store"
    if parked and not meta.holds:
        yield f"{len(parked)} customers are parked and nothing is held"
    overdue = sum(due_ms <= meta.clock_ms - GRACE_MS for due_ms, _ in wakes)
    if overdue:
        yield f"{overdue} wakes are due and did not fire"


# -- the verifier


def _verified(world: World) -> list[str]:
    """What `segmenter verify` says of the same topics, as compaction has left them."""
    topics: dict[str, list[Record]] = {}
    for (topic, partition), log in world.broker.logs.items():
        appended = topic != INPUT
        topics.setdefault(topic, []).extend(
            Record(topic, partition, offset, entry.at_ms if appended else entry.stamp_ms, entry.record.key,
                   entry.record.value, entry.record.headers, appended)
            for offset, entry in log.committed() if entry.record is not None
        )  # fmt: skip
    memory = MemoryLog(topics, world.broker.offsets, range(PARTITIONS), markers=1)
    report = check(memory, PROGRAM, NAMES, Options(GRACE_MS, MAX_EVENT_BYTES, skew_ms=world.most_skew_ms))
    return [f"verify: {each.kind}: partition {each.partition}: {each.message}" for each in report.violations[:SHOWN]]
