"""A worker on a machine whose clock is three hours ahead."""

from __future__ import annotations

import sys
from pathlib import Path

from stream.app import worker
from stream.cli.definitions import load
from stream.config import load_settings
from stream.errors import SegmenterError

AHEAD_MS = 3 * 3_600_000


def main() -> None:
    settings = load_settings(Path(sys.argv[1]), {})
    _, program = load([settings.definitions])
    right = worker.now_ms
    worker.now_ms = lambda: right() + AHEAD_MS
    try:
        worker.run_worker(settings, program)
    except SegmenterError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
