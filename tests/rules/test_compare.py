"""Laws of comparing two revisions: what is other is named, with how long it can't be answered."""

from __future__ import annotations

from stream.rules.compare import Comparison, compare
from stream.rules.compile import compile_program
from stream.rules.load import parse_definitions

DAY = 86_400_000
HEAD = "definitions: 1\nname: shop\nrevision: {}\nevents: {{purchase: Order Completed}}\ntraits: {{age: number}}\n"
OLD = """dimensions:
  lifecycle:
    stages:
      - prospect: count(purchase) == 0
      - active: last(purchase) > ago(30d)
      - inactive: otherwise
segments:
  lost: {when: 'lifecycle == "inactive"', topic: win-back}
  keen: {when: 'count(purchase, 10d) >= 2'}
"""


def compared(new: str, revision: int = 2, old: str = OLD) -> Comparison:
    def read(text: str, number: int):
        definitions = parse_definitions([("shop.yaml", HEAD.format(number) + text)])
        return definitions, compile_program(definitions)

    return compare(read(old, 1), read(new, revision))


def test_nothing_is_other_in_the_same_file() -> None:
    assert compared(OLD, 1) == Comparison(revision=None, differences=())


def test_a_change_needs_a_higher_revision_and_it_is_said_which() -> None:
    said = compared(OLD.replace("30d", "60d"), 1).revision
    assert said is not None and "`revision: 2`" in said
    assert compared(OLD.replace("30d", "60d"), 2).revision is None


def test_what_is_added_removed_and_changed_is_named_with_what_changed() -> None:
    new = OLD.replace("  keen: {when: 'count(purchase, 10d) >= 2'}", "  other: {when: 'traits.age > 3'}")
    new = new.replace("30d", "60d").replace("topic: win-back", "topic: wins, control_group: 5%")
    told = {(each.how, each.kind, each.name): each.what for each in compared(new).differences}
    assert told == {
        ("removed", "segment", "keen"): (),
        ("changed", "dimension", "lifecycle"): (
            "stage active: last(purchase) > ago(30d) -> last(purchase) > ago(60d)",
        ),
        ("changed", "segment", "lost"): ("topic: win-back -> wins", "control_group: none -> 0.05"),
        ("added", "segment", "other"): (),
    }
    assert compared(new).topics == ("wins",)


def test_events_and_facts_that_mean_something_else_are_named_and_what_rests_on_them() -> None:
    old = "facts: {orders: 'count(purchase, 30d)', gone: count(page)}\n" + OLD
    new = "facts: {orders: 'count(purchase, 60d)', carts: 'count(\"Cart Viewed\")'}\n" + OLD
    told = [(each.how, each.kind, each.name, *each.what) for each in compared(new, old=old).differences]
    assert told == [
        ("removed", "fact", "gone"),
        ("changed", "fact", "orders", "count(purchase, 30d) -> count(purchase, 60d)"),
        ("added", "fact", "carts", 'count("Cart Viewed")'),
    ]


def test_an_event_that_is_called_otherwise_now_is_named_and_texts_that_stayed_are_not_shown_twice() -> None:
    def read(number: int, name: str):
        text = HEAD.format(number).replace("Order Completed", name) + "segments:\n  keen: {when: count(purchase) > 1}\n"
        definitions = parse_definitions([("shop.yaml", text)])
        return definitions, compile_program(definitions)

    event, keen = compare(read(1, "Order Completed"), read(2, "Order Paid")).differences
    assert (event.kind, event.name, event.what) == ("event", "purchase", ("Order Completed -> Order Paid",))
    assert keen.what == ("when: count(purchase) > 1, which means something else now",)


def test_of_topics_it_is_said_which_are_left_and_where_members_are_not_told() -> None:
    moved = compared(OLD.replace("topic: win-back", "topic: wins"))
    removed = compared(OLD[: OLD.index("segments:")] + "segments:\n  won: {when: 'count(purchase) > 1', topic: wins}\n")

    assert (moved.left, moved.untold) == (("win-back",), (("lost", "wins"),))
    assert (removed.left, removed.untold, removed.topics) == (("win-back",), (), ("wins",))  # nobody is in a new one


def test_a_definition_that_only_rests_on_a_changed_one_is_told_as_such() -> None:
    (_, lost) = compared(OLD.replace("30d", "60d")).differences
    assert (lost.name, lost.what) == ("lost", ("what it rests on is changed",))


def test_it_says_how_long_a_longer_window_is_not_covered() -> None:
    assert compared(OLD.replace("10d", "25d")).warming == {"keen": 15 * DAY}
    assert compared(OLD.replace("10d", "5d")).warming == {}


def test_what_begins_blank_counts_for_ever_or_is_a_trait_is_told_apart() -> None:
    new = (
        OLD
        + """  looks: {when: 'count(page, 7d) >= 3'}
  ever: {when: 'count(screen) >= 1 and traits.age > 20'}
"""
    )
    comparison = compared(new)
    assert comparison.warming == {"looks": 7 * DAY}
    assert [line.partition(": ")[2] for line in comparison.blank] == ["count(page, 7d) >= 3"]
    assert [line.partition(": ")[2] for line in comparison.ever] == ["count(screen)"]
    assert comparison.traits == ("traits.age",)


def test_how_long_ago_an_event_was_that_was_not_kept_is_told_as_beginning_now() -> None:
    comparison = compared(OLD + "  lapsed: {when: 'now - last(page) > 7d'}\n  gone: {when: 'last(screen) < ago(7d)'}\n")
    assert comparison.warming == {"lapsed": 7 * DAY, "gone": 7 * DAY}
    assert [line.partition(": ")[2] for line in comparison.ever] == ["last(page)"]


def test_what_asks_for_ever_of_more_than_was_kept_is_told() -> None:
    kept = OLD + "  varied: {when: 'distinct(purchase.category) > 0'}\n"
    comparison = compared(kept.replace("category) > 0", "category) > 4"), old=kept)
    assert [line.partition(": ")[2] for line in comparison.fewer] == ["distinct(purchase.category) > 4"]
    assert comparison.ever == ()
    assert compared(kept, old=kept.replace("category) > 0", "category) > 4")).fewer == ()
