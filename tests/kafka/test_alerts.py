"""A real Prometheus watches a real worker on Apache Kafka: a fault is made, and its alert fires.

The rules are those of `ops/prometheus`, quickened: every `for` and every range is divided by `QUICKER`, so that five
minutes are ten seconds. Thresholds and offsets stay; what is compared with a week ago gets a week of past.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stream.codec.instants import to_text
from tests.kafka.apache import ApacheKafka
from tests.kafka.kit import OpenTransaction
from tests.kafka.pipeline import Pipeline, Worker
from tests.kafka.ports import lasting_port
from tests.ops.prometheus import RULES, program, promtool

QUICKER = 30
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
WEEK_S = 7 * 86_400

LAPSE_S = 20
"""After so long without an order a customer of these definitions is inactive."""

PROCESSED = "sum(segmenter_events_processed_total)"

DEFINITIONS = f"""\
definitions: 1
name: seconds
events:
  purchase: Order Completed
dimensions:
  lifecycle:
    stages:
      - prospect: count(purchase) == 0
      - active: last(purchase) > ago({LAPSE_S}s)
      - inactive: otherwise
segments:
  looked:
    when: count("Product Viewed", 1h) >= 1
"""

CONFIG = """\
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: [quick.rules.yml]
scrape_configs:
  - job_name: segmenter
    static_configs:
      - targets: ["{target}"]
"""


def now_ms() -> int:
    return int(time.time() * 1000)


def order(message_id: str) -> dict[str, Any]:
    return {"type": "track", "event": "Order Completed", "timestamp": to_text(now_ms()), "messageId": message_id}


def quickened(rules: str) -> str:
    """The rules with every `for` and every range divided by QUICKER, a second at least."""

    def shorter(found: re.Match[str]) -> str:
        seconds = int(found[2]) * SECONDS[found[3]] / QUICKER
        return f"{found[1]}{max(1, round(seconds))}s{found[4]}"

    rules = re.sub(r"(\bfor: )(\d+)([smhd])()$", shorter, rules, flags=re.M)
    return re.sub(r"(\[)(\d+)([smhd])(\])", shorter, rules)


def test_quick_rules_differ_in_their_times_only():
    rules = "expr: rate(x_total[5m] offset 1w) > 60\nfor: 15m\n"
    assert quickened(rules) == "expr: rate(x_total[10s] offset 1w) > 60\nfor: 30s\n"


class Prometheus:
    """One on loopback, that scrapes `worker` every second."""

    def __init__(self, directory: Path, worker: Worker) -> None:
        self.address = f"127.0.0.1:{lasting_port()}"
        self.directory = directory
        directory.mkdir()
        (directory / "prometheus.yml").write_text(CONFIG.format(target=worker.listen))
        (directory / "quick.rules.yml").write_text(quickened(RULES.read_text("utf-8")))

    def remember(self, series: dict[str, float], around_s: float) -> None:
        """Put counters that rise by so much a second into the past around this instant, ten minutes either side."""
        lines = []
        for name, per_second in series.items():
            lines.append(f"# TYPE {name.partition('_total{')[0]} counter")
            for second in range(-600, 601, 5):
                lines.append(f"{name} {per_second * (600 + second)} {int(around_s + second)}")
        (self.directory / "past.txt").write_text("\n".join([*lines, "# EOF", ""]))
        done = promtool("tsdb", "create-blocks-from", "openmetrics", "past.txt", "data", cwd=self.directory)
        assert done.returncode == 0, done.stdout + done.stderr

    @contextmanager
    def running(self) -> Iterator[None]:
        command = [
            program("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=data",
            f"--web.listen-address={self.address}", "--storage.tsdb.retention.time=30d",
        ]  # fmt: skip
        with (self.directory / "log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)

    def firing(self) -> dict[str, list[dict[str, str]]]:
        """Alert -> labels of each that fires. Nothing while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/api/v1/alerts", timeout=5) as answer:
                alerts = json.load(answer)["data"]["alerts"]
        except OSError:
            return {}
        found: dict[str, list[dict[str, str]]] = {}
        for alert in alerts:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert["labels"])
        return found

    def value(self, query: str) -> float | None:
        try:
            url = f"http://{self.address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                result = json.load(answer)["data"]["result"]
        except OSError:
            return None
        return float(result[0]["value"][1]) if result else None


