"""How results become the measured part of docs/performance.md."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bench import page
from bench.curves import Point, PointMeasured, curves
from bench.report import COMPILED
from bench.results import VARIABLE, Result
from bench.rivals.outcomes import Outcome, rows_of
from bench.tables import NOTHING, block

FACTS: dict[str, str | int | float] = {"cores": 2, "cpu": "some", "revision": "abc", "load_before": 0.1}


def written(folder: Path, kind: str, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **parts: Any) -> None:
    monkeypatch.setenv(VARIABLE, str(folder))
    Result(kind, FACTS, arguments).write(**parts)


def a_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `bench all` leaves behind: one result of each kind."""
    runs = [Outcome("ours", "segmenter", 1, events_per_s=100, measured_s=60, committed=[[(0.0, 1)]])]
    written(
        folder, "compare", {"load": "uniform", "customers": 10, "events": 20, "runs": 1}, monkeypatch,
        rows=[asdict(row) for row in rows_of(runs)], runs=[asdict(run) for run in runs],
    )  # fmt: skip
    latency = {"rate": 10_000, "latency_p99_ms": 251.0, "sent_per_s": 10_000.0}
    written(
        folder, "standard", {"scenario": "latency", "seconds": 5}, monkeypatch,
        runs=[{"scenario": "latency-10000", "figures": latency, "notes": ["two cores"], "profile": None}],
    )  # fmt: skip
    figures = {"pending": 500, "storm_wakes": 100, "storm_drain_s": 3.0, "steady_late_p99_ms": 1_501.0}
    arguments = {"customers": 100, "pending": 500, "steady_rate": 2, "seconds": 3, "rate": 10}
    written(folder, "wakes", arguments, monkeypatch, figures=figures, notes=[])
    points = [PointMeasured("customers", 10, 20, Point(customers=10), {"events_per_s": 1_234.0})]
    points += [PointMeasured("workers", 2, 20, Point(workers=2), error="no room")]
    written(folder, "curves", {"events": 20}, monkeypatch, points=[asdict(point) for point in points])
    written(folder, "run", {}, monkeypatch, steps=[])


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(page, "MEASURED", tmp_path / "measured")
    a_run(tmp_path / "run", monkeypatch)
    page.publish(tmp_path / "run")
    return tmp_path / "measured"


def test_the_page_says_what_is_published_and_nothing_else() -> None:
    text = page.PAGE.read_text("utf-8")

    assert page.with_block(text, page.published_block()) == text


def test_without_a_published_run_the_page_holds_no_figure() -> None:
    assert block({}, []) == NOTHING + "\n"


def test_each_kind_of_result_has_its_table(measured: Path) -> None:
    text = page.published_block()

    assert "| segmenter |" in text
    assert "| latency-10000 | latency p99 ms | 251 | at most 250: **missed** |" in text
    assert "| steady late p99 ms | 1,501 | at most 1,500: **missed** |" in text
    assert "| storm drain s | 3 | at most 20: reached |" in text
    assert "| customers | 10 | 1,234 |" in text
    assert "| workers | 2 | failed |" in text
    assert "revision abc" in text


def test_a_later_run_replaces_what_it_measured_again_and_leaves_the_rest(
    measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name for path in measured.iterdir()}
    points = [PointMeasured(curve, 10, 20, Point(), {"events_per_s": 4_321.0}) for curve in ("customers", "workers")]
    written(tmp_path / "again", "curves", {"events": 20}, monkeypatch, points=[asdict(point) for point in points])

    page.publish(tmp_path / "again")

    assert {path.name for path in measured.iterdir()} == before
    assert "4,321" in page.published_block()
    assert "1,234" not in page.published_block()


def test_figures_of_several_processes_and_of_a_compiled_worker_stand_beside_the_usual_ones(
    measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name for path in measured.iterdir()}
    monkeypatch.setitem(FACTS, "python", "3.11.2" + COMPILED)
    run = {"scenario": "latency-5000", "figures": {"latency_p99_ms": 9.0}, "notes": [], "profile": None}
    told = {"scenario": "latency", "seconds": 5, "processes": 2}
    written(tmp_path / "again", "standard", told, monkeypatch, runs=[run])

    page.publish(tmp_path / "again")

    added = {path.name for path in measured.iterdir()} - before
    assert added == {"standard-latency-2-processes-compiled.json"}
    assert "A worker of 2 processes, compiled:" in page.published_block()


def test_what_is_published_names_no_path_of_the_machine_and_no_single_seconds(
    measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"scenario": "latency", "seconds": 5, "definitions": page.ROOT / "bench" / "definitions.yaml"}
    written(tmp_path / "again", "standard", told, monkeypatch, runs=[])
    page.publish(tmp_path / "again")

    texts = [path.read_text("utf-8") for path in measured.iterdir()]

    assert [text for text in texts if str(page.ROOT) in text or "committed" in text] == []


def test_a_page_without_its_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="found no place"):
        page.with_block("# What was measured\n", "x")


def test_a_result_is_whole_whenever_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    result = Result("curves", FACTS, {})

    paths = {result.write(points=[1]), result.write(points=[1, 2])}

    assert [json.loads(path.read_text())["points"] for path in paths] == [[1, 2]]


def test_every_curve_changes_one_thing_alone() -> None:
    for points in curves((10, 20), rate=5).values():
        differing = {
            name for name, value in asdict(points[0]).items() if any(asdict(point)[name] != value for point in points)
        }
        assert len(differing) == 1
