"""A folder closed in order is believed at the next start if no byte of it has changed, and only then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rocksdict import DbClosedError

from stream.codec.snapshot import digest
from stream.store import seal
from stream.store.ahead import Ahead
from stream.store.options import Memory
from stream.store.rocks import StateStore
from stream.store.stores import Stores
from tests.store.records import record

RECORDS = [(b"%05d" % n, record(b"state of %d " % n * 20, 1)) for n in range(2_000)]
TOTAL = sum(digest(key, value) for key, value in RECORDS) % (1 << 128)


def opened(path: Path) -> StateStore:
    return StateStore.open(path, Memory.of(16 << 20))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store that was filled and closed in order."""
    path = tmp_path / "partition-0"
    store = opened(path)
    store.write(list(RECORDS), [(1, key) for key, _ in RECORDS], [], b"meta")
    store.close()
    return path


def is_believed(store: StateStore) -> bool:
    """Whether a check passes without looking: wrong numbers would be found by a look."""
    return store.check(0, 0) is None


def test_a_store_closed_in_order_is_believed_without_reading_it(path: Path) -> None:
    store = opened(path)
    assert is_believed(store)
    assert store.get(RECORDS[7][0]) == RECORDS[7][1]
    store.close()


def test_it_is_believed_again_after_every_orderly_close(path: Path) -> None:
    opened(path).close()
    store = opened(path)
    store.write([(b"new", record(b"1"))], [], [], b"meta 2")
    store.close()
    again = opened(path)
    assert is_believed(again) and again.meta() == b"meta 2"
    again.close()


def test_what_was_written_since_it_was_opened_is_looked_at(path: Path) -> None:
    store = opened(path)
    store.write([(b"new", record(b"1"))], [], [], b"meta 2")
    assert "2001 customers found" in (store.check(0, 0) or "")
    store.close()


def test_an_open_store_has_no_seal_so_a_killed_process_leaves_none(path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from tests.store.test_seal import opened\n"
        "store = opened(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(path)], cwd=Path(__file__).parents[2], check=False)
    assert ended.returncode == -signal.SIGKILL

    store = opened(path)

    assert not is_believed(store)
    assert store.check(len(RECORDS), TOTAL) is None
    store.close()


@pytest.mark.parametrize("pattern", ["*.sst", "MANIFEST-*", "CURRENT", "OPTIONS-*"])
def test_one_changed_byte_in_any_file_and_it_is_not_believed(path: Path, pattern: str) -> None:
    file = max(path.glob(pattern), key=lambda found: found.stat().st_size)
    with file.open("r+b") as changed:
        changed.seek(file.stat().st_size // 2)
        byte = changed.read(1)
        changed.seek(-1, os.SEEK_CUR)
        changed.write(bytes([byte[0] ^ 1]))

    assert seal.take(path) is None


@pytest.mark.parametrize("what", ["a file more", "a file less", "a torn seal"])
def test_a_folder_that_is_not_the_one_sealed_is_not_believed(path: Path, what: str) -> None:
    if what == "a file more":
        (path / "000999.sst").write_bytes(b"x")
    elif what == "a file less":
        next(path.glob("*.sst")).unlink()
    else:
        os.truncate(path / seal.SEAL, 10)

    assert seal.take(path) is None


class ClosedUnder:
    """A handle; as it is closed, somebody in another thread goes on reading."""

    def __init__(self, handle: Any, read: Callable[[], object]) -> None:
        self._handle = handle
        self._read = read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)

    def close(self) -> None:
        self._handle.close()
        with pytest.raises(DbClosedError):
            self._read()


def test_who_still_reads_a_store_that_is_closed_does_not_cost_it_its_seal(path: Path) -> None:
    """The worker counts wakes to come on a thread of its own."""
    store = opened(path)
    store._wakes = ClosedUnder(store._wakes, lambda: list(store.due(0, 10)))  # type: ignore[assignment]
    store.close()

    again = opened(path)
    assert is_believed(again)
    again.close()


def test_a_store_that_was_found_wrong_is_not_sealed(path: Path) -> None:
    store = opened(path)
    store.write([], [], [], b"meta 2")
    assert store.check(5, 5) is not None
    store.close()

    again = opened(path)
    assert not is_believed(again)
    again.close()


def test_a_rebuild_that_was_cut_off_is_not_sealed(tmp_path: Path) -> None:
    store = opened(tmp_path / "p")
    store.write(list(RECORDS), [], [], None)
    store.close()

    assert seal.take(tmp_path / "p") is None


def test_a_folder_hashed_ahead_is_believed_without_hashing_it_again(path: Path) -> None:
    ahead = Ahead(path.parent)
    ahead.finish()

    hashes = ahead.take(path)

    assert hashes == seal.hashes_of(path)
    store = StateStore.open(path, Memory.of(16 << 20), hashes)
    assert is_believed(store)
    store.close()


def test_damage_from_before_the_start_shows_in_a_folder_hashed_ahead_too(path: Path) -> None:
    table = next(path.glob("*.sst"))
    table.write_bytes(table.read_bytes()[:-1])
    ahead = Ahead(path.parent)
    ahead.finish()

    assert seal.take(path, ahead.take(path)) is None


def test_what_was_hashed_ahead_counts_for_the_first_opening_only(path: Path) -> None:
    ahead = Ahead(path.parent)
    ahead.finish()
    stores = Stores(path.parent, 16 << 20, ahead)
    stores.open(0).close()
    file = max(path.glob("*.sst"), key=lambda found: found.stat().st_size)
    file.write_bytes(file.read_bytes() + b"x")

    assert ahead.take(path) is None
    assert seal.take(path) is None


def test_a_folder_without_a_seal_is_not_hashed_ahead(path: Path) -> None:
    (path / seal.SEAL).unlink()
    ahead = Ahead(path.parent)
    ahead.finish()

    assert ahead.take(path) is None
