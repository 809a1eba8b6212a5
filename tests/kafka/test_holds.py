"""What is held, on a real broker: by command, over a kill, and released; and a silence that holds by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.codec.instants import from_text
from tests.kafka.apache import ApacheKafka
from tests.kafka.pipeline import Pipeline
from tests.kafka.test_time import lapses, now_ms, order, pipeline_with

pytestmark = pytest.mark.kafka
HORIZON_MS = 4_000


@pytest.fixture
def quick(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    with pipeline_with("4s", apache_kafka, topics, tmp_path) as pipeline:
        yield pipeline


def command(pipeline: Pipeline, *arguments: str, check: bool = True, instance: str = "admin") -> str:
    done = pipeline.run(*arguments, "--config", str(pipeline.config(instance)), check=check)
    return done.stdout + done.stderr


def held(worker: Any) -> list[str]:
    code, body = worker.get("/status")
    return [each["key"] for each in json.loads(body)["held"]] if code == 200 else []


def verify(pipeline: Pipeline) -> None:
    pipeline.run("verify", "--config", str(pipeline.config("admin")))


def test_a_held_clock_tells_no_lapse_over_a_kill_and_after_the_release_only_of_those_still_silent(quick):
    worker = quick.start_ready()
    told = command(quick, "hold", "clock", "--reason", "the shop's tracker is broken")
    assert "segmenter release clock" in told
    quick.wait_for(lambda: held(worker) == ["clock"])
    at_ms = now_ms()
    quick.send([(f"c{n}", order(at_ms, n), at_ms) for n in range(4)])
    quick.wait_caught_up()
    quick.wait_for(lambda: now_ms() > at_ms + HORIZON_MS + 3_000)
    again_ms = now_ms()
    quick.send([("c0", order(again_ms, 10), again_ms)])
    quick.wait_caught_up()
    worker.kill()
    worker = quick.start_ready()
    quick.wait_for(lambda: now_ms() > again_ms + 2_500)
    assert lapses(quick) == []
    assert "the shop's tracker is broken" in command(quick, "holds")
    command(quick, "release", "clock")
    quick.wait_for(lambda: len(lapses(quick)) >= 4)
    due = sorted((value["customer_id"], from_text(value["effective_at"])) for value in lapses(quick))
    silent = [(name, at_ms + HORIZON_MS) for name in ("c1", "c2", "c3")]
    assert due == [("c0", again_ms + HORIZON_MS), *silent], "c0 was not silent before the second order"
    assert "nothing is held" in command(quick, "holds")
    assert "is not held" in command(quick, "release", "clock", check=False)
    assert worker.stop() == 0
    verify(quick)


def test_a_name_that_nobody_has_is_refused_with_the_nearest(quick):
    assert "did you mean `Order Completed`?" in command(
        quick, "hold", "clock", "--event", "Order Complete", check=False
    )
    assert "expected one of 0 to 0" in command(quick, "hold", "partition", "3", check=False)


def test_an_input_that_goes_silent_is_held_by_itself_until_a_human_releases_it(apache_kafka, topics, tmp_path):
    with pipeline_with("12s", apache_kafka, topics, tmp_path, silence_hold="3s") as pipeline:
        worker = pipeline.start(command=("-m", "tests.kafka.hurried_worker"))
        pipeline.wait_for(lambda: worker.get("/readyz")[0] == 200, 40, worker)
        began_ms = last_ms = now_ms()
        while now_ms() < began_ms + 22_000:
            last_ms = now_ms()
            pipeline.send([(f"c{n}", order(last_ms, last_ms + n), last_ms) for n in range(60)])
            pipeline.wait_for(lambda due_ms=last_ms + 500: now_ms() > due_ms)
            assert held(worker) == []
        pipeline.wait_for(lambda: held(worker) == ["clock"])
        pipeline.wait_for(lambda: now_ms() > last_ms + 12_000 + 4_000)
        assert lapses(pipeline) == []
        assert "silence_hold" in command(pipeline, "holds")
        command(pipeline, "release", "all")
        pipeline.wait_for(lambda: len(lapses(pipeline)) == 60)
        assert worker.stop() == 0
        verify(pipeline)


def test_a_partition_of_rubbish_is_stopped_over_a_restart_until_a_human_says_to_go_on(quick):
    worker = quick.start_ready()
    quick.send([(f"p{n}", b"{rubbish", now_ms()) for n in range(1_200)])
    quick.wait_for(lambda: held(worker) == ["partition/0"])
    quick.send([("c1", order(now_ms(), 1), now_ms())])
    quick.wait_for(lambda: '"reading"' in worker.get("/readyz")[1])
    worker.kill()
    worker = quick.start()
    quick.wait_for(lambda: '"reading"' in worker.get("/readyz")[1], 40)
    stands = re.compile(r'segmenter_clock_blocked\{[^}]*reason="rejects"[^}]*\} 1\.0')
    quick.wait_for(lambda: stands.search(worker.get("/metrics")[1]) is not None, 30)
    told = re.compile(
        r'segmenter_held_since_timestamp_seconds\{by="(reject_stop_ratio|segmenter)",hold="partition/0"\}'
    )
    assert told.search(worker.get("/metrics")[1])  # segmenter: killed before the control topic had it
    assert not quick.caught_up() and quick.changes() == []
    command(quick, "release", "partition", "0")
    quick.wait_caught_up()
    quick.wait_for(lambda: len(lapses(quick)) == 1)
    assert worker.stop() == 0
    verify(quick)
