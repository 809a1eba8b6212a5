"""Laws of the dashboards: current, readable by Prometheus, and about metrics that exist."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from typing import Any

import pytest
import yaml

from tests.ops.prometheus import ROOT, exported, names_in, promtool
from tests.ops.test_rules import RECORDS

FOLDER = ROOT / "ops" / "grafana" / "dashboards"
BOARDS: dict[str, dict[str, Any]] = {path.name: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}
QUERIES = [
    (f"{name}: {panel['title']}", target["expr"])
    for name, board in BOARDS.items()
    for panel in board["panels"]
    for target in panel["targets"]
] + [
    (f"{name}: {note['name']}", note["expr"]) for name, board in BOARDS.items() for note in board["annotations"]["list"]
]


def test_the_files_are_what_the_tables_say():
    spec = importlib.util.spec_from_file_location("build", FOLDER.parent / "build.py")
    assert spec and spec.loader
    build = importlib.util.module_from_spec(spec)
    sys.modules["build"] = build  # its dataclass looks itself up there
    spec.loader.exec_module(build)
    found = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.json")}
    assert found == build.texts(), "write them anew: python ops/grafana/build.py"


def test_there_is_one_for_the_business_and_one_for_operation():
    assert BOARDS.keys() == {"business.json", "operation.json"}


def test_prometheus_can_read_every_query(tmp_path):
    rules = [
        {
            "record": f"query:number{number}",
            "expr": expression.replace("$__rate_interval", "1m").replace("$job", "segmenter"),
        }
        for number, (_, expression) in enumerate(QUERIES)
    ]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = promtool("check", "rules", "queries.yml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


@pytest.mark.parametrize(("where", "expression"), QUERIES, ids=[where for where, _ in QUERIES])
def test_a_query_asks_only_for_metrics_that_exist(where, expression):
    names = names_in(expression)
    assert names
    assert names - exported() - RECORDS.keys() == set()


@pytest.mark.parametrize("name", BOARDS)
def test_panels_do_not_overlap_and_have_ids_of_their_own(name):
    panels = BOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def panels(board: str) -> dict[str, dict[str, Any]]:
    return {panel["title"]: panel for panel in BOARDS[board]["panels"]}


@pytest.mark.parametrize("name", BOARDS)
def test_a_single_figure_is_of_now_and_a_curve_of_a_range(name):
    for title, panel in panels(name).items():
        instant = [target.get("instant", False) for target in panel["targets"]]
        assert instant == [panel["type"] == "stat"] * len(instant), title


def test_workers_show_their_state_and_alerts_their_names():
    operation = panels("operation.json")
    assert operation["Workers"]["options"]["textMode"] == "name"
    assert operation["Alerts"]["options"]["textMode"] == "value_and_name"


def test_bytes_and_cores_do_not_share_an_axis():
    operation = panels("operation.json")
    for title, unit, metric in (
        ("Memory", "bytes", "process_resident_memory_bytes"),
        ("Processor", "short", "process_cpu_seconds_total"),
    ):
        assert operation[title]["fieldConfig"]["defaults"]["unit"] == unit
        assert [names_in(target["expr"]) for target in operation[title]["targets"]] == [{metric}]


def test_compose_provisions_them_and_shows_one_of_them_first():
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    mounts = dict(mount.split(":")[:2] for mount in services["grafana"]["volumes"])
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert mounts["./ops/grafana/dashboards"] == home.rpartition("/")[0]
    assert home.rpartition("/")[2] in BOARDS
    rules = [mount for mount in services["prometheus"]["volumes"] if "segmenter.rules.yml" in mount]
    assert len(rules) == 1 and re.search(r":/etc/prometheus/segmenter\.rules\.yml:ro$", rules[0])


@pytest.mark.parametrize(
    "metric",
    [
        "segmenter_held_since_timestamp_seconds",
        "segmenter_held_customers",
        "segmenter_definitions_customers",
        "segmenter_segment_warming_until_timestamp_seconds",
    ],
)
def test_what_is_held_carried_over_or_undecided_is_shown(metric):
    assert any(metric in names_in(expression) for _, expression in QUERIES)
