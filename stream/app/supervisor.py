"""A worker of several processes: its supervisor, and what ties the processes to it.

Python runs one thread at a time, so a worker of one process uses one core. With `processes: 4` the command is this
supervisor of four processes; each is a whole worker with an instance, a folder and a port of its own, and Kafka shares
the partitions out among them as among any four workers. The supervisor reads and writes nothing of Kafka.

Processes are forked: what takes a worker most of its start, reading definitions and importing Faust, is done once for
all of them, and the memory of it is shared. So the supervisor must have no second thread, and no client of Kafka.

    told to stop (SIGTERM, Ctrl-C)      all are told; 0 when all stopped in order
    a process ends by itself            that is logged, the others are told to stop, and its exit code is the worker's,
                                        1 where it is 0: whoever supervises the machine starts the whole worker again
    the supervisor is killed (-9)       the pipe that it held open ends, and each process stops by itself

Processes stand in process groups of their own: a terminal sends Ctrl-C to all of a group, and they are to hear of it
from the supervisor, once.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass

import structlog

from stream.app.data_dir import IN_USE, DataDir, look_at
from stream.app.listening import check_is_free
from stream.config import Settings
from stream.errors import ConfigError, StartRefused

STOP_S = 15.0
"""A process that is told to stop commits what is done within ten seconds. After so long it is killed: before a
supervisor of the machine, which waits for 20 s or 30 s (ops/), kills ourselves."""

LEFT_BEHIND_LOOK_S = 0.1
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
HEARD = (*STOP_SIGNALS, signal.SIGCHLD)
STANDARD_INPUT = 0
STANDARD_FILES = 3
OPEN_FILES = "/dev/fd"
"""The files that are open, by number. How many may be can be a thousand million: too many to close one by one."""

Work = Callable[[], object]
"""What a process does. It ends with the code of the SystemExit that is raised; 0 when this returns."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ended:
    """A process has ended; `code` below 0: it was killed by that signal."""

    process: int
    code: int

    @property
    def exit_code(self) -> int:
        return self.code if self.code >= 0 else 1

    @property
    def how(self) -> str:
        if self.code >= 0:
            return f"exit code {self.code}"
        try:
            return f"killed by {signal.Signals(-self.code).name}"
        except ValueError:  # a real-time signal: most have no name
            return f"killed by signal {-self.code}"


class Child:
    """A process of ours; once it is known to have ended, its id may be another's."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self, options: int = os.WNOHANG) -> int | None:
        """How it has ended, as `Ended.code`; None: it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, options)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.poll(options=0)


Running = dict[int, Child]
"""By number, from 1."""


def take_place(settings: Settings) -> None:
    """Make and lock the worker's folder, for as long as we live, and see that each process will find its own and its
    port free. Raises ConfigError and StartRefused."""
    DataDir(settings.data_dir)
    for member in settings.members():
        _wait_until_left(member)
        check_is_free(member.listen)


def _wait_until_left(member: Settings) -> None:
    """The worker's folder is ours, so who is in a process's folder was left behind by a supervisor that was killed, and
    is stopping."""
    deadline = time.monotonic() + STOP_S + 1
    while (trouble := look_at(member.data_dir)) == IN_USE and time.monotonic() < deadline:
        time.sleep(LEFT_BEHIND_LOOK_S)
    if trouble == IN_USE:
        raise StartRefused(f"data_dir {member.data_dir}: {trouble}. Try: stop it, or a `data_dir` of this worker's own")
    if trouble is not None:
        raise ConfigError(f"data_dir {member.data_dir}: found that {trouble}, expected a folder this user may write")


