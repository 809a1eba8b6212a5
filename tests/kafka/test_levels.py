"""The way from a former release's state to this one's, on a real broker, by the commands that an operator types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kafka.apache import ApacheKafka
from tests.kafka.pipeline import Pipeline
from tests.kafka.test_holds import command, held, verify
from tests.kafka.test_time import lapses, now_ms, order, pipeline_with

pytestmark = pytest.mark.kafka


@pytest.fixture
def quick(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    with pipeline_with("4s", apache_kafka, topics, tmp_path) as pipeline:
        yield pipeline


def levels(pipeline: Pipeline) -> list[int]:
    return [row["level"] for row in json.loads(command(pipeline, "state", "show", "--json"))]


@pytest.mark.timeout(300)  # some twenty commands, each a process
def test_a_former_state_stays_readable_to_the_former_release_until_it_is_upgraded_and_then_knows_holds(quick):
    former = quick.start(command=("-m", "tests.kafka.former_worker"))
    quick.wait_for(lambda: former.get("/readyz")[0] == 200, 40, former)
    quick.send([(f"c{n}", order(now_ms(), n), now_ms()) for n in range(4)])
    quick.wait_caught_up()
    assert "restart every worker with this release first" in command(quick, "state", "upgrade", "--yes", check=False)
    assert former.stop() == 0

    worker = quick.start_ready()
    quick.wait_for(lambda: len(lapses(quick)) == 4)
    assert levels(quick) == [1]
    refused = command(quick, "hold", "clock", check=False)
    assert "run `segmenter state upgrade` first" in refused and held(worker) == []
    quick.settings["silence_hold"] = "60s"
    assert re.search(
        r"state +FAILED: partition 0: .*\(silence_hold\): run `segmenter state upgrade`",
        command(quick, "doctor", check=False, instance="cautious"),
    )
    told = command(quick, "state", "upgrade", check=False)
    assert "1 partitions are at format level 1; `segmenter state upgrade`" in command(quick, "doctor")
    assert "no way back" in told and "--yes" in told and levels(quick) == [1]
    verify(quick)

    assert "all 1 partitions are at format level 2" in command(quick, "state", "upgrade", "--yes")
    assert levels(quick) == [2] and "nothing is held" in command(quick, "holds")
    verify(quick)
    command(quick, "hold", "clock")
    quick.wait_for(lambda: held(worker) == ["clock"])
    at_ms = now_ms()
    quick.send([("c0", order(at_ms, 10), at_ms)])
    quick.wait_for(lambda: now_ms() > at_ms + 4_000 + 3_000)
    assert len(lapses(quick)) == 4
    assert "released: clock\n" in command(quick, "release", "all")
    quick.wait_for(lambda: len(lapses(quick)) == 5)
    worker.kill()
    worker = quick.start_ready()
    assert levels(quick) == [2] and worker.stop() == 0
    verify(quick)
