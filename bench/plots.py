"""Draws what is in docs/measured: a PNG beside each JSON.

    python -m bench plots

matplotlib lives in an environment of its own (requirements/bench.txt, made on demand under .rivals/): the worker's
stays as it is locked.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.rivals import builds

MEASURED = builds.ROOT / "docs" / "measured"


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        "python -m bench plots", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(arguments)
    results = sorted(MEASURED.glob("*.json"))
    if not results:
        sys.exit("docs/measured is empty: python -m bench page FOLDER puts a measured run there")
    draw(results)


def draw(results: Sequence[Path]) -> None:
    """Exits with a message when the environment can't be made."""
    try:
        interpreter = builds.python("plots", builds.ROOT / "requirements" / "bench.txt")
    except builds.BuildFailed as error:
        sys.exit(f"no plots: {error}")
    subprocess.run([interpreter, "-m", "bench.drawing", *map(str, results)], cwd=builds.ROOT, check=True)
