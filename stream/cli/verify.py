"""`segmenter verify`: proof from the topics alone that nothing was lost, doubled, reordered or invented."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from stream.cli.definitions import load
from stream.cli.settings import Broker, ConfigFile, DefinitionsPath, Name, settings_of
from stream.codec.wide_json import json_bytes
from stream.config import Settings
from stream.errors import ConfigError
from stream.rules.compile import CompiledProgram
from stream.verify.check import Options, check
from stream.verify.kafka_log import KafkaLog
from stream.verify.log import Names
from stream.verify.report import MEANING, Report
from stream.verify.show import as_json, lines_of
from stream.verify.tapes import extra_topics

LINE_EVERY_S = 5.0


def verify(
    config: ConfigFile = None,
    name: Name = None,
    definitions: DefinitionsPath = None,
    broker: Broker = None,
    show_values: Annotated[bool, typer.Option("--show-values", help="Customer ids and records in clear.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
    prometheus_file: Annotated[
        Path | None, typer.Option(help="Write the result there for node_exporter's textfile collector.")
    ] = None,
) -> None:
    """Replay the journal through the pure core and hold every topic against it; the workers may go on running.

    Exit codes: 0 clean; 1 violations; 3 definitions; 4 settings; 7 the topics could not be read to the end.
    """
    settings = settings_of(config, broker, name=name, definitions=definitions)
    _, program = load([settings.definitions])
    with _Progress() as progress:
        report = verified(settings, program, progress.told)
    if json:
        sys.stdout.buffer.write(json_bytes(as_json(report, show_values), orjson.OPT_INDENT_2) + b"\n")
        sys.stdout.buffer.flush()
    else:
        _print(report, show_values)
    if prometheus_file is not None:
        _write_metrics(prometheus_file, settings.name, report)
    if not report.clean:
        raise typer.Exit(1)


def verified(
    settings: Settings, program: CompiledProgram, told: Callable[[int, int, int], None] | None = None
) -> Report:
    """The report that the command prints. `told` gets (partition, input offset reached, its end) now and then."""
    topics = settings.topics
    names = Names(
        settings.name, topics.input, topics.changes, topics.memberships, topics.rejected, topics.state, topics.journal,
        topics.prefix,
    )  # fmt: skip
    with closing(KafkaLog(settings, names, extra_topics(program, names))) as log:
        return check(log, program, names, Options(settings.grace_ms, settings.max_event_bytes), told)


def _print(report: Report, show_values: bool) -> None:
    for violation in report.violations:
        for line in lines_of(violation, show_values):
            typer.echo(line)
    kept = len(report.violations)
    total = sum(report.found.values())
    if total > kept:
        typer.echo(f"... and {total - kept} more, counted below")
    console = Console(soft_wrap=True)
    console.print(_table("checked", [(what, count) for what, count in sorted(report.checked.items()) if count]))
    if report.found:
        rows = [(f"{kind}: {MEANING[kind]}", count) for kind, count in sorted(report.found.items())]
        console.print(_table("violations", rows))
    for why in report.unchecked:
        typer.echo(f"not checked: {why}")
    typer.echo("clean" if report.clean else f"{total} violations")


def _table(title: str, rows: list[tuple[str, int]]) -> Table:
    table = Table(title, "count", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for what, count in rows:
        table.add_row(what, f"{count:,}")
    return table


def _write_metrics(path: Path, name: str, report: Report) -> None:
    """As a whole: the collector must not read half a file."""
    label = f'{{pipeline="{name}"}}'
    text = (
        "# HELP segmenter_verify_last_run_timestamp_seconds When segmenter verify last came to a result.\n"
        "# TYPE segmenter_verify_last_run_timestamp_seconds gauge\n"
        f"segmenter_verify_last_run_timestamp_seconds{label} {time.time():.3f}\n"
        "# HELP segmenter_verify_violations Violations found by the last run; 0 is clean.\n"
        "# TYPE segmenter_verify_violations gauge\n"
        f"segmenter_verify_violations{label} {sum(report.found.values())}\n"
    )
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text)
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"--prometheus-file {path} can't be written: {error.strerror}") from None


class _Progress:
    """A bar per partition on a terminal, a line every few seconds elsewhere; both on standard error."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True) if sys.stderr.isatty() else None
        self._rows: dict[int, TaskID] = {}
        self._said_s = time.monotonic()

    def __enter__(self) -> _Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def told(self, partition: int, done: int, end: int) -> None:
        if self._bar is not None:
            if partition not in self._rows:
                self._rows[partition] = self._bar.add_task(f"partition {partition}", total=end)
            self._bar.update(self._rows[partition], completed=done, total=max(done, end))
        elif time.monotonic() - self._said_s >= LINE_EVERY_S:
            self._said_s = time.monotonic()
            typer.echo(f"partition {partition}: input offset {done} of {end} verified", err=True)
