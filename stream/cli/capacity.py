"""`segmenter capacity`: what a pipeline needs, with the formulas."""

from __future__ import annotations

import json as json_text
from typing import Annotated

import typer

from stream.app.capacity import CHANGES, EVENT, Line, Load, reckon
from stream.cli.definitions import load as load_definitions
from stream.cli.settings import DefinitionsPath

SCALES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
INDENT = " " * 22


def capacity(
    events: Annotated[float, typer.Option(min=0.001, max=1e9, help="Events a second at the peak.")],
    customers: Annotated[int, typer.Option(min=1, max=10**11, help="Customers known in the end.")],
    definitions: DefinitionsPath = None,
    changes_per_event: Annotated[
        float, typer.Option(min=0.0, max=100.0, help="From your metrics: changes / events.")
    ] = CHANGES.value,
    event_bytes: Annotated[float, typer.Option(min=1.0, max=1e8, help="Mean size of an event.")] = EVENT.value,
    replication: Annotated[int, typer.Option(min=1, max=7, help="Copies of each topic.")] = 3,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Workers, partitions, memory, disk, topics and restore times for a load: each with its formula and the measured
    figures it rests on (docs/performance.md). A worker of several processes counts as so many. Bytes are
    uncompressed."""
    lines = reckon(Load(events, customers, changes_per_event, event_bytes, replication))
    if definitions is not None:
        _, program = load_definitions([definitions])
        bound = "what the definitions keep, every window full: no state record is larger"
        lines.append(Line("largest state record", program.most_state_bytes, "B", bound))
    if json:
        told = [
            {
                "name": line.name, "value": line.value, "unit": line.unit, "formula": line.formula,
                "rests_on": [{"value": each.value, "unit": each.unit, "what": each.what} for each in line.rests_on],
            }
            for line in lines
        ]  # fmt: skip
        typer.echo(json_text.dumps(told, indent=2))
        return
    for line in lines:
        typer.echo(f"{line.name:<20}  {_value(line)}")
        typer.echo(f"{INDENT}= {line.formula}")
        for each in line.rests_on:
            typer.echo(f"{INDENT}  measured: {each.value:,} {each.unit}, {each.what}")


def _value(line: Line) -> str:
    """Bytes with three digits or so, times with a decimal, counts as they are."""
    if line.unit == "s":
        return f"{line.value:,.1f} s"
    if not line.unit:
        return f"{line.value:,.0f}"
    scale, letter = next((each for each in SCALES if line.value >= each[0]), (1.0, ""))
    return f"{line.value / scale:.1f} {letter}{line.unit}"
