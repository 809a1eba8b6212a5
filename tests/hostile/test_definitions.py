"""Definitions can't run code, and can't make us hang: each hostile file is answered within seconds of CPU time."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from stream.errors import DefinitionErrors
from stream.rules.cases import run_cases
from stream.rules.compile import compile_program
from stream.rules.load import load_definitions, parse_definitions
from stream.rules.warnings import warnings
from tests.hostile.files import BOMBS, CODE, HEAD, MIB, TEXTS

CPU_SECONDS = 20
"""Of the processor, not of the clock, so that a busy machine changes nothing. The slowest takes a fourth of it."""

MEMORY_BYTES = 1 << 30
MOST_OUTPUT = 1 << 20
WITNESS = Path("/tmp/hostile-was-here")


def answer(sources: list[tuple[str, str]]) -> str:
    """Everything that the command line does with definitions: "accepted", or the errors."""
    try:
        definitions = parse_definitions(sources)
        program = compile_program(definitions)
        warnings(definitions)
        run_cases(definitions, program)
    except DefinitionErrors as errors:
        return str(errors)
    return "accepted"


def _confined(sources: list[tuple[str, str]], out: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    if pages:
        limit = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        out.send(answer(sources))
    except BaseException as error:
        out.send(error)


def answer_within_bounds(sources: list[tuple[str, str]]) -> str:
    """As `answer`, in a process that ends with its CPU time; any other exception than DefinitionErrors fails."""
    context = multiprocessing.get_context("fork")
    into, out = context.Pipe(duplex=False)
    child = context.Process(target=_confined, args=(sources, out))
    child.start()
    out.close()
    try:
        found: Any = into.recv()
    except EOFError:
        child.join()
        pytest.fail(f"no answer within {CPU_SECONDS} s of CPU time (exit code {child.exitcode})")
    child.join()
    assert isinstance(found, str), repr(found)
    assert len(found) < MOST_OUTPUT, f"{len(found)} characters of errors"
    return found


@pytest.mark.parametrize("name", CODE)
def test_code_in_a_definitions_file_is_refused_with_its_place_and_not_run(name: str) -> None:
    found = answer_within_bounds([("hostile.yaml", CODE[name])])

    assert found.startswith("hostile.yaml:")
    assert not WITNESS.exists()


@pytest.mark.parametrize("name", TEXTS)
def test_texts_never_become_code(name: str) -> None:
    text = TEXTS[name]

    found = answer_within_bounds([("hostile.yaml", text)])

    assert found == "accepted", found
    program = compile_program(parse_definitions([("hostile.yaml", text)]))
    for foreign in ("import os", "SystemExit", "{0.", "jndi", '"""'):
        assert foreign not in program.source


@pytest.mark.parametrize("name", BOMBS)
def test_a_hostile_file_is_answered_within_bounds(name: str) -> None:
    assert answer_within_bounds([("hostile.yaml", BOMBS[name]())])


@pytest.mark.parametrize(
    "text",
    [
        'segments:\n  s: {when: "count(any where a == \\"\\ud800\\") > 0"}\n',
        'segments:\n  s: {when: count(any) > 1, action: "\\udfff"}\n',
        'events: {e: "\\ud800"}\n',
        'cases:\n  - name: "\\ud83d\\ude00"\n    expect: [{at: 0d, facts: {}}]\n',
        'facts: {"\\ud800": count(any)}\n',
    ],
)
def test_half_a_character_is_refused_for_it_could_not_be_written_into_a_change(text: str) -> None:
    found = answer_within_bounds([("hostile.yaml", HEAD + text)])

    assert "half a character" in found
    assert found.encode()  # and it can be told


def test_many_files_are_answered_within_bounds() -> None:
    files = [(f"{number}.yaml", HEAD + "cases:\n" + "- x\n" * (MIB // 4 - 100)) for number in range(200)]

    found = answer_within_bounds(files)

    assert "too large" in found


def test_a_device_that_never_ends_is_not_read_to_its_end() -> None:
    with pytest.raises(DefinitionErrors, match="too large"):
        load_definitions([Path("/dev/zero")])
