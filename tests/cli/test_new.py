from __future__ import annotations

from pathlib import Path

import pytest

from stream.cli.templates import names, read
from tests.cli.commands import run


def test_without_a_name_the_templates_are_listed_with_what_they_are_for() -> None:
    result = run("new")

    assert result.exit_code == 0
    assert tuple(line.split()[0] for line in result.stdout.splitlines()) == names()
    assert all(len(line.split()) > 3 for line in result.stdout.splitlines())


@pytest.mark.parametrize("name", names())
def test_a_template_is_written_here_and_checks_without_a_word(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert run("new", name).exit_code == 0

    assert (tmp_path / f"{name}.yaml").read_text() == read(name)
    assert run("check", "--strict", f"{name}.yaml").exit_code == 0


def test_an_unknown_template_names_the_nearest_and_all_others(tmp_path: Path) -> None:
    result = run("new", "smalest", "--to", tmp_path / "x.yaml")

    assert result.exit_code == 2
    assert "'smallest'" in result.stderr and all(name in result.stderr for name in names())
    assert not (tmp_path / "x.yaml").exists()


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine")

    result = run("new", "smallest", "--to", path)

    assert result.exit_code == 4
    assert "--to" in result.stderr
    assert path.read_text() == "mine"


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    result = run("new", "smallest", "--to", tmp_path / "none" / "x.yaml")

    assert result.exit_code == 4
    assert str(tmp_path / "none" / "x.yaml") in result.stderr
