"""Laws of what a worker answers over HTTP, over the real engine on a log in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from stream.app import status
from stream.app.http import add_routes
from stream.app.recent import Recent
from stream.app.status import EngineStatus
from stream.codec.instants import to_text
from stream.engine.interfaces import OutcomeUnknown
from stream.engine.observer import Observers
from stream.metrics import Metrics
from stream.rules.compile import compile_program
from stream.rules.load import parse_definitions
from tests.engine.world import DAY, START, Fault, Worker, World

SHOP = """\
definitions: 1
name: shop
dimensions:
  lifecycle:
    stages:
      - active: last("Order Completed") > ago(30d)
      - inactive: otherwise
"""
PROGRAM = compile_program(parse_definitions([("shop.yaml", SHOP)]))
GRACE_MS = 2_000
"""Of the workers on a world."""

OPENMETRICS = "application/openmetrics-text"
PROMETHEUS = f"{OPENMETRICS};version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"


class Served:
    """A worker on a world of one partition, and the client that asks it."""

    def __init__(self, world: World, processes: int = 1) -> None:
        self.world = world
        self.metrics = Metrics(PROGRAM, input_topic="events", partition_count=1, loaded_ms=START)
        self.recent = Recent(lambda: world.now_ms)
        self.held_back_s = 0.0
        self.worker = Worker(world, PROGRAM, Observers(self.metrics, self.recent))
        self.status = EngineStatus(
            self.worker.engine, self.metrics.registry, self.recent, "worker-1", lambda _partition: self.held_back_s,
            processes,
        )  # fmt: skip
        self.client: TestClient[Any, Any]

    def order(self, customer: str) -> None:
        value = {
            "type": "track",
            "event": "Order Completed",
            "userId": customer,
            "timestamp": to_text(self.world.now_ms),
        }
        self.world.send(customer, json.dumps(value).encode())

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.client.get(path) as response:
            return response.status, await response.json()

    async def failing(self, path: str = "/readyz") -> list[str]:
        code, body = await self.get(path)
        names = [check["name"] for check in body["failing"]]
        assert (code, body["status"]) == ((503, "failing") if names else (200, "ok"))
        assert all(check["detail"] for check in body["failing"])
        return names


@asynccontextmanager
async def served(token: str | None = None) -> AsyncIterator[Served]:
    it = Served(World())
    web_app = web.Application()
    add_routes(web_app, it.status, None if token is None else SecretStr(token))
    async with TestClient(TestServer(web_app, host="127.0.0.1")) as it.client:
        yield it


# -- metrics


async def test_metrics_are_text_for_whoever_asks_for_nothing_else():
    async with served() as it, it.client.get("/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await response.text()
    assert "segmenter_events_received_total" in text
    assert "process_resident_memory_bytes" in text
    assert "python_info" in text
    assert "# EOF" not in text


async def test_metrics_are_openmetrics_for_prometheus():
    async with served() as it, it.client.get("/metrics", headers={"Accept": PROMETHEUS}) as response:
        assert response.headers["Content-Type"].startswith(f"{OPENMETRICS}; version=1.0.0")
        text = await response.text()
    assert text.endswith("# EOF\n")
    assert "# TYPE segmenter_worker_state stateset" in text


# -- live


async def test_a_worker_that_restores_is_alive():
    async with served() as it:
        it.worker.engine.tasks[0] = None
        assert await it.failing("/livez") == []


async def test_a_worker_that_ends_for_an_error_is_not_alive():
    async with served() as it:
        await it.worker.assign(0)
        it.order("ada")
        it.worker.source.serials[0] = 5  # five batches were lost on the way
        await it.worker.engine.handle(it.worker.source.next_batch(0, 10))
        assert await it.failing("/livez") == ["failure"]
        assert "failure" in await it.failing("/readyz")


async def test_a_worker_whose_event_loop_stood_still_is_not_alive(monkeypatch: pytest.MonkeyPatch):
    async with served() as it:
        lags: list[float] = []
        watch = asyncio.create_task(it.status.watch_loop(lags.append))
        await asyncio.sleep(0)
        assert await it.failing("/livez") == []
        monkeypatch.setattr(status, "LOOP_LIMIT_S", 0.0)
        assert await it.failing("/livez") == ["event-loop"]
        watch.cancel()


async def test_the_loop_watch_tells_how_late_it_came_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(status, "LOOP_TICK_S", 0.0)
    it, lags = Served(World()), asyncio.Queue()
    watch = asyncio.create_task(it.status.watch_loop(lags.put_nowait))
    assert [await lags.get() >= 0 for _ in range(3)] == [True] * 3
    watch.cancel()


# -- ready


async def test_a_worker_is_ready_when_all_its_partitions_are_live():
    async with served() as it:
        assert await it.failing() == ["group"]
        async with it.worker.engine._lock:  # a restore ends under it
            it.worker.engine.assigned([0])
            assert await it.failing() == ["partitions"]
        await asyncio.gather(*it.worker.engine._jobs)
        assert await it.failing() == []


async def test_a_member_without_partitions_is_ready_to_take_some_over():
    async with served() as it:
        it.worker.engine.assigned([])
        assert await it.failing() == []


async def test_an_aborted_commit_makes_a_worker_unready_until_the_next_one_succeeds():
    async with served() as it:
        await it.worker.assign(0)
        it.order("ada")
        it.world.faults["commit"] = [Fault.ABORT]
        await it.worker.read()
        await it.worker.engine.commit()
        assert await it.failing() == ["commit"]
        await it.worker.settle()
        assert await it.failing() == []


async def test_a_transaction_that_hangs_makes_a_worker_unready(monkeypatch: pytest.MonkeyPatch):
    async with served() as it:
        await it.worker.assign(0)
        it.worker.engine.commit_started_s = 0.0
        monkeypatch.setattr(status, "COMMIT_LIMIT_S", 0.0)
        assert await it.failing() == ["commit"]


async def test_a_broker_that_does_not_answer_makes_a_worker_unready_but_not_dead(monkeypatch: pytest.MonkeyPatch):
    async with served() as it:
        await it.worker.assign(0)

        def no_answer(_partitions: Any) -> dict[int, int]:
            raise OutcomeUnknown

        with monkeypatch.context() as away:
            away.setattr(it.worker.reads, "high_watermarks", no_answer)
            await it.worker.engine.tick()
        assert await it.failing() == ["broker"]
        assert await it.failing("/livez") == []
        await it.worker.engine.tick()
        assert await it.failing() == []


async def test_a_worker_is_not_ready_while_its_producer_is_initialised():
    async with served() as it:
        it.worker.engine.prepare()
        it.worker.engine.assigned([0])
        assert await it.failing() == ["producer", "partitions"]

        it.worker.engine.start()
        async with asyncio.timeout(10):
            while await it.failing():
                await asyncio.sleep(0)


async def test_a_worker_that_stops_is_not_ready():
    async with served() as it:
        await it.worker.assign(0)
        await it.worker.engine.stop()
        assert await it.failing() == ["serving"]


async def test_verbose_lists_what_holds_too():
    async with served() as it:
        await it.worker.assign(0)
        _, body = await it.get("/readyz?verbose")
        assert body["failing"] == []
        assert {"group", "partitions", "broker", "commit"} <= {check["name"] for check in body["checks"] if check["ok"]}
        assert not any("detail" in check for check in body["checks"]), "what would be wrong is not"
        assert "checks" not in (await it.get("/readyz"))[1]


# -- status


async def test_status_tells_what_each_partition_does_and_nothing_of_a_customer():
    async with served() as it:
        await it.worker.assign(0)
        it.order("secret-ada")
        await it.worker.settle()
        await it.worker.engine.tick()
        code, body = await it.get("/status")
        assert code == 200
        assert body["definitions"] == {"name": "shop", "version": PROGRAM.version, "hash": PROGRAM.hash}
        assert body["ready"] is True and body["clock_blocked"] is None and body["failing"] == []
        assert body["instance"] == "worker-1" and body["last_error"] is None
        now, due = to_text(it.world.now_ms), to_text(it.world.now_ms + 30 * DAY + GRACE_MS)
        assert body["partitions"] == [
            {
                "partition": 0, "state": "live", "position": 1, "committed": 1, "high_watermark": 1, "lag": 0,
                "clock": now, "blocked": None, "next_wake": due, "wakes": None, "definitions": PROGRAM.hash,
                "revision": 1, "state_format": 2, "customers_of_earlier_revisions": {}, "warming": {},
                "commit_number": 1, "last_commit": now, "customers": 1, "last_error": None,
            }
        ]  # fmt: skip
        assert "secret" not in json.dumps(body)


async def test_status_tells_why_a_partitions_clock_stands_still():
    async with served() as it:
        async with it.worker.engine._lock:  # a restore ends under it
            it.worker.engine.assigned([0])
            _, body = await it.get("/status")
        assert body["partitions"] == [
            {
                "partition": 0, "state": "restoring", "blocked": "restoring", "last_error": None,
                "restore": {"records_done": 0, "records_remaining": 0, "seconds_left": None},
            }
        ]  # fmt: skip
        await asyncio.gather(*it.worker.engine._jobs)
        assert (await it.get("/status"))[1]["partitions"][0]["blocked"] == "starting"
        it.order("ada")
        await it.worker.engine.tick()
        partition = (await it.get("/status"))[1]["partitions"][0]
        assert (partition["blocked"], partition["lag"], partition["clock"]) == ("unread-records", 1, None)
        assert partition["high_watermark"] == 1
        it.held_back_s = 7.0
        assert (await it.get("/status"))[1]["partitions"][0]["blocked"] == "open-transaction"


async def test_status_tells_how_far_a_restore_is():
    async with served() as it:
        it.worker.engine.tasks[0] = None
        it.recent.restoring(0, 300, 100, 300)
        it.recent.restoring(0, 400, 0, 100)
        told = (await it.get("/status"))[1]["partitions"][0]["restore"]
        assert told == {"records_done": 400, "records_remaining": 0, "seconds_left": 0.0}
        await it.worker.assign(0)
        assert "restore" not in (await it.get("/status"))[1]["partitions"][0]


async def test_status_tells_the_newest_trouble_of_a_partition_until_the_partition_goes():
    async with served() as it:
        await it.worker.assign(0)
        line = {"event": "commit_aborted", "level": "warning", "reason": "fenced", "_record": object()}
        assert it.recent.line(None, "warning", line) == line
        it.recent.line(None, "info", {"event": "restored", "level": "info", "partition": 0})
        it.recent.line(None, "error", {"event": "core_failed", "level": "error", "partition": 0, "offset": 7})
        foreign = {"event": "of a library", "level": "error", "_from_structlog": False}
        it.recent.line(None, "error", foreign)
        _, body = await it.get("/status")
        now = to_text(it.world.now_ms)
        assert body["last_error"] == {"at": now, "event": "commit_aborted", "reason": "fenced"}
        assert body["partitions"][0]["last_error"] == {"at": now, "event": "core_failed", "offset": 7}
        await it.worker.engine.lost([0])
        assert it.recent.error(0) is None


async def test_version_tells_what_runs():
    async with served() as it:
        code, body = await it.get("/version")
        assert code == 200
        assert set(body) == {"version", "python", "faust", "confluent_kafka"}


async def test_answers_are_not_to_be_kept():
    async with served() as it, it.client.get("/readyz") as response:
        assert response.headers["Cache-Control"] == "no-store"


# -- the token

TOKEN = "0123456789abcdef-TOKEN"


@pytest.mark.parametrize("path", ["/status", "/version", "/status?verbose", "/", "/nowhere", "/metrics/", "/livez/x"])
async def test_with_a_token_nothing_but_metrics_and_health_answers_without_it(path: str):
    async with served(TOKEN) as it, it.client.get(path) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="segmenter"'
        assert "partitions" not in await response.text()


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/readyz?verbose"])
async def test_metrics_and_health_stay_open_for_scrapers_and_probes(path: str):
    async with served(TOKEN) as it, it.client.get(path) as response:
        assert response.status in (200, 503)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_who_sends_the_token_is_answered(scheme: str):
    async with served(TOKEN) as it:
        for path in ("/status", "/version"):
            async with it.client.get(path, headers={"Authorization": f"{scheme} {TOKEN}"}) as response:
                assert response.status == 200


@pytest.mark.parametrize(
    "given",
    [
        f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN.lower()}", f"Basic {TOKEN}", TOKEN, "Bearer", "",
        "Bearer \u00e9\u20ac", f"Bearer {TOKEN} {TOKEN}",
    ],
)  # fmt: skip
async def test_any_other_word_is_refused_and_the_answer_does_not_repeat_it(given: str):
    async with served(TOKEN) as it, it.client.get("/status", headers={"Authorization": given}) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith('Bearer realm="segmenter"')
        assert TOKEN[:-1] not in f"{response.headers}{await response.text()}"


async def test_bytes_that_are_no_text_in_place_of_the_token_are_refused():
    async with served(TOKEN) as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.client.port)
        writer.write(
            b"GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer \xff\xfe\xc3\r\n\r\n"
        )
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_without_a_token_everything_is_open():
    async with served() as it:
        assert (await it.get("/status"))[0] == 200
