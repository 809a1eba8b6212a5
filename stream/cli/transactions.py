"""`segmenter transactions`: what open transactions hold back."""

from __future__ import annotations

import json as json_text
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from stream.cli.definitions import load
from stream.cli.settings import Broker, ConfigFile, DefinitionsPath, Name, settings_of
from stream.codec.instants import to_text
from stream.config import Settings
from stream.kafka.open_transactions import OpenTransaction, find_open
from stream.rules.compile import CompiledProgram


def transactions(
    config: ConfigFile = None,
    name: Name = None,
    definitions: DefinitionsPath = None,
    broker: Broker = None,
    stands: Annotated[
        float, typer.Option(min=0.1, max=3600.0, help="Seconds that it holds back readers, at least.")
    ] = 2.0,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Open transactions on the input and on the topics written: partition, first record, since when. Which producer
    holds one is told by Kafka's own tool, whose command is printed.

    Exit codes: 0 none stands; 1 some do, or no broker answers; 3 definitions; 4 settings.
    """
    settings = settings_of(config, broker, name=name, definitions=definitions)
    _, program = load([settings.definitions])
    found = standing(settings, program, stands)
    if json:
        typer.echo(json_text.dumps([asdict(each) for each in found], indent=2))
    elif not found:
        typer.echo(f"no transaction stood open for {stands:g} s")
    else:
        table = Table("topic", "partition", "first record", "records held back", "began", box=None, pad_edge=False)
        for each in found:
            began = "unknown" if each.began_ms is None else to_text(each.began_ms)
            table.add_row(each.topic, str(each.partition), str(each.offset), str(each.records), began)
        Console(soft_wrap=True, width=200).print(table)
        first, servers = found[0], settings.kafka_properties()["bootstrap.servers"]
        typer.echo(
            f"who holds it: kafka-transactions.sh --bootstrap-server {servers} describe-producers --topic "
            f"{first.topic} --partition {first.partition}"
        )
        typer.echo(
            f"to end it: kafka-transactions.sh --bootstrap-server {servers} abort --topic {first.topic} --partition "
            f"{first.partition} --start-offset {first.offset}"
        )
    if found:
        raise typer.Exit(1)


def standing(settings: Settings, program: CompiledProgram, seconds: float) -> list[OpenTransaction]:
    """What the command lists: of the input and of all that is written in transactions."""
    own = (topic for topic in settings.topics.own if topic != settings.topics.control)
    return list(find_open(settings, [*own, *map(settings.topics.extra, program.extra_topics)], seconds))
