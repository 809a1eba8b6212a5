"""Sealed folders hashed while the process starts, so that opening them need not wait for it.

The hashes hold as long as nobody writes there: who owns the data directory hashes ahead, and uses a folder's hashes
for its first opening only.
"""

from __future__ import annotations

import threading
from pathlib import Path

from stream.store.seal import SEAL, Hashes, hashes_of

FOLDERS = "partition-*"


class Ahead:
    """Folders of `data_dir` are hashed on a thread, one after the other, until the first is asked for: by then it is
    known which partitions are wanted, and who wants one hashes it."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._found: dict[Path, Hashes] = {}
        self._wanted = False
        self._lock = threading.Lock()  # held while a folder is hashed
        self._thread = threading.Thread(target=self._run, name="seals", daemon=True)
        self._thread.start()

    def take(self, path: Path) -> Hashes | None:
        """What a folder's hashes were; None: it was not hashed."""
        self._wanted = True
        with self._lock:
            return self._found.pop(path, None)

    def finish(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def _run(self) -> None:
        for seal in sorted(self._data_dir.glob(f"{FOLDERS}/{SEAL}")):
            with self._lock:
                if self._wanted:
                    return
                try:
                    self._found[seal.parent] = hashes_of(seal.parent)
                except OSError:
                    return  # whoever opens it will be told
