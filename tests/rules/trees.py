"""Small files and events for the tests of the compiler."""

from __future__ import annotations

from typing import Any

from stream.core.events import Event
from stream.rules.compile import CompiledProgram, compile_program
from stream.rules.load import parse_definitions
from stream.rules.tree import Definitions

HOUR = 3_600_000
DAY = 24 * HOUR
START = 1_735_689_600_000  # 2025-01-01T00:00:00Z

HEAD = """definitions: 1
name: tests
events:
  purchase: Order Completed
  viewed: Product Viewed
traits:
  consent: boolean
  country: text
  age: number
  born: date
  tags: list
  plan.tier: text
  email: {type: text, private: true}
"""


def definitions_of(body: str, head: str = HEAD) -> Definitions:
    """The checked tree of a file of the usual head and this body."""
    return parse_definitions([("tests.yaml", head + body)])


def program_of(body: str, head: str = HEAD) -> CompiledProgram:
    return compile_program(definitions_of(body, head))


def segment_of(condition: str, head: str = HEAD) -> CompiledProgram:
    """A program of one segment, so that its answer is `judge(...)[0][0]`."""
    return program_of(f"segments:\n  it:\n    when: >-\n      {condition}\n", head)


def event(
    time_ms: int, name: str = "Order Completed", properties: dict[str, Any] | None = None, offset: int = 0
) -> Event:
    return Event("customer", "track", name, time_ms, offset, None, properties or {}, {})


def call(kind: str, time_ms: int, properties: dict[str, Any] | None = None, offset: int = 0) -> Event:
    """A page, screen, identify or group call."""
    return Event("customer", kind, "", time_ms, offset, None, properties or {}, {})


class Customer:
    """One customer of a program, with a short way to ask."""

    def __init__(self, program: CompiledProgram) -> None:
        self.program = program
        self.cells = program.blank()

    def sees(self, *events: Event) -> Customer:
        for each in events:
            self.program.fold(self.cells, each)
        return self

    def answer(self, now_ms: int, index: int = 0) -> int:
        return self.program.judge(self.cells, now_ms)[0][index]

    def turns(self, now_ms: int) -> int:
        return self.program.judge(self.cells, now_ms)[1]
