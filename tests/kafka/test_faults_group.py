"""A group and a worker that are of different opinions about who reads what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.kafka.apache import ApacheKafka
from tests.kafka.torment import all_is_well, events_of, parts_of, torment

FORGETFUL_WORKER = ("-m", "tests.kafka.forgetful_worker")


def test_a_worker_that_never_heard_of_the_partitions_it_was_given_ends_and_started_again_reads_them(
    apache_kafka: ApacheKafka, topics: Any, tmp_path: Path
) -> None:
    before, after = parts_of(events_of(seed=71, each=6), 2)
    with torment(apache_kafka, topics.prefix, tmp_path) as pipeline:
        pipeline.send(before)
        worker = pipeline.start("a", FORGETFUL_WORKER)
        pipeline.wait_for(lambda: not worker.alive)
        assert worker.process.returncode == 1
        assert "partitions [0, 1]" in worker.log and "nobody reads them" in worker.log

        pipeline.start_ready("a")

        pipeline.send(after)
        all_is_well(pipeline)
