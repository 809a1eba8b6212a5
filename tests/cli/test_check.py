from __future__ import annotations

from pathlib import Path

import pytest

from stream.cli.templates import names, path_of
from tests.cli.commands import SMALLEST, run


@pytest.mark.parametrize("name", names())
def test_a_right_file_is_summed_up_in_one_line(name: str) -> None:
    result = run("check", path_of(name))

    assert result.exit_code == 0
    assert result.stdout.startswith(f"{name}: ") and result.stdout.count("\n") == 1
    assert result.stderr == ""


def test_all_errors_come_at_once_with_their_places_and_nothing_on_stdout(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(SMALLEST.read_text().replace("silent(purchase", "silent(purchas").replace(">= 3", ">= 3d"))

    result = run("check", path)

    assert result.exit_code == 3
    assert result.stdout == ""
    assert f"{path}:11:" in result.stderr and f"{path}:14:" in result.stderr
    assert "purchase" in result.stderr.partition(":14:")[2], "the nearest name"


@pytest.mark.parametrize(
    ("content", "expected"),
    [("definitions: 1\nname: [", "not YAML"), ("", ":1:1"), ("- 1", ":1:1"), (b"\xff\xfe\x00", ":1:1")],
)
def test_a_file_that_is_no_definitions_at_all_is_told_in_one_message(
    tmp_path: Path, content: str | bytes, expected: str
) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    result = run("check", path)

    assert result.exit_code == 3
    assert str(path) in result.stderr and expected in result.stderr


def test_a_misspelt_path_is_named(tmp_path: Path) -> None:
    result = run("check", tmp_path / "smalest.yaml")

    assert result.exit_code == 3
    assert "smalest.yaml" in result.stderr and "No such file" in result.stderr


def test_warnings_fail_only_a_strict_check(tmp_path: Path) -> None:
    path = tmp_path / "doubtful.yaml"
    path.write_text(SMALLEST.read_text().replace("silent(purchase, 90d)", "count(purchase, 90d) == 0"))

    lenient, strict = run("check", path), run("check", "--strict", path)

    assert (lenient.exit_code, strict.exit_code) == (0, 1)
    assert lenient.stderr.startswith("warning: ") and f"{path}:14:" in lenient.stderr
    assert "1 warnings" in lenient.stdout
