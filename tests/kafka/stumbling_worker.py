"""A worker whose program stumbles over customers and says their data in its exceptions, as a bug of ours would.

python -m tests.kafka.stumbling_worker CONFIG
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from stream.app.worker import run_worker
from stream.config import load_settings
from stream.core.events import Event
from stream.rules.compile import CompiledProgram, compile_program
from stream.rules.load import load_definitions

BREAKS = "breaks-the-core"
"""A message id: the record is rejected as internal."""

ENDS = "ends-the-worker"
"""A trait's value: nothing is left but to end the process."""


class Stumbling:
    """The real program, but for what is told in the two words above."""

    def __init__(self, program: CompiledProgram) -> None:
        self._program = program

    def __getattr__(self, name: str) -> Any:
        return getattr(self._program, name)

    def fold(self, cells: list[Any], event: Event) -> bool:
        touched = self._program.fold(cells, event)
        if event.message_id == BREAKS:
            try:
                raise KeyError(event.customer_id)
            except KeyError as error:
                raise ValueError(f"{event.properties} of {event.customer_id}") from error
        return touched

    def facts(self, cells: list[Any], now_ms: int) -> dict[str, Any]:
        if ENDS in repr(cells):
            raise AssertionError(f"unexpected state {cells}")
        return self._program.facts(cells, now_ms)


if __name__ == "__main__":
    settings = load_settings(Path(sys.argv[1]), {})
    run_worker(settings, Stumbling(compile_program(load_definitions([settings.definitions]))))  # type: ignore[arg-type]
