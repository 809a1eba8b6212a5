"""The pack of examples: what we hand out must check, pass, be tested both ways, and show what it says it shows."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from stream.cli import templates
from stream.rules.cases import CaseReport, run_cases
from stream.rules.compile import compile_program
from stream.rules.load import load_definitions
from stream.rules.tree import Definitions
from stream.rules.warnings import warnings

ROOT = Path(__file__).parents[2]
PACK = ROOT / "examples" / "segments"
COVERAGE = PACK.parent / "coverage.yaml"
FILES = sorted(PACK.glob("*.yaml"))
TEMPLATE_FILES = [ROOT / "stream" / "cli" / "templates" / f"{name}.yaml" for name in templates.names()]
SAME_IN_BOTH = ("smallest", "shop")
OURS = FILES + [path for path in TEMPLATE_FILES if path.stem not in SAME_IN_BOTH]
KINDS = 139
"""Kinds of segmentation the pack was measured against."""


@cache
def loaded(path: Path) -> Definitions:
    return load_definitions([path])


@cache
def report(path: Path) -> CaseReport:
    definitions = loaded(path)
    return run_cases(definitions, compile_program(definitions))


@cache
def coverage() -> dict[str, dict[str, str]]:
    return yaml.safe_load(COVERAGE.read_text(encoding="utf-8"))


def named(path: Path) -> set[str]:
    definitions = loaded(path)
    return {definition.name for definition in (*definitions.dimensions, *definitions.segments)}


def ids(path: Path) -> set[str]:
    """The ids that the file's `# covers:` comments name."""
    comments = re.findall(r"# covers: ((?:[A-Z]\d+(?:, )?)+)", path.read_text(encoding="utf-8"))
    return {item for comment in comments for item in re.findall(r"[A-Z]\d+", comment)}


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_every_file_checks_without_a_warning(path: Path) -> None:
    assert [str(problem) for problem in warnings(loaded(path))] == []


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_every_case_passes(path: Path) -> None:
    assert report(path).cases > 0
    assert "\n".join(str(failure) for failure in report(path).failures) == ""


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_every_condition_is_seen_true_and_false_by_some_case(path: Path) -> None:
    assert [str(condition) for condition in report(path).uncovered] == []


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_every_segment_says_what_is_done_about_it(path: Path) -> None:
    assert [segment.name for segment in loaded(path).segments if not segment.action] == []


def test_every_kind_of_segmentation_is_shown_or_left_out_with_a_reason() -> None:
    shown, left_out = coverage()["covered"], coverage()["left_out"]
    assert shown.keys() & left_out.keys() == set()
    assert len(shown) + len(left_out) == KINDS
    assert all(reason.strip() for reason in left_out.values())


def test_the_definition_that_shows_a_kind_is_there() -> None:
    missing = []
    for item, target in coverage()["covered"].items():
        file, _, name = target.partition("#")
        path = PACK / file
        if path not in FILES or item not in ids(path) or name not in named(path):
            missing.append(f"{item}: {target}")
    assert missing == []


def test_no_comment_names_a_kind_that_the_list_does_not() -> None:
    shown = coverage()["covered"]
    stray = [f"{path.name}: {item}" for path in FILES for item in ids(path) if not shown[item].startswith(path.name)]
    assert stray == []


@pytest.mark.parametrize("name", SAME_IN_BOTH)
def test_a_template_that_is_an_example_is_the_same_file(name: str) -> None:
    assert templates.read(name).encode() == (PACK / f"{name}.yaml").read_bytes()


def test_every_template_has_its_file_and_every_file_its_template() -> None:
    folder = ROOT / "stream" / "cli" / "templates"
    assert sorted(path.stem for path in folder.glob("*.yaml")) == sorted(templates.names())


def test_the_smallest_example_is_about_twenty_lines() -> None:
    lines = (PACK / "smallest.yaml").read_text(encoding="utf-8").splitlines()
    assert len(loaded(PACK / "smallest.yaml").segments) == 3
    assert len(lines) <= 27
