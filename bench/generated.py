"""Customers who are there already: their state as the worker would have written it, put on the state topic.

    python -m bench.generated --broker 127.0.0.1:9092 --topic segmenter-state --definitions FILE --customers 1000000

A customer's state comes about by the core itself from a few days' events, ends with an order, and is written by the
worker's own codec; only its message ids are drawn at random, so that no two records are the same bytes. A `meta` record
per partition closes it, of commit 0: so a worker that starts on it for the first time restores all of it.

With the benchmark's definitions a customer's next wake is seven days after that order (`recency` turns). Customers are
numbered: the first `--storm` wake together at `--storm-ms`, the next `--steady` one after another from `--steady-ms`
on, `--steady-rate` a second, all others at some time between one and six days from now.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import confluent_kafka

from bench.load import FLUSH_S, Undelivered, customer, event, partition_of, producer_config
from stream.codec.inbound import decode
from stream.codec.journal import META_KEY, Meta, encode_meta
from stream.codec.snapshot import decode_profile, digest, encode_profile
from stream.core.events import Event
from stream.core.partition import Partition, Position
from stream.core.profile import Profile
from stream.core.program import Program
from stream.core.transition import Wake, advance
from stream.engine.members import member_key
from stream.rules.compile import compile_program
from stream.rules.load import load_definitions

DAY_MS = 86_400_000
WAKE_MS = 7 * DAY_MS
"""From the last order to the next wake: `recency` of the benchmark's definitions goes from hot to warm."""
STEP_MS = 20_000
FAR_KINDS = 200
STEADY_STEP_MS = 50
"""Single wakes come due on the beat of it: a model of a customer is grown for each instant, in some milliseconds."""
HISTORY = ("identify", "Signed In", *["Product Viewed"] * 17, "Product Added", *["Product Viewed"] * 6)
"""What a customer did before that order; with it a state record is as large as after some weeks of the load."""
ORDER = "Order Completed"
RUN_ID = "00000000"
DIGEST_MODULUS = 1 << 128
RECORD_BYTES = 950
"""Of a customer's state, key included; a tenth of it is compressible."""
COPIES = 2.5
"""On disk: the topic, the worker's store, and what its compaction needs meanwhile."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who is there, and when they wake; see above."""

    customers: int
    storm: int = 0
    storm_ms: int = 0
    steady: int = 0
    steady_ms: int = 0
    steady_per_s: int = 1

    def arguments(self) -> list[str]:
        return [
            "--customers", str(self.customers), "--storm", str(self.storm), "--storm-ms", str(self.storm_ms),
            "--steady", str(self.steady), "--steady-ms", str(self.steady_ms),
            "--steady-rate", str(self.steady_per_s),
        ]  # fmt: skip

    @property
    def disk_bytes(self) -> int:
        """What broker and worker need for them together, at most."""
        return int(self.customers * RECORD_BYTES * COPIES)

    def due_ms(self, number: int, now_ms: int) -> int:
        """When that customer wakes next."""
        if number < self.storm:
            return self.storm_ms
        if number < self.storm + self.steady:
            after_ms = (number - self.storm) * 1000 // self.steady_per_s
            return self.steady_ms + after_ms - after_ms % STEADY_STEP_MS
        return now_ms + DAY_MS + 5 * DAY_MS * (number % FAR_KINDS) // FAR_KINDS


class Customers:
    """States by the instant of their next wake, each come about by events once and then kept as a model."""

    def __init__(self, program: Program, now_ms: int) -> None:
        self.program = program
        self.now_ms = now_ms
        self._models: dict[int, Profile] = {}
        self._dice = random.Random(1)

    def model(self, due_ms: int) -> Profile:
        found = self._models.get(due_ms)
        if found is None:
            found = self._models[due_ms] = grown(self.program, due_ms, self.now_ms)
        return found

    def state(self, due_ms: int) -> bytes:
        """The encoded state of one more customer who wakes then."""
        profile = self.model(due_ms)
        profile.marks = self._dice.randbytes(len(profile.marks))
        return encode_profile(profile)


def grown(program: Program, due_ms: int, now_ms: int) -> Profile:
    """A customer as their history makes them by now. With the benchmark's definitions their next wake is `due_ms`."""
    order_ms = due_ms - WAKE_MS
    partition = Partition(0, program, lambda _: None, lambda _from, _until: iter(()), Position(0))
    for message in history(order_ms):
        partition.take(message, order_ms)
    profile = partition.pending.touched[customer(0)]
    assert profile is not None
    while profile.wake_ms <= now_ms:
        advance(profile, Wake(profile.wake_ms, now_ms, replayed=True), program)
    profile.indexed_ms = profile.wake_ms
    return decode_profile(customer(0), encode_profile(profile), program)  # packed, as a store gives it


