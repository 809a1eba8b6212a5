"""The supervisor of a worker's processes, with real ones: small, and without Kafka."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from stream.app.data_dir import IN_USE, DataDir
from stream.app.doctor import _own_machine
from stream.app.supervisor import take_place
from stream.config import Settings, load_settings
from stream.errors import ConfigError, StartRefused
from tests.cli.commands import SMALLEST, run
from tests.kafka.ports import lasting_port

SUPERVISOR = """
import sys
from functools import partial
from stream.app.logs import set_up_logs
from stream.app.supervisor import supervise
set_up_logs("info", "json")
stop_s, *programs = sys.argv[1:]
sys.exit(supervise([partial(exec, program, {}) for program in programs], float(stop_s)))
"""

BEGIN = "import os, signal, sys, time\n"
STOPS = "signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b'stopped\\n'), sys.exit(0)))\n"
IGNORES = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
FAILS = "signal.signal(signal.SIGUSR1, lambda *_: sys.exit(5))\n"
IS_TIED = "from stream.app.supervisor import end_with_supervisor; end_with_supervisor({})\n"
RUNS = "os.write(1, b'up %d\\n' % os.getpid())\nwhile True: time.sleep(0.05)\n"

WORKS = BEGIN + STOPS + FAILS + RUNS
STUBBORN = BEGIN + IGNORES + RUNS
TIED = BEGIN + STOPS + IS_TIED.format("") + RUNS
TIED_AND_STUBBORN = BEGIN + IGNORES + IS_TIED.format(0.2) + RUNS


@dataclass
class Running:
    """A supervisor whose processes are all up, by their ids. `said`: what they wrote until all of them had ended."""

    process: subprocess.Popen[str]
    members: list[int]
    said: list[str] = field(default_factory=list)
    logged: list[dict[str, Any]] = field(default_factory=list)

    def end(self) -> int:
        """Wait until the supervisor and each process have ended: only then nobody holds its output open."""
        out, log = self.process.communicate(timeout=30)
        self.said = out.splitlines()
        self.logged = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        return self.process.returncode

    def number(self, pid: int) -> int:
        """Of a process, as the supervisor counts."""
        return self.logged[0]["pids"].index(pid) + 1

    def events(self) -> list[str]:
        return [line["event"] for line in self.logged]


@contextmanager
def supervised(*programs: str, stop_s: float = 20.0, files: Sequence[int] = ()) -> Iterator[Running]:
    """In a session of its own, as a shell's job is. `files`: also open in the supervisor."""
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(stop_s), *programs],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        pass_fds=files,
    )  # fmt: skip
    assert process.stdout is not None
    # Without a buffer: what is written right after these lines is left for `Running.end`.
    told = FileIO(process.stdout.fileno(), closefd=False)
    members: list[int] = []
    try:
        members += [int(told.readline().removeprefix(b"up ")) for _ in programs]
        yield Running(process, members)
    finally:
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.kill()
        process.communicate()


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_who_is_told_to_stop_tells_all_and_ends_with_0_when_all_have(told: signal.Signals) -> None:
    with supervised(WORKS, WORKS, WORKS) as running:
        running.process.send_signal(told)

        assert running.end() == 0
    assert running.said == ["stopped"] * 3
    assert running.events() == ["processes_started", "processes_told_to_stop"]


def test_ctrl_c_in_a_terminal_reaches_each_process_once_and_through_the_supervisor() -> None:
    with supervised(WORKS, WORKS) as running:
        os.killpg(running.process.pid, signal.SIGINT)  # a process that heard of it itself would end with a traceback

        assert running.end() == 0
    assert running.said == ["stopped"] * 2


def test_a_process_that_fails_ends_the_others_in_order_and_gives_its_exit_code() -> None:
    with supervised(WORKS, WORKS, WORKS) as running:
        failing = running.members[1]
        os.kill(failing, signal.SIGUSR1)

        assert running.end() == 5
    assert running.said == ["stopped"] * 2
    (told,) = [line for line in running.logged if line["event"] == "process_ended"]
    assert (told["process"], told["how"], told["level"]) == (running.number(failing), "exit code 5", "error")


def test_a_process_that_is_killed_ends_the_others_in_order_and_gives_1() -> None:
    with supervised(WORKS, WORKS) as running:
        killed = running.members[0]
        os.kill(killed, signal.SIGKILL)

        assert running.end() == 1
    assert running.said == ["stopped"]
    (told,) = [line for line in running.logged if line["event"] == "process_ended"]
    assert (told["process"], told["how"]) == (running.number(killed), "killed by SIGKILL")


@pytest.mark.parametrize("ends_by", ["os._exit(0)", "os.kill(os.getpid(), 40)"])
def test_a_process_that_ends_by_itself_is_never_a_worker_that_stopped_in_order(ends_by: str) -> None:
    """Whoever supervises the machine would leave a worker that ended with 0 as it is."""
    leaves = BEGIN + STOPS + f"signal.signal(signal.SIGUSR1, lambda *_: {ends_by})\n" + RUNS
    with supervised(leaves, leaves) as running:
        os.kill(running.members[0], signal.SIGUSR1)

        assert running.end() == 1
    assert running.events()[-1] == "process_ended" and running.said == ["stopped"]


