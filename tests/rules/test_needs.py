"""What is kept follows from the definitions."""

from __future__ import annotations

from stream.core.events import FOREVER_MS
from stream.rules.needs import Cell, Needs
from tests.rules.trees import DAY, definitions_of


def cells_of(*conditions: str, facts: str = "") -> list[Cell]:
    body = facts + ("segments:\n" if conditions else "")
    for number, condition in enumerate(conditions):
        body += f"  s{number}:\n    when: {condition}\n"
    return list(Needs(definitions_of(body)))


def kinds_of(*conditions: str, facts: str = "") -> list[str]:
    return [cell.kind for cell in cells_of(*conditions, facts=facts)]


def test_a_count_ever_is_a_counter_shared_by_all_who_ask() -> None:
    assert kinds_of("count(purchase) > 3", "count(purchase) == 1 and count(viewed) > 0") == ["counter", "counter"]


def test_a_count_against_numbers_keeps_one_more_than_the_largest() -> None:
    (cell,) = cells_of("count(purchase, 90d) < 5", "count(purchase, 7d) == 2", "3 <= count(purchase, 30d)")
    assert (cell.kind, cell.keep, cell.whole_ms, cell.longest_ms) == ("newest", 6, 0, 90 * DAY)


def test_a_count_against_a_count_keeps_the_whole_window_and_its_lag() -> None:
    (cell,) = cells_of("count(purchase, 7d) > count(purchase, 7d, before 7d)", "count(purchase, 90d) >= 2")
    assert (cell.kind, cell.keep, cell.whole_ms, cell.longest_ms) == ("instants", 3, 14 * DAY, 90 * DAY)


def test_a_published_fact_keeps_the_whole_window_but_is_not_judged() -> None:
    (cell,) = cells_of(facts="facts:\n  page_views: count(page, 30d)\n")
    assert (cell.kind, cell.whole_ms, cell.judged) == ("instants", 30 * DAY, False)


def test_sums_averages_and_extremes_of_one_property_share_a_cell() -> None:
    (cell,) = cells_of("sum(purchase.revenue, 30d) > 5", "avg(purchase.revenue, 60d) > max(purchase.revenue, 7d)")
    assert (cell.kind, cell.longest_ms, cell.sums_only) == ("amounts", 60 * DAY, False)


def test_different_selectors_have_different_cells() -> None:
    assert kinds_of("count(purchase where total > 1) > 0 and count(purchase where total > 2) > 0") == ["counter"] * 2


def test_a_union_is_the_same_in_any_order() -> None:
    assert kinds_of('last("A") > ago(1d)', "last('A') > ago(2d)") == ["last"]


def test_different_values_ever_are_kept_to_the_number_asked_for() -> None:
    (cell,) = cells_of("distinct(purchase.category) >= 3")
    assert (cell.kind, cell.limit, cell.longest_ms) == ("values", 4, FOREVER_MS)


def test_different_days_with_a_lag_keep_every_day() -> None:
    assert kinds_of("active_days(page, 30d, before 30d) >= 3") == ["day_log"]


def test_silence_keeps_the_last_event_and_the_first_ever_seen() -> None:
    assert kinds_of("silent(purchase, 30d)") == ["last", "first_seen"]


def test_a_trait_is_one_cell_wherever_it_is_read() -> None:
    assert kinds_of('traits.country == "DE"', 'traits.country != "FR" and traits.plan.tier == "pro"') == ["trait"] * 2
