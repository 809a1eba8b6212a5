"""Laws of the wake index."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from stream.core.wakes import Entry, Wakes


class Committed:
    """The store's part of the index: a sorted set."""

    def __init__(self) -> None:
        self.entries: set[Entry] = set()

    def between(self, first: Entry, until_ms: int) -> Iterator[Entry]:
        return iter(sorted(entry for entry in self.entries if first <= entry and entry[0] <= until_ms))


class Pair:
    """The index beside the plain set of entries it stands for."""

    def __init__(self) -> None:
        self.committed = Committed()
        self.wakes = Wakes(self.committed.between)
        self.model: set[Entry] = set()
        self.model_committed: set[Entry] = set()

    def commit(self) -> None:
        added, removed = self.wakes.edits()
        self.committed.entries |= set(added)
        self.committed.entries -= set(removed)
        self.wakes.committed()
        self.model_committed = set(self.model)

    def abort(self) -> None:
        self.wakes.aborted()
        self.model = set(self.model_committed)


ENTRIES = st.tuples(st.integers(0, 9), st.sampled_from("abc"))
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), ENTRIES),
        st.tuples(st.just("remove"), ENTRIES),
        st.tuples(st.just("due"), st.tuples(st.integers(0, 9), st.integers(1, 4))),
        st.tuples(st.just("commit"), st.none()),
        st.tuples(st.just("abort"), st.none()),
    ),
    max_size=30,
)


@given(ACTIONS)
def test_the_index_pops_what_a_plain_sorted_set_would_whatever_was_committed_or_aborted(actions):
    pair = Pair()
    for action, argument in actions:
        if action == "add":
            pair.wakes.add(*argument)
            pair.model.add(argument)
        elif action == "remove":
            pair.wakes.remove(*argument)
            pair.model.discard(argument)
        elif action == "due":
            until_ms, limit = argument
            expected = sorted(entry for entry in pair.model if entry[0] <= until_ms)[:limit]
            assert list(pair.wakes.due(until_ms, limit)) == expected
            pair.model -= set(expected)
        elif action == "commit":
            pair.commit()
        else:
            pair.abort()
        assert pair.wakes.peek() == min((due_ms for due_ms, _ in pair.model), default=None)


def test_an_entry_added_while_others_are_popped_is_popped_in_its_turn():
    pair = Pair()
    pair.wakes.add(1, "a")
    pair.wakes.add(5, "a")
    popped = []
    for entry in pair.wakes.due(9, 10):
        popped.append(entry)
        if entry == (1, "a"):
            pair.wakes.add(3, "a")
    assert popped == [(1, "a"), (3, "a"), (5, "a")]


def test_no_entry_is_earlier_than_the_cursor_even_when_it_was_added_below_what_was_popped():
    pair = Pair()
    pair.wakes.add(5, "a")
    list(pair.wakes.due(6, 10))
    pair.wakes.add(2, "b")
    assert pair.wakes.cursor_ms <= 2
    pair.commit()
    assert pair.wakes.cursor_ms <= 2
    assert list(pair.wakes.due(6, 10)) == [(2, "b")]


def test_who_is_due_at_one_instant_is_read_on_from_where_it_was_left_and_not_from_the_first():
    pair = Pair()
    for customer in "abcdef":
        pair.wakes.add(5, customer)
    pair.commit()
    asked = []

    def stored(first: Entry, until_ms: int) -> Iterator[Entry]:
        asked.append(first)
        return pair.committed.between(first, until_ms)

    wakes = Wakes(stored)
    assert list(wakes.due(9, 3)) == [(5, "a"), (5, "b"), (5, "c")]
    wakes.committed()
    assert (list(wakes.due(9, 1)), wakes.peek()) == ([(5, "d")], 5)
    assert asked[1:] == [(5, "c"), (5, "d")]
