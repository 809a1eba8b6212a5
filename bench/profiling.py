"""Which functions of the worker take the time: py-spy beside it while it is measured, summed by own time.

py-spy stops the worker for each sample, so a profiled run's figures are not its speed.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.kafka.process_tree import descendants

RECORD_SECONDS = 20
END_SECONDS = 15.0
TOP = 25

WAITS = ("_worker (concurrent/", "EpollSelector.select ", "Condition.wait ", "Event.wait ")
"""py-spy takes some waiting threads for busy ones; nothing else of ours ends in these."""

_THREAD = re.compile(r"thread \([^)]*\)(?:: (.*))?")


@dataclass(frozen=True, slots=True)
class Profile:
    """Samples per function by own time, and per thread; most first, of threads that were not idle."""

    own: dict[str, int] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        total = sum(self.own.values())
        if not total:
            return ["no samples"]
        return [
            f"{total} samples of busy threads: "
            + ", ".join(f"{name} {count / total:.0%}" for name, count in list(self.threads.items())[:6]),
            *(f"{count / total:6.1%}  {name}" for name, count in list(self.own.items())[:TOP]),
        ]


class Recorder:
    """py-spy on a worker's process, the first of several. `start`, then `finish`; `close` ends it whatever happened."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._process: subprocess.Popen[str] | None = None
        self._directory = tempfile.TemporaryDirectory(prefix="segmenter-profile-")
        self._file = Path(self._directory.name) / "raw.txt"

    @property
    def started(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        program = Path(sys.executable).with_name("py-spy")
        self._process = subprocess.Popen(
            [str(program), "record", "-d", str(RECORD_SECONDS), "-f", "raw", "--function", "--threads",
             "-o", str(self._file), "--pid", str(next(iter(descendants(self._pid)), self._pid))],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,  # Ctrl-C is for us: we end it
        )  # fmt: skip

    def finish(self) -> Profile:
        """End it, if it still records, and read what it found. Says on standard error when it found nothing."""
        process = self._process
        if process is None:
            return Profile()
        if process.poll() is None:
            process.send_signal(signal.SIGINT)  # it then writes what it has
        try:
            said, _ = process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self.close()
            return Profile()
        if not self._file.exists():
            print(f"py-spy recorded nothing:\n{said}", file=sys.stderr)
            return Profile()
        return parse(self._file.read_text("utf-8", "replace"))

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        self._directory.cleanup()


def parse(raw: str) -> Profile:
    """`thread;outer (file:line);inner (file:line) count` per line."""
    own: Counter[str] = Counter()
    threads: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if not count.isdecimal() or frames[-1].startswith(WAITS):
            continue
        thread = _THREAD.match(frames[0])
        threads[(thread[1] or "unnamed") if thread else "process"] += int(count)
        own[frames[-1]] += int(count)
    return Profile(dict(own.most_common()), dict(threads.most_common()))
