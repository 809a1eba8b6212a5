"""`segmenter new`: start from a template."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.templates import TEMPLATES, names, read
from stream.errors import ConfigError


def new(
    template: Annotated[str, typer.Argument(help="Which template; without one, the list.", show_default=False)] = "",
    to: Annotated[Path | None, typer.Option("--to", help="Where to write; default TEMPLATE.yaml here.")] = None,
) -> None:
    """Write a definitions file to start from, with its test cases."""
    if not template:
        for name, purpose in TEMPLATES.items():
            typer.echo(f"{name:<10} {purpose}")
        return
    if template not in names():
        near = difflib.get_close_matches(template, names(), 1)
        meant = f"did you mean {near[0]!r}? There are" if near else "there are"
        raise typer.BadParameter(
            f"found no template {template!r}; {meant}: {', '.join(names())}", param_hint="TEMPLATE"
        )
    target = to or Path(f"{template}.yaml")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(read(template))
    except FileExistsError:
        raise ConfigError(f"{target} exists already; name another with --to") from None
    except OSError as error:
        raise ConfigError(f"{target} can't be written: {error.strerror}") from None
    typer.echo(f"{target} written. Next: segmenter check {target}; segmenter test {target}")
