"""promtool and Prometheus (Debian's package `prometheus`), and the metric names that may be asked for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from stream.metric_families import COUNTER, FAMILIES, HISTOGRAM

ROOT = Path(__file__).parents[2]
RULES = ROOT / "ops" / "prometheus" / "segmenter.rules.yml"

OTHERS = {
    "up",
    "ALERTS",
    "process_start_time_seconds",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    # written by `segmenter verify --prometheus-file` for the node exporter's textfile collector
    "segmenter_verify_last_run_timestamp_seconds",
    "segmenter_verify_violations",
}
"""Series of Prometheus itself, of its Python client, and of the verifier."""

WORDS = {
    "abs", "absent", "and", "bool", "by", "changes", "clamp_min", "count", "delta", "deriv", "group_left",
    "histogram_quantile", "ignoring", "increase", "label_replace", "last_over_time", "max", "max_over_time", "min",
    "min_over_time", "offset", "on", "or", "predict_linear", "rate", "sum", "time", "unless", "vector", "without",
}  # fmt: skip


def program(name: str) -> str:
    """Its path; skips the test, or fails it where everything is required, when it is not installed."""
    found = shutil.which(name)
    if found is None:
        reason = f"{name} is not installed (Debian's package prometheus)"
        if os.environ.get("TEST_ON_KAFKA") == "required":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return found


def promtool(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("promtool"), *arguments], cwd=cwd, capture_output=True, text=True, timeout=250, check=False
    )


def exported() -> set[str]:
    """Every series name a worker may export, and `OTHERS`."""
    names = set(OTHERS)
    for family in FAMILIES:
        names.add(family.series)
        if family.kind == HISTOGRAM:
            names |= {family.series + end for end in ("_bucket", "_count", "_sum")}
        if family.kind == COUNTER:
            assert family.series.endswith("_total")
    return names


def names_in(expression: str) -> set[str]:
    """The metric names of a PromQL expression: what is left without strings, label lists, ranges and words."""
    text = re.sub(r'"(?:[^"\\]|\\.)*"', "", expression)
    text = re.sub(r"\{[^}]*\}", "", text)
    text = re.sub(r"\[[^\]]*\]", "", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    text = re.sub(r"\boffset\s+\w+", " ", text)
    return set(re.findall(r"[a-zA-Z_:][\w:]*", text)) - WORDS - {"e7"}
