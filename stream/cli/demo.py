"""`segmenter demo`: see it work within a minute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream.cli.templates import path_of


def demo(
    seconds: Annotated[float | None, typer.Option(min=1, help="End by itself after so long.")] = None,
    broker: Annotated[str | None, typer.Option(help="host:port of a real broker, instead of the embedded one.")] = None,
    definitions: Annotated[
        Path | None, typer.Option("--definitions", "-d", help="Other definitions than the shop's.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a live screen.")] = False,
) -> None:
    """Run a small shop: five days a second, customers with habits, a worker you may kill. Ctrl-C ends it."""
    from stream.app.demo import Demo

    Demo(definitions or path_of("shop"), broker, seconds, plain).run()
