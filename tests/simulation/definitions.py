"""The definitions of every simulated world, and a program that breaks on certain messages."""

from __future__ import annotations

import copy
from typing import Any

from stream.core.events import Event
from stream.rules.compile import CompiledProgram, compile_program
from stream.rules.load import parse_definitions

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ACTIVE_MS = 30 * DAY_MS
KEEN_MS = 7 * DAY_MS
BROWSING_MS = HOUR_MS

TEXT = """\
definitions: 1
name: simulated
events:
  purchase: Order Completed
  browse: Product Viewed
facts:
  orders: count(purchase)
dimensions:
  lifecycle:
    stages:
      - prospect: orders == 0
      - active: last(purchase) > ago(30d)
      - inactive: otherwise
segments:
  keen:
    when: count(purchase, 7d) >= 2
  browsing:
    when: count(browse, 1h) >= 1
  lost:
    when: lifecycle == "inactive"
    topic: win-back
    control_group: 50%
"""

DEFINITIONS = parse_definitions([("simulated.yaml", TEXT)])

BREAKS = "breaks-"
"""The core fails on messages whose id begins so."""


def _fragile() -> CompiledProgram:
    program = compile_program(DEFINITIONS)
    fragile = copy.copy(program)

    def fold(cells: list[Any], event: Event) -> bool:
        if event.message_id is not None and event.message_id.startswith(BREAKS):
            cells[0] = "half done"
            raise RuntimeError("the core fails on this message")
        return program.fold(cells, event)

    fragile.fold = fold
    return fragile


PROGRAM = _fragile()
