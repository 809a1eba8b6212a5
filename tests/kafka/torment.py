"""What the fault tests share: a pipeline with few definitions, a stream of events, and what must hold afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.kafka.apache import ApacheKafka
from tests.kafka.pipeline import Pipeline, Worker
from tests.kafka.proof import prove
from tests.kafka.test_exactly_once import DAY, a_year_back, history

DEFINITIONS = Path(__file__).parent / "torment.yaml"
SETTLE_SECONDS = 60.0

Events = list[tuple[str, Any, int]]


def torment(broker: ApacheKafka, prefix: str, directory: Path, partitions: int = 2, **settings: Any) -> Pipeline:
    """A pipeline on those definitions; use it as a context manager. Short patience, so that tests are quick."""
    settings = {"session_timeout": "3s", "transaction_timeout": "5s", **settings}
    return Pipeline(broker.bootstrap, prefix, directory, partitions, DEFINITIONS, settings)


def events_of(seed: int, customers: int = 24, each: int = 12) -> Events:
    """A year of a small shop."""
    return list(history(customers, each, seed, a_year_back(), 380 * DAY))


def parts_of(events: Events, count: int) -> list[Events]:
    """As many parts, in order."""
    size = -(-len(events) // count)
    return [events[start : start + size] for start in range(0, len(events), size)]


def all_is_well(pipeline: Pipeline, seconds: float = SETTLE_SECONDS) -> None:
    """Everything read, every change the oracle's and there once, no transaction left open, `segmenter verify` green."""
    pipeline.check_exactly_once(seconds)
    prove(pipeline)


def all_is_well_under_supervision(pipeline: Pipeline, worker: Worker) -> None:
    """The same, the worker being started again whenever it ended."""

    def caught_up() -> bool:
        nonlocal worker
        worker = pipeline.supervise(worker)
        return pipeline.caught_up()

    pipeline.wait_for(caught_up, 2 * SETTLE_SECONDS)
    all_is_well(pipeline)
