"""`segmenter verify` on Apache Kafka: clean while a worker runs, clean after, and not to be fooled."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.kafka.apache import ApacheKafka
from tests.kafka.kit import Outgoing, admin_of, delete_group, end_offsets, produce
from tests.kafka.pipeline import Pipeline
from tests.kafka.test_exactly_once import DAY, a_year_back, history

VERIFY = ("verify", "--json", "--config")


@pytest.fixture
def pipeline(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path) as running:
        yield running


def verified(pipeline: Pipeline, code: int = 0) -> dict[str, Any]:
    """The report of `segmenter verify --json`, which must end with `code`."""
    done = pipeline.run(*VERIFY, str(pipeline.config("admin")), check=False)
    assert done.returncode == code, f"{done.stdout[-6000:]}{done.stderr[-3000:]}"
    return json.loads(done.stdout) if done.stdout else {}


def stamp_on_arrival(pipeline: Pipeline) -> None:
    """The broker dates the input's records, so that the clock can be held against what was unread."""
    entry = ConfigEntry("message.timestamp.type", "LogAppendTime", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, pipeline.input, incremental_configs=[entry])
    admin = admin_of(pipeline.address)
    for altered in admin.incremental_alter_configs([resource]).values():
        altered.result(30)


def worked(pipeline: Pipeline, seed: int = 11) -> None:
    """A year of events read by a worker that then stopped."""
    events = list(history(30, 12, seed=seed, start_ms=a_year_back(), span_ms=380 * DAY))
    pipeline.send([*events, ("c1", b"{broken", events[-1][2]), ("c2", None, events[-1][2])])
    worker = pipeline.start_ready()
    pipeline.wait_caught_up()
    assert worker.stop() == 0


def test_what_a_worker_wrote_is_clean_while_it_runs_and_after(pipeline):
    events = list(history(60, 30, seed=10, start_ms=a_year_back(), span_ms=380 * DAY))
    stamp_on_arrival(pipeline)
    pipeline.send(events[:600])
    worker = pipeline.start_ready()
    reports = []
    for first in range(600, len(events), 400):
        pipeline.send(events[first : first + 400])
        reports.append(verified(pipeline))
    pipeline.wait_caught_up()
    assert worker.stop() == 0
    reports.append(verified(pipeline))
    assert [report["violations"] for report in reports] == [{}] * len(reports)
    assert reports[-1]["checked"]["input records taken in again"] == len(events)
    assert reports[-1]["checked"]["input records against the clock"] == len(events)
    assert reports[-1]["unchecked"] == []
    assert reports[-1]["checked"]["partitions"] == 2


def test_what_killed_workers_and_their_followers_wrote_is_clean(pipeline):
    events = list(history(40, 12, seed=12, start_ms=a_year_back(), span_ms=380 * DAY))
    for point in ("after-produce", "after-commit"):
        pipeline.send(events[:200])
        worker = pipeline.start("a", SEGMENTER_CRASH_AT=f"{point}:2")
        pipeline.wait_for(lambda worker=worker: not worker.alive or pipeline.caught_up(), 40)
        events = events[200:]
        worker.kill()
    pipeline.send(events)
    pipeline.start_ready("a")
    pipeline.wait_caught_up()
    assert verified(pipeline)["violations"] == {}


def test_a_foreign_record_among_the_changes_is_found_and_shown_without_its_values(pipeline):
    worked(pipeline)
    foreign = Outgoing(b"c7-canary", b'{"type": "canary"}', 1)
    (offset,) = produce(pipeline.address, pipeline.topic("segment-changes"), [foreign])
    report = verified(pipeline, code=1)
    assert report["violations"]["unexpected"] == 1
    example = next(example for example in report["examples"] if example["kind"] == "unexpected")
    assert (example["partition"], example["records"][0]["offset"]) == (1, offset)
    assert "canary" not in json.dumps(report)


def test_a_state_that_a_stranger_overwrote_is_found(pipeline):
    worked(pipeline)
    produce(pipeline.address, pipeline.topic("segmenter-state"), [Outgoing(b"c3", None, pipeline.partition_of("c3"))])
    assert {"state-fold", "unexpected"} <= verified(pipeline, code=1)["violations"].keys()


def test_a_change_said_twice_is_found(pipeline):
    worked(pipeline)
    last = [record for record in pipeline.read("segment-changes") if record.partition == 0][-1]
    again = Outgoing(last.key, last.value, 0, last.timestamp_ms, last.headers)
    produce(pipeline.address, pipeline.topic("segment-changes"), [again])
    assert {"doubled", "sequence"} <= verified(pipeline, code=1)["violations"].keys()


def test_a_group_whose_offsets_are_gone_is_told(pipeline):
    worked(pipeline)
    admin = admin_of(pipeline.address)

    def forgotten() -> bool:
        """Not before the stopped worker's session is over: till then the group has a member."""
        try:
            delete_group(admin, f"{pipeline.prefix}shop")
        except KafkaException:
            return False
        return True

    pipeline.wait_for(forgotten)
    assert verified(pipeline, code=1)["violations"] == {"committed-offset": 2}


def test_an_input_whose_beginning_is_deleted_is_checked_as_far_as_it_goes_and_says_so(pipeline):
    worked(pipeline)
    ends = end_offsets(pipeline.address, pipeline.input)
    places = [TopicPartition(pipeline.input, partition, end // 2) for partition, end in ends.items()]
    admin = admin_of(pipeline.address)
    for deleted in admin.delete_records(places).values():
        deleted.result(30)
    report = verified(pipeline)
    assert report["violations"] == {}
    assert sum("not replayed" in why for why in report["unchecked"]) == 2
    assert "commits done again" not in report["checked"]


def test_brokers_that_do_not_answer_are_told_by_an_exit_code_of_their_own(pipeline):
    config = str(pipeline.config("admin"))
    impatient = (
        "import sys; from stream.verify import kafka_log; from stream.cli.main import main; "
        "kafka_log.ASK_S, kafka_log.ASKS = 1.0, 2; sys.exit(main())"
    )
    command = [sys.executable, "-c", impatient, "verify", "--config", config, "--broker", "127.0.0.1:1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (7, "")
    assert "127.0.0.1:1" in done.stderr or "brokers" in done.stderr


def test_the_result_is_written_for_the_monitoring(pipeline, tmp_path):
    worked(pipeline)
    path = tmp_path / "verify.prom"
    done = pipeline.run("verify", "--config", str(pipeline.config("admin")), "--prometheus-file", str(path))
    assert "clean" in done.stdout.splitlines()
    assert f'segmenter_verify_violations{{pipeline="{pipeline.prefix}shop"}} 0' in path.read_text()
    assert "segmenter_verify_last_run_timestamp_seconds" in path.read_text()
