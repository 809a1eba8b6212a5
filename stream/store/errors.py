"""What RocksDB's errors mean. rocksdict raises them all as a plain `Exception`, so the text has to tell."""

from __future__ import annotations

from pathlib import Path

from rocksdict import DbClosedError

from stream.engine import interfaces
from stream.errors import SegmenterError


class StoreDamaged(interfaces.StoreDamaged, SegmenterError):
    """The files can't be trusted. Nothing is lost: the changelog has everything."""


class StoreFull(SegmenterError):
    """The disk, or what the process may use of it, is full."""


class StoreUnavailable(SegmenterError):
    """The files may be whole, but this process can't use them now: in use by another, no permission, too many files."""


_FULL = ("no space left", "disk quota exceeded", "file too large", "nospace", "max allowed space")
_UNAVAILABLE = {
    "lock hold by current process": "it is open in this process already; close it first",
    "/lock:": "another worker uses this folder; give each worker its own data_dir",
    "permission denied": "give the worker's user read and write access",
    "read-only file system": "mount the folder writable",
    "too many open files": "raise the limit of open files (ulimit -n)",
}


def explain(path: Path, doing: str, error: Exception) -> Exception:
    """The error to raise instead of RocksDB's own `error`, met at `doing`."""
    text = str(error)
    if isinstance(error, DbClosedError):
        return error  # ours: something still uses a store that was closed
    small = text.lower()
    if any(sign in small for sign in _FULL):
        return StoreFull(f"{path}: {doing}: {text}; free space on this disk, then start again: nothing is lost")
    for sign, remedy in _UNAVAILABLE.items():
        if sign in small:
            return StoreUnavailable(f"{path}: {doing}: {text}; {remedy}")
    return StoreDamaged(f"{path}: {doing}: {text}; the folder is set aside and rebuilt from the changelog")
