"""Records that no well-behaved client writes: header names that are no text. The broker does not look at them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy as Batch

CALL_SECONDS = 15.0
PRODUCE, VERSION = 0, 3  # the last version without tagged fields, and the first that takes record batches


@dataclass(frozen=True, slots=True)
class RawRecord:
    key: bytes | None
    value: bytes | None
    headers: list[tuple[bytes, bytes | None]]
    timestamp_ms: int


class _Name:
    """Passes for a text, and is these bytes."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def encode(self, _encoding: str) -> bytes:
        return self.raw


def produce_raw(address: str, topic: str, partition: int, records: Iterable[RawRecord]) -> None:
    """Write them as one batch to a topic's leader at `address`, in clear text. Raises OSError when it refuses."""
    batch = Batch(2, 0, 0, -1, -1, -1, 1 << 20)
    for offset, record in enumerate(records):
        headers = cast(Any, [(_Name(name), value) for name, value in record.headers])
        batch.append(offset, record.timestamp_ms, record.key, record.value, headers)
    data = bytes(batch.build())
    name = topic.encode()
    body = struct.pack(">hhih", PRODUCE, VERSION, 1, -1)  # correlation 1, no client id
    body += struct.pack(">hhi", -1, -1, int(CALL_SECONDS * 1000))  # no transaction, all in-sync replicas
    body += struct.pack(">ih", 1, len(name)) + name + struct.pack(">iii", 1, partition, len(data)) + data
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), CALL_SECONDS) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        (length,) = struct.unpack(">i", _exactly(connection, 4))
        answer = _exactly(connection, length)
    (error,) = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(name) + 4 + 4)
    if error:
        raise OSError(f"{topic}: the broker refused the batch with error {error}")


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise OSError("the broker closed the connection")
        data += part
    return data
