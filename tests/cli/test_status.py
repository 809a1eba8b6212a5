"""`segmenter status` against the worker's own routes, over the real engine on a log in memory."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from pydantic import SecretStr

from stream.app.embedded_broker import free_port
from stream.app.http import add_routes
from stream.cli.status import migration_lines
from tests.app.test_http import TOKEN, Served
from tests.cli.commands import run
from tests.engine.world import World
from tests.kafka.ports import lasting_port


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SEGMENTER_")]:
        monkeypatch.delenv(name)


@contextmanager
def listening(
    *partitions: int, token: str | None = None, port: int | None = None, processes: int = 1
) -> Iterator[tuple[str, Served]]:
    """A worker of these partitions that answers in a thread of its own; its address."""
    began, done = threading.Event(), threading.Event()
    port = port or lasting_port()
    kept: list[Served] = []

    async def serve() -> None:
        it = Served(World(partitions=len(partitions) or 1), processes)
        kept.append(it)
        for partition in partitions:
            await it.worker.assign(partition)
        if partitions:
            await it.worker.settle()
            await it.worker.engine.tick()
        web_app = web.Application()
        add_routes(web_app, it.status, None if token is None else SecretStr(token))
        runner = web.AppRunner(web_app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        began.set()
        await asyncio.get_running_loop().run_in_executor(None, done.wait)
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert began.wait(20)
        yield f"http://127.0.0.1:{port}", kept[0]
    finally:
        done.set()
        thread.join()


def test_a_ready_worker_gives_exit_code_0_and_a_row_per_partition() -> None:
    with listening(0) as (url, _):
        result = run("status", "--url", url)

    assert result.exit_code == 0, result.output
    first, head, row = result.stdout.splitlines()
    assert first.startswith("worker-1  ready  definitions shop ")
    assert head.split()[:4] == ["partition", "state", "position", "end"]
    assert row.split()[:5] == ["0", "live", "0", "0", "0"]


def test_json_is_the_answer_of_the_worker() -> None:
    with listening(0) as (url, _):
        told = json.loads(run("status", "--url", url, "--json").stdout)

    assert told["ready"] is True
    assert told["partitions"][0]["high_watermark"] == 0


def test_a_worker_that_is_not_ready_gives_exit_code_1_and_names_what_fails() -> None:
    with listening() as (url, _):
        result = run("status", "--url", url)
        waited = run("status", "--url", url, "--wait", "ready", "--timeout", 0.3)

    assert (result.exit_code, waited.exit_code) == (1, 1)
    assert "not ready: group" in result.stdout
    assert "not ready: group" in waited.stdout


def test_wait_comes_back_as_soon_as_the_worker_is_ready() -> None:
    with listening() as (url, it):
        threading.Timer(0.4, it.worker.engine.assigned, [[]]).start()
        result = run("status", "--url", url, "--wait", "ready", "--timeout", 20)

    assert result.exit_code == 0
    assert "ready" in result.stdout


def test_an_address_nobody_listens_on_is_told_in_one_line() -> None:
    result = run("status", "--url", f"http://127.0.0.1:{free_port()}")

    assert result.exit_code == 1
    assert "no answer" in result.stderr and "listen" in result.stderr and len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("url", ["ftp://127.0.0.1:1", "http://", "http://127.0.0.1:port"])
def test_what_is_no_address_is_refused(url: str) -> None:
    result = run("status", "--url", url)

    assert result.exit_code == 4
    assert "--url: found" in result.stderr


def test_the_address_and_the_token_come_from_the_settings(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    path = tmp_path / "settings.yaml"
    with listening(0, token=TOKEN) as (url, _):
        settings = {
            "name": "shop", "definitions": "x", "listen": url.removeprefix("http://").replace("127.0.0.1", "0.0.0.0"),
            "api_token": {"file": str(tmp_path / "token")}, "kafka": {"bootstrap.servers": "localhost:1"},
        }  # fmt: skip
        path.write_text(yaml.safe_dump(settings))
        with_it, without = run("status", "--config", path), run("status", "--url", url)

    assert with_it.exit_code == 0, with_it.output
    assert without.exit_code == 4 and "api_token" in without.stderr
    assert TOKEN not in with_it.output + without.output


def test_how_far_changed_definitions_are_is_told_of_all_partitions_together() -> None:
    restoring = {"partition": 2}
    told = [
        {"customers_of_earlier_revisions": {"1": 4_000}, "warming": {"keen": "2026-01-20T00:00:00.000Z"}},
        {"customers_of_earlier_revisions": {"1": 321}, "warming": {"keen": "2026-01-22T00:00:00.000Z"}},
        restoring,
    ]

    assert list(migration_lines(told)) == [
        "still judged by revision 1 of the definitions: 4,321 customers",
        "undecided for customers of before until 2026-01-22T00:00:00.000Z at latest: keen",
    ]
    assert list(migration_lines([restoring])) == []


# -- a worker of several processes


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, int]:
    """Settings of two processes, and the first one's port."""
    port = lasting_port(in_a_row=2)
    settings = {
        "name": "shop", "definitions": "x", "instance": "w", "listen": f"127.0.0.1:{port}", "processes": 2,
        "kafka": {"bootstrap.servers": "localhost:1"},
    }  # fmt: skip
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path, port