def supervise(members: Sequence[Work], stop_s: float = STOP_S) -> int:
    """Run a process for each until we are told to stop or one of them ends. Returns the exit code when all have."""
    signals = _hear(*HEARD)
    # Nothing is ever written: as long as this process lives the other end can't be read to its end.
    reading, _ = os.pipe()
    gc.collect()
    gc.freeze()  # else collections would write to all that is shared
    running: Running = {number: _fork(work, reading) for number, work in enumerate(members, 1)}
    os.close(reading)
    log.info("processes_started", processes=len(running), pids=[process.pid for process in running.values()])
    told: Set[int] = set()
    ended: list[Ended] = []
    while not told and not ended:
        told = STOP_SIGNALS & _next(signals)
        ended = _take_ended(running)
    if told:
        log.info("processes_told_to_stop", signal=signal.Signals(min(told)).name)
        # One that had not begun yet is ended by the signal itself.
        failed = [each for each in [*ended, *_stop(running, signals, stop_s)] if each.code not in (0, -signal.SIGTERM)]
        for each in failed:
            log.error("process_ended", process=each.process, how=each.how)
        return failed[0].exit_code if failed else 0
    for each in ended:
        log.error("process_ended", process=each.process, how=each.how, others="are told to stop")
    _stop(running, signals, stop_s)
    return next((each.exit_code for each in ended if each.code), 1)


def _stop(running: Running, signals: int, stop_s: float) -> list[Ended]:
    """Tell all that run to stop, and wait; who takes longer is killed. Returns how they ended, in that order."""
    for process in running.values():
        process.send(signal.SIGTERM)
    ended: list[Ended] = []
    deadline = time.monotonic() + stop_s
    while running and (left_s := deadline - time.monotonic()) > 0:
        _next(signals, left_s)  # told once more: it is under way
        ended += _take_ended(running)
    if running:
        log.error("processes_killed", processes=sorted(running), after_s=stop_s)
        for process in running.values():
            process.kill()
        ended += _take_ended(running)
    return ended


def _take_ended(running: Running) -> list[Ended]:
    """Those of them that have ended, which run no more."""
    ended = [Ended(number, code) for number, process in running.items() if (code := process.poll()) is not None]
    for each in ended:
        del running[each.process]
    return ended


def _fork(work: Work, standard_input: int) -> Child:
    """Begin a process in a group of its own. Nothing else that the supervisor has open is open in it: neither the lock
    of the worker's folder nor the other end of its input, both of which would outlive the supervisor."""
    assert threading.active_count() == 1, "a lock that another thread holds would be held for ever in the new process"
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)  # until it is clear whose they are
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        return Child(pid)
    code: object = 1
    try:
        os.setpgid(0, 0)
        os.dup2(standard_input, STANDARD_INPUT)
        signal.set_wakeup_fd(-1)
        _close_all_but_standard()
        for number in HEARD:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        work()
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):  # whatever happens, it must not go on as a second supervisor
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


def _close_all_but_standard() -> None:
    for file in map(int, os.listdir(OPEN_FILES)):
        if file >= STANDARD_FILES:
            with suppress(OSError):  # the list itself had one
                os.close(file)


def _hear(*numbers: int) -> int:
    """A file descriptor on which these signals are told, one byte each. A handler in Python would not do: it runs
    when the interpreter comes to it, which it does not when the signal came just before it began to wait."""
    receiving, sending = os.pipe()
    os.set_blocking(sending, False)
    signal.set_wakeup_fd(sending)
    for number in numbers:
        signal.signal(number, lambda _number, _frame: None)
    return receiving


def _next(signals: int, timeout_s: float | None = None) -> set[int]:
    """Wait for signals; none when the time is over."""
    ready, _, _ = select.select([signals], [], [], timeout_s)
    return set(os.read(signals, 4096)) if ready else set()


def end_with_supervisor(stop_s: float = STOP_S) -> None:
    """In a process of several: when the supervisor is gone, which standard input tells, stop as on SIGTERM."""

    def wait() -> None:
        while os.read(STANDARD_INPUT, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(stop_s)
        os._exit(1)  # nobody else is left to do it

    threading.Thread(target=wait, name="supervisor", daemon=True).start()
