"""The worker's own directory: private, and used by one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from stream.errors import ConfigError, StartRefused


class DataDir:
    """Created with mode 0700 and locked for as long as the process lives (the kernel frees the lock, also on kill)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise ConfigError(f"data_dir {path}: {error.strerror}; expected a directory this user may write") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartRefused(
                f"data_dir {path}: another worker is using it. Each worker needs a directory and an "
                "`instance` of its own."
            ) from None
