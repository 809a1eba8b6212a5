"""What a bad disk or a helping hand does to the files of a partition's RocksDB, while nobody has them open.

`files` of `tests/store/test_damage.py` shows the same damages one by one on the store alone; here they are a table, so
that a whole worker can be started on each.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

WRONG_BYTES = b"\xa5" * 16


def _largest(path: Path, pattern: str) -> Path:
    found = [file for file in path.glob(pattern) if file.stat().st_size]
    if not found:
        raise FileNotFoundError(f"{path}: nothing in it matches {pattern}")
    return max(found, key=lambda file: file.stat().st_size)


def _cut(pattern: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        file = _largest(path, pattern)
        os.truncate(file, file.stat().st_size // 2)

    return damage


def _flip(pattern: str, place: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        file = _largest(path, pattern)
        with file.open("r+b") as opened:
            opened.seek(int(file.stat().st_size * place))
            opened.write(WRONG_BYTES)

    return damage


def _delete(pattern: str) -> Callable[[Path], None]:
    return lambda path: _largest(path, pattern).unlink()


def _empty_current(path: Path) -> None:
    os.truncate(path / "CURRENT", 0)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "the log is cut in half": _cut("*.log"),
    "bytes of the log are wrong": _flip("*.log", 0.5),
    "the log is gone": _delete("*.log"),
    "bytes of a table are wrong": _flip("*.sst", 0.1),
    "a table is cut in half": _cut("*.sst"),
    "a table is gone": _delete("*.sst"),
    "MANIFEST is cut in half": _cut("MANIFEST-*"),
    "CURRENT is empty": _empty_current,
    "CURRENT is gone": _delete("CURRENT"),
}
"""Each takes the folder `partition-<n>` of a data directory. FileNotFoundError: it has no such file yet."""
