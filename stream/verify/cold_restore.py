"""The state topic read from its beginning, as a worker with an empty disk would: its customers and its last meta."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from stream.codec.journal import META_KEY, RESERVED, Meta, decode_meta
from stream.codec.snapshot import DIGEST_MODULUS, digest
from stream.errors import UnreadableState
from stream.verify.disk import Disk
from stream.verify.log import Record

AT_ONCE = 5_000
MARK_BYTES = 16


@dataclass(frozen=True, slots=True)
class Restored:
    """`meta` None: there is none, or it can't be read (`problem` says why)."""

    keys: int
    digest: str
    meta: Meta | None
    record: Record | None  # the meta's
    records: int
    problem: str = ""


def restore_cold(records: Iterator[Record], disk: Disk) -> Restored:
    """Fold the topic: the newest value of each key counts."""
    last: Record | None = None
    read = 0
    while batch := list(islice(records, AT_ONCE)):
        read += len(batch)
        marks: list[tuple[bytes, bytes | None]] = []
        for record in batch:
            key = record.key or b""
            if key == META_KEY:
                last = record
            elif key.startswith(RESERVED):
                continue
            elif record.value is None:
                marks.append((key, None))
            else:
                marks.append((key, digest(key, record.value).to_bytes(MARK_BYTES, "big")))
        disk.restore(marks)
    keys = total = 0
    for mark in disk.restored():
        keys += 1
        total += int.from_bytes(mark, "big")
    text = f"{total % DIGEST_MODULUS:032x}"
    if last is None:
        return Restored(keys, text, None, None, read, "the topic holds no meta record")
    try:
        return Restored(keys, text, decode_meta(last.value or b""), last, read)
    except UnreadableState as error:
        return Restored(keys, text, None, last, read, str(error))
