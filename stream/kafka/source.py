"""The subscribed consumer and its poll thread, which alone touches it.

The event loop commands (`start`), asks (`group_metadata`) and reports (`done`); the poll thread carries that out
between two polls. It hands batches to a queue on the loop, and holds the group's callbacks until the owner has let go
of what is taken away. Polling never stops: when too much is under way, partitions are paused.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.config import Settings
from stream.engine.interfaces import Batch
from stream.errors import SegmenterError, StartRefused
from stream.kafka.errors import create, describe, error_of
from stream.kafka.settings import LIBRDKAFKA_LOG, consumer_config

POLL_RECORDS = 2_000
POLL_S = 0.02
"""So long a poll waits for a first record: bounds how long a command or a question waits."""
GATHER_S = 0.002
"""So long after the first for the others, which come with it: a fetch brings all partitions of a broker."""
BUSY_RECORDS = 500
"""Handed out and not done: more than this take as long as a poll waits."""
HIGH_RECORDS = 20_000
HIGH_BYTES = 64 << 20
"""Handed out and not done: more than this, and partitions are paused."""
FULL_WAIT_S = 0.2
"""Pausing throws away what librdkafka has fetched, so a short congestion is waited out."""
OWNER_S = 60.0
"""The owner must let go of partitions within it: several times the longest commit."""
LEAVE_S = 10.0

log = structlog.get_logger(__name__)


class SourceFailed(SegmenterError):
    """The consumer can't go on: fenced by another of the same instance name, no permission, or too slow to poll."""


class Owner(Protocol):
    """Who owns the partitions, on the event loop. `assigned` registers them before it returns; `revoked` and `lost`
    return when nothing of the partitions is under way any more."""

    def assigned(self, partitions: list[int]) -> None: ...
    async def revoked(self, partitions: list[int], group_metadata: Any) -> None: ...
    async def lost(self, partitions: list[int]) -> None: ...