def test_a_process_that_fails_while_all_stop_gives_its_exit_code() -> None:
    fails = BEGIN + "signal.signal(signal.SIGTERM, lambda *_: sys.exit(6))\n" + RUNS
    with supervised(WORKS, fails) as running:
        running.process.terminate()

        assert running.end() == 6


def test_a_process_that_was_told_to_stop_before_it_had_begun_has_stopped_in_order() -> None:
    with supervised(WORKS, BEGIN + RUNS) as running:  # the second does not know of SIGTERM yet
        running.process.terminate()

        assert running.end() == 0


def test_a_process_that_does_not_stop_is_killed_and_that_is_said() -> None:
    with supervised(WORKS, STUBBORN, stop_s=3.0) as running:
        running.process.terminate()

        assert running.end() == 1
    assert running.events()[-2:] == ["processes_killed", "process_ended"]


def test_processes_whose_supervisor_is_killed_stop_in_order_by_themselves() -> None:
    with supervised(TIED, TIED) as running:
        running.process.kill()

        assert running.end() == -signal.SIGKILL
    assert running.said == ["stopped"] * 2


def test_a_process_whose_supervisor_is_killed_ends_even_if_it_can_not_stop() -> None:
    with supervised(TIED_AND_STUBBORN) as running:
        running.process.kill()

        assert running.end() == -signal.SIGKILL


def test_nothing_that_the_supervisor_has_open_is_open_in_a_process(tmp_path: Path) -> None:
    """A lock that a process held too would keep the folder from the next worker when the supervisor is killed."""
    tells = BEGIN + (
        "os.write(1, b'up %d\\n' % os.getpid())\n"
        "from contextlib import suppress\n"
        "for file in range(100):\n"
        "    with suppress(OSError): os.write(1, b'%d open\\n' % (os.fstat(file) and file))\n"
    )
    with (tmp_path / "lock").open("w") as lock, supervised(tells, files=[lock.fileno()]) as running:
        assert running.end() == 1
    assert running.said == ["0 open", "1 open", "2 open"]


# -- what is looked at before


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith("SEGMENTER_")]:
        monkeypatch.delenv(name)
    given = {"data_dir": str(tmp_path / "data"), "listen": f"127.0.0.1:{lasting_port(in_a_row=2)}", "processes": 2}
    return load_settings(None, {
        "name": "n", "definitions": SMALLEST, "kafka": {"bootstrap.servers": "127.0.0.1:1"}, **given,
    })  # fmt: skip


def test_the_worker_s_folder_is_one_worker_s(two: Settings) -> None:
    take_place(two)

    with pytest.raises(StartRefused, match="another worker is using it"):
        take_place(two)


def test_a_port_that_one_of_the_processes_would_not_get_is_told_before_any_is_started(two: Settings) -> None:
    second = two.member(2).listen
    with socket.create_server((second.host, second.port)), pytest.raises(ConfigError, match=f"listen {second}: "):
        take_place(two)


def test_a_process_left_behind_by_a_killed_supervisor_is_waited_for(two: Settings) -> None:
    left = DataDir(two.member(2).data_dir)
    holder = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[left._lock])
    os.close(left._lock)  # from now on the other process alone has the folder, until its input ends
    assert holder.stdin is not None
    holder.stdin.close()

    take_place(two)

    assert holder.wait(10) == 0


def test_wrong_definitions_are_told_once_and_nothing_is_started(two: Settings, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("definitions: 1\nname: wrong\nsegments: {a: {when: nonsense(}}\n")

    done = run("worker", "--processes", 2, "--name", "n", "-d", wrong, "--broker", "127.0.0.1:1",
               "--data-dir", two.data_dir)  # fmt: skip

    assert done.exit_code == 3
    assert done.stderr.count("wrong.yaml") == 1
    assert not two.data_dir.exists()


def test_settings_are_read_once_for_all_processes(two: Settings, tmp_path: Path) -> None:
    pipe = tmp_path / "settings"
    os.mkfifo(pipe)
    text = (
        f"{{name: n, definitions: {SMALLEST}, processes: 2, kafka: {{bootstrap.servers: '127.0.0.1:1'}}, "
        f"data_dir: {two.data_dir}, listen: '{two.listen}'}}"
    )
    writer = threading.Thread(target=pipe.write_text, args=[text])
    writer.start()

    command = [sys.executable, "-m", "stream.cli", "worker", "-c", str(pipe)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        first = json.loads(worker.stderr.readline())
        worker.terminate()
        worker.stderr.read()
    writer.join()

    assert (first["event"], first["processes"]) == ("processes_started", 2)
    assert worker.returncode == 0


def test_a_member_folder_that_is_in_use_is_told_as_such(two: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.app.supervisor.STOP_S", -1.0)
    other = DataDir(two.members()[1].data_dir)

    with pytest.raises(StartRefused, match="process-2: another worker is using it"):
        take_place(two)
    assert other


def test_the_doctor_looks_at_the_worker_s_own_folder_and_knows_a_worker_that_runs(two: Settings) -> None:
    assert [(each.name, each.ok) for each in _own_machine(two)] == [("data_dir", True), ("listen", True)] * 2
    lock = DataDir(two.data_dir)
    own = list(_own_machine(two))
    assert (own[0].name, own[0].ok) == ("data_dir", False) and IN_USE in own[0].text
    with socket.create_server((two.listen.host, two.listen.port)):
        (running,) = _own_machine(two)
    assert running.ok and "this worker runs" in running.text
    assert lock
