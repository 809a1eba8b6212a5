"""`segmenter doctor`: every check of a start, without starting."""

from __future__ import annotations

import typer

from stream.cli.definitions import load
from stream.cli.settings import Broker, ConfigFile, DefinitionsPath, Name, settings_of

WORDS = {True: "ok", False: "FAILED", None: "not checked"}


def doctor(
    config: ConfigFile = None, name: Name = None, definitions: DefinitionsPath = None, broker: Broker = None
) -> None:
    """Every check that a worker makes before it starts, one line each, with the remedy. Changes nothing: to compare
    clocks one record is written to the journal in a transaction that is aborted.

    Exit codes: 0 a worker would start; 1 a check failed; 3 definitions; 4 settings.
    """
    settings = settings_of(config, broker, name=name, definitions=definitions)
    _, program = load([settings.definitions])
    from stream.app.clock import now_ms
    from stream.app.doctor import examine
    from stream.app.logs import set_up_logs

    set_up_logs("error", "auto")  # a question asked twice is no finding
    typer.echo(f"{'settings':<16} {WORDS[True]}: {settings.name}, instance {settings.instance}")
    failed = 0
    for finding in examine(settings, program, now_ms):
        failed += finding.ok is False
        remedy = f"; try: {finding.remedy}" if finding.remedy else ""
        typer.echo(f"{finding.name:<16} {WORDS[finding.ok]}: {finding.text}{remedy}")
    if failed:
        raise typer.Exit(1)
