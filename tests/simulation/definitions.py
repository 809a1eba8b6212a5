"""The definitions of every simulated world, those they are changed to, and programs that break on certain messages."""

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
REVISED_MS = {"active": 20 * DAY_MS, "browsing": 2 * HOUR_MS, "regular": 20 * DAY_MS, "curious": 3 * HOUR_MS}
"""The windows of the second revision."""

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

REVISED = """\
definitions: 1
name: simulated
revision: 2
events:
  purchase: Order Completed
  browse: Product Viewed
facts:
  orders: count(purchase)
dimensions:
  lifecycle:
    stages:
      - prospect: orders == 0
      - active: last(purchase) > ago(20d)
      - gone: otherwise
segments:
  browsing:
    when: count(browse, 2h) >= 1
  lost:
    when: lifecycle == "gone"
    topic: win-back
    control_group: 50%
  regular:
    when: count(purchase, 20d) >= 2
  curious:
    when: count("Signed In", 3h) >= 1
    topic: curious
"""
BACK = TEXT.replace("name: simulated", "name: simulated\nrevision: 3")

DEFINITIONS = parse_definitions([("simulated.yaml", TEXT)])

BREAKS = "breaks-"
"""The core fails on messages whose id begins so."""


def _fragile(text: str) -> CompiledProgram:
    program = compile_program(parse_definitions([("simulated.yaml", text)]))
    fragile = copy.copy(program)

    def fold(cells: list[Any], event: Event) -> bool:
        if event.message_id is not None and event.message_id.startswith(BREAKS):
            cells[0] = "half done"
            raise RuntimeError("the core fails on this message")
        return program.fold(cells, event)

    fragile.fold = fold
    return fragile


PROGRAM = _fragile(TEXT)
PROGRAMS = {1: PROGRAM, 2: _fragile(REVISED), 3: _fragile(BACK)}
LAST_REVISION = 3
