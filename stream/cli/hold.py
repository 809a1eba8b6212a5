"""`segmenter hold`, `release` and `holds`: keep answers back, let them go, and what is kept back now."""

from __future__ import annotations

import json as json_text
import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from stream.cli import state
from stream.cli.definitions import load
from stream.cli.settings import Broker, ConfigFile, DefinitionsPath, Name, operator, settings_of
from stream.codec.control import Control
from stream.codec.instants import to_text
from stream.codec.levels import FORMER_LEVEL
from stream.config import Settings
from stream.core.holds import CLOCK, EVENT, SEGMENT, STOPPED
from stream.errors import ConfigError
from stream.rules.compile import CompiledProgram
from stream.rules.names import did_you_mean

What = Annotated[
    Literal["clock", "segment", "partition"],
    typer.Argument(help="clock: what time alone changes; segment: every change of one; partition: its reading."),
]
Key = Annotated[str | None, typer.Argument(help="The segment's name, or the partition's number.", show_default=False)]
OfEvent = Annotated[
    str | None,
    typer.Option("--event", help="With clock: only definitions that rest on this event.", show_default=False),
]


def hold(  # noqa: PLR0913 - one parameter per flag
    what: What,
    key: Key = None,
    event: OfEvent = None,
    reason: Annotated[str, typer.Option(help="For whoever finds it held.")] = "",
    by: Annotated[str | None, typer.Option(help="Who holds it; your login.", show_default=False)] = None,
    config: ConfigFile = None,
    name: Name = None,
    definitions: DefinitionsPath = None,
    broker: Broker = None,
) -> None:
    """Keep answers back until they are released. Events are folded all the while; on release everything is judged anew
    from what is known then.

    Exit codes: 0 held; 1 no broker answers, or the state's format knows no holds yet; 3 definitions; 4 settings, or a
    name that the definitions don't know.
    """
    settings = settings_of(config, broker, name=name, definitions=definitions)
    held = _key(settings, what, key, event)
    if what != "partition":
        _check_level(settings, held)
    from stream.app.clock import now_ms
    from stream.kafka.control import KafkaControls

    KafkaControls(settings).write(held, Control(by or operator(), now_ms(), reason))
    typer.echo(f"held: {held}")
    typer.echo(f"to lift it: {command(held, config)}")


def release(
    what: Annotated[
        Literal["clock", "segment", "partition", "all"],
        typer.Argument(help="As it was held; all: everything that is held."),
    ],
    key: Key = None,
    event: OfEvent = None,
    config: ConfigFile = None,
    name: Name = None,
    definitions: DefinitionsPath = None,
    broker: Broker = None,
) -> None:
    """Let go what is held. What was kept back is judged anew, 5,000 customers a commit.

    Exit codes: 0 released; 1 it was not held, or no broker answers; 3 definitions; 4 settings.
    """
    settings = settings_of(config, broker, name=name, definitions=definitions)
    from stream.kafka.control import KafkaControls

    controls = KafkaControls(settings)
    held = controls.held()
    # What is held is known by what is written there: the definitions may have changed since.
    wanted = list(held) if what == "all" else [_plain_key(what, key, event)]
    for each in wanted:
        if each not in held:
            hint = did_you_mean(each, held) or "nothing is held"
            typer.echo(f"{each}: is not held; {hint}", err=True)
            raise typer.Exit(1)
    for each in wanted:
        controls.write(each, None)
        typer.echo(f"released: {each}")
    if not wanted:
        typer.echo("nothing is held")


def holds(
    config: ConfigFile = None,
    name: Name = None,
    definitions: DefinitionsPath = None,
    broker: Broker = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """What is held now, by whom, since when and why, and how to lift it.

    Exit codes: 0 told; 1 no broker answers; 3 definitions; 4 settings.
    """
    settings = settings_of(config, broker, name=name, definitions=definitions)
    from stream.kafka.control import KafkaControls

    held = KafkaControls(settings).held()
    rows = [
        {"key": key, "by": each.by, "at": to_text(each.at_ms), "reason": each.reason, "lift": command(key, config)}
        for key, each in sorted(held.items())
    ]
    if json:
        typer.echo(json_text.dumps(rows, indent=2))
    elif not rows:
        typer.echo("nothing is held")
    else:
        table = Table("held", "by", "since", "reason", "to lift it", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row.values())
        Console(soft_wrap=True, width=200).print(table)


def command(key: str, config: Path | None) -> str:
    """What to type to lift a hold, with the settings file that was named."""
    what, _, rest = key.partition("/")
    held = f'clock --event "{rest}"' if what == "event" else f"{what} {rest}".rstrip()
    return f"segmenter release {held}" + (f" --config {shlex.quote(str(config))}" if config is not None else "")


def _plain_key(what: str, key: str | None, event: str | None) -> str:
    if what == "clock":
        if key is not None:
            raise ConfigError(f"{key}: found a name behind `clock`, expected none; try --event {key!r}")
        return CLOCK if event is None else EVENT + event
    if event is not None:
        raise ConfigError(f"--event: found with `{what}`, expected with `clock` only")
    if key is None:
        raise ConfigError(f"{what}: found no name behind it, expected the {what} to hold")
    return {"segment": SEGMENT, "partition": STOPPED}[what] + key


def _key(settings: Settings, what: str, key: str | None, event: str | None) -> str:
    """The key to hold. Raises ConfigError with the nearest name when nobody has this one."""
    held = _plain_key(what, key, event)
    program = _program(settings.definitions)
    if event is not None and event not in program.event_names:
        raise ConfigError(_unknown("--event", event, "an event that a definition counts", program.event_names))
    segments = [each.name for each in program.definitions if each.is_segment]
    if what == "segment" and key not in segments:
        raise ConfigError(_unknown("segment", str(key), "a segment of the definitions", segments))
    if what == "partition":
        from stream.kafka.topics import input_partitions

        count = input_partitions(settings)
        if not str(key).isdecimal() or int(str(key)) >= count:
            raise ConfigError(f"partition: found {key}, expected one of 0 to {count - 1}")
    return held


def _check_level(settings: Settings, held: str) -> None:
    """Raises UpgradeRefused where a partition's state can't keep what is held."""
    former = state.former_partitions(settings)
    if former:
        numbers = ", ".join(map(str, former))
        raise state.UpgradeRefused(
            f"{held}: not held. The state of partition {numbers} is at format level {FORMER_LEVEL}, which knows no "
            "holds: run `segmenter state upgrade` first. To stop the reading of one: `segmenter hold partition N`"
        )


def _program(path: Path) -> CompiledProgram:
    return load([path])[1]


def _unknown(where: str, found: str, expected: str, known: list[str] | tuple[str, ...]) -> str:
    hint = did_you_mean(found, known)
    return f"{where}: found {found!r}, expected {expected}" + (f"; {hint}" if hint else "")
