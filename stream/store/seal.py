"""The seal of a folder that was closed in order: the SHA-256 of every file.

What was found whole once and has not changed by a byte since need not be read record by record again: a start with
300,000 customers took 0.16 s so, and 2.7 s when every record was read. The seal is taken away when the store is opened,
so a process that is killed leaves none.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import orjson

SEAL = "SEAL.json"
MOST_S = 0.5
"""For new tables of some hundred MB. A worker that stops has ten seconds for all its partitions; a folder that can't be
sealed in time is checked at the next start instead."""

_NOISE = ("LOG", "LOCK")
"""RocksDB's own log and lock: no data, and written at every opening."""

Hashes = dict[str, str]


def take(path: Path, found: Hashes | None = None) -> Hashes | None:
    """Remove the folder's seal. Returns the hashes it holds when every file is as it was sealed, else None. `found`:
    the files' hashes, if they are known."""
    seal = path / SEAL
    try:
        sealed: Hashes = orjson.loads(seal.read_bytes())
        seal.unlink()
        return sealed if sealed == (hashes_of(path) if found is None else found) else None
    except (OSError, ValueError):
        return None


def hashes_of(path: Path) -> Hashes:
    """Of every file there by name, but for those that tell nothing. Raises OSError."""
    found = _hashes(path, {}, None)
    assert found is not None, "only a limit of time cuts it short"
    return found


def put(path: Path, known: Hashes) -> None:
    """Seal a folder whose store is closed. `known`: hashes of tables, which never change once written. Where that
    can't be done, or not in time, it stays without."""
    try:
        hashes = _hashes(path, known, time.monotonic() + MOST_S)
        if hashes is None:
            return
        fresh = path / (SEAL + ".new")
        fresh.write_bytes(orjson.dumps(hashes))
        fresh.rename(path / SEAL)
    except OSError:
        return  # nothing depends on a seal: without one the next start reads everything


def _hashes(path: Path, known: Hashes, until_s: float | None) -> Hashes | None:
    found: Hashes = {}
    for file in sorted(path.iterdir()):
        name = file.name
        if name.startswith((*_NOISE, SEAL)):
            continue
        if until_s is not None and time.monotonic() > until_s:
            return None
        if name.endswith(".sst") and name in known:
            found[name] = known[name]
            continue
        with file.open("rb") as opened:
            found[name] = hashlib.file_digest(opened, "sha256").hexdigest()
    return found
