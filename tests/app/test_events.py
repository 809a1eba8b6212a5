"""The service that feeds the stream, within Faust: what it does when it is told to stop at an awkward moment."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from stream.app.events import CustomerEvents, Feed
from stream.app.worker import SegmenterApp
from tests.engine.shop import PROGRAM, shop
from tests.engine.world import Worker


class Group:
    """What a consumer does to its group, said in order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def start_polling(self, _loop: asyncio.AbstractEventLoop) -> None:
        self.said.append("joined")

    def stop(self) -> None:
        self.said.append("left")


@pytest.mark.parametrize("told_to_stop", [False, True])
async def test_a_worker_that_was_told_to_stop_while_it_started_does_not_join_its_group(
    told_to_stop: bool, tmp_path: Path
) -> None:
    """Faust has passed the services it stops by then: nobody would take it out again."""
    app = SegmenterApp("n", broker="kafka://127.0.0.1:1", datadir=str(tmp_path), web_enabled=False)
    group = Group()

    async def watch() -> None:
        await asyncio.Event().wait()

    feed = Feed(
        CustomerEvents(app), Worker(shop(), PROGRAM).engine, group, asyncio.Queue(),  # type: ignore[arg-type]
        lambda: None, lambda: None, watch,
    )  # fmt: skip
    if told_to_stop:
        await app.stop()

    await feed.start()
    await asyncio.sleep(0)
    await feed.stop()

    assert ("joined" in group.said) is not told_to_stop