class KafkaSource:
    """Implements `engine.interfaces.Source`. Set `owner` before `start_polling`. `clock` tells in ms when a
    batch was read; `fatal` is called on the poll thread, which ends then."""

    def __init__(
        self,
        settings: Settings,
        batches: asyncio.Queue[Batch],
        clock: Callable[[], int],
        fatal: Callable[[BaseException], Any],
    ) -> None:
        self.owner: Owner | None = None
        self.paused = False
        self._settings = settings
        self._topic = settings.topics.input
        self._batches = batches
        self._clock = clock
        self._fatal = fatal
        self._underway = _Underway()
        self._epochs: dict[int, int] = {}  # of the partitions assigned; 0 until started
        self._serials: dict[int, int] = {}
        self._commands: dict[int, tuple[int, int] | None] = {}  # partition -> (offset, epoch); None: halt
        self._commands_lock = threading.Lock()
        self._sought: dict[int, int] = {}  # partition -> offset sought, until the first thing from there is believed
        self._beyond: dict[int, int] = {}  # partition -> offset beyond it that came first the last time
        self._questions: deque[asyncio.Future[Any]] = deque()
        self._something = threading.Event()  # wakes a poll thread that waits for the loop
        self._stopping = False
        self._leave = False

    # -- on the event loop

    def start_polling(self, loop: asyncio.AbstractEventLoop) -> None:
        """Join the group. The owner hears of its partitions from now on."""
        assert self.owner is not None
        self._loop = loop
        self._consumer = create(Consumer, consumer_config(self._settings), logger=LIBRDKAFKA_LOG)
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        self._thread = threading.Thread(target=self._run, name="poll", daemon=True)
        self._thread.start()

    def start(self, partition: int, offset: int, epoch: int) -> None:
        with self._commands_lock:
            self._commands[partition] = (offset, epoch)
        self._something.set()

    def halt(self, partition: int) -> None:
        with self._commands_lock:
            self._commands[partition] = None
        self._something.set()

    async def group_metadata(self) -> Any:
        """The group's metadata now. None when the source is not running: then nothing is owned either."""
        thread = getattr(self, "_thread", None)
        if thread is None or not thread.is_alive():
            return None
        question: asyncio.Future[Any] = self._loop.create_future()
        self._questions.append(question)
        self._something.set()
        return await question

    def done(self, records: int) -> None:
        self._underway.done(records)
        self._something.set()

    @property
    def underway(self) -> int:
        return self._underway.records

    def held(self) -> frozenset[int]:
        """The partitions that the consumer was given and has not let go of."""
        return frozenset(self._epochs)

    # -- from any thread but the event loop's

    def stop(self, leave: bool = False) -> None:
        """Give the partitions back (the owner's `revoked` is called) and end the thread. A static member stays in the
        group for its session time-out, so that a restart moves nothing; `leave` says it will not come back."""
        thread = getattr(self, "_thread", None)
        if thread is None:
            return
        self._leave = leave
        self._stopping = True
        self._something.set()
        thread.join()

    # -- on the poll thread

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._carry_out_commands()
                self._answer_questions()
                self._mind_pressure()
                messages = self._poll()
                if messages:
                    self._hand_out(messages)
            if self._leave:
                self._leave_group()
            self._consumer.close()
        except BaseException as error:
            self._fatal(error)
        finally:
            self._answer_questions(ended=True)

    def _poll(self) -> list[Message]:
        """What is there, as soon as something is: `consume` alone waits all of its time unless that many come. That it
        may while there is much to take in already: fewer, larger batches cost less."""
        busy = self._underway.records > BUSY_RECORDS
        messages = self._consumer.consume(POLL_RECORDS if busy else 1, POLL_S)
        if messages and not busy:
            messages += self._consumer.consume(POLL_RECORDS - 1, GATHER_S)
        return messages

    def _carry_out_commands(self) -> None:
        with self._commands_lock:
            commands, self._commands = self._commands, {}
        for partition, command in commands.items():
            if partition not in self._epochs:
                continue  # taken away meanwhile
            if command is None:
                self._epochs[partition] = 0
                self._consumer.pause([TopicPartition(self._topic, partition)])
                continue
            offset, epoch = command
            place = TopicPartition(self._topic, partition, offset)
            try:
                self._consumer.seek(place)
            except KafkaException as exception:
                if error_of(exception).code() != KafkaError._STATE:
                    raise
                # Its fetcher is still being set up: again after the next poll, unless a newer command came.
                with self._commands_lock:
                    self._commands.setdefault(partition, (offset, epoch))
                continue
            self._epochs[partition] = epoch
            self._serials[partition] = 0
            if self._sought.get(partition) != offset:
                self._beyond.pop(partition, None)
            self._sought[partition] = offset
            if not self.paused:
                self._consumer.resume([place])

    def _answer_questions(self, ended: bool = False) -> None:
        while self._questions:
            question = self._questions.popleft()
            metadata = None if ended else self._consumer.consumer_group_metadata()
            self._loop.call_soon_threadsafe(_answer, question, metadata)

    def _mind_pressure(self) -> None:
        give_up = time.monotonic() + FULL_WAIT_S
        while self._underway.full() and not self.paused and not self._stopping and time.monotonic() < give_up:
            self._something.wait(POLL_S)
            self._something.clear()
            self._answer_questions()
        full = self._underway.full()
        if full == self.paused:
            return
        self.paused = full
        running = [TopicPartition(self._topic, partition) for partition, epoch in self._epochs.items() if epoch]
        if running:
            (self._consumer.pause if full else self._consumer.resume)(running)
        log.debug("source_paused" if full else "source_resumed", records=self._underway.records)

    def _hand_out(self, messages: list[Message]) -> None:
        read_ms = self._clock()
        open_batches: dict[int, Batch] = {}
        batches: list[Batch] = []
        for message in messages:
            error = message.error()
            partition = message.partition()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                if error.code() != KafkaError._AUTO_OFFSET_RESET or self._epochs.get(partition or 0):
                    self._judge(error, partition)  # 0, where it was assigned, may be deleted: nothing is read there
                continue
            assert partition is not None
            epoch = self._epochs.get(partition, 0)
            if not epoch:
                continue  # not started yet, or no longer ours
            if partition in self._sought and not self._believed(partition, epoch, message.offset() or 0):
                continue
            batch = open_batches.get(partition)
            if batch is None or (batch.eof_offset is not None and error is None):
                serial = self._serials[partition]
                self._serials[partition] = serial + 1
                batch = open_batches[partition] = Batch(partition, epoch, read_ms, [], serial=serial)
                batches.append(batch)
            if error is None:
                batch.records.append(message)
            else:
                batch.eof_offset = message.offset()
        for batch in batches:
            self._underway.handed_out(len(batch.records), sum(map(len, batch.records)))
        if batches:
            self._loop.call_soon_threadsafe(self._deliver, batches)

    def _believed(self, partition: int, epoch: int, found: int) -> bool:
        """Whether the first thing after a seek is what lies there. If not, seek again.

        A seek that meets the fetcher still looking for the end it was assigned at is undone by the answer: librdkafka
        then tells the end of the partition, and everything before it would be passed over (21 of 150 such seeks on
        Kafka 4.1.1). Where what was sought is a marker or is deleted, the second seek says the same again.
        """
        sought = self._sought[partition]
        if found < sought:
            return False  # of before the seek
        if found == sought or found == self._beyond.get(partition):
            del self._sought[partition]
            self._beyond.pop(partition, None)
            return True
        self._beyond[partition] = found
        self._epochs[partition] = 0
        with self._commands_lock:
            self._commands.setdefault(partition, (sought, epoch))
        return False

    def _deliver(self, batches: list[Batch]) -> None:
        for batch in batches:
            self._batches.put_nowait(batch)

    def _judge(self, error: KafkaError, partition: int | None) -> None:
        """Raise when the consumer can't go on; else librdkafka tries again by itself."""
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise StartRefused(
                f"{self._topic}, partition {partition}: the next event to read is not there ({error.str()}): retention "
                "has deleted it, or the topic was made anew. Lengthen the retention; to go on without those events "
                "begin anew under another `name` and `output_prefix`."
            )
        if error.code() == KafkaError.FENCED_INSTANCE_ID or "group.instance.id" in error.str():
            # librdkafka can't go on from here, and which of the two it was can't be seen from inside.
            raise SourceFailed(
                f"the group let another in as instance {self._settings.instance!r} of {self._settings.name!r}. If the "
                "brokers were away just now, it was this worker's own earlier attempt to join, and starting it again "
                "is enough; else another worker uses that name: give every worker its own `instance`"
            )
        if error.fatal() or error.code() in _ENDING:
            raise SourceFailed(f"{self._topic}: the consumer failed: {describe(error)}")
        log.warning("consumer_error", error=error.name(), partition=partition)

    # -- the group's callbacks, inside `consume` or `close`

    def _on_assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        # Nothing here may wait: committed() is blocked by a frozen owner's open transaction, so restore is elsewhere.
        partitions = [place.partition for place in places]
        # At a definite offset, though nothing is read there: END must be asked for, and an answer that came after the
        # seek moved the reading to the end, past records that nobody had read. What leaks from 0 is older than wanted.
        mine = [TopicPartition(self._topic, partition, 0) for partition in partitions]
        consumer.incremental_assign(mine)
        if mine:
            consumer.pause(mine)
        for partition in partitions:
            self._epochs[partition] = 0
        log.info("assigned", partitions=partitions)
        assert self.owner is not None
        self._loop.call_soon_threadsafe(self._on_loop, self.owner.assigned, partitions)

    def _on_revoke(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        assert self.owner is not None
        partitions = [place.partition for place in places]
        log.info("revoked", partitions=partitions)
        self._let_go(consumer, partitions, self.owner.revoked(partitions, consumer.consumer_group_metadata()))

    def _on_lost(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        assert self.owner is not None
        partitions = [place.partition for place in places]
        log.warning("lost", partitions=partitions)
        self._let_go(consumer, partitions, self.owner.lost(partitions))

    def _let_go(self, consumer: Consumer, partitions: list[int], owner: Coroutine[Any, Any, None]) -> None:
        """Wait for the owner, then unassign. Questions are answered meanwhile: the owner may hold a commit that
        asked."""
        released = asyncio.run_coroutine_threadsafe(owner, self._loop)
        released.add_done_callback(lambda _: self._something.set())
        give_up = time.monotonic() + OWNER_S
        while not released.done():
            if time.monotonic() > give_up:
                raise SourceFailed(f"partitions {partitions} were not let go within {OWNER_S:.0f} s")
            self._answer_questions()
            self._something.wait(POLL_S)
            self._something.clear()
        released.result()
        for partition in partitions:
            self._epochs.pop(partition, None)
            self._serials.pop(partition, None)
            self._sought.pop(partition, None)
            self._beyond.pop(partition, None)
            with self._commands_lock:
                self._commands.pop(partition, None)
        consumer.incremental_unassign([TopicPartition(self._topic, partition) for partition in partitions])

    def _on_loop(self, call: Callable[[list[int]], None], partitions: list[int]) -> None:
        try:
            call(partitions)
        except BaseException as error:
            self._fatal(error)

    def _leave_group(self) -> None:
        """`close` alone leaves a static member in the group; unsubscribing does not."""
        self._consumer.unsubscribe()
        give_up = time.monotonic() + LEAVE_S
        while self._epochs and time.monotonic() < give_up:
            self._consumer.consume(POLL_RECORDS, POLL_S)
            self._answer_questions()


_ENDING = frozenset({
    KafkaError._FATAL, KafkaError._MAX_POLL_EXCEEDED, KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._AUTHENTICATION,
})  # fmt: skip


class _Underway:
    """What was handed out and is not done yet. The loop reports records; bytes are counted with the batch they came
    in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches: deque[tuple[int, int]] = deque()  # (records, bytes), oldest first
        self._surplus = 0  # records done of the oldest batch
        self.records = 0
        self.bytes = 0

    def handed_out(self, records: int, size_bytes: int) -> None:
        if records:
            with self._lock:
                self._batches.append((records, size_bytes))
                self.records += records
                self.bytes += size_bytes

    def done(self, records: int) -> None:
        with self._lock:
            self.records -= records
            self._surplus += records
            while self._batches and self._surplus >= self._batches[0][0]:
                done, size_bytes = self._batches.popleft()
                self._surplus -= done
                self.bytes -= size_bytes

    def full(self) -> bool:
        return self.records > HIGH_RECORDS or self.bytes > HIGH_BYTES


def _answer(question: asyncio.Future[Any], metadata: Any) -> None:
    if not question.done():
        question.set_result(metadata)
