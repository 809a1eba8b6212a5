from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cli.commands import run


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGMENTER_CONFIG_FILE", raising=False)


def test_what_holds_is_shown_with_flags_over_environment_over_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("name: by-file\ndefinitions: shop.yaml\nkafka: {bootstrap.servers: 'localhost:1'}\n")
    monkeypatch.setenv("SEGMENTER_COMMIT_INTERVAL", "200ms")

    result = run("config", "show", "-c", path, "--name", "by-flag")

    shown = yaml.safe_load(result.stdout)
    assert result.exit_code == 0
    assert (shown["name"], shown["commit_interval"], shown["definitions"]) == ("by-flag", "200ms", "shop.yaml")


def test_what_each_of_several_processes_is_told_stands_in_comments_so_that_all_can_be_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMENTER_PROCESSES", "2")
    monkeypatch.setenv("SEGMENTER_INSTANCE", "w")

    result = run("config", "show", "--name", "shop", "-d", "shop.yaml", "--broker", "localhost:1")

    assert yaml.safe_load(result.stdout)["processes"] == 2
    assert result.stdout.splitlines()[:2] == [
        "# w-1: data_dir .segmenter/process-1, listen 127.0.0.1:9464",
        "# w-2: data_dir .segmenter/process-2, listen 127.0.0.1:9465",
    ]


def test_secrets_are_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMENTER_KAFKA__SASL_PASSWORD", "canary")

    result = run("config", "show", "--name", "shop", "-d", "shop.yaml", "--broker", "localhost:1")

    assert result.exit_code == 0
    assert "sasl.password: '********'" in result.stdout
    assert "canary" not in result.output


def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("name: s\ndefinitions: d\nkafka: {bootstrap.servers: 'localhost:1', sasl.password: canary}\n")

    result = run("config", "show", "-c", path)

    assert result.exit_code == 4
    assert "kafka.sasl.password" in result.stderr
    assert "canary" not in result.output


@pytest.mark.parametrize(
    "command", [("config", "show"), ("worker",), ("topics", "check"), ("topics", "create"), ("explain", "kim")]
)
def test_without_any_settings_every_one_that_is_missing_is_told_and_how_to_give_them(command: tuple[str, ...]) -> None:
    result = run(*command)

    assert result.exit_code == 4
    assert result.stdout == ""
    for expected in ("name: found nothing", "definitions: found nothing", "kafka: found nothing", "--config", "--name"):
        assert expected in result.stderr


def test_a_missing_settings_file_is_named() -> None:
    result = run("config", "show", "-c", "nowhere.yaml")

    assert result.exit_code == 4
    assert "nowhere.yaml" in result.stderr
