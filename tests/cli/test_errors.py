"""What every command does when something is wrong: one clear message on standard error, and its exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stream.cli.templates import path_of
from tests.cli.commands import SMALLEST, run

COMMANDS = ("worker", "demo", "check", "test", "new", "explain", "replay", "version", "topics", "config")


def segmenter(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    """The command as a process of its own, for what only a process shows."""
    command = [sys.executable, "-m", "stream.cli", *map(str, arguments)]
    return subprocess.run(command, stderr=subprocess.PIPE, timeout=30, check=False, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = run(command, "--help")

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("chek",),
        ("check",),
        ("check", "--bogus", "x"),
        ("replay", "x.jsonl"),
        ("replay", "-", "-d", SMALLEST, "--until", "soon"),
        ("demo", "--seconds", "0"),
        ("demo", "--seconds", "long"),
        ("topics", "create", "--partitions", "many"),
        ("worker", "--sasl.password", "canary"),
        ("explain",),
    ],
    ids=lambda arguments: " ".join(map(str, arguments[:3])),
)
def test_a_wrong_command_line_ends_with_2(arguments: tuple[object, ...]) -> None:
    result = run(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error: " in result.stderr and "Try 'segmenter" in result.stderr


def test_a_misspelt_command_names_the_nearest() -> None:
    assert "'check'" in run("chek").stderr


@pytest.mark.parametrize(
    ("flag", "value", "expected"),
    [
        ("--listen", "99", "host:port"),
        ("--log", "loud", "debug, info, warning or error"),
        ("--name", "my shop", "letters"),
        ("--broker", "kafka.example:9092", "allow_plaintext"),
    ],
)
def test_a_flag_with_a_wrong_value_says_what_was_found_and_expected(flag: str, value: str, expected: str) -> None:
    right = {"--name": "shop", "--definitions": str(SMALLEST), "--broker": "localhost:1"}

    result = run("worker", *(part for pair in {**right, flag: value}.items() for part in pair))

    assert result.exit_code == 4
    assert value in result.stderr and expected in result.stderr


def test_a_worker_with_wrong_definitions_ends_with_3_before_it_looks_for_a_broker(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("definitions: 1\nname: [")

    result = run("worker", "--name", "shop", "-d", path, "--broker", "localhost:1")

    assert result.exit_code == 3
    assert f"{path}:" in result.stderr


def test_a_reader_that_goes_away_ends_the_command_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text(
        "".join(
            f'{{"type":"track","event":"Order Completed","userId":"c{number}","_ts_ms":{number}}}\n'
            for number in range(2_000)
        )
    )
    with subprocess.Popen(["head", "-c", "10"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as head:
        done = segmenter("replay", tmp_path / "events.jsonl", "-d", SMALLEST, stdout=head.stdin)

    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
def test_a_full_disk_is_one_clear_line() -> None:
    with open("/dev/full", "wb") as full:
        done = segmenter("check", path_of("shop"), stdout=full)

    assert done.returncode == 1
    assert done.stderr == b"the output can't be written: No space left on device\n"
