"""`segmenter worker`: the processor itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream.cli.definitions import load
from stream.cli.settings import Broker, ConfigFile, DefinitionsPath, Name, settings_of


def worker(  # noqa: PLR0913 - one parameter per flag
    config: ConfigFile = None,
    name: Name = None,
    definitions: DefinitionsPath = None,
    broker: Broker = None,
    instance: Annotated[str | None, typer.Option(help="This worker's own name.", show_default=False)] = None,
    data_dir: Annotated[Path | None, typer.Option(help="This worker's own directory.", show_default=False)] = None,
    listen: Annotated[str | None, typer.Option(help="host:port of /metrics and health.", show_default=False)] = None,
    log: Annotated[str | None, typer.Option(help="debug, info, warning or error.", show_default=False)] = None,
) -> None:
    """Read customer events, write segment changes, until SIGTERM or Ctrl-C (commits what is done, exits 0)."""
    settings = settings_of(
        config, broker,
        name=name, definitions=definitions, instance=instance, data_dir=data_dir, listen=listen, log=log,
    )  # fmt: skip
    from stream.app.starting import Start, look_ahead

    look = look_ahead(settings)  # the brokers answer while definitions are read and Faust is imported
    _, program = load([settings.definitions])
    start = Start(settings, program, look)
    # Faust takes half a second; what is wrong with settings, definitions or this machine need not wait for it.
    from stream.app.worker import run_worker

    run_worker(settings, program, start=start)
