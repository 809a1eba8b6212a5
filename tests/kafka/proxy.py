"""A TCP proxy between the workers and the broker, which breaks the network on command.

It listens where the broker tells clients of its second listener to connect (`ApacheKafka.proxy_address`) and forwards
to `ApacheKafka.proxy_target`. It reads Kafka's frames, so that it can hold the requests or the replies of one kind:

    frame     length int32, then that many bytes
    request   api key int16, api version int16, correlation id int32, ...
    reply     correlation id int32, ...

Everything runs on an event loop in a thread of its own; the methods below may be called from any other.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

END_TXN = 26
"""The request that commits or aborts a transaction."""

ANSWER_SECONDS = 5.0

_LENGTH = struct.Struct(">i")
_REQUEST = struct.Struct(">hhi")
_LINGER_0 = struct.pack("ii", 1, 0)  # closing sends RST


@dataclass
class _Link:
    """One client's connection and ours to the broker."""

    client: asyncio.StreamWriter
    broker: asyncio.StreamWriter
    api_keys: dict[int, int] = field(default_factory=dict)  # of the requests not answered yet, by correlation id


class Proxy:
    """Use as a context manager. Forwards until told otherwise; `heal` ends every fault but a reset, which is over at
    once."""

    def __init__(self, listen: str, target: str) -> None:
        self._listen = _parts(listen)
        self._target = _parts(target)
        self._links: list[_Link] = []
        self._held: list[tuple[asyncio.StreamWriter, bytes]] = []
        self._delay_s = 0.0
        self._hold_requests: int | None = None
        self._hold_replies: int | None = None
        self.requests: dict[int, int] = {}  # how many of each api key came

    def __enter__(self) -> Proxy:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._on_loop(self._start)
        return self

    def __exit__(self, *_error: object) -> None:
        self._on_loop(self._stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_SECONDS)
        self._loop.close()

    # -- faults

    def delay(self, seconds: float) -> None:
        """Everything, both ways, takes so much longer."""
        self._delay_s = seconds

    def black_hole(self) -> None:
        """Connections stay open and new ones are accepted, but nothing arrives, either way."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def reset(self) -> None:
        """Tear down every connection with RST. New ones work."""
        self._on_loop(self._reset)

    def hold_replies_to(self, api_key: int) -> None:
        """The broker gets and does what is asked, the client is not told."""
        self._hold_replies = api_key

    def hold_requests(self, api_key: int) -> None:
        """The broker does not get what is asked, until `release`; also when the client has gone meanwhile."""
        self._hold_requests = api_key

    @property
    def held(self) -> int:
        """How many requests or replies are being held."""
        return len(self._held)

    def release(self) -> None:
        """Hold no longer, and send on what was held."""
        self._hold_requests = self._hold_replies = None
        self._on_loop(self._send_held)

    def heal(self) -> None:
        self._delay_s = 0.0
        self.release()
        self._loop.call_soon_threadsafe(self._open.set)

    # -- on the loop

    async def _start(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._server = await asyncio.start_server(self._accept, *self._listen)

    async def _stop(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, from_client: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            from_broker, broker = await asyncio.open_connection(*self._target)
        except OSError:  # the broker is down, and the client sees that
            client.close()
            return
        link = _Link(client, broker)
        self._links.append(link)
        ways = (
            asyncio.create_task(self._forward(from_client, broker, lambda frame: self._is_held_request(link, frame))),
            asyncio.create_task(self._forward(from_broker, client, lambda frame: self._is_held_reply(link, frame))),
        )
        try:
            with suppress(asyncio.CancelledError):  # the proxy stops; asyncio would print it
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            client.close()
            # What is held for the broker still goes to it, as a packet does that lay in a router for long.
            if not any(writer is broker for writer, _ in self._held):
                broker.close()
            self._links.remove(link)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_held: Callable[[bytes], bool]
    ) -> None:
        """Frames from one side to the other, until one side ends."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                length = await reader.readexactly(_LENGTH.size)
                frame = length + await reader.readexactly(_LENGTH.unpack(length)[0])
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                await self._open.wait()
                if is_held(frame):
                    self._held.append((writer, frame))
                else:
                    writer.write(frame)
                    await writer.drain()

    def _is_held_request(self, link: _Link, frame: bytes) -> bool:
        api_key, _, correlation_id = _REQUEST.unpack_from(frame, _LENGTH.size)
        self.requests[api_key] = self.requests.get(api_key, 0) + 1
        link.api_keys[correlation_id] = api_key
        return api_key == self._hold_requests

    def _is_held_reply(self, link: _Link, frame: bytes) -> bool:
        (correlation_id,) = _LENGTH.unpack_from(frame, _LENGTH.size)
        return link.api_keys.pop(correlation_id, -1) == self._hold_replies

    async def _send_held(self) -> None:
        held, self._held = self._held, []
        for writer, frame in held:
            with suppress(OSError):
                writer.write(frame)
                await writer.drain()

    async def _reset(self) -> None:
        for link in self._links:
            if link.client.is_closing():
                continue
            link.client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
            link.client.transport.abort()

    # -- between threads

    def _on_loop(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(ANSWER_SECONDS)


def _parts(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
