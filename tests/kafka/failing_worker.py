"""A worker whose program breaks on one message, as a bug of ours would.

python -m tests.kafka.failing_worker CONFIG
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from stream.app.worker import run_worker
from stream.config import load_settings
from stream.rules.compile import CompiledProgram, compile_program
from stream.rules.load import load_definitions

BROKEN_MESSAGE = "breaks-the-core"


class Breaking:
    """The real program, but for one message."""

    def __init__(self, program: CompiledProgram) -> None:
        self._program = program

    def __getattr__(self, name: str) -> Any:
        return getattr(self._program, name)

    def fold(self, cells: list[Any], event: Any) -> bool:
        touched = self._program.fold(cells, event)
        if event.message_id == BROKEN_MESSAGE:
            raise RuntimeError("planted")
        return touched


if __name__ == "__main__":
    settings = load_settings(Path(sys.argv[1]), {})
    run_worker(settings, Breaking(compile_program(load_definitions([settings.definitions]))))  # type: ignore[arg-type]
