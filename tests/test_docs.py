"""What the README and docs say must be so: commands, paths, settings, definitions, the change that is shown."""

from __future__ import annotations

import json
import os
import re
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner, Result

from stream.app.crash_points import POINTS
from stream.app.embedded_broker import EmbeddedBroker
from stream.cli.main import app
from stream.config import Settings, load_settings
from stream.core.events import Reason
from stream.kafka.simple import EventWriter
from stream.kafka.topics import create_topics
from stream.rules.cases import run_cases
from stream.rules.compile import compile_program
from stream.rules.functions import FUNCTIONS, LATER_FUNCTIONS
from stream.rules.load import parse_definitions

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TOP_FOLDERS = ("stream", "schemas", "examples", "tests", "bench", "ops", "requirements", "docs")
MADE_BY_THE_WORKER = {"why-set-aside.txt"}


@cache
def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks(name: str, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text(name), re.M | re.S)


def rows(name: str, first_column: str) -> list[list[str]]:
    """The rows of the page's table whose head begins with this column."""
    found = re.search(rf"^\| {first_column} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text(name), re.M)
    assert found, f"{name} has no table that begins with {first_column}"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def segmenter_commands() -> list[tuple[str, str]]:
    """(page, command line) of every `segmenter ...` in code, inline or in a block; prose after a verb is cut off."""
    commands = []
    for page in PAGES:
        content = page.read_text("utf-8")
        inline = [" ".join(found.split()) for found in re.findall(r"`(segmenter\s[^`]+)`", content)]
        fenced = re.findall(r"^(segmenter .+)$", content, re.M)
        commands += [(page.name, command) for command in dict.fromkeys([*inline, *fenced])]
    return commands


def definitions_blocks() -> list[tuple[str, str]]:
    """(page, YAML) of every whole definitions file shown."""
    names = [str(page.relative_to(ROOT)) for page in PAGES]
    return [(name, block) for name in names for block in blocks(name, "yaml") if block.startswith("definitions: 1")]


# -- commands ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("page", "command"), segmenter_commands())
def test_a_command_that_is_shown_exists_with_its_options(page: str, command: str) -> None:
    words = command.split()[1:]
    group: Any = typer.main.get_command(app)
    path: list[str] = []
    while words and words[0] in getattr(group, "commands", {}):
        group = group.commands[words[0]]
        path.append(words.pop(0))
    assert path, f"{page}: there is no `segmenter {words[0]}`"
    assert not hasattr(group, "commands"), f"{page}: {command} lacks its verb"

    options = {option for parameter in group.params for option in parameter.opts}

    assert run(*path, "--help").exit_code == 0
    assert {word for word in words if word.startswith("-")} <= options, f"{page}: {command}"


def test_every_command_stands_in_the_readmes_table() -> None:
    group: Any = typer.main.get_command(app)
    names = set()
    for name, command in group.commands.items():
        names |= {f"{name} {verb}" for verb in command.commands} if hasattr(command, "commands") else {name}

    shown = re.findall(r"^\| `segmenter ([^`]+)` \|", text("README.md"), re.M)
    listed = {re.sub(r" [A-Z\[].*", "", command) for command in shown}

    assert listed == names


# -- files -------------------------------------------------------------------------------------------------------------


PACKAGES = sorted(path.parent for path in (ROOT / "stream").glob("*/__init__.py") if path.parent.name != "cli")


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_the_first_lines_of_a_package_name_each_of_its_files(package: Path) -> None:
    told = set(re.findall(r"`(\w+)`", (package / "__init__.py").read_text("utf-8")))
    there = {path.stem for path in package.glob("*.py")} - {"__init__"}

    assert there - told == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def anchors(page: Path) -> set[str]:
    """What a link to each heading of a page ends with, as GitHub makes them of the headings' texts."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_a_heading_find_it(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]*\.md)?#([^)]+)\)", page.read_text("utf-8"))

    assert [link for link in links if link[1] not in anchors(page.parent / link[0] if link[0] else page)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_that_are_named_are_there(page: Path) -> None:
    named = re.findall(r"`([\w./-]+\.(?:py|yaml|yml|md|json|txt))`", page.read_text("utf-8"))
    named += re.findall(rf"`((?:{'|'.join(TOP_FOLDERS)})/[\w./-]*)`", page.read_text("utf-8"))

    assert [path for path in named if path not in MADE_BY_THE_WORKER and not (ROOT / path).exists()] == []


def test_every_room_stands_on_the_map() -> None:
    rooms = [path for path in (ROOT / "stream").iterdir() if (path / "__init__.py").exists()]
    wanted = {f"stream/{path.name}" for path in rooms} | set(TOP_FOLDERS)

    assert {re.findall(r"\(([^)]+)\)", row[0])[0] for row in rows("README.md", "folder")} == wanted


# -- definitions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("page", "yaml"), definitions_blocks())
def test_definitions_that_are_shown_are_right_and_their_cases_pass(page: str, yaml: str) -> None:
    definitions = parse_definitions([(page, yaml)])

    report = run_cases(definitions, compile_program(definitions))

    assert report.cases
    assert report.failures == ()


def test_the_readme_shows_the_smallest_example_as_it_is() -> None:
    assert blocks("README.md", "yaml")[0] == text("examples/segments/smallest.yaml")


def expressions() -> list[str]:
    """Every expression of the language page's tables, made a value."""
    values = [row[0] for table in ("value", "word") for row in rows("docs/language.md", table)]
    selectors = [row[0] for row in rows("docs/language.md", "events")]
    shown = [each for cell in values for each in re.findall(r"`([^`]+)`", cell)]
    return [*shown, *(f"count({each})" for cell in selectors for each in re.findall(r"`([^`]+)`", cell))]


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_of_the_language_page_is_accepted(expression: str) -> None:
    whole = next(yaml for page, yaml in definitions_blocks() if page == "docs/language.md")
    quoted = "'" + expression.replace("'", "''") + "'"

    assert parse_definitions([("shown", whole.replace("\nfacts:", f"\nfacts:\n  shown: {quoted}\n#", 1))])


def test_every_word_that_works_is_on_the_language_page_and_later_ones_are_named_as_later() -> None:
    page = text("docs/language.md")
    now, _, later = page.partition("Refused as not supported yet")

    assert [word for word in FUNCTIONS if f"{word}(" not in now] == []
    assert [word for word in LATER_FUNCTIONS if re.search(rf"\b{word}\(", now)] == []
    assert set(re.findall(r"\w+", later)) & FUNCTIONS.keys() <= {"count", "in"}


# -- settings and the rest of the closed lists -------------------------------------------------------------------------


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [name for name in os.environ if name.startswith("SEGMENTER_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def test_every_setting_is_documented_with_its_default(bare_environment: pytest.MonkeyPatch) -> None:
    required = {"name": "n", "definitions": "d", "kafka": {"bootstrap.servers": "localhost:1"}}
    masked = load_settings(None, required).masked()
    of_the_place = {*required, "instance"}
    defaults = {
        key: ""
        if key in of_the_place or value in (None, "")
        else f"`{str(value).lower() if value is False else value}`"
        for key, value in masked.items()
    }

    assert {row[0].strip("`"): row[1] for row in rows("docs/operations.md", "key")} == defaults


def test_the_readmes_settings_are_accepted(bare_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare_environment.setenv("KAFKA_PASSWORD", "secret")
    file = tmp_path / "settings.yaml"
    file.write_text(next(block for block in blocks("README.md", "yaml") if "bootstrap.servers" in block))

    settings = load_settings(file, {})

    assert isinstance(settings, Settings)
    assert settings.kafka_properties()["sasl.password"] == "secret"


def test_every_topic_is_documented(bare_environment: pytest.MonkeyPatch) -> None:
    settings = load_settings(None, {"name": "n", "definitions": "d", "kafka": {"bootstrap.servers": "localhost:1"}})

    assert set(settings.topics.own) <= {row[0].strip("`") for row in rows("docs/operations.md", "topic")}


def test_every_reason_of_rejection_is_documented_and_no_other() -> None:
    named = [each for row in rows("docs/semantics.md", "reason") for each in re.findall(r"`([^`]+)`", row[0])]

    assert sorted(named) == sorted(str(reason) for reason in Reason)


def test_every_crash_point_is_documented() -> None:
    assert [point for point in POINTS if f"`{point}`" not in text("docs/operations.md")] == []


def test_every_route_is_documented() -> None:
    routes = re.findall(r'^        "(/\w+)":', text("stream/app/http.py"), re.M)

    assert routes
    assert [row[0].strip("`") for row in rows("docs/operations.md", "path")] == routes


def test_every_log_event_that_is_explained_is_written_somewhere() -> None:
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "stream").rglob("*.py"))
    named = [each for row in rows("docs/operations.md", "event") for each in re.findall(r"`([^`]+)`", row[0])]

    assert [name for name in named if f'"{name}"' not in code] == []


def test_every_exit_code_of_an_error_is_in_the_readme() -> None:
    codes = {int(code) for code in re.findall(r"^    exit_code(?:: \S+)? = (\d)", text("stream/errors.py"), re.M)}

    assert codes | {0, 2} == {int(row[0]) for row in rows("README.md", "exit code")}


# -- the example that runs ---------------------------------------------------------------------------------------------


def test_the_change_that_is_shown_is_what_replay_prints(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    event, change = blocks("README.md", "json")
    command = next(
        line for block in blocks("README.md", "console") for line in block.splitlines() if " replay " in line
    )
    (tmp_path / "kim.jsonl").write_text(event)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)

    result = run(*command.split()[1:])

    first, left, quiet = (json.loads(line) for line in result.stdout.splitlines())
    assert json.dumps(first) == json.dumps(json.loads(change))  # the order of the fields too
    for silence, named in ((left, "newcomer"), (quiet, "gone-quiet")):
        assert (silence["segment"], silence["cause"]["kind"]) == (named, "clock")
        assert f"`{silence['effective_at']}`" in text("README.md")


@pytest.mark.embedded
def test_the_subscriber_that_is_shown_starts_a_flow_for_who_is_in_now(tmp_path: Path) -> None:
    (program,) = blocks("README.md", "python")
    shown = json.loads(blocks("README.md", "json")[1])
    told: list[tuple[str, str, str]] = []

    class Told(Exception):
        """Ends the subscriber, which runs for ever."""

    def start_flow(segment: str, customer: str, once: str) -> None:
        told.append((segment, customer, once))
        raise Told

    with EmbeddedBroker() as broker:
        kafka = {"bootstrap.servers": broker.bootstrap}
        settings = load_settings(None, {"name": "readme", "definitions": "d", "kafka": kafka})
        create_topics(settings, [], 1, 1)
        writer = EventWriter(kafka, settings.topics.changes)
        for changed in ({}, {"replayed": False, "control": True}, {"replayed": False, "id": "00000000.0.0.7"}):
            writer.write(b"kim", json.dumps({**shown, **changed}).encode(), time.time_ns() // 1_000_000)
        writer.flush()
        with pytest.raises(Told):
            exec(program.replace("localhost:9092", broker.bootstrap), {"start_flow": start_flow})

    assert told == [("newcomer", "kim", "00000000.0.0.7")]
