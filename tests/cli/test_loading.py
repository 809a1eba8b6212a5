"""What a command loads: only what it needs, so that it answers soon."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stream.cli.verbs import VERBS, Commands
from tests.cli.commands import SMALLEST
from tests.kafka.ports import lasting_port

ROOT = Path(__file__).parents[2]
KAFKA = {"confluent_kafka", "stream.kafka"}
FAUST = {"faust", "mode", "aiohttp", "aiokafka"}
SETTINGS = {"pydantic_settings", "stream.config"}  # pydantic itself is Typer's too
LANGUAGE = {"lark", "yaml", "stream.rules"}
REST = {"rich", "structlog", "orjson", "rocksdict", "prometheus_client", "stream.verify", "stream.app", "stream.engine"}
RUN = """
import json, sys
from stream.cli.main import main
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def loaded(*arguments: object) -> set[str]:
    """The modules that are loaded when the command ends; a second one from a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_help_loads_no_verb_and_nothing_that_verbs_stand_on() -> None:
    modules = loaded("--help")

    assert modules & (KAFKA | FAUST | SETTINGS | LANGUAGE | REST) == set()
    assert not {f"stream.cli.{verb.module}" for verb in VERBS.values()} & modules


@pytest.mark.parametrize("verb", ["check", "test"])
def test_definitions_are_judged_without_kafka_settings_or_web_server(verb: str) -> None:
    modules = loaded(verb, SMALLEST)

    assert "stream.rules.compile" in modules
    assert modules & (KAFKA | FAUST | SETTINGS | REST - {"stream.engine", "orjson"}) == set()


def test_a_worker_whose_settings_are_wrong_has_loaded_neither_kafka_nor_faust() -> None:
    modules = loaded("worker", "--config", "not-there.yaml")

    assert modules & (KAFKA | FAUST | {"rocksdict", "stream.verify"}) == set()


def test_a_worker_whose_definitions_are_wrong_has_not_loaded_faust(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("definitions: 1\nname: wrong\nsegments: {a: {when: nonsense(}}\n")

    modules = loaded("worker", "--name", "n", "-d", wrong, "--broker", "127.0.0.1:1", "--data-dir", tmp_path / "data")

    assert "stream.kafka.look" in modules, "the brokers are asked already"
    assert modules & (FAUST | {"stream.verify"}) == set()
    assert not (tmp_path / "data").exists()


def test_several_processes_share_what_a_worker_loads(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RUN, "worker", "--processes", "2", "--name", "n", "-d", str(SMALLEST)]
    listen = f"127.0.0.1:{lasting_port(in_a_row=2)}"
    more = ["--broker", "127.0.0.1:1", "--data-dir", str(tmp_path), "--listen", listen]
    with subprocess.Popen([*command, *more], stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.terminate()
        rest = process.stderr.read()

    assert json.loads(first)["event"] == "processes_started"
    assert process.returncode == 0, rest
    loaded_before = set(json.loads(rest.splitlines()[-1]))
    assert loaded_before >= {"stream.app.worker", "faust", "confluent_kafka", "rocksdict"}
    assert "stream.verify" not in loaded_before


def test_the_worker_loads_nothing_of_other_commands() -> None:
    script = "import json, sys, stream.cli.worker, stream.app.worker; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    modules = set(json.loads(done.stdout))

    assert {module for module in modules if module.startswith(("stream.verify", "jsonschema", "hypothesis"))} == set()
    assert {module for module in modules if module.startswith("stream.cli.")} == {
        "stream.cli.definitions", "stream.cli.settings", "stream.cli.worker",
    }  # fmt: skip


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_in_the_table_is_a_command_and_says_what_it_does(name: str) -> None:
    command = Commands()[name]

    assert command.name == name
    assert command.help
