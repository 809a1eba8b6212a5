"""The faults of the soak. Each is a generator: up to `yield` it happens, after it is undone.

`TAKEOVER` are those that take a worker away: the time until others, or its successor, have read on is measured from the
moment it happens. The others are outages; nothing can go on until they are over.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from confluent_kafka import KafkaException

from bench.soak.field import INSTANCES, PARTITIONS, SESSION_S, TRANSACTION_S, Field, SoakFailed
from stream.app.crash_points import POINTS
from tests.kafka.damages import DAMAGES
from tests.kafka.kit import OpenTransaction
from tests.kafka.pipeline import Worker
from tests.kafka.proxy import END_TXN

STOP_S = 60.0

Fault = Callable[[Field], Iterator[None]]


def kill(field: Field) -> Iterator[None]:
    field.any_worker().kill()  # the supervisor starts it again at once
    yield


def kill_for_long(field: Field) -> Iterator[None]:
    _have_company(field)
    worker = field.any_worker()
    field.aside.add(worker.instance)
    worker.kill()
    yield
    field.pause(field.dice.uniform(0, 2 * SESSION_S))
    field.aside.discard(worker.instance)
    field.supervise()


def kill_at_a_point(field: Field) -> Iterator[None]:
    """Ends it, and starts it so that it dies by itself at a point of one of its first commits."""
    worker = field.any_worker()
    worker.kill()
    field.ended(worker)
    field.aside.add(worker.instance)
    point = f"{field.dice.choice(POINTS)}:{field.dice.randint(1, 9)}"
    field.wait_end(field.start(worker.instance, SEGMENTER_CRASH_AT=point), STOP_S)
    yield from _again(field, worker)


def terminate(field: Field) -> Iterator[None]:
    field.restart(field.any_worker(), STOP_S)
    yield


def terminate_twice(field: Field) -> Iterator[None]:
    worker = field.any_worker()
    field.aside.add(worker.instance)
    worker.process.terminate()
    time.sleep(field.dice.uniform(0.0, 0.3))
    worker.process.terminate()
    field.wait_end(worker, STOP_S)
    yield from _again(field, worker)


def freeze(field: Field) -> Iterator[None]:
    """A zombie: frozen past its session and its transaction, then it goes on."""
    _have_company(field)
    worker = field.any_worker()
    worker.freeze()
    yield
    field.pause(field.dice.uniform(0.0, 1.5) * TRANSACTION_S)
    worker.thaw()


def freeze_shortly(field: Field) -> Iterator[None]:
    worker = field.any_worker()
    worker.freeze()
    time.sleep(field.dice.uniform(0.2, 0.9) * SESSION_S)
    worker.thaw()
    yield


def rogue_producer(field: Field) -> Iterator[None]:
    """Somebody else's producer with a worker's transactional id."""
    worker = field.any_worker()
    with suppress(KafkaException):  # the worker may have taken its id back already
        OpenTransaction(field.kafka.bootstrap, f"{field.pipeline.prefix}shop-{worker.instance}").abort()
    yield


def scale(field: Field) -> Iterator[None]:
    """One worker more or one less, between one and three."""
    away = [instance for instance in INSTANCES if instance not in field.running]
    if away and (len(field.running) == 1 or field.dice.random() < 0.5):
        field.start(field.dice.choice(away))
    else:
        worker = field.running.pop(field.dice.choice(sorted(field.running)))
        worker.process.terminate()
        field.wait_end(worker, STOP_S)
        field.ended(worker)
    yield


def lose_directory(field: Field) -> Iterator[None]:
    worker = field.any_worker()
    _take_down(field, worker)
    shutil.rmtree(worker.data_dir, ignore_errors=True)
    yield from _again(field, worker)


def damage_files(field: Field) -> Iterator[None]:
    worker = field.any_worker()
    _take_down(field, worker)
    for partition in range(PARTITIONS):
        try:
            DAMAGES[field.dice.choice(list(DAMAGES))](worker.data_dir / f"partition-{partition}")
        except FileNotFoundError:
            continue  # it has no such file
    yield from _again(field, worker)


def old_directory(field: Field) -> Iterator[None]:
    """The data directory as it was at an earlier such fault; the first time it is only kept."""
    worker = field.any_worker()
    _take_down(field, worker)
    kept = worker.data_dir.with_name(f"{worker.data_dir.name}.kept")
    present = worker.data_dir.with_name(f"{worker.data_dir.name}.present")
    worker.data_dir.mkdir(exist_ok=True)  # a worker that was only just started has none yet
    worker.data_dir.rename(present)
    shutil.copytree(kept if kept.exists() else present, worker.data_dir)
    shutil.rmtree(kept, ignore_errors=True)
    present.rename(kept)
    yield from _again(field, worker)


def restart_broker(field: Field) -> Iterator[None]:
    field.kafka.restart()
    yield


def kill_broker(field: Field) -> Iterator[None]:
    field.kafka.kill()
    field.kafka.start()
    yield


def freeze_broker(field: Field) -> Iterator[None]:
    field.kafka.pause()
    time.sleep(field.dice.uniform(1.0, 12.0))
    field.kafka.resume()
    yield


def black_hole(field: Field) -> Iterator[None]:
    field.proxy.black_hole()
    time.sleep(field.dice.uniform(1.0, 2.5 * TRANSACTION_S))
    field.proxy.heal()
    yield


def reset_connections(field: Field) -> Iterator[None]:
    for _ in range(field.dice.randint(1, 5)):
        field.proxy.reset()
        time.sleep(field.dice.uniform(0.0, 0.7))
    yield


def slow_network(field: Field) -> Iterator[None]:
    field.proxy.delay(field.dice.uniform(0.05, 0.3))
    field.pause(field.dice.uniform(2.0, 6.0))
    field.proxy.heal()
    yield


def late_commit_reply(field: Field) -> Iterator[None]:
    field.proxy.hold_replies_to(END_TXN)
    field.pause(field.dice.uniform(2.0, 15.0))
    field.proxy.release()
    yield


def late_commit_request(field: Field) -> Iterator[None]:
    """The broker gets a commit only after the worker has given up on it."""
    field.proxy.hold_requests(END_TXN)
    field.pause(field.dice.uniform(2.0, 15.0))
    field.proxy.release()
    yield


FAULTS: dict[str, tuple[Fault, int]] = {
    "kill -9": (kill, 6),
    "kill -9, away for a while": (kill_for_long, 3),
    "kill -9 at a crash point": (kill_at_a_point, 4),
    "SIGTERM": (terminate, 2),
    "SIGTERM twice": (terminate_twice, 2),
    "zombie": (freeze, 3),
    "short freeze": (freeze_shortly, 2),
    "rogue producer": (rogue_producer, 2),
    "one worker more or less": (scale, 5),
    "data directory lost": (lose_directory, 2),
    "RocksDB damaged": (damage_files, 3),
    "old data directory": (old_directory, 2),
    "broker restart": (restart_broker, 1),
    "broker kill -9": (kill_broker, 1),
    "broker frozen": (freeze_broker, 1),
    "black hole": (black_hole, 2),
    "connections reset": (reset_connections, 2),
    "slow network": (slow_network, 1),
    "commit reply late": (late_commit_reply, 2),
    "commit request late": (late_commit_request, 2),
}
"""Name -> (fault, weight)."""

TAKEOVER = frozenset({
    "kill -9", "kill -9, away for a while", "kill -9 at a crash point", "SIGTERM", "SIGTERM twice", "zombie",
    "rogue producer", "data directory lost", "RocksDB damaged", "old data directory",
})  # fmt: skip


def _have_company(field: Field) -> None:
    """At least two workers, all reading."""
    if len(field.running) == 1:
        field.start(next(instance for instance in INSTANCES if instance not in field.running))
    end = time.monotonic() + STOP_S
    while any(worker.get("/readyz")[0] != 200 for worker in field.running.values()):
        field.supervise()
        if time.monotonic() > end:
            raise SoakFailed(f"no company within {STOP_S:.0f} s:\n{field.logs()}")
        time.sleep(0.2)


def _take_down(field: Field, worker: Worker) -> None:
    """Killed or stopped, and nobody starts it again for now."""
    field.aside.add(worker.instance)
    if field.dice.random() < 0.5:
        worker.kill()
    else:
        worker.process.terminate()
        field.wait_end(worker, STOP_S)


def _again(field: Field, worker: Worker) -> Iterator[None]:
    field.aside.discard(worker.instance)
    field.supervise()
    yield
