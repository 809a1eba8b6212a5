"""`segmenter config show`: what holds, secrets masked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml

from stream.config import load_settings

app = typer.Typer(help="The settings that hold.", no_args_is_help=True, rich_markup_mode=None)

ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="Settings file (YAML).", show_default=False)]


@app.callback()
def config() -> None:
    """The settings that hold."""


@app.command()
def show(config: ConfigFile = None) -> None:
    """Print every setting as it holds after flags, environment, file and defaults; secrets masked."""
    typer.echo(yaml.safe_dump(load_settings(config, {}).masked(), sort_keys=False, allow_unicode=True), nl=False)
