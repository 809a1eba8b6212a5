"""What a crash or a bad disk does to the files: it is survived or noticed, never believed.

The table is that of the measurements on RocksDB: some damage makes the open fail, some makes it succeed with a third
of the customers gone. Either way the engine hears of it: by an error, or by `check` of count and digest.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rocksdict import Rdict

from stream.codec.snapshot import digest
from stream.store.errors import StoreDamaged
from stream.store.options import Memory, column_families, database_options
from stream.store.rocks import StateStore
from stream.store.stores import set_aside
from tests.store.records import record

MEMORY = Memory.of(16 << 20)
COMMITS = 30
CUSTOMERS = 100


def write_commits(store: StateStore, first: int, commits: int) -> None:
    """Commits of CUSTOMERS new customers each, `meta` with the count and digest so far."""
    meta = json.loads(store.meta() or b'{"keys": 0, "digest": 0}')
    for commit in range(first, first + commits):
        # Random bytes do not compress, so the tables have many blocks.
        records = [(b"%03d-%03d" % (commit, n), record(os.urandom(200), commit)) for n in range(CUSTOMERS)]
        meta["keys"] += CUSTOMERS
        meta["digest"] = (meta["digest"] + sum(digest(key, value) for key, value in records)) % (1 << 128)
        store.write(list(records), [(commit, key) for key, _ in records], [], json.dumps(meta).encode())


def doubt(path: Path) -> str | None:
    """What the engine does at start: open, compare with meta. None when all is well."""
    try:
        store = StateStore.open(path, Memory.of(16 << 20))  # its own cache: a shared one knows the blocks from before
    except StoreDamaged as damage:
        return str(damage)
    try:
        meta = json.loads(store.meta() or b'{"keys": -1, "digest": -1}')
        return store.check(meta["keys"], meta["digest"])
    except StoreDamaged as damage:
        return str(damage)
    finally:
        store.close()


def keys_in(path: Path) -> int:
    store = StateStore.open(path, MEMORY)
    found = sum(1 for _ in store.scan())
    store.close()
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed store with tables from several flushes."""
    path = tmp_path / "partition-0"
    store = StateStore.open(path, MEMORY)
    for part in range(3):
        write_commits(store, part * COMMITS, COMMITS)
        if part < 2:
            store._customers.flush()
    store.close()
    assert doubt(path) is None
    return path


def newest(path: Path, pattern: str) -> Path:
    return max(
        (p for p in path.glob(pattern) if p.stat().st_size), key=lambda p: int("".join(filter(str.isdigit, p.name)))
    )


def largest(path: Path, pattern: str) -> Path:
    return max(path.glob(pattern), key=lambda p: p.stat().st_size)


def truncate(file: Path, share: float) -> None:
    os.truncate(file, int(file.stat().st_size * share))


def overwrite(file: Path, at: float, count: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(int(file.stat().st_size * at))
        opened.write(b"\xa5" * count)


def write_and_die(path: Path, first: int) -> None:
    """Commits by a process that is killed then, so that they are in the log alone."""
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from tests.store.test_damage import MEMORY, COMMITS, StateStore, write_commits\n"
        "store = StateStore.open(Path(sys.argv[1]), MEMORY)\n"
        "write_commits(store, int(sys.argv[2]), COMMITS); os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", script, str(path), str(first)]
    assert subprocess.run(command, cwd=Path(__file__).parents[2], check=False).returncode == -signal.SIGKILL
    assert largest(path, "*.log").stat().st_size > COMMITS * CUSTOMERS * 200


def test_a_killed_process_loses_nothing_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "p"

    write_and_die(path, 0)

    assert doubt(path) is None
    assert keys_in(path) == COMMITS * CUSTOMERS


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_torn_log_leaves_a_whole_earlier_commit(path: Path, share: float) -> None:
    write_and_die(path, 3 * COMMITS)

    truncate(largest(path, "*.log"), share)

    assert doubt(path) is None
    assert keys_in(path) % CUSTOMERS == 0


def test_a_flipped_log_leaves_a_whole_earlier_commit_or_is_noticed(path: Path) -> None:
    write_and_die(path, 3 * COMMITS)

    overwrite(largest(path, "*.log"), 0.5, 1)

    assert doubt(path) is not None or keys_in(path) % CUSTOMERS == 0


def lose_the_index(path: Path) -> None:
    """The customers stay; only their wakes are gone."""
    database = Rdict(str(path), database_options(MEMORY), column_families(MEMORY))
    wakes = database.get_column_family("wakes")
    for key in list(wakes.keys()):
        wakes.delete(key)
    wakes.close()
    database.close()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "bytes in a table overwritten": lambda path: overwrite(largest(path, "*.sst"), 0.5, 64),
    "a table truncated": lambda path: truncate(largest(path, "*.sst"), 0.5),
    "a table missing": lambda path: largest(path, "*.sst").unlink(),
    "the manifest truncated": lambda path: truncate(newest(path, "MANIFEST-*"), 0.5),
    "the manifest cut to a third": lambda path: truncate(newest(path, "MANIFEST-*"), 0.33),
    "the manifest missing": lambda path: newest(path, "MANIFEST-*").unlink(),
    "CURRENT missing": lambda path: (path / "CURRENT").unlink(),
    "CURRENT empty": lambda path: truncate(path / "CURRENT", 0),
    "the wake index lost": lose_the_index,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_noticed(path: Path, damage: str) -> None:
    DAMAGE[damage](path)

    assert doubt(path)


def test_a_rebuild_that_was_cut_off_is_not_taken_for_whole(tmp_path: Path) -> None:
    store = StateStore.open(tmp_path / "p", MEMORY)
    store.write([(b"ann", b"1")], [], [], None)
    store.close()

    assert doubt(tmp_path / "p")


def test_a_process_killed_after_a_rebuild_loses_nothing_of_it(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, json; from pathlib import Path\n"
        "from tests.store.test_damage import MEMORY, StateStore, digest, record\n"
        "store = StateStore.open(Path(sys.argv[1]), MEMORY)\n"
        "records = [(b'%05d' % n, record(b'x' * 300, 1)) for n in range(5000)]\n"
        "store.write(records, [(1, key) for key, _ in records], [], None)\n"
        "total = sum(digest(key, value) for key, value in records) % (1 << 128)\n"
        "store.write([], [], [], json.dumps({'keys': 5000, 'digest': total}).encode())\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "p"

    ended = subprocess.run([sys.executable, "-c", script, str(path)], cwd=Path(__file__).parents[2], check=False)

    assert ended.returncode == -signal.SIGKILL
    assert doubt(path) is None  # neither customers nor, what once happened, their wakes
    assert keys_in(path) == 5000
    again = StateStore.open(path, MEMORY)
    assert sum(1 for _ in again.due(0, 2)) == 5000
    again.close()


def test_a_store_whose_files_are_gone_can_still_be_let_go_of(tmp_path: Path) -> None:
    """Else a worker that means to set it aside and rebuild it ends instead, at every start."""
    path = tmp_path / "partition-0"
    store = StateStore.open(path, MEMORY)
    write_commits(store, 0, COMMITS)
    store._customers.flush()
    write_commits(store, COMMITS, COMMITS)
    shutil.rmtree(path)

    store.close()

    set_aside(path, "its files are gone")
    assert keys_in(path) == 0
