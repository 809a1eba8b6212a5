"""A worker whose partitions begin as those of the former release did: at format level 1.

python -m tests.kafka.former_worker CONFIG
"""

from __future__ import annotations

import sys
from functools import partial

from stream.app import worker
from stream.cli.main import main
from stream.codec.levels import FORMER_LEVEL
from stream.engine.restore import Beginning

worker.Beginning = partial(Beginning, level=FORMER_LEVEL)  # type: ignore[assignment,misc]
worker.NEWEST_LEVEL = FORMER_LEVEL  # as its journal tells

if __name__ == "__main__":
    sys.argv = ["segmenter", "worker", "--config", sys.argv[1]]
    main()
