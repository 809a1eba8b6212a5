"""How large a customer's state record can become, from what the definitions need: every cell at its cap.

The figures are those of `codec.snapshot`: lists of numbers as they lie in memory, cells as JSON. A test drives
customers to all their caps and holds the record against the bound.
"""

from __future__ import annotations

from stream.core.memory import MESSAGE_IDS
from stream.core.windows import CAP, slice_width
from stream.errors import DefinitionErrors, Place, Problem
from stream.rules.canonical import declared_type
from stream.rules.conversions import MAX_ELEMENT_TEXT, MAX_LIST, MAX_TRAIT_TEXT
from stream.rules.needs import Cell, Needs
from stream.rules.tree import Definitions, Type
from stream.rules.values import KEPT_TEXT, KEY_TEXT

MOST_STATE_BYTES = 256 * 1024
"""Every commit writes the whole state of a customer it touched; a quarter of a MiB passes every broker's limit."""

NAMED = 5
"""The dearest words that are named when a state could be too large."""

_HEADER = 128
_PER_DEFINITION = 8 + 4 + 4 + 1 + len("200,") + len("false,")  # since, nth, changed_by, by_clock; answer; control
_MESSAGE = 16

_WIDEST = 20  # NEVER_MS, an offset, a counter
_TIME = 13 + 1  # an event's instant, until the year 2286; with its comma
_DAY = 6 + 1
_SHORTEST_DAY_MS = 20 * 3_600_000  # of any zone
_NUMBER = 25
_AMOUNT = 23  # millionths of what is below 2^53
_AMOUNTS_OF_EVENT = _AMOUNT + 6  # added up: an event of 16 MiB holds less than a million numbers
_MANY = 10  # digits of how many entries of one customer are merged
_BRACKETS = 12  # of a cell, and its comma

_PLACES = {
    "newest": "instants", "instants": "instants", "amounts": "amounts with their instants", "values": "values",
    "days": "days", "value_log": "values with their instants", "day_log": "days with their instants",
}  # fmt: skip

_AGAINST_A_NUMBER = (
    "`count`, `distinct` and `active_days` compared with a number keep one more than it: `>= 5` keeps 6; a fact of "
    "them keeps its whole window, since its value is published"
)
_HINTS = {
    "newest": "compare with a smaller number",
    "amounts": (
        "words over the same events and property share what they keep, whatever their windows; without a window `sum`, "
        "`avg`, `min` and `max` keep a few numbers"
    ),
    "trait": "declare a list of which one text is asked as a text, and leave out traits that decide nothing",
}


def most_state_bytes(definitions: Definitions, needs: Needs) -> int:
    """A bound of every customer's state record."""
    answers = len(definitions.dimensions) + len(definitions.segments)
    cells = sum(_most_bytes(definitions, cell) for cell in needs)
    return _HEADER + _PER_DEFINITION * answers + _MESSAGE * MESSAGE_IDS + cells + _WIDEST


def check_state_size(definitions: Definitions, needs: Needs) -> int:
    """As `most_state_bytes`; raises DefinitionErrors when that is too much, at each of the dearest words."""
    most = most_state_bytes(definitions, needs)
    if most <= MOST_STATE_BYTES:
        return most
    dearest = sorted(needs, key=lambda cell: _most_bytes(definitions, cell), reverse=True)[:NAMED]
    raise DefinitionErrors([_problem(definitions, cell, most) for cell in dearest])


def kibibytes(size: int) -> str:
    """As it is shown: whole KiB, rounded up."""
    return f"{-(-size // 1024)} KiB"


def _problem(definitions: Definitions, cell: Cell, most: int) -> Problem:
    kept = _most_bytes(definitions, cell)
    place = cell.asked_by.place if cell.asked_by is not None else Place(definitions.name, 1, 1)
    word = cell.asked_by.text if cell.asked_by is not None else cell.kind
    return Problem(
        place,
        f"one customer's state could take {kibibytes(most)}",
        f"`{word}`, which keeps {_said(cell)}: up to {kibibytes(kept)}",
        f"at most {kibibytes(MOST_STATE_BYTES)} for all words together",
        _HINTS.get(cell.kind, _AGAINST_A_NUMBER),
    )


def _said(cell: Cell) -> str:
    if cell.kind not in _PLACES:
        return "its value" if cell.trait is not None else "one entry"
    said = f"{_entries(cell)} {_PLACES[cell.kind]}"
    return f"{said} and {_slices(cell)} slices of older ones" if cell.kind in ("instants", "amounts") else said


def _entries(cell: Cell) -> int:
    """The cap of a cell: so many entries are kept one by one."""
    if cell.kind == "days":
        return min(cell.limit, cell.longest_ms // _SHORTEST_DAY_MS + 2)
    return {"newest": cell.keep, "instants": max(CAP, cell.keep), "amounts": CAP}.get(cell.kind, cell.limit)


def _slices(cell: Cell) -> int:
    """A window cuts its first and its last slice: one more than fit in, and one that has just gone by."""
    window_ms = cell.longest_ms if cell.kind == "amounts" else cell.whole_ms
    return window_ms // slice_width(window_ms) + 2


def _most_bytes(definitions: Definitions, cell: Cell) -> int:
    return _BRACKETS + _content(definitions, cell)


def _content(definitions: Definitions, cell: Cell) -> int:
    amount = _AMOUNTS_OF_EVENT if cell.sums_only else _AMOUNT
    merged = amount + _MANY
    match cell.kind:
        case "first_seen" | "counter" | "first" | "last":
            return _WIDEST
        case "total":
            return _AMOUNT + _WIDEST + 1 + _WIDEST + 1 + 2 * (_AMOUNT + 1)
        case "first_value" | "last_value":
            return 2 * (_WIDEST + 1) + KEPT_TEXT + 2
        case "newest":
            return _entries(cell) * _TIME
        case "instants":
            return _entries(cell) * _TIME + _slices(cell) * (_TIME + _MANY + 3)
        case "amounts":
            each, slice_ = _TIME + amount + 1, _TIME + _MANY + 1 + merged + 1 + 2 * (amount + 1) + 3
            return _entries(cell) * each + _slices(cell) * slice_
        case "values" | "value_log":
            return _entries(cell) * (_TIME + len('"t",') + KEY_TEXT)
        case "days" | "day_log":
            return _entries(cell) * (_TIME + _DAY)
        case "trait":
            assert cell.trait is not None
            return 2 * (_WIDEST + 1) + _trait_value(declared_type(definitions, cell.trait))
    raise AssertionError(f"unknown kind of cell {cell.kind}")


def _trait_value(type_: Type) -> int:
    a_list = MAX_LIST * (MAX_ELEMENT_TEXT + len('"",'))
    sizes = {Type.TEXT: MAX_TRAIT_TEXT + 2, Type.LIST: a_list, Type.ANY: max(a_list, MAX_TRAIT_TEXT + 2)}
    return sizes.get(type_, _NUMBER)
