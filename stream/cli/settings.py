"""Settings as the commands that meet Kafka take them: a file, the environment, or the few flags a pipeline needs."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from stream.config import ENVIRONMENT_PREFIX, Settings, load_settings
from stream.errors import ConfigError

ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="Settings file (YAML).", show_default=False)]
Name = Annotated[str | None, typer.Option(help="The pipeline's name, its group id.", show_default=False)]
DefinitionsPath = Annotated[
    Path | None, typer.Option("--definitions", "-d", help="Definitions: file or folder.", show_default=False)
]
Broker = Annotated[
    str | None, typer.Option(help="host:port[,host:port] instead of the settings' brokers.", show_default=False)
]

WITHOUT_A_FILE = (
    "no settings file is named: try --config FILE, or the flags --name, --definitions and --broker, or "
    "SEGMENTER_NAME, SEGMENTER_DEFINITIONS and SEGMENTER_KAFKA__BOOTSTRAP_SERVERS in the environment"
)


def operator() -> str:
    """Who types: the login, or the number of a user who has no name here, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def settings_of(config: Path | None, broker: str | None, **flags: Any) -> Settings:
    """The settings; `flags` by the keys of the file, None where not given. Raises ConfigError with all problems."""
    if broker is not None:
        flags["kafka"] = {"bootstrap.servers": broker}
    try:
        return load_settings(config, flags)
    except ConfigError as error:
        if config is None and not os.environ.get(f"{ENVIRONMENT_PREFIX}CONFIG_FILE") and "found nothing" in str(error):
            raise ConfigError(f"{error}\n{WITHOUT_A_FILE}") from None
        raise
