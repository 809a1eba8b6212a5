from __future__ import annotations

from pathlib import Path

import pytest

from stream.cli.templates import names, path_of
from tests.cli.commands import SMALLEST, run


@pytest.mark.parametrize("name", names())
def test_the_cases_of_every_template_pass(name: str) -> None:
    result = run("test", "--fail-on-empty", path_of(name))

    assert result.exit_code == 0, result.stderr
    assert ", 0 failed;" in result.stdout


def test_a_failed_case_says_where_what_was_found_what_was_expected_and_why(tmp_path: Path) -> None:
    path = tmp_path / "fails.yaml"
    path.write_text(SMALLEST.read_text().replace("entered: regular", "entered: newcomer"))

    result = run("test", path)

    assert result.exit_code == 1
    assert "1 failed" in result.stdout
    for expected in (f"{path}:26:", "three orders, then silence", "found regular", "expected newcomer", "holds (3)"):
        assert expected in result.stderr


def test_no_cases_fail_only_when_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    path.write_text(SMALLEST.read_text().partition("cases:")[0])

    lenient, strict = run("test", path), run("test", "--fail-on-empty", path)

    assert (lenient.exit_code, strict.exit_code) == (0, 1)
    assert "no cases" in strict.stderr


def test_coverage_lists_the_conditions_that_were_seen_one_way_only(tmp_path: Path) -> None:
    path = tmp_path / "uncovered.yaml"
    path.write_text(SMALLEST.read_text().replace("      - {at: 110d, entered: gone-quiet, exited: regular}\n", ""))

    result = run("test", "--coverage", path)

    assert result.exit_code == 0
    assert "silent(purchase, 90d)" in result.stdout


def test_wrong_definitions_end_like_a_failed_check(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("definitions: 1\nname: [")

    assert run("test", path).exit_code == 3
