"""What operators meet on Apache Kafka: refusals, the doctor, open transactions, a restart that moves nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from stream.app.embedded_broker import free_port
from stream.config import Settings, load_settings
from stream.kafka.skew import measure_skew
from tests.kafka.apache import ApacheKafka
from tests.kafka.kit import (
    OpenTransaction,
    Outgoing,
    admin_of,
    committed_offsets,
    delete_group,
    read_all,
    wait_for,
)
from tests.kafka.pipeline import Pipeline

DAY_MS = 86_400_000
ORDER = {"type": "track", "event": "Order Completed", "messageId": "m-1"}


@pytest.fixture
def pipeline(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path) as running:
        yield running


def settings_of(pipeline: Pipeline, instance: str = "a") -> Settings:
    return load_settings(pipeline.config(instance), {})


def alter(pipeline: Pipeline, topic: str, key: str, value: str) -> None:
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    admin = admin_of(pipeline.address)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for answer in admin.incremental_alter_configs([resource]).values():
        answer.result(20)


def findings(pipeline: Pipeline, exit_code: int) -> dict[str, str]:
    """What the doctor says, by check."""
    done = pipeline.run("doctor", "--config", str(pipeline.config("a")), check=False)
    assert done.returncode == exit_code, done.stdout + done.stderr
    return {line[:16].strip(): line[16:].strip() for line in done.stdout.splitlines()}


def test_the_doctor_finds_nothing_wrong_before_the_first_start_and_while_the_worker_runs(pipeline: Pipeline) -> None:
    before = findings(pipeline, 0)
    worker = pipeline.start_ready()
    running = findings(pipeline, 0)

    assert set(before) == {
        "settings", "definitions", "data_dir", "listen", "brokers", "topics", "partition counts", "policies",
        "message limits", "copies", "retention", "offsets", "state", "clock",
    }  # fmt: skip
    assert all(line.startswith("ok: ") for line in before.values()), before
    assert before["clock"] == "ok: this machine's clock and the broker's agree to 0.1 s"
    assert "this worker runs" in running["data_dir"]
    assert before["state"] == "ok: 0 of 2 partitions committed by these definitions or earlier"
    assert worker.get("/readyz")[0] == 200  # the doctor fenced nobody
    pipeline.send([("kim", ORDER, int(time.time() * 1000))])
    pipeline.wait_caught_up()
    assert worker.stop() == 0
    verified = pipeline.run("verify", "--config", str(pipeline.config("a")))  # what it measured with left no trace
    assert verified.stdout.splitlines()[-1] == "clean"


def test_the_doctor_names_every_topic_that_is_wrong_with_a_command_that_puts_it_right(pipeline: Pipeline) -> None:
    alter(pipeline, pipeline.topic("segmenter-state"), "cleanup.policy", "delete")
    alter(pipeline, pipeline.topic("customer-events-rejected"), "max.message.bytes", "1000")

    found = findings(pipeline, 1)

    state = pipeline.topic("segmenter-state")
    assert found["policies"].startswith(f"FAILED: {state}: found cleanup.policy=delete, expected compact; try: ")
    assert f"--entity-name {state} --add-config cleanup.policy=compact" in found["policies"]
    assert "max.message.bytes=1000" in found["message limits"]
    assert found["topics"].startswith("ok")


def test_the_doctor_says_what_it_could_not_check_when_no_broker_answers(pipeline: Pipeline) -> None:
    done = pipeline.run(
        "doctor", "--config", str(pipeline.config("a")), "--broker", f"127.0.0.1:{free_port()}", check=False
    )

    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert sum("FAILED" in line for line in lines) == 1
    assert sum("not checked" in line for line in lines) == 9


def test_a_first_start_is_refused_when_the_input_forgets_sooner_than_definitions_look_back(pipeline: Pipeline) -> None:
    alter(pipeline, pipeline.input, "retention.ms", str(7 * DAY_MS))
    worker = pipeline.start()
    assert worker.process.wait(30) == 5
    doctor = findings(pipeline, 1)["retention"]

    for said in (worker.log, doctor):
        assert f"{pipeline.input}: found retention.ms={7 * DAY_MS} (7d), expected at least" in said
        assert "start_from: kept" in said
    # What the operator may decide: read what is there; then the state has it, and the input may forget it.
    assert pipeline.start_ready(SEGMENTER_START_FROM="kept").stop() == 0
    pipeline.send([("kim", ORDER, int(time.time() * 1000))])
    worker = pipeline.start_ready(SEGMENTER_START_FROM="kept")
    pipeline.wait_caught_up()
    assert worker.stop() == 0
    assert pipeline.start_ready().stop() == 0


def test_the_skew_of_the_clocks_is_measured_and_leaves_nothing_to_read(pipeline: Pipeline) -> None:
    settings = settings_of(pipeline)
    for hours in (0, 3, -3):
        ahead_ms = hours * 3_600_000
        skew = measure_skew(settings, lambda ahead_ms=ahead_ms: int(time.time() * 1000) + ahead_ms)
        assert skew.ahead_ms is not None, skew.why_not
        assert abs(skew.ahead_ms - ahead_ms) < 15_000
        assert skew.too_large == bool(hours)

    assert read_all(pipeline.address, pipeline.topic("segmenter-journal")) == []


def test_a_worker_whose_clock_is_wrong_is_refused_before_it_judges_anything(pipeline: Pipeline) -> None:
    worker = pipeline.start(command=("-m", "tests.kafka.wrong_clock_worker"))

    assert worker.process.wait(30) == 5
    assert "s ahead of the broker's, expected at most 2 s" in worker.log
    assert "NTP" in worker.log
    assert pipeline.read("segmenter-journal") == []


def test_an_open_transaction_is_named_with_its_place_and_age_until_it_is_decided(pipeline: Pipeline) -> None:
    began_ms = int(time.time() * 1000)
    config = str(pipeline.config("a"))
    command = ("transactions", "--config", config, "--stands", "0.5")
    pipeline.send([("kim", ORDER, began_ms)])
    open_one = OpenTransaction(pipeline.address)
    place = pipeline.partition_of("kim")
    open_one.produce(pipeline.input, [Outgoing(b"kim", b"{}", place, began_ms)])
    told = pipeline.run(*command, check=False)
    as_json = json.loads(pipeline.run(*command, "--json", check=False).stdout)
    open_one.abort()
    after = pipeline.run(*command)

    assert told.returncode == 1
    assert f"describe-producers --topic {pipeline.input} --partition {place}" in told.stdout
    assert as_json == [
        {"topic": pipeline.input, "partition": place, "offset": 1, "records": 1, "began_ms": began_ms}
    ]  # fmt: skip
    assert "no transaction stood open" in after.stdout


def test_a_restart_within_the_session_timeout_moves_no_partition(
    apache_kafka: ApacheKafka, topics: Any, tmp_path: Path
) -> None:
    with Pipeline(
        apache_kafka.bootstrap, topics.prefix, tmp_path, partitions=4, settings={"session_timeout": "30s"}
    ) as pipeline:
        a, b = pipeline.start_ready("a"), pipeline.start_ready("b")
        pipeline.wait_for(lambda: [len(owned(a)), len(owned(b))] == [2, 2])
        before, assigned = (owned(a), owned(b)), b.log.count('"assigned"') + b.log.count('"revoked"')

        assert a.stop() == 0
        a = pipeline.start_ready("a")
        a.kill()
        a = pipeline.start_ready("a")

        assert (owned(a), owned(b)) == before
        assert b.log.count('"assigned"') + b.log.count('"revoked"') == assigned
        told = json.loads(pipeline.run("status", "--config", str(pipeline.config("a")), "--json").stdout)
        assert {partition["partition"] for partition in told["partitions"]} == owned(a)

        def of_b() -> set[tuple[Any, ...]]:
            told = json.loads(b.get("/status")[1])["partitions"]
            return {(each["high_watermark"], each["lag"], each["wakes"]) for each in told}

        pipeline.wait_for(lambda: of_b() == {(0, 0, 0)})  # wakes are counted now and then


def owned(worker: Any) -> set[int]:
    code, body = worker.get("/status")
    return {partition["partition"] for partition in json.loads(body)["partitions"]} if code == 200 else set()


def forget_offsets(pipeline: Pipeline, group: str) -> None:
    """As the broker does after `offsets.retention.minutes`; not before the stopped worker's session has ended."""

    def forgotten() -> bool:
        try:
            delete_group(admin_of(pipeline.address), group)
        except KafkaException as exception:
            assert exception.args[0].code() == KafkaError.NON_EMPTY_GROUP
            return False
        return True

    wait_for(forgotten, "the group to be empty")


