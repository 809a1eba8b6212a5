"""Laws of the world's own Kafka: what the simulation takes for granted of a broker and a group."""

from __future__ import annotations

import pytest

from stream.engine.interfaces import Produce
from tests.simulation.broker import DELETE_RETENTION_MS, TRANSACTION_MS, Broker, NotAMember, ProducerFenced, State
from tests.simulation.group import SESSION_MS, Group


class Time:
    def __init__(self) -> None:
        self.ms = 0

    def __call__(self) -> int:
        return self.ms


def record(value: bytes, key: bytes = b"k") -> Produce:
    return Produce("t", 0, key, value)


def values(broker: Broker) -> list[bytes | None]:
    return [each.value for each in broker.values("t", 0)]


def broker(time: Time | None = None) -> Broker:
    return Broker(2, time or Time(), lambda: 0)


def test_readers_wait_behind_the_first_open_transaction_and_markers_take_offsets() -> None:
    kafka = broker()
    first, second = kafka.initialise("first"), kafka.initialise("second")
    kafka.produce("first", first, record(b"1"))
    kafka.produce("second", second, record(b"2"))
    kafka.end_transaction("second", second, State.COMMITTED)
    assert (values(kafka), kafka.log("t", 0).stable_end, kafka.log("t", 0).end) == ([], 0, 3)
    kafka.end_transaction("first", first, State.ABORTED)
    assert (values(kafka), kafka.log("t", 0).read(0, 9)[1]) == ([b"2"], 4)


def test_a_new_producer_of_the_same_id_aborts_what_was_open_and_fences_the_old_one() -> None:
    kafka = broker()
    old = kafka.initialise("id")
    kafka.produce("id", old, record(b"1"))
    kafka.initialise("id")
    with pytest.raises(ProducerFenced):
        kafka.end_transaction("id", old, State.COMMITTED)
    assert values(kafka) == [] and not kafka.open_transactions()


def test_a_late_commit_of_a_producer_that_was_used_on_ends_its_next_transaction() -> None:
    kafka = broker()
    epoch = kafka.initialise("id")
    kafka.produce("id", epoch, record(b"1"))
    kafka.end_transaction("id", epoch, State.ABORTED)
    kafka.produce("id", epoch, record(b"half"))
    kafka.end_transaction("id", epoch, State.COMMITTED)  # meant for the first
    assert values(kafka) == [b"half"]


def test_a_transaction_open_for_too_long_is_aborted_and_its_producer_fenced() -> None:
    time = Time()
    kafka = broker(time)
    epoch = kafka.initialise("id")
    kafka.produce("id", epoch, record(b"1"))
    time.ms = TRANSACTION_MS
    kafka.expire()
    assert kafka.log("t", 0).stable_end == 2
    with pytest.raises(ProducerFenced):
        kafka.produce("id", epoch, record(b"2"))


def test_offsets_come_with_the_commit_and_only_from_members_of_this_generation() -> None:
    kafka = broker()
    kafka.group.join("m", "a", 0)
    kafka.group.heartbeat("m", 0)
    epoch = kafka.initialise("id")
    with pytest.raises(NotAMember):
        kafka.send_offsets("id", epoch, {0: (5, "")}, ("m", kafka.group.generation - 1))
    kafka.send_offsets("id", epoch, {0: (5, "")}, ("m", kafka.group.generation))
    assert not kafka.stable(0) and 0 not in kafka.offsets
    kafka.end_transaction("id", epoch, State.COMMITTED)
    assert kafka.stable(0) and kafka.offsets[0] == (5, "")


def kept(kafka: Broker) -> list[tuple[int, bytes | None]]:
    return [(offset, entry.record and entry.record.value) for offset, entry in kafka.log("t", 0).committed()]


def test_compaction_keeps_the_newest_of_each_key_at_its_offset() -> None:
    kafka = broker()
    for value in (b"1", b"2", b"3"):
        kafka.append(record(value))
    kafka.append(record(b"other", b"o"))
    kafka.log("t", 0).compact(until=2, now_ms=0)
    assert kept(kafka) == [(1, b"2"), (2, b"3"), (3, b"other")]
    kafka.log("t", 0).compact(until=4, now_ms=0)
    assert kept(kafka) == [(2, b"3"), (3, b"other")]


def test_compaction_drops_aborted_records_and_they_replace_nothing() -> None:
    kafka = broker()
    kafka.append(record(b"1"))
    epoch = kafka.initialise("id")
    kafka.produce("id", epoch, record(b"2"))
    kafka.end_transaction("id", epoch, State.ABORTED)
    kafka.append(record(b"other", b"o"))
    kafka.log("t", 0).compact(until=9, now_ms=0)
    assert kept(kafka) == [(0, b"1"), (3, b"other")]
    assert kafka.log("t", 0).entries[1:3] == [None, None]


def test_compaction_drops_a_tombstone_some_time_after_it_first_met_it() -> None:
    kafka = broker()
    for value in (b"1", None):
        kafka.append(Produce("t", 0, b"k", value))
    kafka.append(record(b"other", b"o"))
    log = kafka.log("t", 0)
    for now_ms in (5_000, 5_000 + DELETE_RETENTION_MS - 1):
        log.compact(until=9, now_ms=now_ms)
        assert kept(kafka) == [(1, None), (2, b"other")]
    log.compact(until=9, now_ms=5_000 + DELETE_RETENTION_MS)
    assert kept(kafka) == [(2, b"other")]


def test_a_partition_moves_only_after_its_owner_has_let_go() -> None:
    group = Group(2)
    group.join("a1", "a", 0)
    group.heartbeat("a1", 0)
    group.holds("a1", {0, 1}, let_go=False)
    group.join("b1", "b", 1)
    group.heartbeat("a1", 1)
    group.heartbeat("b1", 1)
    assert (group.members["a1"].assigned, group.members["b1"].assigned) == ({0}, set())
    group.holds("a1", {0}, let_go=True)
    group.heartbeat("a1", 2)
    group.heartbeat("b1", 2)
    assert (group.members["a1"].assigned, group.members["b1"].assigned) == ({0}, {1})


def test_a_member_not_seen_is_thrown_out_and_a_restart_in_time_moves_nothing() -> None:
    group = Group(2)
    group.join("a1", "a", 0)
    group.heartbeat("a1", 0)
    group.holds("a1", {0, 1}, let_go=False)
    generation = group.generation
    group.join("a2", "a", SESSION_MS)
    assert (group.members["a2"].assigned, group.generation, group.joining) == ({0, 1}, generation, False)
    group.join("b1", "b", SESSION_MS)
    group.heartbeat("b1", 3 * SESSION_MS)
    group.heartbeat("b1", 3 * SESSION_MS + 1)
    assert set(group.members) == {"b1"} and group.members["b1"].assigned == {0, 1}
