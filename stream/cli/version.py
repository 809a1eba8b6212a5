"""`segmenter version`."""

from __future__ import annotations

import typer

from stream import __version__
from stream.build import is_compiled


def version() -> None:
    """Print the version, and whether it is compiled."""
    typer.echo(f"{__version__} (compiled)" if is_compiled() else __version__)
