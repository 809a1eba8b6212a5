"""The verbs of the command, each loaded when it is called for: `--help` needs none of them, a worker only its own."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
import typer.main


@dataclass(frozen=True, slots=True)
class Verb:
    """`module` of `stream.cli` holds it: a function `name`, or of a `group` the Typer app `app`."""

    module: str
    name: str
    help: str
    group: bool = False


VERBS = {
    verb.name: verb
    for verb in (
        Verb("worker", "worker", "Read customer events, write segment changes."),
        Verb("demo", "demo", "See it work: a small shop within a minute."),
        Verb("check", "check", "Validate definitions, and warn."),
        Verb("test", "test", "Run the definitions' cases."),
        Verb("plan", "plan", "Who will move when changed definitions are deployed."),
        Verb("new", "new", "Write a definitions file to start from."),
        Verb("explain", "explain", "Why a customer is where they are."),
        Verb("replay", "replay", "A history of events in, changes out, without Kafka."),
        Verb("verify", "verify", "Proof from the topics: nothing lost, doubled or reordered."),
        Verb("status", "status", "What a running worker does."),
        Verb("doctor", "doctor", "Every check of a start, without starting."),
        Verb("capacity", "capacity", "What a pipeline needs, with formulas."),
        Verb("transactions", "transactions", "Open transactions on the topics."),
        Verb("hold", "hold", "Keep answers back: a broken tracker must mail nobody."),
        Verb("hold", "release", "Let go what is held."),
        Verb("hold", "holds", "What is held, by whom, since when and why."),
        Verb("version", "version", "Print the version."),
        Verb("topics", "topics", "Create or check the pipeline's Kafka topics.", group=True),
        Verb("state", "state", "The state's format level, raising it, and the offsets that belong to it.", group=True),
        Verb("config", "config", "The settings that hold.", group=True),
    )
}


class Commands(MutableMapping[str, Any]):
    """Click's commands by name; one is made when it is asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _command(VERBS[name])
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


def _command(verb: Verb) -> Any:
    module = import_module(f"stream.cli.{verb.module}")
    if verb.group:
        app = module.app
    else:
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(verb.name)(getattr(module, verb.name))
    command = typer.main.get_command(app)
    command.name = verb.name
    return command
