"""`segmenter new`: start from a template."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream.cli.templates import names, read
from stream.errors import ConfigError


def new(
    template: Annotated[str, typer.Argument(help="Which template; without one, the list.", show_default=False)] = "",
    to: Annotated[Path | None, typer.Option("--to", help="Where to write; default TEMPLATE.yaml here.")] = None,
) -> None:
    """Write a definitions file to start from, with its test cases."""
    if not template:
        for name in names():
            typer.echo(name)
        return
    if template not in names():
        raise ConfigError(f"template {template!r} does not exist; there are: {', '.join(names())}")
    target = to or Path(f"{template}.yaml")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(read(template))
    except FileExistsError:
        raise ConfigError(f"{target} exists already; name another with --to") from None
    except OSError as error:
        raise ConfigError(f"{target} can't be written: {error.strerror}") from None
    typer.echo(f"{target} written. Next: segmenter check {target}; segmenter test {target}")
