"""What disks and helping hands do to a worker's data directory: it is noticed, and healed from the state topic."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kafka.apache import ApacheKafka
from tests.kafka.damages import DAMAGES
from tests.kafka.fixtures import Topics
from tests.kafka.pipeline import Pipeline
from tests.kafka.test_state import digests
from tests.kafka.torment import Events, all_is_well, events_of, parts_of, torment

MAY_BE_CAUGHT_UP = {
    "the log is cut in half",
    "bytes of the log are wrong",
    "the log is gone",
    "MANIFEST is cut in half",
}
"""RocksDB may then open at an earlier commit, whole; the rest is read from the state topic."""


@pytest.fixture
def pipeline(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    with torment(apache_kafka, topics.prefix, tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def damaged(
    apache_kafka: ApacheKafka, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Pipeline, dict[int, str], str, Events]]:
    """One worker with a partition for each damage, started again on all of them at once: the pipeline, the digests
    before, the log of the start, and events not sent yet."""
    partitions = len(DAMAGES)
    prefix = Topics(apache_kafka.bootstrap).prefix
    with torment(apache_kafka, prefix, tmp_path_factory.mktemp("damaged"), partitions) as pipeline:
        first, second, third = parts_of(events_of(seed=41, customers=45), 3)
        pipeline.send(first)
        pipeline.start_ready()
        pipeline.wait_caught_up()
        pipeline.workers[-1].kill()
        worker = pipeline.start_ready()  # what the log held becomes a table
        pipeline.send(second)
        all_is_well(pipeline)  # every silence so far has been noticed, so the state stands still
        worker.kill()  # an orderly end would empty the logs
        before = digests(pipeline)
        for partition, damage in enumerate(DAMAGES.values()):
            damage(worker.data_dir / f"partition-{partition}")
        size = len(worker.log)
        worker = pipeline.start_ready()
        yield pipeline, before, worker.log[size:], third


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_store_is_set_aside_and_rebuilt_or_caught_up(damaged: Any, name: str) -> None:
    _, _, log, _ = damaged
    partition = list(DAMAGES).index(name)
    set_aside = f'"partition": {partition}, "reason"' in log
    restored = next(line for line in log.splitlines() if f'"partition": {partition}, "customers"' in line)

    assert set_aside or name in MAY_BE_CAUGHT_UP, log
    assert ('"rebuilt": true' in restored) == set_aside


def test_after_every_damage_the_state_is_what_it_was_and_goes_on(damaged: Any) -> None:
    pipeline, before, _, more = damaged
    assert {partition: digests(pipeline)[partition] for partition in before} == before

    pipeline.send(more)
    all_is_well(pipeline)


def test_a_data_directory_copied_back_from_earlier_is_brought_up_to_date(pipeline: Pipeline) -> None:
    before, meanwhile, after = parts_of(events_of(seed=42), 3)
    pipeline.send(before)
    worker = pipeline.start_ready()
    pipeline.wait_caught_up()
    assert worker.stop() == 0
    copy = shutil.copytree(worker.data_dir, worker.data_dir.with_name("copy"))
    pipeline.send(meanwhile)
    worker = pipeline.start_ready()
    pipeline.wait_caught_up()
    worker.kill()

    shutil.rmtree(worker.data_dir)
    shutil.copytree(copy, worker.data_dir)
    begun = len(worker.log)
    worker = pipeline.start_ready()

    assert '"rebuilt": true' not in worker.log[begun:]
    pipeline.send(after)
    all_is_well(pipeline)


def test_a_data_directory_of_another_pipelines_future_is_set_aside(
    pipeline: Pipeline, apache_kafka: ApacheKafka, topics: Any, tmp_path: Path
) -> None:
    """It claims more of the state topic than there is."""
    events = events_of(seed=43)
    with torment(apache_kafka, f"{topics.prefix}other-", tmp_path / "other") as other:
        other.send(events)
        foreign = other.start_ready()
        other.wait_caught_up()
        assert foreign.stop() == 0
        before, after = parts_of(events, 2)
        pipeline.send(before[:20])
        worker = pipeline.start_ready()
        pipeline.wait_caught_up()
        assert worker.stop() == 0
        shutil.rmtree(worker.data_dir)
        shutil.copytree(foreign.data_dir, worker.data_dir)

    worker = pipeline.start_ready()

    assert "local_state_set_aside" in worker.log
    pipeline.send([*before[20:], *after])
    all_is_well(pipeline)


def test_a_disk_that_takes_no_more_ends_the_worker_and_with_room_again_it_goes_on(pipeline: Pipeline) -> None:
    """The process may write no file beyond a size: EFBIG, like ENOSPC an error of RocksDB's writes to its log."""
    before, after = parts_of(events_of(seed=44), 2)
    worker = pipeline.start_ready()
    pipeline.wait_caught_up()
    _limit_file_size(worker.process, 4 << 10)
    for part in parts_of(before, 12):
        pipeline.send(part)
        pipeline.wait_for(lambda: pipeline.caught_up() or not worker.alive)
    assert worker.process.returncode == 1, worker.log
    assert "free space on this disk" in worker.log

    worker = pipeline.start_ready()
    pipeline.send(after)
    all_is_well(pipeline)


def test_on_a_slow_disk_nothing_is_lost_and_nobody_ends(pipeline: Pipeline, tmp_path: Path) -> None:
    """Every write of RocksDB takes 60 ms: each commit, each flush."""
    library, waits = slow_disk(tmp_path), tmp_path / "waits"
    before, after = parts_of(events_of(seed=45), 2)
    slow = {"LD_PRELOAD": str(library), "SLOW_DISK_UNDER": "/partition-", "SLOW_DISK_MS": "60"}
    worker = pipeline.start_ready(**slow, SLOW_DISK_LOG=str(waits))
    for part in parts_of(before, 5):
        pipeline.send(part)
        pipeline.wait_caught_up()
    assert waits.stat().st_size > 10
    worker.kill()
    worker = pipeline.start_ready(**slow, SLOW_DISK_LOG=str(waits))
    pipeline.send(after)
    all_is_well(pipeline)
    assert worker.alive


def slow_disk(directory: Path) -> Path:
    """The library that makes a process's writes slow, built here."""
    library = directory / "slow_disk.so"
    source = Path(__file__).parent / "slow_disk.c"
    built = subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(source)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return library


def _limit_file_size(process: subprocess.Popen[bytes], size: int) -> None:
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, size))
