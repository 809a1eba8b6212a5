"""The poll thread never stops polling: the group would throw the worker out, and wait long for every rebalance."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

from stream.config import load_settings
from stream.kafka.source import FULL_WAIT_S, HIGH_RECORDS, KafkaSource


class Broker:
    """The client library's consumer, as far as pressure goes: remembers what was paused and resumed."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[int]]] = []

    def pause(self, places: list[Any]) -> None:
        self.calls.append(("pause", [place.partition for place in places]))

    def resume(self, places: list[Any]) -> None:
        self.calls.append(("resume", [place.partition for place in places]))


def test_a_full_house_is_waited_out_for_a_moment_then_partitions_pause_and_polling_goes_on() -> None:
    settings = load_settings(
        None, {"name": "shop", "definitions": Path("x"), "kafka": {"bootstrap.servers": "127.0.0.1:1"}}
    )
    source = KafkaSource(settings, asyncio.Queue(), lambda: 0, lambda error: None)
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
