"""What the runs gave: an Outcome each, a Row per engine with median and spread, a table, and JSON in bench/results/."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.rivals.progress import Look, measured_part, track, whole_part

OURS = "ours"
OURS_OF = "ours-"
"""And then what of it is not as it ships: the number of its processes, whether it is compiled."""
GOALS: dict[str, tuple[float, float]] = {
    "kafka-streams": (1.0, 1.5),
    "flink-rocksdb": (1.0, 1.5),
    "quix": (2.0, 3.0),
    "faust": (30.0, 40.0),
}
"""How many times as fast as it we want to be, at least and then, with one process."""
SHORT_S = 5.0
ENOUGH = 0.5
"""A part with fewer of the measured events than this share says nothing: the engine committed once or twice."""


@dataclass(slots=True)
class Outcome:
    """One run of one engine. `right` is None when its change records were not looked at; `error` says why it failed.

    `committed` is the `track` of its births, and from their release of the events.
    """

    engine: str
    title: str
    run: int
    events: int = 0
    events_per_s: float = 0.0
    measured_events: int = 0
    measured_s: float = 0.0
    whole_events_per_s: float = 0.0
    births_per_s: float = 0.0
    start_to_first_commit_s: float = 0.0
    engine_cpu_s: float = 0.0
    engine_us_per_event: float = 0.0
    engine_cores: float = 0.0
    broker_cores: float = 0.0
    others_cores: float = 0.0
    peak_rss_bytes: int = 0
    changes: int = 0
    right_changes: int = 0
    right: bool | None = None
    error: str = ""
    committed: list[list[tuple[float, ...]]] = field(default_factory=list)

    def summary(self) -> str:
        if self.error:
            return f"failed: {self.error}"
        checked = "" if self.right is None else f", {self.changes} of {self.right_changes} change records"
        wrong = ", WRONG" if self.right is False else ""
        speed = f"{self.events_per_s:,.0f} events/s" if self.measured_events else "too short to measure"
        return f"{speed}, {self.engine_us_per_event:.1f} us of CPU an event{checked}{wrong}"


@dataclass(frozen=True, slots=True)
class Row:
    """One engine over its runs: medians, and the least and most events/s. `ratio` is our median over its."""

    engine: str
    title: str
    runs: int
    failed: int
    wrong: int
    checked: bool
    events_per_s: float
    low_events_per_s: float
    high_events_per_s: float
    ratio: float | None
    engine_us_per_event: float
    engine_cores: float
    broker_cores: float
    peak_rss_bytes: float
    changes: int
    right_changes: int
    short: bool


def outcome_of(engine: str, title: str, run: int, births: Sequence[Look], events: Sequence[Look]) -> Outcome:
    """What the looks say: those while the births were taken in, and those from the release of the events to their end.

    A run with too few commits to measure between has 0 events/s."""
    part, count = measured_part(events), events[-1].total - events[0].total
    outcome = Outcome(
        engine,
        title,
        run,
        events=count,
        whole_events_per_s=whole_part(events).events_per_s,
        births_per_s=whole_part(births).events_per_s,
        committed=[track(births), track(events)],
    )
    if part.events and part.events >= ENOUGH * count:
        outcome.events_per_s = part.events_per_s
        outcome.measured_events = part.events
        outcome.measured_s = part.seconds
        outcome.engine_us_per_event = part.engine_cpu_s / part.events * 1e6
        outcome.engine_cores = part.engine_cpu_s / part.seconds
        outcome.broker_cores = part.broker_cpu_s / part.seconds
        outcome.others_cores = part.others_cpu_s / part.seconds
    return outcome


def rows_of(outcomes: Sequence[Outcome]) -> list[Row]:
    """In the order in which the engines first ran."""
    ours = _median([run.events_per_s for run in outcomes if run.engine == OURS and not run.error])
    return [
        _row([run for run in outcomes if run.engine == engine], ours)
        for engine in dict.fromkeys(run.engine for run in outcomes)
    ]


def _row(runs: Sequence[Outcome], ours: float) -> Row:
    good = [run for run in runs if not run.error]
    speeds = [run.events_per_s for run in good] or [0.0]
    middle = _median(speeds)
    return Row(
        engine=runs[0].engine,
        title=runs[0].title,
        runs=len(runs),
        failed=len(runs) - len(good),
        wrong=sum(run.right is False for run in good),
        checked=any(run.right is not None for run in good),
        events_per_s=middle,
        low_events_per_s=min(speeds),
        high_events_per_s=max(speeds),
        ratio=ours / middle if ours and middle else None,
        engine_us_per_event=_median([run.engine_us_per_event for run in good]),
        engine_cores=_median([run.engine_cores for run in good]),
        broker_cores=_median([run.broker_cores for run in good]),
        peak_rss_bytes=_median([run.peak_rss_bytes for run in good]),
        changes=good[0].changes if good else 0,
        right_changes=good[0].right_changes if good else 0,
        short=any(run.measured_s < SHORT_S for run in good),
    )


HEADINGS = (
    "engine", "events/s", "least - most", "ours / it", "goal", "CPU us/event", "cores", "broker cores", "peak MiB",
    "change records",
)  # fmt: skip
BEHIND_GOAL = HEADINGS.index("goal") + 1


def table(rows: Sequence[Row]) -> str:
    """In Markdown, and aligned, so that it reads the same in a terminal. With a further column for each other row of
    ours."""
    cells = [list(HEADINGS), *(_cells(row) for row in rows)]
    for other in reversed([row for row in rows if row.engine.startswith(OURS_OF)]):
        for line, ratio in zip(cells, [f"{other.engine} / it", *(_ratio(other, row) for row in rows)]):
            line.insert(BEHIND_GOAL, ratio)
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]

    def shown(texts: Sequence[str]) -> str:
        first = texts[0].ljust(widths[0])
        return "| " + " | ".join([first, *(text.rjust(width) for text, width in zip(texts[1:], widths[1:]))]) + " |"

    ruler = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    lines = [shown(cells[0]), ruler, *map(shown, cells[1:])]
    if any(row.short for row in rows):
        lines.append(f"\n* measured for less than {SHORT_S:.0f} s: says little. More --events make it longer.")
    return "\n".join(lines)


def _cells(row: Row) -> list[str]:
    if row.failed == row.runs:
        return [row.title, "failed", *[""] * (len(HEADINGS) - 2)]
    return [
        row.title + (f" ({row.failed} of {row.runs} runs failed)" if row.failed else ""),
        (f"{row.events_per_s:,.0f}" if row.events_per_s else "too short") + ("*" if row.short else ""),
        f"{row.low_events_per_s:,.0f} - {row.high_events_per_s:,.0f}" if row.events_per_s else "",
        "" if row.ratio is None or row.engine == OURS else f"{row.ratio:.2f}",
        _goal(row),
        f"{row.engine_us_per_event:.1f}",
        f"{row.engine_cores:.2f}",
        f"{row.broker_cores:.2f}",
        f"{row.peak_rss_bytes / (1 << 20):,.0f}",
        _checked(row),
    ]


def _ratio(ours: Row, row: Row) -> str:
    return "" if row is ours or not row.events_per_s else f"{ours.events_per_s / row.events_per_s:.2f}"


def _goal(row: Row) -> str:
    if row.engine not in GOALS or row.ratio is None:
        return ""
    least, then = GOALS[row.engine]
    if row.ratio < least:
        return f"{least:g} MISSED"
    return f"{then:g} reached" if row.ratio >= then else f"{least:g} reached"


def _checked(row: Row) -> str:
    if not row.checked:
        return "-"
    if row.wrong:
        return f"WRONG in {row.wrong} of {row.runs}: {row.changes:,} for {row.right_changes:,}"
    return f"{row.changes:,} right"


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0
