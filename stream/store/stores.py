"""Where the stores are: `data_dir/partition-<n>`, and beside them those set aside."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import structlog

from stream.store.ahead import Ahead
from stream.store.errors import explain
from stream.store.options import Memory
from stream.store.rocks import StateStore

KEPT_ASIDE = 3
"""Damaged folders kept per partition, for whoever wants to know what happened."""
REASON_FILE = "why-set-aside.txt"

log = structlog.get_logger(__name__)


class Stores:
    """Implements `engine.interfaces.Stores`: the stores of one worker, which share `memory_bytes`. `ahead` may have
    hashed some of them."""

    def __init__(self, data_dir: Path, memory_bytes: int, ahead: Ahead | None = None) -> None:
        self.data_dir = data_dir
        self._ahead = ahead
        self.memory = Memory.of(memory_bytes)

    def path(self, partition: int) -> Path:
        return self.data_dir / f"partition-{partition}"

    def open(self, partition: int) -> StateStore:
        path = self.path(partition)
        return StateStore.open(path, self.memory, None if self._ahead is None else self._ahead.take(path))

    def set_aside(self, partition: int, reason: str) -> None:
        to = set_aside(self.path(partition), reason)
        log.warning("store_set_aside", partition=partition, to=str(to), reason=reason)


def set_aside(path: Path, reason: str) -> Path:
    """Rename the (closed) store's folder to `<name>.aside-<n>`, put the reason in it, keep the newest KEPT_ASIDE.
    Returns the new path; where there is no folder nothing happens."""
    older = _aside(path)
    target = path.with_name(f"{path.name}.aside-{older[-1][0] + 1 if older else 1}")
    try:
        if not path.exists():
            return target
        path.rename(target)
        for _, old in older[: max(0, len(older) + 1 - KEPT_ASIDE)]:
            shutil.rmtree(old)
        (target / REASON_FILE).write_text(reason + "\n")
    except OSError as error:
        raise explain(path, "set aside", error) from error
    return target


def _aside(path: Path) -> list[tuple[int, Path]]:
    """(counter, folder) of what was set aside before, oldest first."""
    pattern = re.compile(re.escape(path.name) + r"\.aside-(\d+)")
    siblings = path.parent.iterdir() if path.parent.is_dir() else ()
    return sorted((int(match[1]), entry) for entry in siblings if (match := pattern.fullmatch(entry.name)))
