"""A follower of the changes: how long after its event each change could be read, read_committed.

    python -m bench.reader --broker 127.0.0.1:9092 --topic segment-changes --partitions 4 --seconds 60

Prints `reading` once it stands at the end of every partition, reads until SIGTERM or `--seconds`, then prints one JSON
object: latencies in ms of the changes whose cause is an event, without those of the first `--skip-seconds`.
A process of its own, which only notes instants while it reads, so that it disturbs the worker little.
"""

from __future__ import annotations

import argparse
import signal
import time
from typing import Any

import orjson
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from stream.codec.instants import from_text

FETCH_WAIT_MS = 5
POLL_S = 0.2


class Reader:
    def __init__(self, broker: str, topic: str, partitions: int) -> None:
        self.stopped = False
        self.seen: list[tuple[int, bytes]] = []  # wall clock ns, value
        self._waiting = set(range(partitions))
        self._consumer = Consumer({
            "bootstrap.servers": broker, "group.id": "bench-reader", "enable.auto.commit": False,
            "isolation.level": "read_committed", "enable.partition.eof": True, "fetch.wait.max.ms": FETCH_WAIT_MS,
        })  # fmt: skip
        self._consumer.assign([TopicPartition(topic, partition, OFFSET_END) for partition in range(partitions)])

    def read(self, seconds: float) -> None:
        """Until `stopped` or so long."""
        end = time.monotonic() + seconds
        while not self.stopped and time.monotonic() < end:
            message = self._consumer.poll(POLL_S)  # comes back with the first message; `consume` would wait for more
            if message is None:
                continue
            error = message.error()
            if error is None:
                value = message.value()
                if value is not None:
                    self.seen.append((time.time_ns(), value))
            elif error.code() == KafkaError._PARTITION_EOF:
                if self._waiting:
                    self._waiting.discard(message.partition())
                    if not self._waiting:
                        print("reading", flush=True)
            else:
                raise KafkaException(error)
        self._consumer.close()


def latencies_ms(seen: list[tuple[int, bytes]], skip_ms: int) -> list[float]:
    """Sorted; of the changes that an event caused, without the events of the first `skip_ms`."""
    pairs: list[tuple[int, float]] = []
    for seen_ns, value in seen:
        cause = orjson.loads(value)["cause"]
        if cause["kind"] == "event":
            event_ms = from_text(cause["event_time"])
            assert event_ms is not None, "we wrote it"
            pairs.append((event_ms, seen_ns / 1e6 - event_ms))
    if not pairs:
        return []
    begin_ms = min(event_ms for event_ms, _ in pairs) + skip_ms
    return sorted(latency for event_ms, latency in pairs if event_ms >= begin_ms)


def summary(latencies: list[float]) -> dict[str, Any]:
    if not latencies:
        return {"changes": 0}
    return {
        "changes": len(latencies),
        **{f"p{share:g}_ms": _quantile(latencies, share / 100) for share in (50, 90, 99, 99.9)},
        "max_ms": latencies[-1],
    }


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--skip-seconds", type=float, default=3.0)
    given = parser.parse_args()
    reader = Reader(given.broker, given.topic, given.partitions)

    def stop(_signal: int, _frame: object) -> None:
        reader.stopped = True

    signal.signal(signal.SIGTERM, stop)
    reader.read(given.seconds)
    print(orjson.dumps(summary(latencies_ms(reader.seen, int(given.skip_seconds * 1000)))).decode(), flush=True)


if __name__ == "__main__":
    main()
