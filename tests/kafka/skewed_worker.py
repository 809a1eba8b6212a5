"""A worker on a machine whose wall clock is wrong by what a file says, in ms; the file may change while it runs.

SKEW_FILE=... python -m tests.kafka.skewed_worker CONFIG

Only `time.time_ns` goes wrong, which `stream.app.clock` asks: librdkafka and the waiting of threads stay as they are.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from stream.app.worker import run_worker
from stream.config import load_settings
from stream.rules.compile import compile_program
from stream.rules.load import load_definitions

if __name__ == "__main__":
    right, skew_file = time.time_ns, Path(os.environ["SKEW_FILE"])
    time.time_ns = lambda: right() + int(skew_file.read_text() or 0) * 1_000_000
    settings = load_settings(Path(sys.argv[1]), {})
    run_worker(settings, compile_program(load_definitions([settings.definitions])))
