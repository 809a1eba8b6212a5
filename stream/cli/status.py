"""`segmenter status`: what a running worker says of itself."""

from __future__ import annotations

import http.client
import json as json_text
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.table import Table

from stream.cli.hold import command
from stream.cli.settings import ConfigFile
from stream.config import ENVIRONMENT_PREFIX, Address, load_settings
from stream.errors import ConfigError, SegmenterError

CALL_S = 5.0
ASK_EVERY_S = 0.25
DEFAULT_URL = "http://127.0.0.1:9464"
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""A worker that listens everywhere is asked here."""

NEEDED: dict[str, Any] = {
    "name": "unknown", "definitions": "unknown", "kafka": {"bootstrap.servers": "127.0.0.1:9092"},
    "allow_plaintext": True,
}  # fmt: skip
"""Settings that no address depends on, but that can't be left out."""
TELLING = ("config_file", "listen", "processes", "instance")
"""Settings that tell where a worker answers, or where that is told."""

MOST_BYTES = 8 << 20
"""An answer about 1,000 partitions is half a megabyte: what is larger is no worker's."""


class WorkerSilent(SegmenterError):
    """The worker does not answer, or what answers is no worker."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process of a worker answers; `instance` is "" where nobody says."""

    instance: str
    at: str


Answer = dict[str, Any] | WorkerSilent


def status(
    config: ConfigFile = None,
    url: Annotated[str | None, typer.Option(help=f"The worker's address; {DEFAULT_URL}.", show_default=False)] = None,
    wait: Annotated[
        Literal["ready"] | None, typer.Option(help="Come back when the worker is ready.", show_default=False)
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.0, max=86_400.0, help="Seconds that --wait waits at most.")] = 120.0,
    json: Annotated[bool, typer.Option("--json", help="The answer as it came; of several processes a list.")] = False,
) -> None:
    """What each partition of a worker does, and what is wrong. The address and the API token come from the settings;
    of a worker of several processes all are asked.

    Exit codes: 0 ready; 1 not ready, or no answer; 4 settings.
    """
    places, token = _where(config, url)
    end_s = time.monotonic() + (timeout if wait else 0.0)
    while True:
        answers = [_answer(place, token) for place in places]
        if url is None and (others := _other_processes(places, answers)):
            places += others
        elif _all_ready(answers) or time.monotonic() >= end_s:
            break
        else:
            time.sleep(ASK_EVERY_S)
    if len(places) == 1 and isinstance(answers[0], WorkerSilent):
        raise answers[0]
    if json:
        told = [
            {"instance": place.instance, "ready": False, "error": str(each)} if isinstance(each, WorkerSilent) else each
            for place, each in zip(places, answers)
        ]
        typer.echo(json_text.dumps(told[0] if len(places) == 1 else {"processes": told}, indent=2))
    else:
        for place, each in zip(places, answers):
            if isinstance(each, WorkerSilent):
                typer.echo(f"{place.instance}  {each}", err=True)
            else:
                _print(each, config)
    if not _all_ready(answers):
        raise typer.Exit(1)


def _where(config: Path | None, url: str | None) -> tuple[list[Place], str]:
    """The processes to ask, of a worker mostly one, and the API token ("" for none)."""
    token = os.environ.get(f"{ENVIRONMENT_PREFIX}API_TOKEN", "")
    known = [key for key in (*NEEDED, *TELLING) if os.environ.get(f"{ENVIRONMENT_PREFIX}{key.upper()}")]
    file = config is not None or "config_file" in known
    if not file and not known:
        return [Place("", url or DEFAULT_URL)], token
    settings = load_settings(config, {} if file else {key: NEEDED[key] for key in NEEDED if key not in known})
    if settings.api_token is not None:
        token = settings.api_token.get_secret_value()
    if url is not None:
        return [Place("", url)], token
    places = []
    for member in settings.members():
        host, port = member.listen.host, member.listen.port
        places.append(Place(member.instance, f"http://{Address(ANYWHERE.get(host, host), port)}"))
    return places, token


def _other_processes(places: list[Place], answers: list[Answer]) -> list[Place]:
    """Those of which the settings do not know: the worker was started with a flag of its own. The first is known."""
    first = answers[0]
    if len(places) > 1 or isinstance(first, WorkerSilent) or first.get("process_count", 1) == 1:
        return []
    at = urlsplit(places[0].at)
    name, host = first["instance"].removesuffix("-1"), at.hostname or ""
    return [
        Place(f"{name}-{number}", f"http://{Address(host, (at.port or 0) + number - 1)}")
        for number in range(2, first["process_count"] + 1)
    ]


