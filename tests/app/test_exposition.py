"""Laws of `/metrics` as text: what the client library writes, but never all at once."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Counter, Enum, Histogram, disable_created_metrics, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from stream.app.exposition import SLICE, metrics_handler, render

OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def registry_of(families: int, series: int) -> CollectorRegistry:
    disable_created_metrics()
    registry = CollectorRegistry()
    for number in range(families):
        counter = Counter(f"family_{number}", "How many?", ["place"], registry=registry)
        for place in range(series):
            counter.labels(str(place)).inc(place)
    Histogram("seconds", "How long?", registry=registry).observe(0.3)
    Enum("state", "Which?", states=["on", "off"], registry=registry)
    return registry


@pytest.mark.parametrize("series", [0, 3, SLICE, 3 * SLICE + 7])
async def test_slice_by_slice_the_text_is_the_one_of_the_client_library(series: int):
    registry = registry_of(5, series)
    assert (await render(registry, ""))[0] == generate_latest(registry)
    text, content_type = await render(registry, OPENMETRICS)
    assert text == generate_openmetrics(registry)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")


async def test_others_take_their_turns_while_two_thousand_series_are_written():
    registry = registry_of(2, 1_000)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(turn())
    await render(registry, OPENMETRICS)
    other.cancel()
    assert turns >= 2 * 1_000 / SLICE


async def test_who_accepts_gzip_gets_it():
    app = web.Application()
    registry = registry_of(3, 50)
    app.router.add_get("/metrics", metrics_handler(registry))
    async with TestClient(TestServer(app, host="127.0.0.1"), auto_decompress=False) as client:
        plain = await client.get("/metrics", headers={"Accept-Encoding": "identity"})
        packed = await client.get("/metrics", headers={"Accept-Encoding": "gzip"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await packed.read()) == await plain.read() == generate_latest(registry)