class Shop:
    """Sends what it is told to, a few events a second to every partition, until it is closed."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.names = ["Order Completed", "Product Viewed"]
        self.rubbish = False
        self._numbers = itertools.count()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sell)

    def __enter__(self) -> Shop:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sell(self) -> None:
        while not self._ended.wait(1.0):
            at_ms = now_ms()
            rows: list[tuple[str, dict[str, Any] | bytes | None, int]] = []
            for name in self.names:
                for customer in ("c0", "c1", "c2", "c3"):
                    message = {"type": "track", "event": name, "messageId": f"m{next(self._numbers)}"}
                    rows.append((customer, {**message, "timestamp": to_text(at_ms)}, at_ms))
            if self.rubbish:
                rows += [("c2", b"{", at_ms)] * 4
            self._pipeline.send(rows)


def until(condition: Callable[[], Any], seconds: float, what: Callable[[], Any]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what()}"
        time.sleep(0.5)


@pytest.mark.timeout(800)
def test_a_fault_is_made_and_its_alert_fires(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path):
    definitions = tmp_path / "seconds.yaml"
    definitions.write_text(DEFINITIONS)
    patient = {"session_timeout": "5m"}  # the frozen broker must not cost the worker its partitions
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path / "run", 2, definitions, patient) as pipeline:
        worker = pipeline.start_ready()
        prometheus = Prometheus(tmp_path / "prometheus", worker)
        usual = {
            f'segmenter_events_by_name_total{{job="segmenter",instance="{worker.listen}",event="{name}"}}': 8.0
            for name in ("Order Completed", "Product Viewed")
        }
        prometheus.remember(usual, time.time() - WEEK_S + 120)
        with prometheus.running():
            with Shop(pipeline) as shop:
                # All is well: half a minute of it, so that each range is filled.
                until(lambda: (prometheus.value(PROCESSED) or 0) > 400, 90, prometheus.firing)
                assert "SegmenterWatchdog" in (calm := prometheus.firing())  # it answers
                assert pages(calm) == set()

                # A tracker breaks: one event stops, and much of what comes in its place can't be read.
                shop.names, shop.rubbish = ["Product Viewed"], True
                both = {"SegmenterEventWentQuiet", "SegmenterRejectStorm"}
                until(lambda: pages(prometheus.firing()) >= both, 200, prometheus.firing)
                quiet = prometheus.firing()["SegmenterEventWentQuiet"]
                assert [labels["event"] for labels in quiet] == ["Order Completed"]
                assert "SegmenterRejectedEvents" in (now := prometheus.firing())
                assert "SegmenterPartitionStuck" not in now

                # An upstream leaves a transaction open: one partition stands still, the other goes on.
                upstream = OpenTransaction(pipeline.address)
                upstream.produce(pipeline.input, [pipeline.outgoing("c1", order("held"), now_ms())])
                held = str(pipeline.partition_of("c1"))
                until(lambda: "SegmenterPartitionStuck" in prometheus.firing(), 55, prometheus.firing)
                assert {labels["partition"] for labels in prometheus.firing()["SegmenterPartitionStuck"]} == {held}
                upstream.abort()
                until(lambda: gone(prometheus.firing(), "SegmenterPartitionStuck"), 60, prometheus.firing)

            # The broker freezes: an instant passes at which a customer lapses, and nobody says so.
            until(lambda: overdue(pipeline, apache_kafka, prometheus), 300, prometheus.firing)


def overdue(pipeline: Pipeline, kafka: ApacheKafka, prometheus: Prometheus) -> bool:
    """One try. A worker that is frozen out in mid commit ends, as it should, and can't tell what it missed."""
    worker = pipeline.supervise(pipeline.workers[-1])
    pipeline.wait_for(lambda: worker.get("/readyz")[0] == 200)
    pipeline.send([("c0", order("last"), now_ms())])
    pipeline.wait_caught_up()
    partition = pipeline.partition_of("c0")
    left = f'segmenter_wakes_next_due_timestamp_seconds{{partition="{partition}"}} - time()'
    until(lambda: 0 < (prometheus.value(left) or 0) < LAPSE_S, LAPSE_S, prometheus.firing)  # known before it freezes
    kafka.pause()
    try:
        until(lambda: "SegmenterWakesOverdue" in prometheus.firing() or not worker.alive, 150, prometheus.firing)
    finally:
        kafka.resume()
    return "SegmenterWakesOverdue" in prometheus.firing()


def pages(firing: dict[str, list[dict[str, str]]]) -> set[str]:
    return {name for name, alerts in firing.items() if alerts[0]["severity"] == "critical"}


def gone(firing: dict[str, list[dict[str, str]]], name: str) -> bool:
    """Whether it fires no more; not while Prometheus does not answer, for the watchdog fires always."""
    return "SegmenterWatchdog" in firing and name not in firing
