"""`segmenter explain CUSTOMER`: why a customer is where they are, from the state topic."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from stream.cli.definitions import load
from stream.cli.settings import Broker, ConfigFile, DefinitionsPath, Name, settings_of
from stream.codec.instants import to_text, to_text_or_none
from stream.codec.journal import META_KEY, decode_meta
from stream.codec.snapshot import decode_profile
from stream.codec.wide_json import json_bytes
from stream.core.events import FOREVER_MS
from stream.core.profile import Profile
from stream.core.program import Decider
from stream.errors import SegmenterError, UnreadableState
from stream.kafka.simple import TopicReader
from stream.rules.compile import CompiledProgram


class UnknownCustomer(SegmenterError):
    """No state for this id."""


def explain(
    customer: Annotated[str, typer.Argument(help="The customer's id.")],
    config: ConfigFile = None,
    name: Name = None,
    definitions: DefinitionsPath = None,
    broker: Broker = None,
) -> None:
    """Print a customer's stages and segments, since when, until when, and the conditions that decided them."""
    settings = settings_of(config, broker, name=name, definitions=definitions)
    _, program = load([settings.definitions])
    stored = _find(settings.kafka_properties(), settings.topics.state, customer.encode(), program)
    if stored is None:
        raise UnknownCustomer(
            f"customer {customer!r} has no state in {settings.topics.state}: never seen, erased, or the id is spelled "
            "differently (ids are compared exactly)"
        )
    profile = decode_profile(customer, stored, program)
    if profile.revision != program.version:
        raise UnreadableState(
            f"{settings.topics.state}: found the customer judged by revision {profile.revision} of the definitions, "
            f"expected {program.version}, that of the file given; name the file of that revision with --definitions, "
            "or wait until the migration has come to the customer (`segmenter status`)"
        )
    for line in describe(profile, program):
        typer.echo(line)


def _find(properties: dict[str, str], topic: str, key: bytes, program: CompiledProgram) -> bytes | None:
    """The customer's newest state. Raises UnreadableState when other definitions wrote it: its meaning would be
    guessed."""
    reader = TopicReader(properties, topic)
    named: dict[int, dict[str, Any]] = {}
    found = None
    partition = -1
    try:
        for record in reader.to_end():
            if record.key == META_KEY and record.value is not None:
                named[record.partition] = decode_meta(record.value).program
            elif record.key == key:
                found, partition = record.value, record.partition
    finally:
        reader.close()
    written = named.get(partition, {}).get("hash", program.hash)
    if found is not None and written != program.hash:
        raise UnreadableState(
            f"{topic}: found state written under the definitions {written}, expected {program.hash}, the hash of the "
            "file given; name the worker's own file with --definitions (`segmenter check FILE` prints a file's hash)"
        )
    return found


def _instant(instant_ms: int) -> str:
    """What a trait of the far future brings may lie beyond what RFC 3339 can write."""
    return to_text_or_none(instant_ms) or "an instant beyond the year 9999"


def describe(profile: Profile, program: CompiledProgram) -> list[str]:
    """The answers of a profile as lines, at its latest judged instant."""
    now_ms, cells = profile.now_ms, profile.cells
    lines = [f"{profile.customer_id}  as of {to_text(now_ms)}, {profile.sequence} changes so far"]
    for index, definition in enumerate(program.definitions):
        answer = profile.answers[index]
        if definition.is_segment:
            held = " (held out)" if profile.control[index] else ""
            shown = f"in{held}" if answer == 1 else "not in"
        else:
            shown = definition.stages[answer] if answer >= 0 else "no stage yet"
        since = f" since {to_text(profile.standings.since_ms[index])}" if profile.standings.changed_by[index] else ""
        warming_ms = (profile.warming or {}).get(index)
        if warming_ms is not None:
            why = "what it asks about was not kept before the definitions were changed"
            lines.append(f"{definition.name}: {shown}{since}, undecided until {_instant(warming_ms)}: {why}")
            continue
        until_ms = program.valid_until(index, cells, now_ms)
        until = "" if until_ms is None else f", until {_instant(until_ms)} if nothing happens"
        lines.append(f"{definition.name}: {shown}{since}{until}")
        lines.extend(f"    {_reason(decider)}" for decider in program.because(index, cells, now_ms))
    for name, value in program.facts(cells, now_ms).items():
        lines.append(f"fact {name} = {_shown(value)}")
    if profile.wake_ms < FOREVER_MS:
        lines.append(f"asked again at {_instant(profile.wake_ms)}")
    return lines


def _reason(decider: Decider) -> str:
    condition = decider.condition
    value = "withheld" if condition.withheld else _shown(decider.value)
    verdict = "holds" if condition.holds else "fails"
    return f"{verdict}: {condition.expression}  [{value}]  {condition.file}:{condition.line}"


def _shown(value: Any) -> str:
    return json_bytes(value).decode()
