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


def look_at(path: Path) -> str | None:
    """What keeps this process from using the directory, found without making or locking it for longer than the look;
    None: nothing. `IN_USE`: another process has it."""
    try:
        if not path.exists():
            above = next(each for each in path.absolute().parents if each.exists())
            return None if os.access(above, os.W_OK | os.X_OK) else f"{above} can't be written by this user"
        if not path.is_dir():
            return "it is no directory"
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            return "it can't be read and written by this user"
        if not (path / "lock").exists():
            return None
        lock = os.open(path / "lock", os.O_RDWR)
    except OSError as error:
        return f"{error.strerror}"
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return IN_USE
    finally:
        os.close(lock)
    return None


IN_USE = "another worker is using it"
