"""What is remembered of a customer's past: cells, and the pure functions that add to them and read them.

A cell never holds an event later than the instant at which the customer is judged, and that instant never goes back.
A window is (now - before - window, now - before]. So whatever lies `before + window` or more behind the newest event of
a cell can never be inside again, and is dropped when the next event comes.

    newest    times                                         the few newest instants, sorted
    instants  [times, slices]                               all in the longest window, sorted
    amounts   [times, micros, slices]                       the same with an amount (millionths) for each instant
    values    [times, keys]                                 latest instant of each value or day, sorted by instant
    log       [times, keys]                                 every (instant, value) in the longest window
    total     [sum, n, min, max]                            ever, in millionths; min and max None while n is 0

Adders tell whether anything changed: False, True, or `MERGED` (also true) when the cell was at its cap, so that an
entry was merged into a slice, or of values and logs dropped.

A slice stands for several merged entries: [newest instant, n] or [newest instant, n, sum, min, max]. Slices are older
than every time in their cell. Readers return (value, next): the value at `now_ms`, and the first instant after it at
which the value may differ (FOREVER_MS: never by itself).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort_right
from typing import Any

from stream.core.events import FOREVER_MS

CAP = 512
"""Entries kept one by one in a cell: 512 instants with amounts are 10 KiB as text, with the largest amounts and all
slices 31 KiB, so that eight such cells always fit into a state record of 256 KiB."""

SLICES = 64
"""Slices per longest window once a cell is full: a merged event leaves its window late by at most 1/64 of it."""

NEWEST_MAX = 1_000
"""Largest number a count may be compared with and still be answered from the newest instants alone (10 KiB of text)."""

WALK_MAX = 64
"""Departures looked through for the one that turns a sum; beyond it the customer is asked again. Keeps a judgement
under 10 us for a customer with a full cell."""

MERGED = 2

Slices = list[list[int]]


def slice_width(longest_ms: int) -> int:
    """Length of a slice in a cell whose longest window is `longest_ms`."""
    return max(1, longest_ms // SLICES)


# -- adding ------------------------------------------------------------------------------------------------------------


def keep_newest(times: list[int], time_ms: int, keep: int, longest_ms: int) -> bool:
    """Add an instant to the `keep` newest; False when it is too old to matter."""
    if times and time_ms < times[-1]:
        if time_ms <= times[-1] - longest_ms or (len(times) >= keep and time_ms <= times[0]):
            return False
        insort_right(times, time_ms)
    else:
        times.append(time_ms)
    if len(times) > keep:
        del times[0]
    edge = times[-1] - longest_ms
    if times[0] <= edge:
        del times[: bisect_right(times, edge)]
    return True


def keep_instant(cell: list[Any], time_ms: int, keep: int, whole_ms: int, longest_ms: int) -> int:
    """Add an instant to all those within `whole_ms`, and at least the `keep` newest within `longest_ms`."""
    times: list[int] = cell[0]
    slices: Slices = cell[1]
    if times and time_ms < times[-1]:
        if time_ms <= times[-1] - longest_ms:
            return False
        if slices and time_ms < times[0]:
            _slice_for(slices, time_ms, slice_width(whole_ms), [time_ms, 0])[1] += 1
            return MERGED
        insort_right(times, time_ms)
    else:
        times.append(time_ms)
    newest = times[-1]
    if times[0] <= newest - whole_ms:
        drop = min(bisect_right(times, newest - whole_ms), max(0, len(times) - keep))
        drop = max(drop, bisect_right(times, newest - longest_ms))
        del times[:drop]
    _prune(slices, newest - whole_ms)
    if len(times) > max(CAP, keep):
        oldest = times.pop(0)
        _slice_for(slices, oldest, slice_width(whole_ms), [oldest, 0])[1] += 1
        return MERGED
    return True


def keep_amount(cell: list[Any], time_ms: int, micros: int, longest_ms: int) -> int:
    """Add an amount (millionths) at an instant to all those within `longest_ms`."""
    times: list[int] = cell[0]
    amounts: list[int] = cell[1]
    slices: Slices = cell[2]
    if times and time_ms < times[-1]:
        if time_ms <= times[-1] - longest_ms:
            return False
        if slices and time_ms < times[0]:
            _merge_amount(slices, time_ms, micros, longest_ms)
            return MERGED
        at = bisect_right(times, time_ms)
        times.insert(at, time_ms)
        amounts.insert(at, micros)
    else:
        times.append(time_ms)
        amounts.append(micros)
    edge = times[-1] - longest_ms
    if times[0] <= edge:
        drop = bisect_right(times, edge)
        del times[:drop]
        del amounts[:drop]
    _prune(slices, edge)
    if len(times) > CAP:
        _merge_amount(slices, times.pop(0), amounts.pop(0), longest_ms)
        return MERGED
    return True


def keep_value(cell: list[Any], time_ms: int, key: str | int, limit: int, longest_ms: int) -> int:
    """Note when a value (or day) was seen last, for the `limit` values seen latest."""
    times: list[int] = cell[0]
    keys: list[str | int] = cell[1]
    if key in keys:
        at = keys.index(key)
        if times[at] >= time_ms:
            return False
        del times[at]
        del keys[at]
    if times and time_ms < times[-1]:
        if time_ms <= times[-1] - longest_ms:
            return False
        if len(times) >= limit and time_ms <= times[0]:
            return MERGED
        at = bisect_right(times, time_ms)
        times.insert(at, time_ms)
        keys.insert(at, key)
    else:
        times.append(time_ms)
        keys.append(key)
    return _bound(times, keys, limit, longest_ms)


def keep_log(cell: list[Any], time_ms: int, key: str | int, limit: int, longest_ms: int) -> int:
    """Note that a value (or day) was seen at an instant; the `limit` newest notes are kept."""
    times: list[int] = cell[0]
    keys: list[str | int] = cell[1]
    if times and time_ms <= times[-1] - longest_ms:
        return False
    if len(times) >= limit and time_ms <= times[0]:
        return MERGED
    at = bisect_right(times, time_ms)
    if any(keys[i] == key for i in range(bisect_left(times, time_ms), at)):
        return False
    times.insert(at, time_ms)
    keys.insert(at, key)
    return _bound(times, keys, limit, longest_ms)


def add_to_total(cell: list[Any], micros: int) -> None:
    """Add an amount to a total over all time."""
    cell[0] += micros
    if cell[1]:
        if micros < cell[2]:
            cell[2] = micros
        elif micros > cell[3]:
            cell[3] = micros
    else:
        cell[2] = cell[3] = micros
    cell[1] += 1


def _bound(times: list[int], keys: list[str | int], limit: int, longest_ms: int) -> int:
    gone = bisect_right(times, times[-1] - longest_ms)
    drop = max(gone, len(times) - limit)
    if drop:
        del times[:drop]
        del keys[:drop]
    return MERGED if drop > gone else True


def _prune(slices: Slices, edge_ms: int) -> None:
    while slices and slices[0][0] <= edge_ms:
        del slices[0]


def _slice_for(slices: Slices, time_ms: int, width: int, empty: list[int]) -> list[int]:
    """The slice an instant belongs to, made from `empty` where there is none; its newest instant is brought up."""
    number = time_ms // width
    at = len(slices)
    while at and slices[at - 1][0] // width > number:
        at -= 1
    if at and slices[at - 1][0] // width == number:
        found = slices[at - 1]
        found[0] = max(found[0], time_ms)
        return found
    slices.insert(at, empty)
    return empty


def _merge_amount(slices: Slices, time_ms: int, micros: int, longest_ms: int) -> None:
    found = _slice_for(slices, time_ms, slice_width(longest_ms), [time_ms, 0, 0, micros, micros])
    found[1] += 1
    found[2] += micros
    found[3] = min(found[3], micros)
    found[4] = max(found[4], micros)


# -- reading -----------------------------------------------------------------------------------------------------------


def count_newest(times: list[int], now_ms: int, window_ms: int) -> tuple[int, int]:
    """How many of the kept instants lie within the window."""
    at = bisect_right(times, now_ms - window_ms)
    return len(times) - at, times[at] + window_ms if at < len(times) else FOREVER_MS


def count_in(cell: list[Any], now_ms: int, window_ms: int, before_ms: int) -> tuple[int, int]:
    """How many instants lie within the window."""
    times: list[int] = cell[0]
    low = bisect_right(times, now_ms - before_ms - window_ms)
    high = bisect_right(times, now_ms - before_ms) if before_ms else len(times)
    following = _next_border(times, low, high, window_ms, before_ms)
    if not cell[1]:
        return high - low, following
    inside, border = _slices_in(cell[1], now_ms, window_ms, before_ms)
    return high - low + sum(each[1] for each in inside), min(border, following)


def sum_in(cell: list[Any], now_ms: int, window_ms: int, before_ms: int) -> tuple[int, int]:
    """Sum of the amounts within the window, in millionths; 0 of nothing."""
    if not before_ms and not cell[2]:  # as nearly always
        times: list[int] = cell[0]
        low = bisect_right(times, now_ms - window_ms)
        return sum(cell[1][low:]), times[low] + window_ms if low < len(times) else FOREVER_MS
    amounts, slices, following = _amounts_in(cell, now_ms, window_ms, before_ms)
    return sum(amounts) + sum(each[2] for each in slices), following


def average_in(cell: list[Any], now_ms: int, window_ms: int, before_ms: int) -> tuple[int | None, int]:
    """Average of the amounts within the window, rounded to a millionth; None of nothing."""
    amounts, slices, following = _amounts_in(cell, now_ms, window_ms, before_ms)
    n = len(amounts) + sum(each[1] for each in slices)
    return average(sum(amounts) + sum(each[2] for each in slices), n), following


def smallest_in(cell: list[Any], now_ms: int, window_ms: int, before_ms: int) -> tuple[int | None, int]:
    """Smallest amount within the window, in millionths; None of nothing."""
    amounts, slices, following = _amounts_in(cell, now_ms, window_ms, before_ms)
    return min([*amounts, *(each[3] for each in slices)], default=None), following


def greatest_in(cell: list[Any], now_ms: int, window_ms: int, before_ms: int) -> tuple[int | None, int]:
    """Greatest amount within the window, in millionths; None of nothing."""
    amounts, slices, following = _amounts_in(cell, now_ms, window_ms, before_ms)
    return max([*amounts, *(each[4] for each in slices)], default=None), following


def average(total: int, n: int) -> int | None:
    """total / n to a whole number, half to even; None when n is 0."""
    if n == 0:
        return None
    whole, rest = divmod(total, n)
    return whole + (2 * rest > n or (2 * rest == n and whole % 2 == 1))


def sum_at_least(cell: list[Any], now_ms: int, window_ms: int, threshold: int) -> tuple[bool, int]:
    """Whether the sum of the last `window_ms` reaches the threshold (millionths), and when that may turn."""
    times: list[int] = cell[0]
    amounts: list[int] = cell[1]
    if not times and not cell[2]:
        return threshold <= 0, FOREVER_MS  # most customers have bought nothing
    low = bisect_right(times, now_ms - window_ms)
    left = sum(amounts[low:] if low else amounts)
    if cell[2]:
        inside, border = _slices_in(cell[2], now_ms, window_ms, 0)
        left += sum(each[2] for each in inside)
        if inside:
            return left >= threshold, border
    holds = left >= threshold
    last = min(len(times), low + WALK_MAX)
    for at in range(low, last):
        left -= amounts[at]
        if (left >= threshold) != holds:
            return holds, times[at] + window_ms
    return holds, times[last] + window_ms if last < len(times) else FOREVER_MS


def distinct_between(cell: list[Any], now_ms: int, window_ms: int, before_ms: int) -> tuple[int, int]:
    """How many different values (days) a log holds within the window."""
    times: list[int] = cell[0]
    low = bisect_right(times, now_ms - before_ms - window_ms)
    high = bisect_right(times, now_ms - before_ms)
    return len(set(cell[1][low:high])), _next_border(times, low, high, window_ms, before_ms)


def _next_border(times: list[int], low: int, high: int, window_ms: int, before_ms: int) -> int:
    """When the oldest inside leaves or the next one comes in."""
    leaves = times[low] + window_ms + before_ms if low < high else FOREVER_MS
    comes = times[high] + before_ms if high < len(times) else FOREVER_MS
    return min(leaves, comes)


def _slices_in(slices: Slices, now_ms: int, window_ms: int, before_ms: int) -> tuple[Slices, int]:
    newest = [each[0] for each in slices]
    low = bisect_right(newest, now_ms - before_ms - window_ms)
    high = bisect_right(newest, now_ms - before_ms)
    return slices[low:high], _next_border(newest, low, high, window_ms, before_ms)


def _amounts_in(cell: list[Any], now_ms: int, window_ms: int, before_ms: int) -> tuple[list[int], Slices, int]:
    times: list[int] = cell[0]
    low = bisect_right(times, now_ms - before_ms - window_ms)
    high = bisect_right(times, now_ms - before_ms) if before_ms else len(times)
    following = _next_border(times, low, high, window_ms, before_ms)
    if not cell[2]:
        return cell[1][low:high], [], following
    inside, border = _slices_in(cell[2], now_ms, window_ms, before_ms)
    return cell[1][low:high], inside, min(border, following)