def check_wakes(known: Customers, due_ms: int) -> None:
    """Raises ValueError when a customer of these definitions does not wake then."""
    found_ms = known.model(due_ms).wake_ms
    if found_ms != due_ms:
        raise ValueError(
            f"found the next wake {found_ms - due_ms + WAKE_MS} ms after an order, expected {WAKE_MS}: customers that "
            "wake at a given instant can be generated for bench/definitions.yaml only"
        )


def history(order_ms: int) -> Iterator[Event]:
    """The events of a customer up to an order."""
    dice = random.Random(order_ms)
    names = [*HISTORY, ORDER]
    for offset, name in enumerate(names):
        time_ms = order_ms - (len(names) - 1 - offset) * STEP_MS
        value = event(offset, customer(0), time_ms, dice, name=name)
        item = decode(customer(0).encode(), value, [], time_ms, offset, order_ms)
        assert type(item) is Event
        yield item


def records(crowd: Crowd, known: Customers, partitions: list[int], count: int) -> Iterator[tuple[int, bytes, bytes]]:
    """(partition, key, value) of every customer in these of `count` partitions, and at the end a meta record each."""
    keys, digests = dict.fromkeys(partitions, 0), dict.fromkeys(partitions, 0)
    members: dict[int, Counter[str]] = {partition: Counter() for partition in partitions}
    of_model: dict[int, list[str]] = {}
    for number in range(crowd.customers):
        customer_id = customer(number)
        partition = partition_of(customer_id, count)
        if partition not in keys:
            continue
        due_ms, key = crowd.due_ms(number, known.now_ms), customer_id.encode()
        value = known.state(due_ms)
        yield partition, key, value
        keys[partition] += 1
        digests[partition] += digest(key, value)
        if due_ms not in of_model:
            of_model[due_ms] = _members(known.program, known.model(due_ms))
        members[partition].update(of_model[due_ms])
    for partition in partitions:
        meta = replace(
            first_meta(known, count), keys=keys[partition], digest=f"{digests[partition] % DIGEST_MODULUS:032x}",
            members=dict(members[partition]),
        )  # fmt: skip
        yield partition, META_KEY, encode_meta(meta)


def first_meta(known: Customers, partition_count: int) -> Meta:
    """Of a partition without customers: nothing is read of the input, and what comes from now on is no history."""
    program = known.program
    meta = Meta.first(
        next_offset=0,
        run_id=RUN_ID,
        partition_count=partition_count,
        program={"name": program.name, "version": program.version, "hash": program.hash},
        replay_until_offset=0,
        replay_until_ms=known.now_ms,
    )
    return replace(meta, clock_ms=known.now_ms, wake_cursor_ms=known.now_ms)


def _members(program: Program, profile: Profile) -> list[str]:
    counted = (member_key(*pair) for pair in zip(program.definitions, profile.answers))
    return [key for key in counted if key is not None]


def write(broker: str, topic: str, every: Iterator[tuple[int, bytes, bytes]]) -> int:
    """Put records on the topic; returns how many. Raises SystemExit when the broker does not take all."""
    producer, undelivered, count = confluent_kafka.Producer(producer_config(broker)), Undelivered(), 0
    for partition, key, value in every:
        while True:
            try:
                producer.produce(topic, value, key, partition, undelivered)
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
    undelivered.check(producer.flush(FLUSH_S))
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--definitions", type=Path, required=True)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--customers", type=int, required=True)
    parser.add_argument("--share", default="0/1", help="1/2: of the partitions 1, 3, ... only, for a second process")
    for name in ("storm", "storm-ms", "steady", "steady-ms"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--steady-rate", type=int, default=1)
    given = parser.parse_args()
    first, of = map(int, given.share.split("/"))
    started = time.monotonic()
    crowd = Crowd(given.customers, given.storm, given.storm_ms, given.steady, given.steady_ms, given.steady_rate)
    known = Customers(compile_program(load_definitions([given.definitions])), time.time_ns() // 1_000_000)
    if crowd.storm or crowd.steady:
        check_wakes(known, crowd.due_ms(0, known.now_ms))
    partitions = list(range(first, given.partitions, of))
    written = write(given.broker, given.topic, records(crowd, known, partitions, given.partitions))
    print(f"generated {written - len(partitions)} customers in {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
