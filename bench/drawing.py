"""Draws results as PNGs beside their JSON: python -m bench.drawing RESULT.json...

Runs in an environment with matplotlib (requirements/bench.txt). What there is nothing to draw of is passed over.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

from bench.rivals.plots import OURS_COLOUR, THEIR_COLOUR
from bench.rivals.plots import draw as draw_comparison

matplotlib.use("Agg")
from matplotlib import pyplot

PANELS = (
    ("customers", "events_per_s", 1.0, "events/s by customers"),
    ("customers", "worker_us_per_event", 1.0, "CPU, µs an event, by customers"),
    ("customers", "ready_rss_bytes", 1 / (1 << 20), "memory when ready, MiB, by customers"),
    ("definitions", "events_per_s", 1.0, "events/s by definitions"),
    ("event-size", "events_per_s", 1.0, "events/s by bytes of an event"),
    ("partitions", "events_per_s", 1.0, "events/s by partitions"),
    ("workers", "events_per_s", 1.0, "events/s by workers"),
    ("commit-interval", "events_per_s", 1.0, "events/s by commit interval, ms"),
    ("commit-interval", "latency_p99_ms", 1.0, "p99 of latency, ms, by commit interval, ms"),
)  # fmt: skip
COLUMNS = 3


def draw_curves(result: dict[str, Any], path: Path) -> None:
    points = [point for point in result["points"] if not point["error"]]
    panels = [
        (each, found)
        for each in PANELS
        if len(found := [point for point in points if point["curve"] == each[0] and each[1] in point["figures"]]) > 1
    ]
    if not panels:
        return
    lines = -(-len(panels) // COLUMNS)
    figure, axes = pyplot.subplots(lines, COLUMNS, figsize=(13, 0.6 + 2.8 * lines), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, ((_, name, unit, heading), found) in zip(axes.flat, panels):
        places = range(len(found))
        values = [point["figures"][name] * unit for point in found]
        axis.plot(places, values, marker="o", color=OURS_COLOUR)
        axis.set_xticks(places, [f"{point['value']:,}" for point in found])
        for place, value in zip(places, values):
            axis.annotate(f"{value:,.0f}", (place, value), textcoords="offset points", xytext=(0, 6), fontsize=8)
        axis.set_ylim(0, max(values) * 1.25 or 1)
        axis.margins(x=0.2)
        _dress(axis, heading)
    _title(figure, result, f"{result['arguments']['events']:,} events a point")
    figure.savefig(path, dpi=140)


def draw_latencies(result: dict[str, Any], path: Path) -> None:
    runs = [run for run in result["runs"] if "latency_p99_ms" in run["figures"]]
    if not runs:
        return
    runs.sort(key=lambda run: run["figures"]["rate"])
    figure, axis = pyplot.subplots(figsize=(7, 3.6))
    for name, colour in (("p50", THEIR_COLOUR), ("p99", OURS_COLOUR), ("max", "black")):
        values = [run["figures"][f"latency_{name}_ms"] for run in runs]
        axis.plot(range(len(runs)), values, marker="o", label=name, color=colour)
    axis.set_xticks(range(len(runs)), [f"{run['figures']['rate']:,}" for run in runs])
    axis.set_yscale("log")
    axis.legend(fontsize=8)
    _dress(axis, "event produced to change readable, ms, by events/s")
    _title(figure, result, f"{result['arguments']['seconds']} s at each rate")
    figure.savefig(path, dpi=140)


def _dress(axis: Any, heading: str) -> None:
    axis.set_title(heading, fontsize=9)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _title(figure: Any, result: dict[str, Any], text: str) -> None:
    facts = result["facts"]
    figure.suptitle(f"{text}; {facts['cores']} cores ({facts['cpu']}), revision {facts['revision']}", fontsize=9)
    figure.tight_layout()


DRAWN: dict[str, Callable[[dict[str, Any], Path], None]] = {
    "compare": draw_comparison,
    "curves": draw_curves,
    "standard": draw_latencies,
}


def main() -> None:
    for source in map(Path, sys.argv[1:]):
        result, target = json.loads(source.read_text("utf-8")), source.with_suffix(".png")
        if result["kind"] in DRAWN:
            target.unlink(missing_ok=True)
            DRAWN[result["kind"]](result, target)
        if target.exists():
            print(f"drawn to {target}")


if __name__ == "__main__":
    main()
