"""A worker whose silence guard lives fast: its minute is a second, and it has learned after twelve."""

from __future__ import annotations

import sys

from stream.cli.main import main
from stream.engine import silence

silence.MINUTE_MS = 1_000
silence.LEAST_LEARNED_MINUTES = 10
silence.LEAST_EXPECTED = 40

if __name__ == "__main__":
    sys.argv = ["segmenter", "worker", "--config", sys.argv[1]]
    main()
