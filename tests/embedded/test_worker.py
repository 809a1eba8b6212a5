"""A worker process on the embedded broker: what comes out, what survives, what is said when something is wrong."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.cli.templates import path_of
from tests.embedded.broker import embedded_broker
from tests.kafka.kit import Topic, admin_of, create_topics, delete_topics
from tests.kafka.pipeline import Pipeline
from tests.kafka.ports import lasting_port

DAY_MS = 86_400_000
SMALLEST = path_of("smallest")


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline on a broker of its own: the embedded one serves one group of workers at a time."""
    with embedded_broker() as address, Pipeline(address, "t-", tmp_path, definitions=SMALLEST) as made:
        yield made


def order(number: int) -> dict[str, Any]:
    return {"type": "track", "event": "Order Completed", "messageId": f"m-{number}"}


def orders(customers: int, since_ms: int) -> list[tuple[str, dict[str, Any], int]]:
    """Three orders of each, a day apart."""
    return [(f"c{customer}", order(day), since_ms + day * DAY_MS) for day in range(3) for customer in range(customers)]


def segmenter(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A command to its end, within a minute: of brokers that do not answer it waits a quarter for an answer."""
    command = [sys.executable, "-m", "stream.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_events_in_changes_out_once_each_also_after_kill_9_and_the_worker_tells_of_itself(pipeline: Pipeline) -> None:
    now_ms = int(time.time() * 1000)
    pipeline.send(orders(40, now_ms - 10 * DAY_MS))
    worker = pipeline.start_ready()
    pipeline.wait_caught_up()
    first = len(pipeline.changes())

    worker.kill()
    pipeline.send(orders(10, now_ms - 6 * DAY_MS))  # known message ids of known customers: all seen before
    pipeline.send([(f"late-{number}", order(1), now_ms - DAY_MS) for number in range(20)])
    again = pipeline.start_ready()
    pipeline.wait_caught_up()

    pipeline.check_exactly_once()
    assert first == 40 * 3 and len(pipeline.changes()) == first + 20
    assert [again.get(path)[0] for path in ("/metrics", "/livez", "/readyz", "/status", "/version")] == [200] * 5
    assert "segmenter_changes_total{" in again.get("/metrics")[1]
    assert json.loads(again.get("/status")[1])
    explained = pipeline.run("explain", "c7", "--config", str(pipeline.config("a"))).stdout
    assert "regular: in since " in explained
    assert re.search(r"holds: count\(purchase, 90d\) >= 3  \[3\]  smallest.yaml:\d+", explained)
    unknown = pipeline.run("explain", "nobody", "--config", str(pipeline.config("a")), check=False)
    assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)
    assert "nobody" in unknown.stderr

    second = segmenter("worker", "--config", pipeline.config("a"), "--listen", f"127.0.0.1:{lasting_port()}")
    assert second.returncode == 5
    assert "another worker is using it" in second.stderr and "Traceback" not in second.stderr
    assert again.stop() == 0


def test_changed_definitions_on_a_running_pipeline_are_refused_with_the_remedy(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    pipeline.send(orders(2, int(time.time() * 1000) - 9 * DAY_MS))
    worker = pipeline.start_ready()
    pipeline.wait_caught_up()
    assert worker.stop() == 0
    changed = tmp_path / "changed.yaml"
    changed.write_text(SMALLEST.read_text().replace(">= 3", ">= 2").partition("cases:")[0])

    started = segmenter("worker", "--config", pipeline.config("a"), "-d", changed)
    explained = segmenter("explain", "c1", "--config", pipeline.config("a"), "-d", changed)

    assert started.returncode == 5
    assert "the definitions have changed" in started.stderr and "Traceback" not in started.stderr
    assert explained.returncode == 6
    assert "--definitions" in explained.stderr and explained.stdout == ""


def test_topics_check_names_what_is_missing_and_what_has_another_number_of_partitions(pipeline: Pipeline) -> None:
    admin = admin_of(pipeline.address)
    delete_topics(admin, [pipeline.topic("segment-changes"), pipeline.topic("segment-memberships")])
    create_topics(admin, [Topic(pipeline.topic("segment-changes"), 5)])

    checked = segmenter("topics", "check", "--config", pipeline.config("a"))
    started = segmenter("worker", "--config", pipeline.config("a"))

    assert checked.returncode == 1
    assert "t-segment-changes: found 5 partitions, expected 2 as the input has" in checked.stderr
    assert "t-segment-memberships: found no such topic" in checked.stderr
    assert started.returncode == 5
    assert "found 5 partitions, expected 2" in started.stderr and "segmenter topics create" in started.stderr


def test_a_worker_whose_port_is_taken_says_so_in_one_line(pipeline: Pipeline) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"

        done = segmenter("worker", "--config", pipeline.config("a"), "--listen", listen)

    assert done.returncode == 4
    assert done.stderr.splitlines()[-1].startswith(f"listen {listen}: ")
    assert "Traceback" not in done.stderr


def test_a_worker_starts_without_a_settings_file(pipeline: Pipeline) -> None:
    """The same pipeline, so that its topics are there: flags and environment alone."""
    environment = {"SEGMENTER_INPUT": pipeline.input, "SEGMENTER_OUTPUT_PREFIX": "t-"}
    listen = f"127.0.0.1:{lasting_port()}"
    command = [
        sys.executable, "-m", "stream.cli", "worker", "--name", "flags", "--definitions", str(SMALLEST),
        "--broker", pipeline.address, "--listen", listen, "--data-dir", str(pipeline.directory / "flags"),
    ]  # fmt: skip
    started = time.monotonic()
    with subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, **environment}) as process:
        try:
            host, _, port = listen.rpartition(":")
            while process.poll() is None and time.monotonic() - started < 20:
                with socket.socket() as probe:
                    if probe.connect_ex((host, int(port))) == 0:
                        break
        finally:
            process.terminate()
            process.communicate(timeout=15)
    assert process.returncode == 0


def test_a_worker_without_a_broker_gives_one_clear_line(tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{lasting_port()}"

    done = segmenter("worker", "--name", "s", "-d", SMALLEST, "--broker", nobody, "--data-dir", tmp_path / "d")

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"no answer from the brokers at {nobody}" in done.stderr


def test_the_demo_shows_changes_and_ends_by_itself() -> None:
    command = [sys.executable, "-m", "stream.cli", "demo", "--seconds", "30", "--plain"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 0, done.stderr
    changes = [line for line in done.stdout.splitlines() if " because " in line]
    assert 10 < len(changes) < 200
    assert any("by silence" in line for line in changes) and any(" entered " in line for line in changes)
    assert "0 gaps in their sequences, 0 changes twice; the worker ended 0 times" in done.stdout
