"""The measured part of docs/performance.md, as Markdown, from results alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.curves import Point, PointMeasured
from bench.curves import table as curves_table
from bench.report import COMPILED, GOALS, shown
from bench.rivals.outcomes import Row
from bench.rivals.outcomes import table as compare_table
from bench.wakes import GOALS as WAKES_GOALS
from bench.wakes import reached

Results = Mapping[str, dict[str, Any]]
"""By name: what a `Result` wrote."""

NOTHING = "No measured run has been put here yet: `python -m bench all`, then `python -m bench page FOLDER`."
FIGURES = {
    "throughput": ("events_per_s", "worker_us_per_event", "worker_cores", "commit_mean_ms", "peak_rss_bytes"),
    "births": ("events_per_s", "worker_us_per_event"),
    "large": ("events_per_s", "worker_us_per_event", "peak_rss_bytes"),
    "latency": (
        "sent_per_s", "changes", "latency_p50_ms", "latency_p90_ms", "latency_p99_ms", "latency_max_ms", "worker_cores",
    ),
    "restore": (
        "changelog_customers", "changelog_customers_per_s", "local_customers_per_s", "local_start_to_ready_s",
        "killed_customers_per_s", "killed_start_to_ready_s",
    ),
}  # fmt: skip
"""What is told of each scenario; the JSON has the rest."""
WAKES_FIGURES = (
    "pending", "start_to_ready_s", "ready_rss_bytes", "peak_rss_bytes", "steady_wakes", "steady_late_p50_ms",
    "steady_late_p99_ms", "steady_late_max_ms", "steady_live_p99_ms", "storm_wakes", "storm_drain_s",
    "storm_wakes_per_s", "storm_live_p50_ms", "storm_live_p99_ms", "storm_live_max_ms",
)  # fmt: skip


def block(results: Results, plots: Sequence[str]) -> str:
    """Everything between the markers. `plots`: names of the PNGs that are there."""
    if not results:
        return NOTHING + "\n"
    parts = [_machine(results)]
    for name, result in sorted(results.items(), key=lambda pair: (KINDS.index(pair[1]["kind"]), pair[0])):
        plot = [f"![{name}](measured/{name}.png)"] if f"{name}.png" in plots else []
        parts += [PARTS[result["kind"]](result), *plot]
    return "\n\n".join(part for part in parts if part) + "\n"


def _machine(results: Results) -> str:
    """One line for each revision and machine that something was measured on."""
    lines: dict[str, list[str]] = {}
    for name, result in sorted(results.items()):
        facts = {key: value for key, value in result["facts"].items() if key != "load_before"}
        lines.setdefault(", ".join(f"{key} {value}" for key, value in facts.items()), []).append(name)
    if len(lines) == 1:
        return f"Machine and versions: {next(iter(lines))}."
    return "\n".join(f"- {', '.join(names)}: {facts}" for facts, names in lines.items())


def _compare(result: dict[str, Any]) -> str:
    told = result["arguments"]
    head = (
        f"Beside other engines, load {told['load']}: {told['customers']:,} customers, then {told['events']:,} events, "
        f"{told['runs']} {'round' if told['runs'] == 1 else 'rounds'}. What is compared, and where it is not fair: "
        "[bench/rivals](../bench/rivals/README.md)."
    )
    return f"{head}\n\n{compare_table([Row(**row) for row in result['rows']])}"


def _standard(result: dict[str, Any]) -> str:
    lines = ["| what | figure | measured | goal |", "|---|---|---:|---|"]
    for run in result["runs"]:
        for name in FIGURES[run["scenario"].partition("-")[0]]:
            if name in run["figures"]:
                value = run["figures"][name]
                goal = GOALS.get((run["scenario"], name))
                told = f"{goal[0]}: {verdict(goal[1](value))}" if goal else ""
                lines.append(f"| {run['scenario']} | {words(name)} | {shown(name, value)} | {told} |")
    notes = dict.fromkeys(f"{run['scenario']}: {note}" for run in result["runs"] for note in run["notes"])
    return "\n".join([*_of_which_worker(result), *lines, "", *(f"- {note}" for note in notes)]).rstrip()


def worker_of(result: dict[str, Any]) -> tuple[int, bool]:
    """Of how many processes it was, and whether it was compiled; results of before may not tell."""
    return result["arguments"].get("processes", 1), result["facts"].get("python", "").endswith(COMPILED)


def _of_which_worker(result: dict[str, Any]) -> list[str]:
    """What stands before figures of a worker that is not as usual."""
    processes, compiled = worker_of(result)
    told = (f" of {processes} processes" if processes > 1 else "") + (", compiled" if compiled else "")
    return [f"A worker{told}:", ""] if told else []


def _wakes(result: dict[str, Any]) -> str:
    figures, told = result["figures"], result["arguments"]
    head = (
        f"Wakes, {figures.get('pending', 0):,} pending: {told['steady_rate']:,} a second come due for "
        f"{told['seconds']} s, then {told['customers']:,} at one instant, beside {told['rate']:,} events/s."
    )
    lines = ["| figure | measured | goal |", "|---|---:|---|"]
    for name in WAKES_FIGURES:
        if name in figures:
            value = figures[name]
            goal = f"at most {WAKES_GOALS[name]:,.0f}: {verdict(reached(name, value))}" if name in WAKES_GOALS else ""
            lines.append(f"| {words(name)} | {shown(name, value)} | {goal} |")
    return "\n".join(
        [*_of_which_worker(result), head, "", *lines, "", *(f"- {note}" for note in result["notes"])]
    ).rstrip()


def _curves(result: dict[str, Any]) -> str:
    told = result["arguments"]
    points = [PointMeasured(**{**point, "point": Point(**point["point"])}) for point in result["points"]]
    head = f"One thing changed at a time, {told['events']:,} events a point."
    return "\n".join([*_of_which_worker(result), head, "", curves_table(points)])


PARTS = {"compare": _compare, "standard": _standard, "wakes": _wakes, "curves": _curves}
KINDS = list(PARTS)


def verdict(is_reached: bool) -> str:
    return "reached" if is_reached else "**missed**"


def words(name: str) -> str:
    """`latency_p99_ms` -> `latency p99 ms`; bytes are shown as MiB, with their unit."""
    return name.removesuffix("_bytes").replace("_per_s", "/s").replace("_per_event", "/event").replace("_", " ")
