"""How fast a loop on confluent-kafka is that does less than the work: the limits for any engine in Python.

    python -m bench.rivals.bare STAGE BOOTSTRAP INPUT OUTPUT GROUP COMMIT_MS

STAGE `poll` takes records and commits their offsets, `parse` also reads their JSON, `produce` also writes a small
record for each, `transactions` does all that exactly once. No state, no changes.
"""

from __future__ import annotations

import sys
import time

import orjson
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

STAGES = ("poll", "parse", "produce", "transactions")
BATCH = 5_000
WAIT_S = 0.02
CALL_S = 30.0


class Loop:
    def __init__(self, stage: str, bootstrap: str, source: str, target: str, group: str) -> None:
        self._source, self._target, self._depth = source, target, STAGES.index(stage)
        self._next: dict[int, int] = {}
        self._consumer = Consumer({
            "bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "enable.auto.offset.store": False, "isolation.level": "read_committed",
            "fetch.wait.max.ms": 50, "queued.max.messages.kbytes": 16_384,
            "fetch.queue.backoff.ms": 10,  # a full queue would rest for a second
        })  # fmt: skip
        settings: dict[str, object] = {
            "bootstrap.servers": bootstrap, "linger.ms": 5, "compression.type": "lz4", "enable.idempotence": True,
            "queue.buffering.max.messages": 1_000_000,
        }  # fmt: skip
        if self._transactional:
            settings["transactional.id"] = group
        self._producer = Producer(settings)
        if self._transactional:
            self._producer.init_transactions(CALL_S)
            self._producer.begin_transaction()
        self._consumer.subscribe([source])

    @property
    def _transactional(self) -> bool:
        return self._depth == STAGES.index("transactions")

    def run(self, commit_s: float) -> None:
        due = time.monotonic() + commit_s
        while True:
            self._take(self._consumer.consume(BATCH, WAIT_S))
            if time.monotonic() >= due:
                self._commit()
                due = time.monotonic() + commit_s

    def _take(self, messages: list[Message]) -> None:
        parse, produce, target = self._depth >= 1, self._producer.produce, self._target
        for message in messages:
            error = message.error()
            if error is not None:
                raise KafkaException(error)
            if parse:
                event = orjson.loads(message.value())
                if self._depth >= 2:
                    small = orjson.dumps({"customer_id": event["userId"], "message_id": event["messageId"]})
                    produce(target, small, message.key(), message.partition())
            self._next[message.partition()] = message.offset() + 1
        if self._depth >= 2:
            self._producer.poll(0)

    def _commit(self) -> None:
        if not self._next:
            return
        places = [TopicPartition(self._source, partition, offset) for partition, offset in self._next.items()]
        self._next = {}
        if self._transactional:
            self._producer.send_offsets_to_transaction(places, self._consumer.consumer_group_metadata(), CALL_S)
            self._producer.commit_transaction(CALL_S)
            self._producer.begin_transaction()
        else:
            if self._producer.flush(CALL_S):
                raise SystemExit("the broker did not take everything")
            self._consumer.commit(offsets=places, asynchronous=False)


def main() -> None:
    stage, bootstrap, source, target, group, commit_ms = sys.argv[1:7]
    Loop(stage, bootstrap, source, target, group).run(int(commit_ms) / 1000)


if __name__ == "__main__":
    main()
