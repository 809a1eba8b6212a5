"""As many definitions as are asked for, of the usual kinds, over the benchmark's events."""

from __future__ import annotations

HEAD = """definitions: 1
name: many

events:
  purchase: Order Completed
  added: Product Added
  viewed: Product Viewed

traits:
  country: text
  marketing_consent: boolean

segments:
"""
KINDS = (
    'last(purchase) > ago({days}d)',
    'count(viewed, {days}d) >= {many}',
    'count(purchase, {days}d) >= {few}',
    'sum(purchase.revenue) >= {many}00',
    'silent(purchase, {days}d)',
    'count(added, {days}d) >= {few} and count(purchase) == 0',
    'active_days("Signed In", {days}d) >= {few}',
    'traits.country == "{country}" and count(purchase) >= {few}',
    'max(purchase.revenue) >= {many}0',
    'last(added) > last(purchase) and last(added) > ago({days}d)',
)  # fmt: skip
COUNTRIES = ("DE", "FR", "US")


def many_definitions(count: int) -> str:
    """The text of a definitions file with so many segments, no two of which say the same."""
    lines = []
    for number in range(count):
        step = number // len(KINDS)
        when = KINDS[number % len(KINDS)].format(
            days=14 + 7 * step, many=3 + step, few=1 + step, country=COUNTRIES[step % len(COUNTRIES)]
        )
        lines.append(f"  s{number}:\n    when: {when}\n")
    return HEAD + "".join(lines)
