"""Definitions as every command loads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream.rules.compile import CompiledProgram, compile_program
from stream.rules.load import load_definitions
from stream.rules.tree import Definitions

Files = Annotated[list[Path], typer.Argument(help="Definitions: files, or folders of *.yaml.", show_default=False)]


def load(paths: list[Path]) -> tuple[Definitions, CompiledProgram]:
    """Read, check and compile. Raises DefinitionErrors with everything that is wrong."""
    definitions = load_definitions(paths)
    return definitions, compile_program(definitions)
