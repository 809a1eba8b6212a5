"""A wall clock that is wrong or jumps: silence is not judged by it, and once it is right again everything goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stream.codec.instants import from_text
from tests.kafka.apache import ApacheKafka
from tests.kafka.pipeline import Pipeline, Worker
from tests.kafka.proof import prove
from tests.kafka.test_time import lapses, now_ms, order, pipeline_with

HOUR = 3_600_000
SKEWED_WORKER = ("-m", "tests.kafka.skewed_worker")


class Skewed:
    """A pipeline with one worker whose clock `set` puts wrong."""

    def __init__(self, pipeline: Pipeline, directory: Path) -> None:
        self.pipeline = pipeline
        self._file = directory / "skew-ms"
        self.set(0)

    def set(self, skew_ms: int) -> None:
        replacement = self._file.with_suffix(".new")
        replacement.write_text(str(skew_ms))
        replacement.rename(self._file)

    def start(self) -> Worker:
        return self.pipeline.start("a", SKEWED_WORKER, SKEW_FILE=str(self._file))


def test_a_clock_that_jumps_an_hour_ahead_makes_nobody_lapse_early(
    apache_kafka: ApacheKafka, topics: Any, tmp_path: Path
) -> None:
    with pipeline_with("10min", apache_kafka, topics, tmp_path) as pipeline:
        skewed = Skewed(pipeline, tmp_path)
        at_ms = now_ms()
        pipeline.send([(f"c{n}", order(at_ms, n), at_ms) for n in range(5)])
        worker = skewed.start()
        pipeline.wait_caught_up()
        skewed.set(HOUR)
        pipeline.wait_for(lambda: "clock-skew" in worker.log)

        pipeline.send([("c9", order(now_ms(), 9), now_ms())])
        pipeline.wait_caught_up()

        assert lapses(pipeline) == []
        seen = worker.log.count("clock_runs")
        skewed.set(0)
        pipeline.wait_for(lambda: worker.log.count("clock_runs") > seen)
        assert lapses(pipeline) == []
        prove(pipeline)


def test_a_clock_an_hour_behind_stands_still_and_silences_strike_at_their_instants_once_it_is_right(
    apache_kafka: ApacheKafka, topics: Any, tmp_path: Path
) -> None:
    with pipeline_with("20s", apache_kafka, topics, tmp_path) as pipeline:
        skewed = Skewed(pipeline, tmp_path)
        worker = skewed.start()
        pipeline.wait_for(lambda: worker.get("/readyz")[0] == 200, 40, worker)
        at_ms = now_ms()
        pipeline.send([(f"c{n}", order(at_ms, n), at_ms) for n in range(5)])
        pipeline.wait_caught_up()
        skewed.set(-HOUR)
        pipeline.wait_for(lambda: "clock-skew" in worker.log)
        late_ms = now_ms()
        pipeline.send([("late", order(late_ms, 9), late_ms)])  # must not be taken for an hour older than it is
        pipeline.wait_for(lambda: now_ms() > at_ms + 24_000)
        assert lapses(pipeline) == []

        skewed.set(0)

        pipeline.wait_for(lambda: len(lapses(pipeline)) == 6)
        told = {lapse["customer_id"]: from_text(lapse["effective_at"]) for lapse in lapses(pipeline)}
        assert told == {**{f"c{n}": at_ms + 20_000 for n in range(5)}, "late": late_ms + 20_000}
        prove(pipeline)
