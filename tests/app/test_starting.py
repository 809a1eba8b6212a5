"""Looking at the data directory before a start, without taking it; and what is said of a difference of clocks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stream.app.clock import now_ms
from stream.app.data_dir import IN_USE, DataDir, look_at
from stream.app.doctor import KAFKA_CHECKS, examine
from stream.app.embedded_broker import free_port
from stream.app.starting import Start, skew_text
from stream.app.worker import _faust_app
from stream.config import Address, Settings, load_settings
from stream.engine.wall_clock import SKEW_LIMIT_MS
from stream.errors import StartRefused
from stream.kafka.errors import KafkaUnreachable
from stream.kafka.look import Look
from stream.kafka.skew import Skew
from stream.rules.compile import compile_program
from stream.rules.load import load_definitions
from tests.cli.commands import SMALLEST, run
from tests.kafka.kit import wait_for


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with brokers that do not answer."""
    for name in [name for name in os.environ if name.startswith("SEGMENTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("stream.kafka.look.CALL_S", 0.5)
    return load_settings(
        None,
        {
            "name": "n", "definitions": SMALLEST, "data_dir": str(tmp_path / "data"),
            "listen": f"127.0.0.1:{free_port()}", "kafka": {"bootstrap.servers": f"127.0.0.1:{free_port()}"},
        },
    )  # fmt: skip


def test_a_directory_that_is_not_there_yet_is_not_made_by_looking(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"

    assert look_at(path) is None
    assert not path.exists()


def test_a_directory_in_use_is_told_and_one_left_is_free_again(tmp_path: Path) -> None:
    held = DataDir(tmp_path / "data")
    assert look_at(held.path) == IN_USE
    os.close(held._lock)

    assert look_at(held.path) is None
    assert DataDir(held.path)  # the look left no lock


def test_what_is_no_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert look_at(tmp_path / "file") == "it is no directory"


@pytest.mark.parametrize(
    ("ahead_ms", "too_large"),
    [(None, False), (0, False), (SKEW_LIMIT_MS, False), (SKEW_LIMIT_MS + 1, True), (-SKEW_LIMIT_MS - 1, True)],
)
def test_clocks_may_differ_by_as_much_as_while_a_worker_runs(ahead_ms: int | None, too_large: bool) -> None:
    assert Skew(ahead_ms).too_large is too_large


def test_a_difference_of_clocks_is_told_with_its_direction() -> None:
    assert "3.000 s ahead of" in skew_text(Skew(3000))
    assert "3.000 s behind" in skew_text(Skew(-3000))


@pytest.mark.parametrize("ahead_ms", [-99, -1, 0, 1, 99])
def test_clocks_that_differ_by_next_to_nothing_agree(ahead_ms: int) -> None:
    assert skew_text(Skew(ahead_ms)).endswith("agree to 0.1 s")


def test_the_doctor_says_of_every_check_what_it_found_when_no_broker_answers(nobody: Settings) -> None:
    program = compile_program(load_definitions([SMALLEST]))

    found = {finding.name: finding for finding in examine(nobody, program, now_ms)}

    assert [name for name, each in found.items() if each.ok is False] == ["brokers"]
    assert [name for name, each in found.items() if each.ok is None] == list(KAFKA_CHECKS)
    assert found["brokers"].remedy and found["data_dir"].ok and found["listen"].ok
    assert not nobody.data_dir.exists()


def test_brokers_that_gave_no_answer_are_not_waited_for_again(nobody: Settings) -> None:
    look = Look(nobody)
    with pytest.raises(KafkaUnreachable) as first:
        look.of(["one"])

    with pytest.raises(KafkaUnreachable) as second:
        look.of(["another"])

    assert second.value is first.value


def test_a_start_tells_that_brokers_do_not_answer(nobody: Settings) -> None:
    start = Start(nobody, compile_program(load_definitions([SMALLEST])))

    with pytest.raises(KafkaUnreachable, match="are they running"):
        start.finish()


def test_what_is_wrong_on_this_machine_is_told_without_waiting_for_the_brokers(nobody: Settings) -> None:
    program = compile_program(load_definitions([SMALLEST]))
    taken = DataDir(nobody.data_dir)
    unanswered = Look(nobody)

    with unanswered._lock, pytest.raises(StartRefused, match="another worker is using it"):
        Start(nobody, program, unanswered)  # whoever waited for the look would wait for ever
    os.close(taken._lock)


def test_wrong_definitions_end_the_doctor_with_their_own_exit_code(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("definitions: 1\nname: wrong\nsegments: {a: {when: nonsense(}}\n")

    result = run("doctor", "--name", "n", "-d", wrong, "--broker", "127.0.0.1:1")

    assert result.exit_code == 3
    assert "wrong.yaml:" in result.stderr


def test_an_ipv6_address_stands_in_brackets_where_the_web_server_makes_a_url_of_it(nobody: Settings) -> None:
    app = _faust_app(nobody.model_copy(update={"listen": Address("::1", 9464)}))

    assert (app.conf.web_bind, str(app.conf.canonical_url)) == ("::1", "http://[::1]:9464")


def test_a_worker_that_is_told_to_stop_while_it_waits_for_brokers_ends_at_once_with_0(nobody: Settings) -> None:
    """The first process of a container is not ended by a signal that it does not hear itself."""
    brokers = nobody.kafka["bootstrap.servers"]
    told = [
        "--name",
        "n",
        "-d",
        SMALLEST,
        "--data-dir",
        nobody.data_dir,
        "--listen",
        nobody.listen,
        "--broker",
        brokers,
    ]
    command = [sys.executable, "-m", "stream.cli", "worker", *map(str, told)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for((nobody.data_dir / "lock").exists, "its folder", seconds=30)

    process.terminate()

    assert (process.communicate(timeout=10)[1], process.returncode) == ("", 0)
