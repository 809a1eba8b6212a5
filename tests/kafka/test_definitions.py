"""Changed definitions deployed on Apache Kafka under load: who was to move moves, once, whatever is killed."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kafka.apache import ApacheKafka
from tests.kafka.pipeline import SHOP, Pipeline, Worker
from tests.kafka.test_exactly_once import DAY, a_year_back, history

CUSTOMERS = 1_500


@pytest.fixture
def pipeline(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    deployed = tmp_path / "definitions" / "shop.yaml"  # beside no settings
    deployed.parent.mkdir()
    deployed.write_text(SHOP.read_text())
    settings = {"definitions_rate": 250}
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path, definitions=deployed, settings=settings) as running:
        yield running


def changed(directory: Path) -> Path:
    """Lapsed after 120 days instead of 180, a segment gone, one new."""
    text = SHOP.read_text().partition("\ncases:")[0]
    text = text.replace("name: shop\n", "name: shop\nrevision: 2\n").replace("180d", "120d")
    start = text.index("  looked-never-bought:")
    lines = text[start:].splitlines(keepends=True)
    rest = next((at for at, line in enumerate(lines[1:], 1) if not line.startswith("    ")), len(lines))
    text = text[:start] + "".join(lines[rest:])
    text += "\n  bought-thrice:\n    audience: everyone\n    when: orders >= 3\n    control_group: 20%\n"
    new = directory / "definitions" / "shop-new.yaml"
    new.write_text(text)
    return new


def lookers(count: int) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Customers of today who look and don't buy."""
    now_ms = int(time.time() * 1000)
    for number in range(count):
        consent = {"type": "identify", "traits": {"marketing_consent": True}}
        look = {"type": "track", "event": "Product Viewed"}
        yield from ((f"look-{number}", event, now_ms) for event in (consent, look, look, look))


def partitions(worker: Worker) -> list[dict[str, Any]]:
    code, body = worker.get("/status")
    return json.loads(body)["partitions"] if code == 200 else []


def all_is_judged(worker: Worker) -> bool:
    """Whether the clock is of now and no wake waits: nothing is left to happen but by time or events to come."""
    now = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() - 60))
    told = partitions(worker)
    return bool(told) and all(each["blocked"] is None and each["clock"] and each["clock"] > now for each in told)


def waiting(worker: Worker) -> int:
    """Customers of the earlier revision; -1 when the worker doesn't tell, or has not committed under the new one."""
    told = partitions(worker)
    if not told or any(each.get("revision") != 2 for each in told):
        return -1
    return sum(sum(each["customers_of_earlier_revisions"].values()) for each in told)


def tallied(changes: list[dict[str, Any]]) -> tuple[Counter[Any], Counter[Any]]:
    """Of the changes that the definitions caused: segments entered (1) and left (0); stages' flows."""
    made = [change for change in changes if change["cause"]["kind"] == "definitions"]
    segments = Counter((change["segment"], change["member"]) for change in made if "segment" in change)
    flows = Counter(
        (change["dimension"], change["from_stage"], change["to_stage"]) for change in made if "dimension" in change
    )
    return segments, flows


@pytest.mark.timeout(400)
def test_what_the_plan_forecasts_happens_once_though_the_worker_is_killed_in_the_migration(pipeline, tmp_path):
    pipeline.send(history(CUSTOMERS, 4, seed=5, start_ms=a_year_back(), span_ms=380 * DAY))
    pipeline.send(lookers(20))
    worker = pipeline.start_ready()
    pipeline.wait_caught_up()
    pipeline.wait_for(lambda: all_is_judged(worker), 60)
    assert worker.stop() == 0
    new = changed(tmp_path)
    config = str(pipeline.config("a"))
    planned = pipeline.run("plan", str(pipeline.definitions), str(new), "--config", config, "--json")
    forecast = json.loads(planned.stdout)["forecast"]
    assert forecast["customers"] > CUSTOMERS * 0.9

    pipeline.definitions.write_text(new.read_text())
    pipeline.run("topics", "create", "--config", config)
    worker = pipeline.start_ready()
    for kill in range(2):
        pipeline.send((f"n{kill}-{number}", {"type": "track", "event": "Product Viewed"}, int(time.time() * 1000))
                      for number in range(50))  # fmt: skip
        most = CUSTOMERS * (0.9 - 0.3 * kill)
        pipeline.wait_for(lambda worker=worker, most=most: 0 < waiting(worker) < most, 60)
        worker.kill()
        worker = pipeline.start_ready()
    pipeline.wait_for(lambda worker=worker: waiting(worker) == 0, 60)
    pipeline.wait_caught_up()

    segments, flows = tallied(pipeline.changes())
    enter = {(name, True): told["customers"] for name, told in forecast["enter"].items()}
    leave = {(name, False): told["customers"] for name, told in forecast["leave"].items()}
    assert dict(segments) == enter | leave
    told = {(each["dimension"], each["from"], each["to"]): each["customers"] for each in forecast["flows"]}
    assert dict(flows) == told
    assert segments["bought-thrice", True] and segments["looked-never-bought", False] and flows
    ids = [change["id"] for change in pipeline.changes()]
    assert len(set(ids)) == len(ids)
    assert worker.stop() == 0
    verified = pipeline.run("verify", "--config", config)
    assert "clean" in verified.stdout and "not replayed" not in verified.stdout


def test_a_worker_with_the_former_file_says_what_to_deploy_and_changes_nothing(pipeline, tmp_path):
    pipeline.send(history(20, 3, seed=6, start_ms=a_year_back(), span_ms=380 * DAY))
    former = pipeline.definitions.read_text()
    worker = pipeline.start_ready()
    pipeline.wait_caught_up()
    assert worker.stop() == 0
    pipeline.definitions.write_text(changed(tmp_path).read_text())
    worker = pipeline.start_ready()
    pipeline.wait_for(lambda: waiting(worker) == 0, 60)
    assert worker.stop() == 0
    pipeline.definitions.write_text(former)
    refused = pipeline.start()
    assert refused.process.wait(40) == 5
    assert "deploy revision 2 or later" in refused.log
    pipeline.definitions.write_text(former.replace("180d", "170d"))
    unraised = pipeline.run("plan", str(changed(tmp_path)), str(pipeline.definitions), check=False)
    assert unraised.returncode == 1 and "write `revision: 3`" in unraised.stdout
