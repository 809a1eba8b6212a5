"""`segmenter worker`: the processor itself."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from stream.cli.definitions import load
from stream.cli.settings import Broker, ConfigFile, DefinitionsPath, Name, settings_of
from stream.config import Settings
from stream.errors import SegmenterError

if TYPE_CHECKING:
    from stream.rules.compile import CompiledProgram


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
) -> None:
    """Read customer events, write segment changes, until SIGTERM or Ctrl-C (commits what is done, exits 0)."""
    with _ended_by_sigterm():
        settings = settings_of(
            config, broker,
            name=name, definitions=definitions, instance=instance, data_dir=data_dir, listen=listen,
            processes=processes, log=log,
        )  # fmt: skip
        _run(settings)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Until others hear it, for nothing is begun yet: without a handler the first process of a container is not ended
    by it. Ends with 0, as a worker does that is told to stop."""
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(settings: Settings) -> None:
    if settings.processes > 1:
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
    _, program = load([settings.definitions])
    from stream.app.logs import set_up_logs
    from stream.app.supervisor import supervise, take_place

    set_up_logs(settings.log, settings.log_format)
    take_place(settings)
    import stream.app.worker  # noqa: F401 - once, for all of them

    return supervise([partial(_run_member, member, program) for member in settings.members()])


def _run_member(settings: Settings, program: CompiledProgram) -> NoReturn:
    """One process of several."""
    from stream.app.starting import Start
    from stream.app.supervisor import end_with_supervisor
    from stream.app.worker import die, run_worker

    end_with_supervisor()
    try:
        run_worker(settings, program, start=Start(settings, program))
    except SegmenterError as error:
        die(error)
