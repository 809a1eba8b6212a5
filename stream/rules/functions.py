"""The table of functions: which words exist, what they take, and which come later."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from stream.rules.tree import Type


class Window(Enum):
    NONE = "takes no window"
    OPTIONAL = "may take a window"
    REQUIRED = "needs a window"


class Prop(Enum):
    NONE = "takes events"
    OPTIONAL = "takes events or a property of them"
    REQUIRED = "needs a property"


@dataclass(frozen=True, slots=True)
class HistoryWord:
    """A word over a customer's events. `usage` is shown in errors."""

    prop: Prop
    window: Window
    type: Type
    usage: str


@dataclass(frozen=True, slots=True)
class ValueFunction:
    """A function of values: types of its arguments (ANY: checked by the function's own rule) and of its result."""

    arguments: tuple[Type, ...]
    type: Type
    usage: str


HISTORY: dict[str, HistoryWord] = {
    "count": HistoryWord(Prop.NONE, Window.OPTIONAL, Type.NUMBER, "count(purchase) or count(purchase, 30d)"),
    "sum": HistoryWord(Prop.REQUIRED, Window.OPTIONAL, Type.NUMBER, "sum(purchase.revenue, 365d)"),
    "avg": HistoryWord(Prop.REQUIRED, Window.OPTIONAL, Type.NUMBER, "avg(purchase.revenue, 365d)"),
    "min": HistoryWord(Prop.REQUIRED, Window.OPTIONAL, Type.NUMBER, "min(purchase.revenue, 365d)"),
    "max": HistoryWord(Prop.REQUIRED, Window.OPTIONAL, Type.NUMBER, "max(purchase.revenue, 365d)"),
    "first": HistoryWord(Prop.OPTIONAL, Window.NONE, Type.INSTANT, "first(purchase) or first(purchase.coupon)"),
    "last": HistoryWord(Prop.OPTIONAL, Window.NONE, Type.INSTANT, "last(purchase) or last(purchase.coupon)"),
    "distinct": HistoryWord(Prop.REQUIRED, Window.OPTIONAL, Type.NUMBER, "distinct(purchase.category, 90d)"),
    "active_days": HistoryWord(Prop.NONE, Window.REQUIRED, Type.NUMBER, "active_days(page, 30d)"),
}

VALUES: dict[str, ValueFunction] = {
    "contains": ValueFunction((Type.TEXT, Type.TEXT), Type.BOOLEAN, 'contains(traits.city, "burg")'),
    "starts_with": ValueFunction((Type.TEXT, Type.TEXT), Type.BOOLEAN, 'starts_with(traits.locale, "de")'),
    "lower": ValueFunction((Type.TEXT,), Type.TEXT, "lower(traits.country)"),
    "if": ValueFunction((Type.BOOLEAN, Type.ANY, Type.ANY), Type.ANY, "if(orders >= 3, 20, 0)"),
    "date": ValueFunction((Type.TEXT,), Type.INSTANT, 'date("2025-11-28")'),
}
"""Allowed everywhere, also inside `where`."""

TIME: dict[str, ValueFunction] = {
    "ago": ValueFunction((Type.DURATION,), Type.INSTANT, "ago(30d)"),
    "ahead": ValueFunction((Type.DURATION,), Type.INSTANT, "ahead(7d)"),
}

USAGE: dict[str, str] = {
    **{name: word.usage for name, word in HISTORY.items()},
    **{name: function.usage for name, function in {**VALUES, **TIME}.items()},
    "silent": "silent(purchase, 30d)",
    "in": 'in("win-back")',
}

FUNCTIONS = USAGE

OTHER_WORDS = {
    **dict.fromkeys(("average", "mean"), "avg"),
    **dict.fromkeys(("total", "sum_of"), "sum"),
    **dict.fromkeys(("earliest", "oldest"), "first"),
    **dict.fromkeys(("latest", "newest", "most_recent"), "last"),
    **dict.fromkeys(("unique", "uniq", "count_distinct", "distinct_count"), "distinct"),
    **dict.fromkeys(("lowercase", "to_lower"), "lower"),
    **dict.fromkeys(("iif", "case"), "if"),
    **dict.fromkeys(("includes", "has_text"), "contains"),
    **dict.fromkeys(("days_ago", "date_sub"), "ago"),
}
"""Functions of other languages -> ours."""

INSTEAD = {
    **dict.fromkeys(("exists", "has", "has_done", "did", "done", "ever"), "count(purchase) >= 1"),
    **dict.fromkeys(("days_since", "time_since", "datediff", "date_diff"), "now - last(purchase) > 30d"),
    **dict.fromkeys(("is_null", "isnull"), "traits.country == null"),
    **dict.fromkeys(("coalesce", "ifnull"), "if(traits.age == null, 0, traits.age)"),
    "not_in": 'not in("win-back")',
}
"""Functions of other languages -> what is written over a customer instead."""

LATER_FUNCTIONS = frozenset({
    "year", "month", "weekday", "day", "hour", "age", "sequence", "some", "since", "previous", "visits", "anniversary",
    "next_anniversary", "probability_alive", "expected_orders", "quantile", "rank", "money", "keys", "values", "most",
    "between",
})  # fmt: skip
"""Planned words: refused as 'not supported yet', and already reserved as names."""
