"""How long does a scrape of 2,000 series hold up a commit?

    python -m bench.scrape

First in one process alone: how long at most the event loop, on which a commit begins and ends, is held by a scrape;
the best of several, since others share the machine. Then on Kafka: a worker with some hundreds of segments reads a
steady trickle and commits every 100 ms. For half of the time nobody scrapes, for the other half one scrape follows the
other, ten times as often as Prometheus would. The journal's append times tell when each commit came: what scrapes add
to the time between two of them is what they held it up, and what they took from the processor.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from bench.rig import Options, rig
from stream.app.exposition import render
from stream.codec.instants import to_text
from stream.metrics import Metrics
from stream.rules.compile import compile_program
from stream.rules.load import parse_definitions
from tests.kafka.kit import Outgoing, produce, read_all
from tests.kafka.pipeline import Worker

SERIES = 2_000
SEGMENTS = 290
SECONDS = 40.0
SCRAPE_EVERY_S = 1.0
PUT_EVERY_S = 0.04
ONE_COMMIT_MS = 20
HOLDS = 20
LIMIT_MS = 20.0
OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def definitions() -> str:
    """So many segments that a worker has 2,000 series."""
    segments = [f'  s{n}:\n    when: count("Event {n}", 1h) >= 1' for n in range(SEGMENTS)]
    return "definitions: 1\nname: wide\nsegments:\n" + "\n".join(segments) + "\n"


class Trickle:
    """An event for each partition every PUT_EVERY_S, until it is closed."""

    def __init__(self, address: str, topic: str, partitions: int) -> None:
        self._address, self._topic, self._partitions = address, topic, partitions
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._ended.wait(PUT_EVERY_S):
            now_ms = int(time.time() * 1000)
            records = []
            for partition in range(self._partitions):
                number += 1
                value = (
                    f'{{"type":"track","event":"Event {number % SEGMENTS}","userId":"c{partition}",'
                    f'"messageId":"m{number}","timestamp":"{to_text(now_ms)}"}}'
                )
                records.append(Outgoing(f"c{partition}".encode(), value.encode(), partition))
            produce(self._address, self._topic, records)


def scrape(worker: Worker) -> tuple[int, float]:
    """(series, seconds)"""
    request = urllib.request.Request(f"http://{worker.listen}/metrics", headers={"Accept": OPENMETRICS})
    started_s = time.monotonic()
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
    return sum(not line.startswith("#") for line in text.splitlines()), time.monotonic() - started_s


def gaps_ms(times_ms: list[int], begin_ms: float, end_ms: float) -> list[int]:
    """Between commits that followed each other within the time; the records of one lie closer than ONE_COMMIT_MS."""
    commits: list[int] = []
    last_ms = 0
    for at_ms in sorted(times_ms):
        if begin_ms <= at_ms < end_ms and at_ms - last_ms > ONE_COMMIT_MS:
            commits.append(at_ms)
        last_ms = at_ms
    return [after - before for before, after in itertools.pairwise(commits)]


async def longest_hold_ms() -> tuple[int, float, float]:
    """(series, the longest time between two turns of the event loop during a scrape, the scrape's own time), in ms."""
    program = compile_program(parse_definitions([("wide.yaml", definitions())]))
    names = program.event_names
    told = Metrics(program, input_topic="events", partition_count=4, event_names=names, loaded_ms=0)
    told.assigned([0, 1, 2, 3])
    holds_ms, took_ms, series = [], [], 0
    for _ in range(HOLDS):
        ended = asyncio.Event()
        turns = asyncio.create_task(_longest_turn_ms(ended))
        await asyncio.sleep(0)
        started_s = time.perf_counter()
        text, _ = await render(told.registry, OPENMETRICS)
        took_ms.append((time.perf_counter() - started_s) * 1000)
        ended.set()
        holds_ms.append(await turns)
        series = sum(not line.startswith(b"#") for line in text.splitlines())
    return series, min(holds_ms), min(took_ms)


async def _longest_turn_ms(ended: asyncio.Event) -> float:
    longest_s, before_s = 0.0, time.perf_counter()
    while not ended.is_set():
        await asyncio.sleep(0)
        now_s = time.perf_counter()
        longest_s, before_s = max(longest_s, now_s - before_s), now_s
    return longest_s * 1000


def main() -> None:
    series, hold_ms, whole_ms = asyncio.run(longest_hold_ms())
    print(f"one process: {series} series, a scrape of {whole_ms:.0f} ms holds the loop for {hold_ms:.1f} ms at most")
    if hold_ms > LIMIT_MS or series < SERIES:
        sys.exit(1)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "wide.yaml"
        path.write_text(definitions())
        with rig(Options(path, 0, None, (), 0, False)) as stand:
            worker = stand.start_worker()
            stand.wait_ready(worker)
            pipeline = stand.pipeline
            with Trickle(pipeline.address, pipeline.input, pipeline.partitions):
                time.sleep(5)
                quiet = (time.time() * 1000, (time.time() + SECONDS) * 1000)
                time.sleep(SECONDS)
                begun_ms, took_s, series = time.time() * 1000, [], 0
                while time.time() * 1000 < begun_ms + SECONDS * 1000:
                    series, seconds = scrape(worker)
                    took_s.append(seconds)
                    time.sleep(SCRAPE_EVERY_S)
                scraped = (begun_ms, time.time() * 1000)
            times_ms = [
                record.timestamp_ms for record in read_all(pipeline.address, pipeline.topic("segmenter-journal"))
            ]
    alone, beside = gaps_ms(times_ms, *quiet), gaps_ms(times_ms, *scraped)
    print(f"{series} series, {len(took_s)} scrapes of {statistics.median(took_s) * 1000:.0f} ms (median)")
    shares: dict[str, list[float]] = {}
    for name, gaps in (("alone", alone), ("scraped", beside)):
        shares[name] = statistics.quantiles(gaps, n=100)
        print(
            f"{name}: {len(gaps)} commits, between two of them p50 {shares[name][49]:.0f} ms, "
            f"p95 {shares[name][94]:.0f} ms, p99 {shares[name][98]:.0f} ms, longest {max(gaps)} ms"
        )
    # A tenth of the commits meets a scrape, so these are what such a one waits: mostly, and at worst.
    held_ms = shares["scraped"][94] - shares["alone"][94]
    worst_ms = shares["scraped"][98] - shares["alone"][98]
    print(f"beside scrapes commits are {held_ms:.0f} ms further apart at p95, {worst_ms:.0f} ms at p99")


if __name__ == "__main__":
    main()
