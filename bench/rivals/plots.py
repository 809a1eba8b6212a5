"""Draws one comparison as a PNG, for `bench.drawing`. Only engines that do all of the work are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

OURS_COLOUR, THEIR_COLOUR = "#1f6f8b", "#b8c4cc"
PANELS = (
    ("events_per_s", 1.0, "events/s (median; line: least to most)", "{:,.0f}"),
    ("engine_us_per_event", 1.0, "CPU of the engine, µs an event", "{:.1f}"),
    ("peak_rss_bytes", 1 / (1 << 20), "peak memory, MiB", "{:,.0f}"),
)


def draw(result: dict[str, Any], path: Path) -> None:
    """Nothing when there is no such engine."""
    rows = [row for row in result["rows"] if row["checked"] and row["events_per_s"]][::-1]
    if not rows:
        return
    figure, axes = pyplot.subplots(1, len(PANELS), figsize=(13, 1.2 + 0.5 * len(rows)), sharey=True)
    titles = [row["title"] + (" (wrong answers)" if row["wrong"] else "") for row in rows]
    colours = [OURS_COLOUR if row["engine"].partition("-")[0] == "ours" else THEIR_COLOUR for row in rows]
    for axis, (name, unit, heading, shown) in zip(axes, PANELS):
        values = [row[name] * unit for row in rows]
        bars = axis.barh(titles, values, color=colours, height=0.65)
        axis.bar_label(bars, [shown.format(value) for value in values], padding=4, fontsize=8)
        axis.set_title(heading, fontsize=9)
        axis.margins(x=0.22)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
        if name == "events_per_s":
            for place, row in enumerate(rows):
                axis.plot([row["low_events_per_s"], row["high_events_per_s"]], [place, place], color="black", lw=1)
    arguments, facts = result["arguments"], result["facts"]
    figure.suptitle(
        f"{arguments['load']} load, {arguments['customers']:,} customers, {arguments['events']:,} events, "
        f"{arguments['runs']} runs; {facts['cores']} cores ({facts['cpu']}), broker included",
        fontsize=9,
    )
    figure.tight_layout()
    figure.savefig(path, dpi=140)
