"""A worker of several processes on Apache Kafka: nothing is lost or doubled, whoever of them is killed."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kafka.apache import ApacheKafka
from tests.kafka.pipeline import Pipeline, Worker
from tests.kafka.process_tree import have_ended
from tests.kafka.proof import prove
from tests.kafka.test_exactly_once import DAY, a_year_back, history


@pytest.fixture
def pipeline(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    settings = {"processes": 2}
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path, partitions=4, settings=settings) as running:
        yield running


def events(seed: int) -> list[tuple[str, Any, int]]:
    return list(history(40, 12, seed=seed, start_ms=a_year_back(), span_ms=380 * DAY))


def owned(worker: Worker) -> list[list[int]]:
    """The partitions of each process."""
    answers = [worker.get_of(number, "/status") for number in (1, 2)]
    return [
        [each["partition"] for each in json.loads(text)["partitions"]] if code == 200 else [] for code, text in answers
    ]


def wait_shared(pipeline: Pipeline, worker: Worker) -> list[int]:
    """Until each process has two of the four partitions, and is ready; returns the ids of the processes."""
    pipeline.wait_for(
        lambda: [len(each) for each in owned(worker)] == [2, 2] and worker.get("/readyz")[0] == 200, 60, worker
    )
    return worker.members()


def settle_and_check(pipeline: Pipeline) -> None:
    pipeline.check_exactly_once()
    prove(pipeline)


def test_processes_share_the_partitions_and_one_that_is_killed_ends_the_worker_which_goes_on_when_started_again(
    pipeline,
):
    given = events(seed=11)
    pipeline.send(given[:200])
    worker = pipeline.start_ready()
    members = wait_shared(pipeline, worker)
    assert sorted(partition for each in owned(worker) for partition in each) == [0, 1, 2, 3]
    assert {json.loads(line)["process"] for line in worker.log.splitlines() if '"restored"' in line} == {1, 2}

    pipeline.send(given[200:350])
    os.kill(members[1], signal.SIGKILL)
    pipeline.wait_for(lambda: not worker.alive, 30, worker)

    assert worker.process.returncode == 1
    assert have_ended(members)
    assert re.search(r'"process": 2, "how": "killed by SIGKILL".*"process_ended"', worker.log)
    pipeline.send(given[350:])
    again = pipeline.start_ready()
    settle_and_check(pipeline)
    assert again.stop() == 0


def test_a_worker_that_is_told_to_stop_twice_over_ends_with_0_and_all_it_did_is_committed(pipeline):
    pipeline.send(events(seed=12))
    worker = pipeline.start_ready()
    members = wait_shared(pipeline, worker)

    for pid in members:  # as systemd does it: all processes of a unit are told, and the supervisor tells them once more
        os.kill(pid, signal.SIGTERM)

    assert worker.stop() == 0
    assert have_ended(members)
    pipeline.start_ready()
    settle_and_check(pipeline)


def test_no_process_stays_behind_when_the_supervisor_is_killed_and_the_next_worker_waits_for_them(pipeline):
    given = events(seed=13)
    pipeline.send(given[:200])
    worker = pipeline.start_ready()
    members = wait_shared(pipeline, worker)
    pipeline.send(given[200:])

    worker.process.kill()
    worker.process.wait()
    again = pipeline.start_ready()

    assert have_ended(members)
    settle_and_check(pipeline)
    assert again.stop() == 0


def test_status_waits_for_every_process_and_tells_of_all_by_name(pipeline):
    worker = pipeline.start()
    config = str(pipeline.config("a"))
    wait = ("status", "--config", config, "--wait", "ready", "--timeout", "60")

    waited = json.loads(pipeline.run(*wait, "--json").stdout)
    wait_shared(pipeline, worker)  # the first to come may have been ready with all partitions
    shown = pipeline.run(*wait).stdout

    assert [each["ready"] for each in waited["processes"]] == [True, True]
    assert "a-1  ready" in shown and "a-2  ready" in shown
    doctor = pipeline.run("doctor", "--config", config).stdout
    assert doctor.count("this worker runs") == 1


def test_with_fewer_partitions_than_processes_it_starts_and_says_so_once(apache_kafka, topics, tmp_path):
    settings = {"processes": 2}
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path, partitions=1, settings=settings) as pipeline:
        doctor = pipeline.run("doctor", "--config", str(pipeline.config("a"))).stdout
        worker = pipeline.start_ready()

        (told,) = [line for line in worker.log.splitlines() if '"fewer_partitions_than_processes"' in line]

    assert (json.loads(told)["partition_count"], json.loads(told)["processes"]) == (1, 2)
    assert "found 1 partitions for 2 processes" in doctor


def test_from_one_process_to_two_and_back_nothing_is_lost_or_doubled(apache_kafka, topics, tmp_path):
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path, partitions=4) as pipeline:
        given, config = events(seed=14), pipeline.config("a")
        of_one = config.read_text()
        pipeline.send(given[:150])
        assert pipeline.start_ready().stop() == 0
        config.write_text(f"{of_one}processes: 2\n")
        pipeline.send(given[150:300])
        second = pipeline.start()
        # The single process keeps its partitions until its session ends.
        pipeline.wait_caught_up()
        assert second.stop() == 0
        config.write_text(of_one)
        pipeline.send(given[300:])
        pipeline.start()
        settle_and_check(pipeline)
