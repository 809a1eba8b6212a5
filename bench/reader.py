"""A follower of the changes: how long after its event each change could be read, read_committed.

    python -m bench.reader --broker 127.0.0.1:9092 --topic segment-changes --partitions 4 --seconds 60

Prints `reading` once it stands at the end of every partition, reads until SIGTERM or `--seconds`, then prints one JSON
object: latencies in ms of the changes whose cause is an event, without those of the first `--skip-seconds`, and how
many the clock caused. `--seen FILE` also gets every instant: {"event": [[event ms, latency ms]], "clock": [[due ms,
lateness ms]]}.
A process of its own, which only notes instants while it reads, so that it disturbs the worker little.
"""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from stream.codec.instants import from_text

FETCH_WAIT_MS = 5
POLL_S = 0.2
CAUSE, AFTER_CAUSE = b'"cause":', b',"because":'


class Reader:
    def __init__(self, broker: str, topic: str, partitions: int) -> None:
        self.stopped = False
        self.seen: list[tuple[int, bytes]] = []  # wall clock ns, {"cause": ...}; a value whole would take 1 KB
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
                    self.seen.append((time.time_ns(), _cause(value)))
            elif error.code() == KafkaError._PARTITION_EOF:
                if self._waiting:
                    self._waiting.discard(message.partition())
                    if not self._waiting:
                        print("reading", flush=True)
            else:
                raise KafkaException(error)
        self._consumer.close()


def _cause(value: bytes) -> bytes:
    """What is needed of a change; all of it when it is not written as ours are."""
    begin, end = value.find(CAUSE), value.find(AFTER_CAUSE)
    return b"{" + value[begin:end] + b"}" if 0 <= begin < end else value


def pairs(seen: list[tuple[int, bytes]]) -> dict[str, list[tuple[int, float]]]:
    """By kind of the cause: (its instant in ms, how much later the change was seen, in ms)."""
    found: dict[str, list[tuple[int, float]]] = {"event": [], "clock": []}
    for seen_ns, value in seen:
        cause = orjson.loads(value)["cause"]
        kind = cause["kind"]
        if kind in found:
            at_ms = from_text(cause["event_time" if kind == "event" else "due_at"])
            assert at_ms is not None, "we wrote it"
            found[kind].append((at_ms, seen_ns / 1e6 - at_ms))
    return found


def latencies_ms(found: list[tuple[int, float]], skip_ms: int) -> list[float]:
    """Sorted; without the events of the first `skip_ms`."""
    if not found:
        return []
    begin_ms = min(at_ms for at_ms, _ in found) + skip_ms
    return sorted(latency for at_ms, latency in found if at_ms >= begin_ms)


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
    parser.add_argument("--seen", type=Path)
    given = parser.parse_args()
    reader = Reader(given.broker, given.topic, given.partitions)

    def stop(_signal: int, _frame: object) -> None:
        reader.stopped = True

    signal.signal(signal.SIGTERM, stop)
    reader.read(given.seconds)
    found = pairs(reader.seen)
    if given.seen:
        given.seen.write_bytes(orjson.dumps(found))
    told = summary(latencies_ms(found["event"], int(given.skip_seconds * 1000))) | {"by_clock": len(found["clock"])}
    print(orjson.dumps(told).decode(), flush=True)


if __name__ == "__main__":
    main()
