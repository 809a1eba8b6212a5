"""`segmenter worker`: the processor itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stream.cli.config import ConfigFile
from stream.cli.definitions import load
from stream.config import load_settings


def worker(
    config: ConfigFile = None,
    definitions: Annotated[Path | None, typer.Option("--definitions", "-d", help="File or folder.")] = None,
    broker: Annotated[str | None, typer.Option(help="host:port instead of the settings' brokers.")] = None,
    instance: Annotated[str | None, typer.Option(help="This worker's own name.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="This worker's own directory.")] = None,
    listen: Annotated[str | None, typer.Option(help="host:port of /metrics and health.")] = None,
    log: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Read customer events, write segment changes, until SIGTERM or Ctrl-C (commits what is done, exits 0)."""
    # Faust takes a second to import; the other commands need not wait for it.
    from stream.app.worker import run_worker

    overrides: dict[str, Any] = {
        "definitions": definitions, "instance": instance, "data_dir": data_dir, "listen": listen, "log": log,
        "kafka": {"bootstrap.servers": broker} if broker else None,
    }  # fmt: skip
    settings = load_settings(config, overrides)
    _, program = load([settings.definitions])
    run_worker(settings, program)
