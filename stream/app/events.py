"""The stream's source: a Faust channel whose service owns the engine and its Kafka clients.

`@app.agent(customer_events)` gets batches, all records of one partition from one poll, and hands each to `engine`. The
channel feeds itself from librdkafka; Faust's own Kafka drivers stay off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import faust
from faust.types import AppT
from mode import Service

from stream.engine.engine import Engine
from stream.kafka.source import KafkaSource

QUEUED_BATCHES = 8
"""Batches between the pump and the agent; what waits beyond them waits in the source, which pauses by records."""


class CustomerEvents(faust.Channel):
    """A channel of `stream.engine.interfaces.Batch`."""

    def __init__(self, app: AppT, **options: Any) -> None:
        options.setdefault("maxsize", QUEUED_BATCHES)
        super().__init__(app, **options)


class Feed(Service):  # type: ignore[misc]
    """Starts source and engine, pumps batches into the channel, and stops them in the right order."""

    logger = logging.getLogger("mode")

    def __init__(
        self,
        channel: CustomerEvents,
        engine: Engine,
        source: KafkaSource,
        batches: asyncio.Queue[Any],
        prepare: Callable[[], None],
        meanwhile: Callable[[], None],
        watch: Callable[[], Coroutine[Any, Any, None]],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.channel = channel
        self.engine = engine
        self.source = source
        self.batches = batches
        self._prepare = prepare  # blocking: the producer's initialisation
        self._meanwhile = meanwhile  # our own work, done while the brokers are waited for
        self._watch = watch  # runs beside the rest

    async def on_start(self) -> None:
        if self.channel.app.should_stop:
            # Told to stop while Faust was starting: it has passed those it stops by, so nobody would stop us.
            await self.stop()
            return
        # Joining the group takes as long as the producer's initialisation: both at once.
        loop = asyncio.get_running_loop()
        preparing = loop.run_in_executor(None, self._prepare)
        self.engine.prepare()
        self.source.start_polling(loop)
        self._meanwhile()
        await preparing
        self.engine.start()
        # Without a consumer nobody else resumes the flow, and the agent would silently get nothing.
        self.channel.app.flow_control.resume()

    @Service.task  # type: ignore[untyped-decorator]
    async def _pump(self) -> None:
        while not self.should_stop:
            await self.channel.put(await self.batches.get())

    @Service.task  # type: ignore[untyped-decorator]
    async def _watch_loop(self) -> None:
        await self._watch()

    async def on_stop(self) -> None:
        await self.engine.stop()
        await asyncio.get_running_loop().run_in_executor(None, self.source.stop)
