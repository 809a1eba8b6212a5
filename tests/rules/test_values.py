"""Comparisons of lists: as if each element were compared with each, and as quick as the lists are long."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.rules.values import at_least, at_most, contained, equal, less, more

singles = st.sampled_from([None, True, False, 0, 1, 2, 1.0, -0.0, 0.5, 2**53 - 1, "", "a", "b", "1", {}, {"a": 1}])
values = singles | st.recursive(st.lists(singles, max_size=4), lambda part: st.lists(part | singles, max_size=3))
ORDERS: list[tuple[Callable[[Any, Any], bool], Callable[[Any, Any], bool]]] = [
    (less, operator.lt), (at_most, operator.le), (more, operator.gt), (at_least, operator.ge),
]  # fmt: skip


def opened(value: Any) -> list[Any]:
    return [each for part in value for each in opened(part)] if isinstance(value, list) else [value]


def same(left: Any, right: Any) -> bool:
    if isinstance(left, dict) or isinstance(right, dict):
        return False
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def ordered(left: Any, right: Any, compare: Callable[[Any, Any], bool]) -> bool:
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (left, right))
    texts = isinstance(left, str) and isinstance(right, str)
    return (numbers or texts) and compare(left, right)


@given(values, values)
def test_a_list_is_equal_to_what_any_of_its_elements_is_equal_to(left: Any, right: Any) -> None:
    assert equal(left, right) == any(same(one, other) for one in opened(left) for other in opened(right))


@pytest.mark.parametrize(("holds", "compare"), ORDERS)
@given(left=values, right=values)
def test_a_list_is_before_or_after_what_any_of_its_elements_is(
    holds: Callable[[Any, Any], bool], compare: Callable[[Any, Any], bool], left: Any, right: Any
) -> None:
    expected = any(ordered(one, other, compare) for one in opened(left) for other in opened(right))

    assert holds(left, right) == expected


@given(values, values)
def test_a_list_is_in_a_list_when_any_of_its_elements_is(left: Any, right: Any) -> None:
    expected = isinstance(right, list) and any(same(one, other) for one in opened(left) for other in opened(right))

    assert contained(left, right) == expected


def test_long_lists_are_compared_without_comparing_each_with_each() -> None:
    """Each with each would be four thousand million times: of one event."""
    ones, twos = [1] * 65_000, [2] * 65_000

    assert (equal(ones, twos), contained(ones, twos), more(ones, twos), less(ones, twos)) == (False, False, False, True)