def _all_ready(answers: list[Answer]) -> bool:
    return all(not isinstance(each, WorkerSilent) and each["ready"] for each in answers)


def _answer(place: Place, token: str) -> Answer:
    try:
        return _ask(place.at, token)
    except WorkerSilent as silent:
        return silent


def _ask(at: str, token: str) -> dict[str, Any]:
    """`/status` of the worker. Without proxies and redirects: the token goes to the address given and nowhere else."""
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    try:
        parts = urlsplit(at if "://" in at else f"http://{at}")
        if parts.scheme not in kinds or not parts.hostname:
            raise ValueError
        connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=CALL_S)
    except ValueError:
        raise ConfigError(f"--url: found {at}, expected one like {DEFAULT_URL}") from None
    try:
        connection.request("GET", "/status", headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        code, body = answer.status, answer.read(MOST_BYTES)
    except (OSError, UnicodeError, http.client.HTTPException) as error:
        text = f"{at}: no answer ({_why(error)}); does a worker run there? its setting `listen` says where"
        raise WorkerSilent(text) from None
    finally:
        connection.close()
    if code == http.HTTPStatus.UNAUTHORIZED:
        raise ConfigError(
            f"{at}: found that it wants its API token, expected the worker's `api_token` in the settings file "
            f"(--config) or {ENVIRONMENT_PREFIX}API_TOKEN"
        )
    try:
        told: Any = json_text.loads(body)
    except ValueError:
        told = None
    if code != http.HTTPStatus.OK or not isinstance(told, dict) or not {"ready", "partitions"} <= told.keys():
        raise WorkerSilent(f"{at}: found an answer ({code}) that is not a worker's status; is the address right?")
    return told


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _print(told: dict[str, Any], config: Path | None) -> None:
    definitions = told["definitions"]
    ready = "ready" if told["ready"] else "not ready: " + ", ".join(told["failing"])
    typer.echo(f"{told['instance']}  {ready}  definitions {definitions['name']} {definitions['hash']}")
    for held in told.get("held", ()):
        typer.echo(f"held: {held['key']} since {held['at']} by {held['by']}: {held['reason'] or 'no reason given'}")
        typer.echo(f"  to lift it: {command(held['key'], config)}")
    if told["last_error"] is not None:
        typer.echo(f"last error: {_error(told['last_error'])}")
    columns = (
        "partition", "state", "position", "end", "lag", "clock", "stands for", "wakes", "next wake", "last commit",
        "customers",
    )  # fmt: skip
    table = Table(*columns, box=None, pad_edge=False)
    for partition in told["partitions"]:
        table.add_row(*(_cell(each) for each in _row(partition)))
    Console(soft_wrap=True, width=200).print(table)
    for line in migration_lines(told["partitions"]):
        typer.echo(line)
    for partition in told["partitions"]:
        if partition["last_error"] is not None:
            typer.echo(f"partition {partition['partition']}, last error: {_error(partition['last_error'])}")


def migration_lines(partitions: list[dict[str, Any]]) -> Iterator[str]:
    """How far changed definitions are: who is still to be carried over, and what is undecided until when."""
    left: Counter[str] = Counter()
    warming: dict[str, str] = {}
    for partition in partitions:
        left.update(partition.get("customers_of_earlier_revisions", {}))
        for name, until in partition.get("warming", {}).items():
            warming[name] = max(warming.get(name, ""), until)
    for revision, customers in sorted(left.items()):
        yield f"still judged by revision {revision} of the definitions: {customers:,} customers"
    for name, until in sorted(warming.items()):
        yield f"undecided for customers of before until {until} at latest: {name}"


def _row(partition: dict[str, Any]) -> list[Any]:
    if partition["state"] == "live":
        keys = ("state", "position", "high_watermark", "lag", "clock", "blocked", "wakes", "next_wake", "last_commit")
        return [partition["partition"], *(partition[key] for key in keys), partition["customers"]]
    restore = partition["restore"]
    left = "" if restore["seconds_left"] is None else f", about {restore['seconds_left']:.0f} s"
    return [partition["partition"], f"restoring: {restore['records_remaining']} records left{left}", *[None] * 9]


def _cell(value: Any) -> str:
    return "-" if value is None else str(value)


def _error(error: dict[str, Any]) -> str:
    details = " ".join(f"{key}={value}" for key, value in error.items() if key not in {"at", "event"})
    return f"{error['at']} {error['event']} {details}".rstrip()
