"""Puts a measured run into the documents: results as JSON and plots in docs/measured, tables in docs/performance.md.

    python -m bench page bench/results/run-...     publish what is in that folder, then draw and write
    python -m bench page                           write the tables again from what is published

What was published of the same command before is replaced; the rest stays. Tables and plots come from the JSON alone:
figures are never put in by hand, and tests/bench/test_page.py holds the page against it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import plots
from bench.tables import PARTS, block, worker_of

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
MEASURED = ROOT / "docs" / "measured"
BEGIN = "<!-- measured: written by `python -m bench page`, not by hand -->"
END = "<!-- end of what was measured -->"


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        "python -m bench page", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, help="of a measured run")
    parser.add_argument("--no-plots", dest="plots", action="store_false")
    given = parser.parse_args(arguments)
    if given.folder is not None:
        names = publish(given.folder)
        if not names:
            sys.exit(f"found no results in {given.folder}, expected the JSON files of `python -m bench all`")
        print(f"published: {', '.join(names)}")
        if given.plots:
            plots.main([])
    PAGE.write_text(with_block(PAGE.read_text("utf-8"), published_block()), "utf-8")
    print(f"written to {PAGE.relative_to(ROOT)}")


def publish(folder: Path) -> list[str]:
    """Copy what was measured; returns the names it has in docs/measured. The newest of a name wins."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text("utf-8"))
        if result["kind"] in PARTS:
            found[published_name(result)] = slim(result)
    MEASURED.mkdir(exist_ok=True)
    for name, result in found.items():
        (MEASURED / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return list(found)


def published_name(result: dict[str, Any]) -> str:
    """What tells a result from others of its kind."""
    told = result["arguments"]
    match result["kind"]:
        case "compare":
            return f"compare-{told['load']}-{told['events']}"
        case "standard":
            return f"standard-{told['scenario']}{_of_which_worker(result)}"
        case "wakes":
            return f"wakes-{told['pending'] or told['customers']}{_of_which_worker(result)}"
    chosen = {point["curve"] for point in result["points"]}
    return ("curves" if len(chosen) > 1 else f"curves-{'-'.join(sorted(chosen))}") + _of_which_worker(result)


def _of_which_worker(result: dict[str, Any]) -> str:
    processes, compiled = worker_of(result)
    return (f"-{processes}-processes" if processes > 1 else "") + ("-compiled" if compiled else "")


def slim(result: dict[str, Any]) -> dict[str, Any]:
    """Without every second's offsets and without profiles: those stay in the run's own folder."""
    if "runs" not in result:
        return result
    dropped = ("committed", "profile")
    runs = [{name: value for name, value in run.items() if name not in dropped} for run in result["runs"]]
    return {**result, "runs": runs}


def published() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(MEASURED.glob("*.json"))}


def published_block() -> str:
    return block(published(), [path.name for path in MEASURED.glob("*.png")])


def with_block(page: str, text: str) -> str:
    """The page with that between its markers. Raises ValueError when they are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"found no place for what was measured, expected {BEGIN} and {END} in {PAGE.name}")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"