def test_offsets_that_have_expired_are_set_back_from_the_state_and_nothing_is_lost_or_doubled(
    pipeline: Pipeline,
) -> None:
    config, group = ("--config", str(pipeline.config("a"))), settings_of(pipeline).name
    customers = [f"c-{number}" for number in range(20)]
    pipeline.send([(customer, ORDER, int(time.time() * 1000)) for customer in customers])
    worker = pipeline.start_ready()
    pipeline.wait_caught_up()
    while_it_runs = pipeline.run("state", "offsets", *config)
    assert worker.stop() == 0
    before = committed_offsets(pipeline.address, group, pipeline.input)
    forget_offsets(pipeline, group)

    refused = pipeline.start()
    assert refused.process.wait(60) == 5
    assert "`segmenter state offsets`" in refused.log
    assert "found offset none (of no commit), expected" in findings(pipeline, 1)["state"]
    asked = pipeline.run("state", "offsets", *config, check=False)
    done = pipeline.run("state", "offsets", "--yes", *config)
    after = committed_offsets(pipeline.address, group, pipeline.input)

    assert "are those of its state" in while_it_runs.stdout
    assert asked.returncode == 1 and "`segmenter state offsets --yes --config" in asked.stderr
    assert "are those of its state" in done.stdout
    assert after == before
    pipeline.send([(customer, ORDER | {"messageId": "m-2"}, int(time.time() * 1000)) for customer in customers])
    worker = pipeline.start_ready()
    pipeline.wait_caught_up()
    assert worker.stop() == 0
    assert pipeline.run("verify", *config).stdout.splitlines()[-1] == "clean"


def test_offsets_are_not_set_back_while_the_group_has_members(pipeline: Pipeline) -> None:
    config, group = ("--config", str(pipeline.config("a"))), settings_of(pipeline).name
    pipeline.send([("kim", ORDER, int(time.time() * 1000))])
    worker = pipeline.start_ready()
    pipeline.wait_caught_up()
    assert worker.stop() == 0
    forget_offsets(pipeline, group)
    member = Consumer({"bootstrap.servers": pipeline.address, "group.id": group})
    try:
        member.subscribe([pipeline.input])
        wait_for(lambda: member.poll(0.1) is None and member.assignment(), "a member of the group")

        refused = pipeline.run("state", "offsets", "--yes", *config, check=False)
    finally:
        member.close()

    assert refused.returncode == 1
    assert "found workers in it, expected none" in refused.stderr
