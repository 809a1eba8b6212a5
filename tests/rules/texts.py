"""Short definitions for the laws of `stream.rules`, and the full example of the language."""

from __future__ import annotations

from textwrap import indent

from stream.errors import DefinitionErrors, Problem
from stream.rules.load import parse_definitions
from stream.rules.tree import Definitions, Node

HEAD = """\
definitions: 1
events: {purchase: Order Completed, engaged: [Email Clicked, Product Viewed]}
traits:
  country: text
  age: number
  consent: boolean
  born: date
  tags: list
  plan.tier: text
  secret: {type: text, private: true}
facts:
  orders: count(purchase)
  spend: sum(purchase.revenue, 365d)
"""
LINES = HEAD.count("\n")

SHOP = """\
definitions: 1                           # version of this format
name: shop

events:                                  # your names, once; a name, a list (union), or {event, where, unless, by}
  purchase: Order Completed
  engaged:  [Email Clicked, Product Viewed, Product Added]

traits:                                  # what may be read, and as what: text, number, boolean, date, list
  email:             {type: text, private: true}      # private: never in reasons, API, logs or metrics
  marketing_consent: boolean
  country:           text

audience: traits.marketing_consent == true      # nobody else is in any segment, unless it says `audience: everyone`

facts:                                   # named values per customer, usable below
  orders:     count(purchase)
  spend_365d: sum(purchase.revenue, 365d)

dimensions:                              # a customer is in exactly one stage of each: the first that holds
  lifecycle:
    stages:
      - prospect: orders == 0
      - new:      orders == 1 and first(purchase) > ago(30d)
      - active:   last(purchase) > ago(180d)
      - inactive: otherwise
  frequency:
    stages:
      - none:       count(purchase, 90d) == 0
      - one-time:   count(purchase, 90d) == 1
      - occasional: count(purchase, 90d) < 5
      - frequent:   otherwise
  recency:
    stages:
      - never: last(purchase) == never
      - hot:   last(purchase) > ago(7d)
      - warm:  last(purchase) > ago(30d)
      - cool:  last(purchase) > ago(90d)
      - cold:  otherwise

segments:                                # in or out
  win-back:
    description: Good customers who went silent.
    when: lifecycle == "inactive" and spend_365d >= 200
    action: flow "We miss you", owner marketing
    topic: win-back                      # its changes are also written there
    with: {email: traits.email, last_order: last(purchase)}    # values the change carries
    control_group: 10%                   # held out by a hash: the change says control: true
    goal: {reached: purchase, within: 14d}
  cart-abandoned:
    when: last("Product Added") > last(purchase) and last("Product Added") <= ago(1h)
      and last("Product Added") > ago(7d)

cases:
  - name: one order, then silence
    given:
      - {at: 0d, traits: {marketing_consent: true}}
      - {at: 0d, event: Order Completed, with: {revenue: 250}}
    expect:
      - {at: 0d, lifecycle: new, frequency: one-time, recency: hot}
      - {at: 30d, lifecycle: active}
      - {at: 180d, lifecycle: inactive, entered: win-back}
"""


def load(text: str) -> Definitions:
    return parse_definitions([("f.yaml", text)])


def problems(text: str) -> list[Problem]:
    """All problems of a text; [] when there are none."""
    try:
        load(text)
    except DefinitionErrors as errors:
        return errors.problems
    return []


def places(found: list[Problem]) -> list[tuple[int, int]]:
    return [(problem.place.line, problem.place.column) for problem in found]


def with_fact(expression: str) -> str:
    """Definitions with a fact `x`; its expression begins at line LINES + 2, column 5."""
    return HEAD + "  x: |\n" + indent(expression, "    ") + "\n"


def fact(expression: str) -> Node:
    """The checked tree of an expression."""
    return next(found.value for found in load(with_fact(expression)).facts if found.name == "x")


def segment(when: str, *more: str) -> str:
    """Definitions with a segment `s`; its `when` begins at line LINES + 4, column 9. `more`: further lines of it."""
    lines = [f"when: |\n{indent(when, '    ')}", *more]
    return HEAD + "segments:\n  s:\n" + indent("\n".join(lines), "    ") + "\n"


def dimension(*stages: str) -> str:
    """Definitions with a dimension `d`; the first `name: condition` begins at line LINES + 4, column 9."""
    return HEAD + "dimensions:\n  d:\n    stages:\n" + "".join(f"      - {stage}\n" for stage in stages)
