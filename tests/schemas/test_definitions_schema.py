"""The schema of a definitions file, for editors: it takes what `check` takes, and sees coarse slips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.schemas.schemas import FOLDER, faults

PACK = sorted((FOLDER.parent / "examples").rglob("*.yaml"))


class EditorLoader(yaml.SafeLoader):
    """As editors read YAML: an instant is a text."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read(text: str) -> Any:
    return yaml.load(text, EditorLoader)


@pytest.mark.parametrize("file", PACK, ids=lambda file: file.stem)
def test_every_file_of_the_pack_is_accepted(file: Path) -> None:
    document = read(file.read_text())
    if isinstance(document, dict) and "definitions" in document:
        assert faults("definitions.v1", document) == []


WHOLE = """
definitions: 1
name: shop
zone: Europe/Berlin
too_old: accept
audience: traits.marketing_consent == true
events:
  purchase: Order Completed
  engaged: [Email Clicked, Product Viewed]
  big: {event: Order Completed, where: total >= 100}
traits:
  email: {type: text, private: true}
  plan.tier: text
group:
  industry: text
facts:
  orders: count(purchase)
dimensions:
  lifecycle:
    description: Where they stand.
    stages:
      - prospect: orders == 0
      - active: otherwise
segments:
  win-back:
    when: lifecycle == "active"
    topic: win-back
    with: {email: traits.email}
    control_group: 10%
    goal: {reached: purchase, within: 14d}
    audience: everyone
    owner: marketing
cases:
  - name: one order
    start: 2026-01-01T00:00:00Z
    given:
      - {at: 0d, event: Order Completed, with: {revenue: 250}, id: m-1}
      - {at: 1h30min, traits: {email: a}}
    expect:
      - {at: 0d, lifecycle: active, in: win-back, not_in: [], entered: [win-back], exited: [], facts: {orders: 1}}
"""


def test_a_file_with_every_construct_is_accepted() -> None:
    assert faults("definitions.v1", read(WHOLE)) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("definitions: 1", "definitions: 2"),
        ("segments:", "segmnets:"),
        ("win-back:\n", "Win Back:\n"),
        ("too_old: accept", "too_old: maybe"),
        ("{type: text, private: true}", "{type: txt}"),
        ("{type: text, private: true}", "{private: true}"),
        ("when: lifecycle", "if: lifecycle"),
        ("control_group: 10%", "control_group: 10"),
        ("within: 14d", "within: 2 weeks"),
        ("audience: everyone", "audience: nobody"),
        ("      - prospect: orders == 0\n      - active: otherwise", "      prospect: orders == 0"),
        ("{at: 1h30min, traits: {email: a}}", "{at: 1h30min, traits: {email: a}, event: b}"),
        ("{at: 1h30min, traits: {email: a}}", "{traits: {email: a}}"),
        ("big: {event: Order Completed, where", "big: {where"),
    ],
)
def test_a_coarse_slip_is_seen(right: str, wrong: str) -> None:
    assert WHOLE.count(right) >= 1
    assert faults("definitions.v1", read(WHOLE.replace(right, wrong, 1)))
