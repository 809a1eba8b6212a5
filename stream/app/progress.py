"""Progress of a restore: a bar on a terminal, log lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from stream.engine.observer import Observer

LINE_EVERY_S = 5.0
"""A rebuild may take minutes: a line this often shows that it goes on."""

log = structlog.get_logger()


class RestoreProgress(Observer):
    """Called from restore threads."""

    def __init__(self, terminal: bool | None = None) -> None:
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._lock = threading.Lock()
        self._bar: Progress | None = None
        self._rows: dict[int, TaskID] = {}
        self._said: dict[int, float] = {}

    def restoring(self, partition: int, done: int, remaining: int, records: int) -> None:
        with self._lock:
            if self._terminal:
                self._draw(partition, done, remaining)
            elif time.monotonic() - self._said.get(partition, 0.0) >= LINE_EVERY_S:
                self._said[partition] = time.monotonic()
                log.info("restoring", partition=partition, records_done=done, records_remaining=remaining)

    def restored(self, partition: int, keys: int, seconds: float, rebuilt: bool) -> None:
        with self._lock:
            row = self._rows.pop(partition, None)
            if self._bar is not None and row is not None:
                self._bar.remove_task(row)
                if not self._rows:
                    self._bar.stop()
                    self._bar = None
        log.info("restored", partition=partition, customers=keys, seconds=round(seconds, 3), rebuilt=rebuilt)

    def _draw(self, partition: int, done: int, remaining: int) -> None:
        if self._bar is None:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
        if partition not in self._rows:
            self._rows[partition] = self._bar.add_task(f"restoring partition {partition}", total=done + remaining)
        self._bar.update(self._rows[partition], completed=done, total=done + remaining)
