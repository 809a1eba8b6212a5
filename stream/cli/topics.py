"""`segmenter topics`: create what a pipeline needs, or say what is not right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stream.cli.config import ConfigFile
from stream.cli.definitions import load
from stream.config import Settings, load_settings
from stream.kafka.topics import check_topics, create_topics

app = typer.Typer(help="The pipeline's Kafka topics.", no_args_is_help=True, rich_markup_mode=None)

Broker = Annotated[str | None, typer.Option(help="host:port instead of the settings' brokers.")]
DefinitionsFile = Annotated[Path | None, typer.Option("--definitions", "-d", help="File or folder.")]


def _settings(config: Path | None, definitions: Path | None, broker: str | None) -> tuple[Settings, list[str]]:
    overrides: dict[str, Any] = {
        "definitions": definitions,
        "kafka": {"bootstrap.servers": broker} if broker else None,
    }
    settings = load_settings(config, overrides)
    _, program = load([settings.definitions])
    return settings, list(program.extra_topics)


@app.command()
def create(
    config: ConfigFile = None,
    definitions: DefinitionsFile = None,
    broker: Broker = None,
    partitions: Annotated[int, typer.Option(min=1, max=1000, help="Of the input, when it must be made.")] = 4,
    replication: Annotated[int, typer.Option(min=1, max=7, help="Replication factor of what is made.")] = 1,
) -> None:
    """Create the topics that are missing; the outputs get as many partitions as the input has."""
    settings, extra = _settings(config, definitions, broker)
    for name in create_topics(settings, extra, partitions, replication):
        typer.echo(f"created {name}")
    _check(settings, extra)


@app.command()
def check(config: ConfigFile = None, definitions: DefinitionsFile = None, broker: Broker = None) -> None:
    """Say what about the topics would lose, double or stop something; exit code 1 when anything is."""
    _check(*_settings(config, definitions, broker))


def _check(settings: Settings, extra: list[str]) -> None:
    problems = check_topics(settings, extra)
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo("all topics are as they should be")
