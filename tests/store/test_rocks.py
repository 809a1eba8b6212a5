"""The store of one partition: what is written is found, in order, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.codec.snapshot import digest
from stream.core.events import FOREVER_MS, NEVER_MS
from stream.store import rocks
from stream.store.errors import StoreFull, StoreUnavailable, explain
from stream.store.keys import after, wake_key, wake_of
from stream.store.options import Memory
from stream.store.rocks import SCAN_STEP, StateStore
from tests.store.records import record

MEMORY = Memory.of(16 << 20)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    opened = StateStore.open(tmp_path / "partition-0", MEMORY)
    yield opened
    opened.close()


def test_a_new_store_holds_nothing_and_has_no_meta(store: StateStore) -> None:
    assert store.meta() is None
    assert store.get(b"ann") is None
    assert list(store.scan()) == []
    assert list(store.due(NEVER_MS, FOREVER_MS)) == []
    assert store.check(0, 0) is None


def test_what_was_written_is_there_after_the_store_was_opened_again(tmp_path: Path) -> None:
    store = StateStore.open(tmp_path / "p", MEMORY)
    store.write([(b"ann", b"1"), (b"bob", b"2")], [(500, b"ann")], [], b"meta-1")
    store.write([(b"bob", None)], [], [], None)
    store.close()

    store = StateStore.open(tmp_path / "p", MEMORY)

    assert (store.get(b"ann"), store.get(b"bob"), store.meta()) == (b"1", None, b"meta-1")
    assert list(store.due(0, 1000)) == [(500, b"ann")]
    store.close()


def test_wakes_come_by_instant_then_by_key_with_both_ends(store: StateStore) -> None:
    wakes = [(10, b"b"), (-5, b"z"), (10, b"a"), (11, b""), (FOREVER_MS, b"f"), (NEVER_MS, b"n")]

    store.write([], wakes, [], b"")

    assert list(store.due(-5, 10)) == [(-5, b"z"), (10, b"a"), (10, b"b")]
    assert list(store.due(10, 11, b"b")) == [(10, b"b"), (11, b"")], "and from a key on"
    assert list(store.due(NEVER_MS, FOREVER_MS)) == sorted(wakes)


def test_a_wake_that_is_removed_is_gone_and_one_both_removed_and_added_stays(store: StateStore) -> None:
    store.write([], [(1, b"a"), (2, b"a")], [], b"")

    store.write([], [(2, b"a")], [(1, b"a"), (2, b"a")], b"")

    assert list(store.due(0, 9)) == [(2, b"a")]


def test_due_and_scan_read_more_than_a_step_in_order(store: StateStore) -> None:
    keys = [b"%06d" % n for n in range(2 * SCAN_STEP + 1)]
    store.write([(key, b"v") for key in keys], [(n, key) for n, key in enumerate(keys)], [], b"")

    assert [key for key, _ in store.scan()] == keys
    assert list(store.due(1, 2 * SCAN_STEP)) == list(enumerate(keys))[1:]


def test_a_scan_left_early_does_not_keep_the_store_open(tmp_path: Path) -> None:
    store = StateStore.open(tmp_path / "p", MEMORY)
    store.write([(b"%d" % n, b"v") for n in range(10)], [(1, b"a"), (2, b"b")], [], b"")
    scan, due = store.scan(), store.due(0, 9)
    assert next(scan) and next(due)

    store.close()

    StateStore.open(tmp_path / "p", MEMORY).close()


def test_check_tells_a_missing_a_surplus_and_a_changed_customer(store: StateStore) -> None:
    written = {b"ann": record(b"1"), b"bob": record(b"2")}
    total = sum(digest(key, value) for key, value in written.items()) % (1 << 128)
    store.write(list(written.items()), [], [], b"")
    assert store.check(2, total) is None

    assert "2 customers found, 3 expected" in (store.check(3, total) or "")
    store.write([(b"bob", record(b"3"))], [], [], b"")
    assert "digests differ" in (store.check(2, total) or "")
    store.write([(b"bob", None)], [], [], b"")
    assert "1 customers found, 2 expected" in (store.check(2, total) or "")


@pytest.mark.parametrize("remembered", [rocks.MOST_REMEMBERED, 0], ids=["few customers", "many"])
def test_check_tells_a_customer_whose_wake_is_not_in_the_index_and_passes_entries_that_count_no_longer(
    store: StateStore, remembered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rocks, "MOST_REMEMBERED", remembered)
    written = [(b"ann", record(b"", 10)), (b"bob", record(b"", 20)), (b"cid", record(b""))]
    total = sum(digest(key, value) for key, value in written) % (1 << 128)
    store.write(list(written), [(10, b"ann"), (20, b"bob"), (5, b"ann"), (7, b"who")], [], b"")
    assert store.check(3, total) is None

    store.write([], [], [(20, b"bob")], b"")

    assert store.check(3, total) == "1 customers' wakes are missing in the index"


def test_parts_of_a_rebuild_count_when_the_meta_comes_and_are_durable_then(tmp_path: Path) -> None:
    store = StateStore.open(tmp_path / "p", MEMORY)
    store.write([(b"ann", b"1"), (b"bob", b"2"), (b"ann", b"3"), (b"bob", None)], [], [], None)
    store.write([(b"%07d" % n, bytes(1000)) for n in range(3000)], [], [], None)  # more than one piece
    store.write([], [(7, b"ann")], [], None)
    assert store.meta() is None
    store.write([], [], [], b"whole")

    store.close()
    again = StateStore.open(store.path, MEMORY)

    assert again.get(b"ann") == b"3" and again.get(b"bob") is None
    assert len(list(again.scan())) == 3001
    assert list(again.due(NEVER_MS, FOREVER_MS)) == [(7, b"ann")]
    assert again.meta() == b"whole"
    again.close()


def test_a_folder_in_use_is_not_taken_for_damaged(store: StateStore) -> None:
    with pytest.raises(StoreUnavailable, match="in this process already"):
        StateStore.open(store.path, MEMORY)


def test_a_copy_that_cannot_be_read_for_want_of_open_files_is_not_called_damaged(
    store: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Exhausted:
        def items(self, *_: Any, **__: Any) -> Any:
            raise Exception("IO error: While open a file for random read: 000012.sst: Too many open files")

    monkeypatch.setattr(store, "_unchanged", False)
    monkeypatch.setattr(store, "_customers", Exhausted())

    with pytest.raises(StoreUnavailable, match="ulimit -n"):
        store.check(0, 0)


def test_a_full_disk_is_told_with_its_path_and_remedy() -> None:
    error = explain(
        Path("/data/partition-3"), "write", Exception("IO error: No space left on device: /data/000012.log")
    )

    assert isinstance(error, StoreFull)
    assert "/data/partition-3: write: " in str(error) and "free space" in str(error)


def test_sizes_are_told_for_metrics(store: StateStore) -> None:
    store.write([(b"ann", b"1")], [], [], b"")

    sizes = store.sizes()

    assert sizes["estimated_keys"] >= 1 and sizes["memtable_bytes"] > 0
    assert (sizes["write_stopped"], sizes["background_errors"]) == (0, 0)


INSTANTS = st.integers(-(1 << 63), (1 << 63) - 1)


@given(first=INSTANTS, second=INSTANTS, one=st.binary(max_size=4), other=st.binary(max_size=4))
@settings(max_examples=200)
def test_wake_keys_order_as_their_instants_and_read_back(first: int, second: int, one: bytes, other: bytes) -> None:
    assert (wake_key(first, one) < wake_key(second, other)) == ((first, one) < (second, other))
    assert wake_of(wake_key(first, one)) == (first, one)


@given(key=st.binary(max_size=4), other=st.binary(max_size=5))
def test_nothing_stands_between_a_key_and_the_one_after_it(key: bytes, other: bytes) -> None:
    assert (other > key) == (other >= after(key))


def test_the_customers_after_a_key_come_in_order_and_no_more_than_asked_for(store: StateStore) -> None:
    store.write([(key, b"1") for key in (b"bob", b"ann", b"cy", "é".encode())], [], [], b"meta")

    assert [key for key, _ in store.following(b"", 2)] == [b"ann", b"bob"]
    assert [key for key, _ in store.following(b"bob", 9)] == [b"cy", "é".encode()]
    assert store.following("é".encode(), 1) == []


def test_the_processors_own_records_stand_apart_from_customers_and_meta(tmp_path: Path) -> None:
    store = StateStore.open(tmp_path / "p", MEMORY)
    store.write([(b"ann", b"1")], [], [], None, [(b"\x00definitions/1", b"one")])
    store.write([], [], [], b"meta", [(b"\x00definitions/2", b"two")])
    store.write([], [], [], b"meta", [(b"\x00definitions/1", None)])
    store.close()

    store = StateStore.open(tmp_path / "p", MEMORY)

    assert store.reserved() == {b"\x00definitions/2": b"two"}
    assert (list(store.scan()), store.meta()) == ([(b"ann", b"1")], b"meta")
    store.close()
