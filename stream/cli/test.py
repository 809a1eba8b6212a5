"""`segmenter test`: run the cases that stand beside the definitions."""

from __future__ import annotations

from typing import Annotated

import typer

from stream.cli.definitions import Files, load
from stream.rules.cases import run_cases


def test(
    files: Files,
    fail_on_empty: Annotated[
        bool, typer.Option("--fail-on-empty", help="No cases at all end with exit code 1.")
    ] = False,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="List the conditions that no case saw both hold and fail.")
    ] = False,
) -> None:
    """Run the cases through the same evaluator that runs live; say how many conditions they covered."""
    definitions, program = load(files)
    report = run_cases(definitions, program)
    for failure in report.failures:
        typer.echo(str(failure), err=True)
    covered = len(report.coverage) - len(report.uncovered)
    typer.echo(
        f"{definitions.name}: {report.cases} cases, {report.rows} expectations, {len(report.failures)} failed; "
        f"{covered} of {len(report.coverage)} conditions seen both ways"
    )
    if coverage:
        for condition in report.uncovered:
            typer.echo(f"    {condition}")
    if report.failures or (fail_on_empty and not report.cases):
        if not report.cases:
            typer.echo("no cases: write some under `cases:`", err=True)
        raise typer.Exit(1)
