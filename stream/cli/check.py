"""`segmenter check`: is the file right, and is anything in it doubtful?"""

from __future__ import annotations

from typing import Annotated

import typer

from stream.cli.definitions import Files, load
from stream.rules.state_size import kibibytes
from stream.rules.warnings import warnings


def check(
    files: Files,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings too end with exit code 1.")] = False,
) -> None:
    """Validate definitions: all errors with their places, and warnings about what is rarely meant."""
    definitions, program = load(files)
    doubts = warnings(definitions)
    for doubt in doubts:
        typer.echo(f"warning: {doubt}", err=True)
    dimensions, segments = len(definitions.dimensions), len(definitions.segments)
    typer.echo(
        f"{definitions.name}: {dimensions} dimensions, {segments} segments, {len(definitions.facts)} facts, "
        f"{len(definitions.cases)} cases; {len(doubts)} warnings; "
        f"at most {kibibytes(program.most_state_bytes)} per customer; hash {program.hash}"
    )
    if definitions.revision > 1:
        typer.echo(f"revision {definitions.revision}: `segmenter plan OLD NEW` says who will move when it is deployed")
    if strict and doubts:
        raise typer.Exit(1)
