"""Laws of the alerts: they are tested, lead to a section of the runbook, and ask for nothing that is not there."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from stream.metric_families import CLOCK_REASONS, FAMILIES
from tests.ops.prometheus import ROOT, RULES, exported, names_in, promtool

FOLDER = RULES.parent
TESTS = sorted(FOLDER.glob("*.test.yml"))
GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
ALERTS = [rule for group in GROUPS for rule in group["rules"] if "alert" in rule]
RECORDS = {rule["record"]: rule["expr"] for group in GROUPS for rule in group["rules"] if "record" in rule}
RUNBOOK = ROOT / "docs" / "runbook.md"


def section(alert: str) -> str:
    """The runbook's text under the alert's heading, without the sections after it."""
    found = re.search(rf"^### {alert}\n(.*?)(?=^#{{1,3}} |\Z)", RUNBOOK.read_text("utf-8"), re.M | re.S)
    assert found, f"docs/runbook.md has no heading `### {alert}`"
    return found[1]


def test_the_rules_are_valid():
    done = promtool("check", "rules", RULES.name, cwd=FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_of_prometheus_is_valid_and_loads_the_rules():
    done = promtool("check", "config", "prometheus.yml", cwd=FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr
    assert yaml.safe_load((FOLDER / "prometheus.yml").read_text())["rule_files"] == [RULES.name]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_rules_fire_when_they_should_and_not_else(path):
    done = promtool("test", "rules", path.name, cwd=FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_is_seen_to_fire_by_a_test_of_its_own(alert):
    text = "".join(path.read_text("utf-8") for path in TESTS)
    fires = re.search(rf'alertname="{alert["alert"]}"\}}\', value', text)
    expected = re.search(rf"alertname: {alert['alert']}\n\s+exp_alerts:(?: &\w+)?\n", text)
    assert fires or expected


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_is_wrong_and_where_the_remedy_stands(alert):
    name = alert["alert"]
    assert re.fullmatch(r"Segmenter[A-Z]\w+", name)
    assert alert["labels"]["severity"] in {"critical", "warning", "info", "none"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_the_runbook_names_cause_check_and_action_of_an_alert(alert):
    text = section(alert["alert"])
    assert [word for word in ("Cause", "Check", "Action") if f"**{word}.**" not in text] == []


def test_the_runbook_knows_every_reason_for_which_a_clock_stands():
    text = section("SegmenterClockStandsStill")
    assert [reason for reason in CLOCK_REASONS if f"`{reason}`" not in text] == []


def test_the_runbook_has_no_section_for_an_alert_that_is_gone():
    headings = set(re.findall(r"^### (Segmenter\w+)$", RUNBOOK.read_text("utf-8"), re.M))
    assert headings == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize(
    ("name", "expression"), [*((a["alert"], a["expr"]) for a in ALERTS), *RECORDS.items()], ids=lambda value: value[:40]
)
def test_a_rule_asks_only_for_metrics_that_exist(name, expression):
    assert names_in(expression) - exported() - RECORDS.keys() == set()


def test_a_bound_that_a_rule_asks_for_is_one_of_the_histogram():
    bounds = set(re.findall(r'le="([^"]+)"', RULES.read_text("utf-8")))
    (latency,) = [family for family in FAMILIES if family.name == "change_latency_seconds"]
    assert bounds <= {str(float(bound)) for bound in latency.buckets}
