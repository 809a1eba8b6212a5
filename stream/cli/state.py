"""`segmenter state`: the format level of each partition's state, raising it, and the offsets that belong to it."""

from __future__ import annotations

import json as json_text
import shlex
import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from stream.cli.settings import Broker, ConfigFile, DefinitionsPath, Name, operator, settings_of
from stream.codec.control import Control
from stream.codec.levels import FORMER_LEVEL, NEWEST_LEVEL, level_key
from stream.config import Settings
from stream.errors import SegmenterError
from stream.kafka.control import KafkaControls
from stream.kafka.last_commits import LastCommit, LastCommits
from stream.kafka.set_back import OffsetsRefused, apart, set_back

ASK_AGAIN_S = 0.5

app = typer.Typer(
    help="The state's format level, raising it, and the offsets that belong to it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


class UpgradeRefused(SegmenterError):
    """The level can't be raised now; says what to do first."""


@app.command()
def show(
    config: ConfigFile = None,
    name: Name = None,
    definitions: DefinitionsPath = None,
    broker: Broker = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """The format level of each partition, and which release committed last. Level 1 is what the former release reads
    too; level 2 is needed for holds and for further revisions of the definitions.

    Exit codes: 0 told; 1 no broker answers; 4 settings; 6 a state of a later release.
    """
    found = LastCommits(settings_of(config, broker, name=name, definitions=definitions)).read()
    if json:
        typer.echo(json_text.dumps([_row(each) for each in found], indent=2))
        return
    table = Table("partition", "format level", "commit", "by release", "definitions", box=None, pad_edge=False)
    for each in found:
        table.add_row(*("" if told is None else str(told) for told in _row(each).values()))
    Console(soft_wrap=True, width=200).print(table)
    typer.echo(_summary(found))


@app.command()
def upgrade(
    config: ConfigFile = None,
    name: Name = None,
    definitions: DefinitionsPath = None,
    broker: Broker = None,
    yes: Annotated[bool, typer.Option("--yes", help="Raise it; else it is only said what would be.")] = False,
    timeout: Annotated[float, typer.Option(min=1, max=3600, help="Seconds to wait for the workers.")] = 60.0,
) -> None:
    """Raise every partition's state to the newest format level, while the workers run. There is no way back to the
    former release afterwards.

    Exit codes: 0 all partitions are at the newest level; 1 without --yes, or not all are yet, or a worker of the former
    release committed last; 4 settings; 6 a state of a later release.
    """
    settings = settings_of(config, broker, name=name, definitions=definitions)
    last = LastCommits(settings)
    found = last.read()
    if not _former(found):
        typer.echo(_summary(found))
        return
    _check_releases(found)
    if not yes:
        raise UpgradeRefused(
            f"{_summary(found)}\nAfterwards the former release can't read this state: there is no way back to it but "
            "beginning anew. To go on: `segmenter state upgrade --yes`"
        )
    _ask(settings)
    left = _wait(last, timeout)
    typer.echo(_summary(left))
    if _former(left):
        typer.echo(f"not yet, after {timeout:g} s: each is raised when a worker of this release has it", err=True)
        raise typer.Exit(1)


@app.command()
def offsets(
    config: ConfigFile = None,
    name: Name = None,
    definitions: DefinitionsPath = None,
    broker: Broker = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False,
) -> None:
    """Set the group's committed offsets back to what the state says, after they have expired (brokers forget those of a
    group that is stopped for longer than `offsets.retention.minutes`, a week) or were reset. Stop the workers first.

    Exit codes: 0 they are as the state says; 1 they are not and --yes is missing, workers run, or the state topic is
    older than the journal; 4 settings; 6 a state of a later release.
    """
    settings = settings_of(config, broker, name=name, definitions=definitions)
    places = apart(settings, LastCommits(settings).read())
    for each in places:
        typer.echo(each)
    if places and not yes:
        named = f" --config {shlex.quote(str(config))}" if config is not None else ""
        raise OffsetsRefused(f"to set them back: `segmenter state offsets --yes{named}`")
    if places:
        typer.echo("waiting until the group has no members", err=True)
        set_back(settings, places)
    typer.echo(f"the offsets of group {settings.name} are those of its state")


def _ask(settings: Settings) -> None:
    from stream.app.clock import now_ms

    control = Control(operator(), now_ms(), "segmenter state upgrade")
    KafkaControls(settings).write(level_key(NEWEST_LEVEL), control)


def _wait(last: LastCommits, timeout_s: float) -> list[LastCommit]:
    until_s = time.monotonic() + timeout_s
    while True:
        found = last.read()
        if not _former(found) or time.monotonic() > until_s:
            return found
        time.sleep(ASK_AGAIN_S)


def former_partitions(settings: Settings) -> list[int]:
    """The partitions whose state is at the former level."""
    return [each.partition for each in _former(LastCommits(settings).read())]


def _former(found: Sequence[LastCommit]) -> list[LastCommit]:
    return [each for each in found if each.meta is not None and each.meta.level == FORMER_LEVEL]


def _check_releases(found: Sequence[LastCommit]) -> None:
    """Whether each partition was last committed by a release that can read the newest level."""
    old = [each for each in _former(found) if each.journal is not None and _codec(each.journal.versions) < NEWEST_LEVEL]
    if old:
        numbers = ", ".join(str(each.partition) for each in old)
        raise UpgradeRefused(
            f"partition {numbers}: last committed by a release that reads format level {FORMER_LEVEL} only; restart "
            "every worker with this release first, then wait until each partition has committed (10 s)"
        )


def _codec(versions: dict[str, str]) -> int:
    told = versions.get("codec", "")
    return int(told) if told.isdecimal() else 0


def _row(each: LastCommit) -> dict[str, Any]:
    meta, journal = each.meta, each.journal
    return {
        "partition": each.partition,
        "level": None if meta is None else meta.level,
        "commit": None if meta is None else meta.commit_number,
        "release": None if journal is None else journal.versions.get("code"),
        "definitions": None if meta is None else f"revision {meta.program['version']} {meta.program['hash']}",
    }


def _summary(found: Sequence[LastCommit]) -> str:
    begun, former = [each for each in found if each.meta is not None], _former(found)
    if not begun:
        return f"no partition has committed yet: each begins at format level {NEWEST_LEVEL}"
    if not former:
        return f"all {len(begun)} partitions are at format level {NEWEST_LEVEL}, the newest"
    numbers = ", ".join(str(each.partition) for each in former)
    return f"{len(former)} of {len(begun)} partitions are at format level {FORMER_LEVEL}: {numbers}"
