"""Where stores are, and what happens to those that can't be trusted."""

from __future__ import annotations

from pathlib import Path

from stream.store.stores import KEPT_ASIDE, REASON_FILE, Stores, set_aside


def test_each_partition_has_its_own_folder_that_only_its_owner_may_enter(tmp_path: Path) -> None:
    stores = Stores(tmp_path / "data", 16 << 20)
    one, two = stores.open(1), stores.open(2)

    one.write([(b"ann", b"1")], [], [], b"")

    assert two.get(b"ann") is None
    assert one.path == tmp_path / "data" / "partition-1"
    assert one.path.stat().st_mode & 0o077 == 0
    one.close()
    two.close()


def test_a_store_set_aside_makes_room_for_a_new_one_and_says_why(tmp_path: Path) -> None:
    stores = Stores(tmp_path, 16 << 20)
    store = stores.open(0)
    store.write([(b"ann", b"1")], [], [], b"")
    store.close()

    stores.set_aside(0, "the digests differ")

    fresh = stores.open(0)
    assert fresh.get(b"ann") is None
    assert (tmp_path / "partition-0.aside-1" / REASON_FILE).read_text() == "the digests differ\n"
    fresh.close()


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "partition-0"
    for _ in range(KEPT_ASIDE + 8):
        path.mkdir()
        set_aside(path, "again")
    (tmp_path / "partition-01.aside-1").mkdir()

    kept = sorted(entry.name for entry in tmp_path.glob("partition-0.aside-*"))

    assert kept == ["partition-0.aside-10", "partition-0.aside-11", "partition-0.aside-9"]
    assert (tmp_path / "partition-01.aside-1").exists()


def test_where_nothing_is_nothing_is_set_aside(tmp_path: Path) -> None:
    set_aside(tmp_path / "partition-0", "not there")

    assert list(tmp_path.iterdir()) == []
