"""The subscribed consumer and its poll thread, the only thread that ever touches it.

confluent-kafka holds a lock per handle while a thread is inside `consume` and its callbacks: calls from other threads
starve or deadlock. So commands (seek and resume, the group's metadata) are carried out here, between two polls. In the
assign callback partitions are only added and paused; they are read once `start` names their offset.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.config import Settings
from stream.engine.interfaces import Batch, Fenced
from stream.kafka.settings import consumer_config

POLL_RECORDS = 2_000
POLL_S = 0.02
"""`consume` waits all of it unless it gets POLL_RECORDS."""

MOST_WAITING = 20_000
"""Records handed out and not processed yet; beyond, partitions are paused while polling goes on."""

CALLBACK_S = 60.0
"""A commit inside a revoke, with a broker that is slow to answer."""

STOP_S = 10.0

log = structlog.get_logger()


class Owner(Protocol):
    """Who has the partitions; called on the event loop."""

    def assigned(self, partitions: list[int]) -> None: ...
    async def revoked(self, partitions: list[int], group_metadata: Any) -> None: ...
    async def lost(self, partitions: list[int]) -> None: ...


@dataclass(slots=True)
class _Reading:
    """One assigned partition. Epoch 0: paused until `start`."""

    epoch: int = 0
    serial: int = 0


class KafkaSource:
    """Implements `engine.interfaces.Source`. Set `owner` before `start_polling`."""

    owner: Owner

    def __init__(
        self,
        settings: Settings,
        batches: asyncio.Queue[Batch],
        clock: Callable[[], int],
        fatal: Callable[[BaseException], Any],
    ) -> None:
        self._settings = settings
        self._topic = settings.topics.input
        self._batches = batches
        self._clock = clock
        self._fatal = fatal
        self._lock = threading.Lock()
        self._starts: dict[int, tuple[int, int]] = {}  # partition -> (offset, epoch) asked for
        self._asks: list[Future[Any]] = []  # who waits for the group's metadata
        self._readings: dict[int, _Reading] = {}  # poll thread only
        self._given = 0  # poll thread only
        self._done = 0  # event loop only
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- Source, on the event loop

    def start(self, partition: int, offset: int, epoch: int) -> None:
        with self._lock:
            self._starts[partition] = (offset, epoch)

    async def group_metadata(self) -> Any:
        ask: Future[Any] = Future()
        with self._lock:
            self._asks.append(ask)
        return await asyncio.wrap_future(ask)

    def done(self, records: int) -> None:
        self._done += records

    # -- life

    def start_polling(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = threading.Thread(target=self._run, name="poll", daemon=True)
        self._thread.start()

    @property
    def polling(self) -> bool:
        return self._thread is not None and self._thread.is_alive() and not self._halt.is_set()

    def stop(self) -> None:
        """Blocks until the consumer is closed. A static member does not leave its group by that."""
        self._halt.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    # -- the poll thread

    def _run(self) -> None:
        try:
            consumer = Consumer(consumer_config(self._settings))
            consumer.subscribe(
                [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            paused = False
            while not self._halt.is_set():
                self._carry_out(consumer, paused)
                self._hand_out_metadata(consumer)
                full = self._given - self._done > MOST_WAITING
                if full != paused:
                    paused = full
                    self._hold(consumer, full)
                self._deliver(consumer.consume(POLL_RECORDS, POLL_S))
            consumer.close()
        except BaseException as error:
            self._fatal(error)

    def _carry_out(self, consumer: Consumer, paused: bool) -> None:
        with self._lock:
            starts, self._starts = self._starts, {}
        for partition, (offset, epoch) in starts.items():
            reading = self._readings.get(partition)
            if reading is None:
                continue  # taken away meanwhile
            try:
                consumer.seek(TopicPartition(self._topic, partition, offset))
            except KafkaException as error:
                if error.args[0].code() != KafkaError._STATE:
                    raise
                # Its fetcher is not up yet: again after the next poll, unless something newer was asked.
                with self._lock:
                    self._starts.setdefault(partition, (offset, epoch))
                continue
            reading.epoch, reading.serial = epoch, 0
            if not paused:
                consumer.resume([TopicPartition(self._topic, partition)])

    def _hand_out_metadata(self, consumer: Consumer) -> None:
        with self._lock:
            asks, self._asks = self._asks, []
        for ask in asks:
            if ask.set_running_or_notify_cancel():
                ask.set_result(consumer.consumer_group_metadata())

    def _hold(self, consumer: Consumer, full: bool) -> None:
        running = [TopicPartition(self._topic, number) for number, reading in self._readings.items() if reading.epoch]
        if running:
            (consumer.pause if full else consumer.resume)(running)

    def _deliver(self, messages: list[Message]) -> None:
        if not messages:
            return
        read_ms = self._clock()
        records: dict[int, list[Message]] = {}
        ends: dict[int, int] = {}
        for message in messages:
            error = message.error()
            if error is None:
                records.setdefault(message.partition(), []).append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ends[message.partition()] = message.offset()
            else:
                self._on_error(error)
        batches = []
        for partition in records.keys() | ends.keys():
            reading = self._readings.get(partition)
            if reading is None or not reading.epoch:
                continue
            found = records.get(partition, [])
            end = ends.get(partition)
            if found and end is not None and end <= found[-1].offset():
                end = None  # the end came first, then more
            batches.append(Batch(partition, reading.epoch, read_ms, found, end, reading.serial))
            reading.serial += 1
            self._given += len(found)
        self._on_loop(self._put, batches)

    def _put(self, batches: list[Batch]) -> None:
        for batch in batches:
            self._batches.put_nowait(batch)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.FENCED_INSTANCE_ID):
            raise Fenced(
                f"the input can't be read on: {error.str()}. An offset out of range means that retention overtook this "
                "worker; a fenced instance that another worker has the same `instance` name."
            )
        log.warning("consumer_error", error=error.name(), detail=error.str())

    def _on_loop(self, call: Callable[..., object], *arguments: Any) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(call, *arguments)

    # -- callbacks, inside consume()

    def _on_assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        partitions = [place.partition for place in places]
        if places:
            at = [TopicPartition(self._topic, partition, 0) for partition in partitions]
            consumer.incremental_assign(at)
            consumer.pause(at)
            for partition in partitions:
                self._readings[partition] = _Reading()
        else:
            consumer.incremental_assign([])
        self._on_loop(self.owner.assigned, partitions)

    def _on_revoke(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        partitions = [place.partition for place in places]
        if not self._halt.is_set():
            self._wait_for(self.owner.revoked(partitions, consumer.consumer_group_metadata()))
        self._let_go(consumer, partitions)

    def _on_lost(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        partitions = [place.partition for place in places]
        log.warning("partitions_lost", partitions=partitions)
        if not self._halt.is_set():
            self._wait_for(self.owner.lost(partitions))
        self._let_go(consumer, partitions)

    def _let_go(self, consumer: Consumer, partitions: list[int]) -> None:
        for partition in partitions:
            self._readings.pop(partition, None)
        consumer.incremental_unassign([TopicPartition(self._topic, partition) for partition in partitions])

    def _wait_for(self, work: Any) -> None:
        assert self._loop is not None
        try:
            asyncio.run_coroutine_threadsafe(work, self._loop).result(CALLBACK_S)
        except TimeoutError as error:
            raise Fenced(f"a rebalance waited {CALLBACK_S:.0f} s for a commit") from error
