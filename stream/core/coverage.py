"""Since when a customer's cells hold everything that a definition asks of them, after definitions were revised.

Three things bound it. A cell that is new begins blank when the revision begins. A cell that another revision kept for
less holds what that revision kept: a shorter window, fewer of the newest. And a cell may have been new or kept for less
at an earlier revision: `kept` says, per key, since when it has been kept as it is now (left out: always).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stream.core.events import FOREVER_MS, NEVER_MS
from stream.core.program import Ask, CellLayout, Program
from stream.core.windows import CAP

Kept = Mapping[str, int]
"""Cell key -> since when (ms) it is kept as the program asks; a cell that is not named always was."""

_SINGLE = frozenset({"first_seen", "counter", "total", "first", "last", "first_value", "last_value", "trait"})
"""Kinds that hold the same however far back they are asked."""


def kept_since(old: Program, kept: Kept, new: Program, began_ms: int) -> dict[str, int]:
    """The `kept` of a program that takes over from another at `began_ms`."""
    before = {cell.key: cell for cell in old.layout}
    since: dict[str, int] = {}
    for cell in new.layout:
        former = before.get(cell.key)
        since_ms = began_ms if former is None else _grown_since(former, cell, kept.get(cell.key, NEVER_MS), began_ms)
        whole = cell.kind not in _SINGLE and since_ms + max(cell.longest_ms, cell.whole_ms) <= began_ms
        if since_ms > NEVER_MS and not whole:
            since[cell.key] = since_ms
    return since


def known_since(ask: Ask, new: CellLayout, old: CellLayout | None, kept: Kept, began_ms: int, content: Any) -> int:
    """Since when a customer's cell holds all that is asked. `old`, `kept`, `content`: the cell as it was until now."""
    if old is None:
        return began_ms
    since_ms = kept.get(ask.key, NEVER_MS)
    if answers(old, ask):
        return began_ms if _was_summed(old, new) else since_ms
    return max(since_ms, began_ms if _was_summed(old, new) else _held_since(old, content, ask))


def _grown_since(old: CellLayout, new: CellLayout, since_ms: int, began_ms: int) -> int:
    """For all customers: so a cell that must hold more entries counts as new."""
    if new.kind in _SINGLE:
        return since_ms
    entries_grew = new.keep > max(old.keep, CAP if old.whole_ms else 0) or (
        new.kind in _VALUED and new.limit > old.limit
    )
    within_ms = old.whole_ms if new.whole_ms else max(old.whole_ms, old.longest_ms)
    if entries_grew or _was_summed(old, new) or (new.whole_ms and not old.whole_ms and old.kind != "amounts"):
        return began_ms
    longest_ms = max(new.whole_ms, new.longest_ms)
    return max(since_ms, began_ms - within_ms) if longest_ms > within_ms else since_ms


_VALUED = frozenset({"values", "days", "value_log", "day_log"})


def _was_summed(old: CellLayout, new: CellLayout) -> bool:
    """What an event's amounts were one by one can't be told from their sum."""
    return old.kind == "amounts" and old.sums_only and not new.sums_only


def answers(old: CellLayout, ask: Ask) -> bool:
    """Whether a cell kept like this holds what is asked, whatever happened."""
    if old.kind in _SINGLE:
        return True
    within = ask.reach_ms <= old.whole_ms
    if ask.keep is None:
        return within or (old.kind in ("amounts", "value_log", "day_log") and ask.reach_ms <= old.longest_ms)
    return ask.keep <= _one_by_one(old, within) and (within or ask.reach_ms <= old.longest_ms)


def _one_by_one(old: CellLayout, within: bool) -> int:
    """So many of the newest entries are there as they came; of a window kept whole those beyond are merged."""
    return old.limit if old.kind in _VALUED else max(old.keep, CAP if within else 0)


def _held_since(old: CellLayout, content: Any, ask: Ask) -> int:
    """Since when this cell holds everything that is asked. An empty one has never had anything, for entries go only
    when newer ones come."""
    times: list[int] = content if old.kind == "newest" else content[0]
    if not times:
        return NEVER_MS
    newest_ms = times[-1]
    if old.kind in ("newest", "instants"):
        merged = old.kind == "instants" and bool(content[1])
        full = merged or len(times) >= old.keep
        since_ms = max(times[0], newest_ms - old.longest_ms) if full else newest_ms - old.longest_ms
        enough = not merged or ask.keep is None or ask.keep <= _one_by_one(old, True)
        return min(since_ms, newest_ms - old.whole_ms) if old.whole_ms and enough else since_ms
    if old.kind == "amounts":
        return newest_ms - old.longest_ms
    held_ms = newest_ms - max(old.longest_ms, old.whole_ms)
    return max(times[0], held_ms) if len(times) >= old.limit else held_ms


def warming_until(program: Program, kept: Kept, index: int) -> int:
    """Until when, at latest, a definition is warming for some customer (NEVER_MS: for none)."""
    return max(
        (kept[ask.key] + ask.reach_ms for ask in program.asks(index) if ask.reach_ms < FOREVER_MS and ask.key in kept),
        default=NEVER_MS,
    )
