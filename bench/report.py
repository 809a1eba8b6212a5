"""What was measured, for people (a table) and for comparison later (JSON in bench/results/)."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import confluent_kafka

from bench.load import EVENT_BYTES
from bench.results import Facts, Result
from bench.watching import Measured
from stream.build import is_compiled
from tests.kafka.apache import kafka_jars

BUSY_LOAD = 0.5
"""A load average above it before we begin: somebody else works here too."""

COMPILED = ", compiled"
"""What the facts say behind Python's version when the worker measured is (`make compiled`)."""

GOALS: dict[tuple[str, str], tuple[str, Callable[[float], bool]]] = {
    ("throughput", "events_per_s"): ("at least 40,000", lambda found: found >= 40_000),
    ("large", "events_per_s"): ("at least 25,000", lambda found: found >= 25_000),
    ("latency-5000", "latency_p99_ms"): ("under 500", lambda found: found < 500),
    ("latency-10000", "latency_p99_ms"): ("at most 250", lambda found: found <= 250),
    ("restore", "changelog_customers_per_s"): ("at least 200,000", lambda found: found >= 200_000),
    ("restore", "local_start_to_ready_s"): ("under 2", lambda found: found < 2),
}


def machine_facts(cold: bool | None = None) -> Facts:
    """Where and with what it runs; asked before anything of ours does. `cold`: whether the broker is not
    warmed up; None where that says nothing."""
    broker = re.search(r"kafka_2\.13-([\d.]+)\.jar", " ".join(path.name for path in kafka_jars().iterdir()))
    return {
        "cores": os.cpu_count() or 0,
        "cpu": _line_of("/proc/cpuinfo", r"^model name\s*: (.*)$") or platform.machine(),
        "memory_gib": round(int(_line_of("/proc/meminfo", r"^MemTotal:\s*(\d+) kB") or 0) / (1 << 20), 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version() + (COMPILED if is_compiled() else ""),
        "librdkafka": confluent_kafka.libversion()[0],
        "kafka": broker[1] if broker else "unknown",
        **({} if cold is None else {"broker": "cold" if cold else "warm"}),
        "java": _java(),
        "revision": _revision(),
        "event_bytes": EVENT_BYTES,
        "load_before": round(os.getloadavg()[0], 2),
    }


def print_report(facts: Facts, measured: list[Measured]) -> None:
    print("\n" + ", ".join(f"{name} {value}" for name, value in facts.items()))
    if float(facts["load_before"]) > BUSY_LOAD:
        print("The machine was busy with something else before we began: the figures are too low.")
    for scenario in dict.fromkeys(run.scenario for run in measured):
        runs = [run for run in measured if run.scenario == scenario]
        print(f"\n{scenario}" + (f" (median of {len(runs)} runs, then each)" if len(runs) > 1 else ""))
        for name in runs[0].figures:
            _print_figure(scenario, name, [run.figures[name] for run in runs if name in run.figures])
        for note in dict.fromkeys(note for run in runs for note in run.notes):
            print(f"  note: {note}")
        for run in runs:
            if run.profile is not None:
                print("  own time of the worker's functions")
                print("\n".join(f"    {line}" for line in run.profile.lines()))


def write_results(result: Result, measured: list[Measured]) -> Path:
    """Returns the file."""
    return result.write(runs=[asdict(run) for run in measured])


def _print_figure(scenario: str, name: str, values: list[float]) -> None:
    middle = statistics.median(values)
    line = f"  {name:<28} {shown(name, middle):>14}"
    if len(values) > 1:
        line += "   " + "  ".join(shown(name, value) for value in values)
    goal = GOALS.get((scenario, name))
    if goal is not None:
        line += f"   {goal[0]}: {'reached' if goal[1](middle) else 'MISSED'}"
    print(line)


def shown(name: str, value: float) -> str:
    if name.endswith("rss_bytes"):
        return f"{value / (1 << 20):,.0f} MiB"
    if name.endswith("_share"):
        return f"{value:.0%}"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.2f}"


def _line_of(path: str, pattern: str) -> str | None:
    try:
        found = re.search(pattern, Path(path).read_text(), re.M)
    except OSError:
        return None
    return found[1] if found else None


def _java() -> str:
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "([^"]+)"', said)
    return found[1] if found else "unknown"


def _revision() -> str:
    """The commit measured, with a + when files differ from it."""
    here = Path(__file__).parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        )
        changed = subprocess.run(["git", "status", "--porcelain"], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")
