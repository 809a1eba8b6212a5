"""Laws of `engine.customers`: what is committed is what is read from then on, and the store lacks only what the
changelog holds from `reaches` on."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from stream.codec.snapshot import digest, encode_profile
from stream.core.profile import Profile
from stream.engine.customers import Customers, ToWrite
from tests.engine.shop import PROGRAM
from tests.engine.world import MemoryStore

States = dict[str, int | None]
"""Customer -> what is told of its state, None when it is erased."""

commits = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 9) | st.none(), max_size=4),
        st.sets(st.sampled_from("abcdefgh"), max_size=3),
    ),
    max_size=30,
)
"""(what a commit wrote, who else was looked at before it)"""


class Shop:
    """Customers over a store, and all that was ever committed: `changelog` begins at offset 100."""

    def __init__(self, capacity: int) -> None:
        self.store = MemoryStore()
        self.changelog: list[tuple[bytes, bytes | None]] = []
        self.customers = Customers(self.store, PROGRAM, capacity, 100)
        self.written = 0

    def commit(self, states: States) -> None:
        records = [(name.encode(), None if told is None else state(name, told)) for name, told in states.items()]
        for name in states:
            self.customers.load(name)
        self.changelog += records
        kept = [(key.decode(), value, 0 if value is None else digest(key, value)) for key, value in records]
        self.write(self.customers.committed(kept, 100 + len(self.changelog)))

    def write(self, customers: ToWrite) -> None:
        self.written += len(customers)
        self.store.write(customers, [], [], b"meta")

    def after_a_kill(self) -> dict[bytes, bytes]:
        """What the store leads to with the changelog behind it."""
        return latest([*self.store.customers.items(), *self.changelog[self.customers.reaches - 100 :]])


def state(name: str, told: int) -> bytes:
    return encode_profile(Profile(name, (0, told), len(PROGRAM.definitions), PROGRAM.blank()))


def latest(records: Iterable[tuple[bytes, bytes | None]]) -> dict[bytes, bytes]:
    return {key: value for key, value in dict(records).items() if value is not None}


def born_of(shop: Shop, name: str) -> int | None:
    profile = shop.customers.load(name)
    return None if profile is None else profile.born[1]


@given(commits, st.integers(0, 8))
def test_store_and_changelog_lead_to_what_was_committed_after_every_commit(given_commits, capacity: int):
    shop = Shop(capacity)
    for states, others in given_commits:
        for name in others:
            shop.customers.load(name)
        shop.commit(states)
        assert shop.after_a_kill() == latest(shop.changelog)
        assert len(shop.changelog) + 100 - shop.customers.reaches <= capacity // 2


@given(commits, st.integers(0, 8))
def test_a_customer_is_read_as_it_was_committed_last_be_it_written_or_not(given_commits, capacity: int):
    shop = Shop(capacity)
    committed: States = {}
    for states, others in given_commits:
        shop.commit(states)
        committed |= states
        assert all(born_of(shop, name) == committed.get(name) for name in others)


@given(commits, st.integers(0, 8))
def test_the_store_has_everything_once_all_that_is_unwritten_is_written(given_commits, capacity: int):
    shop = Shop(capacity)
    for states, _ in given_commits:
        shop.commit(states)
    shop.write(shop.customers.unwritten())
    assert shop.store.customers == latest(shop.changelog)
    assert shop.customers.reaches == 100 + len(shop.changelog)
    assert not shop.customers.is_behind


def test_a_customer_committed_again_and_again_is_written_once():
    shop = Shop(capacity=40)
    for told in range(20):
        shop.commit({"ann": told})
    assert shop.written == 0
    for number in range(20):
        shop.commit({f"other {number}": 0})
    assert shop.store.customers == {b"ann": state("ann", 19)}
    assert shop.written == 1


def test_a_state_is_written_although_nothing_but_heartbeats_follow():
    shop = Shop(capacity=40)
    shop.commit({"ann": 1})
    for number in range(20):
        shop.write(shop.customers.committed([], 102 + number))
    assert shop.store.customers == {b"ann": state("ann", 1)}


def test_an_erased_customer_is_out_of_the_store_at_once():
    shop = Shop(capacity=40)
    shop.commit({"ann": 1})
    shop.write(shop.customers.unwritten())
    shop.commit({"ann": None})
    assert shop.store.customers == {}
    assert shop.customers.load("ann") is None


def test_a_copy_whose_end_is_not_known_reaches_as_far_as_it_did():
    shop = Shop(capacity=40)
    shop.customers.committed([("ann", state("ann", 1), 7)], 0)
    shop.customers.unwritten()
    assert shop.customers.reaches == 100
