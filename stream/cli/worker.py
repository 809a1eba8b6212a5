"""`segmenter worker`: the processor itself."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.definitions import load
from stream.cli.settings import Broker, ConfigFile, DefinitionsPath, Name, settings_of
from stream.config import Settings
from stream.errors import ConfigError


def worker(  # noqa: PLR0913 - one parameter per flag
    config: ConfigFile = None,
    name: Name = None,
    definitions: DefinitionsPath = None,
    broker: Broker = None,
    instance: Annotated[str | None, typer.Option(help="This worker's own name.", show_default=False)] = None,
    data_dir: Annotated[Path | None, typer.Option(help="This worker's own directory.", show_default=False)] = None,
    listen: Annotated[str | None, typer.Option(help="host:port of /metrics and health.", show_default=False)] = None,
    processes: Annotated[int | None, typer.Option(help="Processes that share the work.", show_default=False)] = None,
    log: Annotated[str | None, typer.Option(help="debug, info, warning or error.", show_default=False)] = None,
    member: Annotated[int | None, typer.Option(hidden=True, min=1)] = None,  # of several: said by the supervisor alone
) -> None:
    """Read customer events, write segment changes, until SIGTERM or Ctrl-C (commits what is done, exits 0)."""
    with _ended_by_sigterm():
        settings = settings_of(
            config, broker,
            name=name, definitions=definitions, instance=instance, data_dir=data_dir, listen=listen,
            processes=processes, log=log,
        )  # fmt: skip
        _run(settings, member)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Until others hear it, for nothing is begun yet: without a handler the first process of a container is not ended
    by it. Ends with 0, as a worker does that is told to stop."""
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(settings: Settings, member: int | None) -> None:
    if member is not None:
        from stream.app.supervisor import end_with_supervisor

        end_with_supervisor()
        settings = settings.member(member)
    elif settings.processes > 1:
        sys.exit(_supervised(settings))
    from stream.app.starting import Start, look_ahead

    look = look_ahead(settings)  # the brokers answer while definitions are read and Faust is imported
    _, program = load([settings.definitions])
    start = Start(settings, program, look)
    # Faust takes half a second; what is wrong with settings, definitions or this machine need not wait for it.
    from stream.app.worker import run_worker

    run_worker(settings, program, start=start)


def _supervised(settings: Settings) -> int:
    """A worker of several processes, to its end. What is wrong with definitions or this machine is told here, once;
    what is wrong with the topics each process finds."""
    for path in (settings.config_file, settings.definitions):
        if path is not None and path.exists() and not (path.is_file() or path.is_dir()):
            raise ConfigError(f"{path}: found no file that can be read twice, expected one: each process reads it")
    load([settings.definitions])
    from stream.app.logs import set_up_logs
    from stream.app.supervisor import member_commands, supervise, take_place

    set_up_logs(settings.log, settings.log_format)
    take_place(settings)
    return supervise(member_commands(settings.processes))
