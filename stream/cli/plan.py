"""`segmenter plan OLD NEW`: what deploying changed definitions would do, before anything is deployed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import Progress

from stream.app.clock import now_ms
from stream.app.forecast import Forecast, Forecaster, Moves
from stream.cli.definitions import load
from stream.cli.settings import Broker, ConfigFile, Name, settings_of
from stream.codec.definitions import DefinitionsText, decode_definitions, is_definitions
from stream.codec.journal import META_KEY, RESERVED, decode_meta
from stream.codec.wide_json import json_bytes
from stream.config import UNITS_MS, Settings, format_quantity
from stream.core.migration import Earlier
from stream.errors import UnreadableState
from stream.kafka.simple import TopicReader
from stream.rules.compare import Comparison, compare
from stream.rules.compile import CompiledProgram
from stream.rules.stored import stored_program
from stream.verify.disk import Disk

AT_ONCE = 2_000


def plan(
    old: Annotated[Path, typer.Argument(help="The definitions that are deployed: file or folder.")],
    new: Annotated[Path, typer.Argument(help="Those that are to be.")],
    config: ConfigFile = None,
    name: Name = None,
    broker: Broker = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON on standard output.")] = False,
) -> None:
    """Compare definitions; with --config also forecast, from the state topic, who enters and leaves. Writes nothing.

    Exit codes: 0 it can be deployed; 1 `revision` must be raised first; 3 definitions; 4 settings; 6 the state was
    written under other definitions than OLD.
    """
    before, after = load([old]), load([new])
    comparison = compare(before, after)
    forecast = None
    # With the revision not raised there is nothing yet that could be carried over: that is told first.
    if comparison.revision is None and (config is not None or broker is not None):
        settings = settings_of(config, broker, name=name, definitions=new)
        forecast = _forecast(settings, before[1], after[1])
    if json:
        told = {"comparison": _compared(comparison), "forecast": None if forecast is None else _forecasted(forecast)}
        sys.stdout.buffer.write(json_bytes(told, orjson.OPT_INDENT_2) + b"\n")
        sys.stdout.buffer.flush()
    else:
        for line in lines_of(comparison, forecast):
            typer.echo(line)
    if comparison.revision is not None:
        raise typer.Exit(1)


# -- the forecast


def _forecast(settings: Settings, old: CompiledProgram, new: CompiledProgram) -> Forecast:
    with closing(Disk()) as disk, Progress(console=Console(stderr=True), transient=True) as progress:
        reading = progress.add_task("reading the state topic", total=None)
        texts = _read(settings, old, disk, lambda count: progress.update(reading, completed=count))
        progress.update(reading, visible=False)

        def earlier(revision: int) -> Earlier:
            text = texts.get(revision)
            if revision == old.version:
                return Earlier(old, {} if text is None else text.kept)
            if text is None:
                raise UnreadableState(f"{settings.topics.state}: the text of revision {revision} is not there")
            return Earlier(stored_program(text.files, text.hash, text.layout), text.kept)

        forecaster = Forecaster(new, earlier, now_ms())
        carrying = progress.add_task("carrying customers over in memory", total=None)
        for customer_id, state in _customers(disk):
            forecaster.take(customer_id, state)
            if forecaster.forecast.customers % AT_ONCE == 0:
                progress.update(carrying, completed=forecaster.forecast.customers)
    return forecaster.forecast


def _customers(disk: Disk) -> Iterator[tuple[str, bytes]]:
    after = ""
    while found := disk.following(after, AT_ONCE):
        yield from found
        after = found[-1][0]


def _read(
    settings: Settings, old: CompiledProgram, disk: Disk, told: Callable[[int], None]
) -> dict[int, DefinitionsText]:
    """Every customer's newest state onto the disk; the texts of the definitions that are still needed, by revision.
    `told` gets how many records were read. Raises UnreadableState when OLD is not what the workers run."""
    topic = settings.topics.state
    reader = TopicReader(settings.kafka_properties(), topic)
    texts: dict[int, DefinitionsText] = {}
    programs: dict[int, dict[str, Any]] = {}
    count = 0
    try:
        for record in reader.to_end():
            key = record.key or b""
            if key == META_KEY and record.value is not None:
                programs[record.partition] = decode_meta(record.value).program
            elif is_definitions(key) and record.value is not None:
                text = decode_definitions(record.value)
                texts[text.revision] = text
            elif not key.startswith(RESERVED):
                disk.write_states([(key.decode(), record.value)])
            count += 1
            if count % AT_ONCE == 0:
                told(count)
    finally:
        reader.close()
    for partition, program in sorted(programs.items()):
        if (program["version"], program["hash"]) != (old.version, old.hash):
            raise UnreadableState(
                f"{topic}, partition {partition}: found state of revision {program['version']} (hash "
                f"{program['hash']}), expected revision {old.version} (hash {old.hash}), the first file given; name "
                "the file that is deployed as OLD"
            )
    return texts


# -- as text


def lines_of(comparison: Comparison, forecast: Forecast | None) -> Iterator[str]:
    """The plan for a reader."""
    if comparison.revision is not None:
        yield f"first: {comparison.revision}"
    for each in comparison.differences:
        yield f"{each.how}: {each.kind} {each.name}"
        yield from (f"    {line}" for line in each.what)
    if not comparison.differences:
        yield "no event, fact, dimension or segment is other"
    yield from (f"topic to create: {topic} (`segmenter topics create`)" for topic in comparison.topics)
    for name, topic in comparison.untold:
        yield f"warning: who is in {name} already is not told on topic {topic}: segment-memberships has them"
    for topic in comparison.left:
        yield f"warning: topic {topic} gets nothing any more, no erasure either: delete it when its readers have moved"
    for definition, until_ms in comparison.warming.items():
        yield f"undecided for customers of before, up to {format_quantity(until_ms, UNITS_MS)} long: {definition}"
    yield from (f"begins blank: {line}" for line in comparison.blank)
    yield from (f"warning: counts from the deployment on, as if nothing had been: {line}" for line in comparison.ever)
    yield from (f"warning: fewer were kept, judged from those and what comes: {line}" for line in comparison.fewer)
    yield from (f"warning: null until the customer's next call that tells it: {name}" for name in comparison.traits)
    if forecast is None:
        yield "who would move: name the settings with --config"
        return
    share = _share(forecast.moved, forecast.customers)
    yield f"{forecast.customers:,} customers, {forecast.moved:,} would move ({share}), if nothing came in meanwhile"
    for word, moves in (("enter", forecast.entered), ("leave", forecast.left)):
        for segment, moved in sorted(moves.items()):
            held = f", {moved.held_out:,} of them held out" if moved.held_out else ""
            yield f"{moved.customers:,} ({_share(moved.customers, forecast.customers)}) {word} {segment}{held}"
            yield from _reasons(moved)
    for (dimension, before, after), moved in sorted(forecast.flows.items(), key=str):
        told = f"{dimension}: {before or 'no stage'} -> {after or 'no stage'}"
        yield f"{moved.customers:,} ({_share(moved.customers, forecast.customers)}) {told}"
        yield from _reasons(moved)
    for definition, count in sorted(forecast.warming.items()):
        yield f"{count:,} ({_share(count, forecast.customers)}) undecided at first: {definition}"


def _reasons(moves: Moves) -> Iterator[str]:
    return (f"    as: {reason}" for reason in moves.samples())


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "0%"


# -- as JSON


def _compared(comparison: Comparison) -> dict[str, Any]:
    return {
        "revision": comparison.revision,
        "differences": [
            {"kind": each.kind, "name": each.name, "how": each.how, "what": each.what}
            for each in comparison.differences
        ],
        "topics_to_create": comparison.topics,
        "topics_left": comparison.left,
        "members_not_told": [{"definition": name, "topic": topic} for name, topic in comparison.untold],
        "undecided_ms": comparison.warming,
        "begin_blank": comparison.blank,
        "ever_begins_now": comparison.ever,
        "ever_of_fewer": comparison.fewer,
        "traits_not_known_yet": comparison.traits,
    }


def _forecasted(forecast: Forecast) -> dict[str, Any]:
    def told(moves: Moves) -> dict[str, Any]:
        return {"customers": moves.customers, "held_out": moves.held_out, "reasons": moves.samples()}

    return {
        "customers": forecast.customers,
        "moved": forecast.moved,
        "enter": {name: told(moves) for name, moves in sorted(forecast.entered.items())},
        "leave": {name: told(moves) for name, moves in sorted(forecast.left.items())},
        "flows": [
            {"dimension": dimension, "from": before, "to": after, **told(moves)}
            for (dimension, before, after), moves in sorted(forecast.flows.items(), key=str)
        ],
        "undecided": dict(sorted(forecast.warming.items())),
    }
