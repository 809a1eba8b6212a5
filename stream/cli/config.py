"""`segmenter config show`: what holds, secrets masked."""

from __future__ import annotations

import typer
import yaml

from stream.cli.settings import Broker, ConfigFile, DefinitionsPath, Name, settings_of

app = typer.Typer(help="The settings that hold.", no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def config() -> None:
    """The settings that hold."""


@app.command()
def show(
    config: ConfigFile = None, name: Name = None, definitions: DefinitionsPath = None, broker: Broker = None
) -> None:
    """Print every setting as it holds after flags, environment, file and defaults; secrets masked."""
    settings = settings_of(config, broker, name=name, definitions=definitions)
    for member in settings.members() if settings.processes > 1 else ():
        typer.echo(f"# {member.instance}: data_dir {member.data_dir}, listen {member.listen}")
    typer.echo(yaml.safe_dump(settings.masked(), sort_keys=False, allow_unicode=True), nl=False)
