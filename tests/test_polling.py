"""The poll thread never stops polling: the group would throw the worker out, and wait long for every rebalance."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from confluent_kafka import KafkaError

from stream.config import load_settings
from stream.engine.interfaces import Batch
from stream.kafka.source import BUSY_RECORDS, FULL_WAIT_S, GATHER_S, HIGH_RECORDS, POLL_S, KafkaSource


class Broker:
    """The client library's consumer, as far as pressure goes: remembers what was paused and resumed."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[int]]] = []

    def pause(self, places: list[Any]) -> None:
        self.calls.append(("pause", [place.partition for place in places]))

    def resume(self, places: list[Any]) -> None:
        self.calls.append(("resume", [place.partition for place in places]))


def a_source() -> KafkaSource:
    settings = load_settings(
        None, {"name": "shop", "definitions": Path("x"), "kafka": {"bootstrap.servers": "127.0.0.1:1"}}
    )
    return KafkaSource(settings, asyncio.Queue(), lambda: 0, lambda error: None)


def test_a_full_house_is_waited_out_for_a_moment_then_partitions_pause_and_polling_goes_on() -> None:
    source = a_source()
    consumer = source._consumer = Broker()
    source._epochs = {3: 1}
    source._underway.handed_out(HIGH_RECORDS + 1, 1)
    polling = threading.Thread(target=source._mind_pressure, daemon=True)
    polling.start()
    polling.join(10 * FULL_WAIT_S)
    assert not polling.is_alive(), "the poll thread waits for the owner instead of polling"
    assert consumer.calls == [("pause", [3])]
    source.done(HIGH_RECORDS + 1)
    source._mind_pressure()
    assert consumer.calls[1:] == [("resume", [3])]


class Told:
    """A record, or the news that a partition ends, as the client library hands it out."""

    def __init__(self, offset: int, end: bool = False) -> None:
        self._offset = offset
        self._end = end

    def error(self) -> KafkaError | None:
        return KafkaError(KafkaError._PARTITION_EOF) if self._end else None

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def __len__(self) -> int:
        return 1


class Seeking(Broker):
    def seek(self, place: Any) -> None:
        self.calls.append(("seek", [place.offset]))


def handed_out(offset: int, polls: list[list[Told]]) -> tuple[list[tuple[list[int], int | None]], int]:
    """What the source makes of these polls after a start at `offset`: (offsets of records, end told) of each batch, and
    how often it sought."""
    source = a_source()
    source._consumer = Seeking()
    batches: list[Batch] = []
    source._loop = SimpleNamespace(call_soon_threadsafe=lambda _, found: batches.extend(found))
    source._epochs = {0: 0}
    source.start(0, offset, 1)
    for messages in polls:
        source._carry_out_commands()
        source._hand_out(messages)
    assert [batch.serial for batch in batches] == list(range(len(batches)))
    seeks = [call for call in source._consumer.calls if call[0] == "seek"]
    return [([record.offset() for record in batch.records], batch.eof_offset) for batch in batches], len(seeks)


class Arriving(Broker):
    """Nothing, then three records of which the library hands out what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.there: list[Told] = []
        self.waits: list[float] = []

    def consume(self, most: int, seconds: float) -> list[Told]:
        handed, self.there = self.there[:most], self.there[most:]
        if len(handed) < most:
            self.waits.append(seconds)
        return handed


def test_a_poll_waits_long_for_the_first_record_only() -> None:
    source = a_source()
    consumer = source._consumer = Arriving()
    assert source._poll() == [] and consumer.waits == [POLL_S]
    consumer.there = [Told(0), Told(1), Told(2)]
    assert [each.offset() for each in source._poll()] == [0, 1, 2]
    assert consumer.waits == [POLL_S, GATHER_S]


def test_while_much_is_still_to_be_taken_in_a_poll_waits_for_more() -> None:
    source = a_source()
    consumer = source._consumer = Arriving()
    source._underway.handed_out(BUSY_RECORDS + 1, 1)
    consumer.there = [Told(0), Told(1), Told(2)]
    assert [each.offset() for each in source._poll()] == [0, 1, 2]
    assert consumer.waits == [POLL_S]


def test_an_end_that_was_told_for_another_place_than_the_one_sought_is_not_believed() -> None:
    stale_end, records = Told(193, end=True), [Told(0), Told(1)]
    assert handed_out(0, [[stale_end], records, [Told(2, end=True)]]) == ([([0, 1], None), ([], 2)], 2)


def test_records_of_before_a_seek_are_not_taken_for_those_behind_it() -> None:
    assert handed_out(5, [[Told(3), Told(40), Told(41)], [Told(5), Told(6)]]) == ([([5, 6], None)], 2)


def test_offsets_that_hold_no_record_are_passed_over_once_a_second_seek_says_so_too() -> None:
    assert handed_out(5, [[Told(8), Told(9)], [Told(8), Told(9)]]) == ([([8, 9], None)], 2)
    assert handed_out(5, [[Told(7, end=True)], [Told(7, end=True)]]) == ([([], 7)], 2)


def test_where_the_first_record_is_the_one_sought_nothing_is_sought_again() -> None:
    assert handed_out(5, [[Told(5), Told(9)], [Told(12)]]) == ([([5, 9], None), ([12], None)], 1)