def test_every_process_of_a_worker_is_asked_and_told_of(two: tuple[Path, int]) -> None:
    path, port = two
    with listening(0, port=port), listening(0, port=port + 1) as (second, _):
        shown, told = run("status", "-c", path), json.loads(run("status", "-c", path, "--json").stdout)
        one = run("status", "-c", path, "--url", second, "--json")

    assert shown.exit_code == 0, shown.output
    assert sum("  ready  " in line for line in shown.stdout.splitlines()) == 2
    assert [(each["ready"], len(each["partitions"])) for each in told["processes"]] == [(True, 1), (True, 1)]
    assert "processes" not in json.loads(one.stdout)


def test_a_worker_is_ready_when_each_of_its_processes_is(two: tuple[Path, int]) -> None:
    path, port = two
    with listening(0, port=port), listening(port=port + 1) as (_, it):
        before = run("status", "-c", path, "--wait", "ready", "--timeout", 0.1)
        threading.Timer(0.4, it.worker.engine.assigned, [[]]).start()
        after = run("status", "-c", path, "--wait", "ready", "--timeout", 20)

    assert (before.exit_code, after.exit_code) == (1, 0)


def test_a_process_that_does_not_answer_is_named_and_the_others_are_told_of(two: tuple[Path, int]) -> None:
    path, port = two
    with listening(0, port=port):
        shown, told = run("status", "-c", path), run("status", "-c", path, "--json")

    assert (shown.exit_code, told.exit_code) == (1, 1)
    assert "  ready  " in shown.stdout
    assert shown.stderr.startswith("w-2  ") and "no answer" in shown.stderr
    second = json.loads(told.stdout)["processes"][1]
    assert (second["instance"], second["ready"]) == ("w-2", False) and "no answer" in second["error"]


def test_processes_that_the_settings_do_not_know_of_are_asked_too(two: tuple[Path, int]) -> None:
    """The worker was started with `--processes 2`, and `status` knows only the file."""
    path, port = two
    path.write_text(path.read_text().replace("processes: 2", "processes: 1"))
    with listening(0, port=port, processes=2):
        alone = run("status", "-c", path)
        with listening(0, port=port + 1, processes=2):
            both = run("status", "-c", path)

    assert (alone.exit_code, both.exit_code) == (1, 0)
    assert f"http://127.0.0.1:{port + 1}: no answer" in alone.stderr


def test_the_address_comes_from_the_environment_too(two: tuple[Path, int], monkeypatch: pytest.MonkeyPatch) -> None:
    _, port = two
    monkeypatch.setenv("SEGMENTER_LISTEN", f"127.0.0.1:{port}")
    monkeypatch.setenv("SEGMENTER_PROCESSES", "2")
    with listening(0, port=port):
        alone = run("status")
        with listening(0, port=port + 1):
            both = run("status")

    assert (alone.exit_code, both.exit_code) == (1, 0)


@pytest.mark.parametrize("url", ["http://[::1", "http://a..b:1", "http://"])
def test_an_address_that_is_none_is_one_line(url: str) -> None:
    told = run("status", "--url", url)

    assert told.exit_code in (1, 4) and len(told.stderr.splitlines()) == 1 and url in told.stderr
