"""`segmenter topics`: create what a pipeline needs, or say what is not right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream.cli.definitions import load
from stream.cli.settings import Broker, ConfigFile, DefinitionsPath, Name, settings_of
from stream.config import Settings
from stream.kafka.look import Look
from stream.kafka.topics import check_topics, create_topics, weak_topics

app = typer.Typer(
    help="Create or check the pipeline's Kafka topics.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def _settings(
    config: Path | None, broker: str | None, name: str | None, definitions: Path | None
) -> tuple[Settings, list[str]]:
    """The settings, and the topics that definitions ask for."""
    settings = settings_of(config, broker, name=name, definitions=definitions)
    _, program = load([settings.definitions])
    return settings, list(program.extra_topics)


@app.command()
def create(
    config: ConfigFile = None,
    name: Name = None,
    definitions: DefinitionsPath = None,
    broker: Broker = None,
    partitions: Annotated[int, typer.Option(min=1, max=1000, help="Of the input, when it must be made.")] = 4,
    replication: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=7,
            help="Replication factor of what is made; as the input's, or 3 where there are brokers.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Create the topics that are missing; the outputs get as many partitions as the input has."""
    settings, extra = _settings(config, broker, name, definitions)
    for topic in create_topics(settings, extra, partitions, replication):
        typer.echo(f"created {topic}")
    _check(settings, extra, weak=False)  # who asks for few copies gets them


@app.command()
def check(
    config: ConfigFile = None, name: Name = None, definitions: DefinitionsPath = None, broker: Broker = None
) -> None:
    """Say what about the topics would lose, double or stop something, or would when a broker fails; exit code 1 when
    anything is."""
    _check(*_settings(config, broker, name, definitions), weak=True)


def _check(settings: Settings, extra: list[str], weak: bool) -> None:
    look = Look(settings)
    problems = check_topics(settings, extra, look)
    problems += [each.text for each in weak_topics(settings, extra, look)] if weak else []
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo("all topics are as they should be")
