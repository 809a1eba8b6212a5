"""The control topic: one compacted partition that says what is held, and which format level of the state is asked for.
Read whole, by a consumer that joins no group."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from stream.codec.control import Control, decode_control, encode_control
from stream.codec.levels import level_asked
from stream.config import Settings
from stream.kafka.asking import attempts, until_connected
from stream.kafka.errors import KafkaUnreachable, create, describe, error_of
from stream.kafka.settings import control_producer_config, side_config

ASK_S = 5.0
READ_S = 0.02
BATCH = 1_000
PARTITION = 0


class KafkaControls:
    """Implements `engine.interfaces.Controls`. Raises KafkaUnreachable, an OutcomeUnknown."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topics.control
        self._consumer_config = side_config(settings)
        self._producer_config = control_producer_config(settings)
        self._lock = threading.Lock()
        self._consumer: Consumer | None = None
        self._producer: Producer | None = None
        self._position = 0
        self._told: dict[str, Control | None] = {}

    def read(self) -> Mapping[str, Control | None]:
        with self._lock:
            try:
                for attempt in attempts(ASK_S):
                    with attempt:
                        self._read_to_end(time.monotonic() + ASK_S)
            except KafkaException as exception:
                raise KafkaUnreachable(f"{self._topic}: {describe(error_of(exception))}") from exception
            return dict(self._told)

    def write(self, key: str, control: Control | None) -> None:
        failed: list[KafkaError] = []

        def told(error: KafkaError | None, _message: Any) -> None:
            if error is not None:
                failed.append(error)

        with self._lock:
            if self._producer is None:
                self._producer = create(Producer, self._producer_config)
                until_connected(self._producer)
            value = None if control is None else encode_control(control)
            self._producer.produce(self._topic, value, key.encode(), PARTITION, on_delivery=told)
            left = self._producer.flush(2 * ASK_S)
            if left or failed:
                self._producer.purge()
                self._producer = None
                what = describe(failed[0]) if failed else f"no answer within {2 * ASK_S:.0f} s"
                raise KafkaUnreachable(f"{self._topic}: {key} could not be written: {what}")

    def held(self) -> dict[str, Control]:
        """What is held, without what was released."""
        told = self.read().items()
        return {key: control for key, control in told if control is not None and level_asked(key) is None}

    def close(self) -> None:
        with self._lock:
            self._forget()

    def _read_to_end(self, until_s: float) -> None:
        """Whoever fails begins anew the next time: the handle may have missed something, or know a former leader."""
        try:
            self._read_on(until_s)
        except KafkaException:
            self._forget()
            raise

    def _read_on(self, until_s: float) -> None:
        is_new = self._consumer is None
        if self._consumer is None:
            self._consumer = create(Consumer, self._consumer_config)
        first, end = self._consumer.get_watermark_offsets(TopicPartition(self._topic, PARTITION), ASK_S)
        if is_new or end < self._position:  # the topic was made anew
            self._consumer.assign([TopicPartition(self._topic, PARTITION, first)])
            self._position, self._told = first, {}
        while self._position < end:
            for message in self._consumer.consume(BATCH, READ_S):
                self._take(message)
            if time.monotonic() > until_s:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def _take(self, message: Message) -> None:
        error, offset = message.error(), message.offset()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                self._position = max(self._position, offset or 0)
                return
            if error.code() == KafkaError._AUTO_OFFSET_RESET or error.fatal() or not error.retriable():
                raise KafkaException(error)
            return
        assert offset is not None
        self._position = offset + 1
        key = (message.key() or b"").decode("utf-8", "replace")
        value = message.value()
        self._told[key] = None if value is None else decode_control(value, message.timestamp()[1])

    def _forget(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
