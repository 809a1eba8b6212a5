"""A Kafka broker inside one process, for `segmenter demo` and quick tests: the package noida-db.

It keeps everything in memory, serves one worker, and forgets all when it stops. For anything else use Apache Kafka.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from stream.errors import ConfigError, SegmenterError

START_SECONDS = 20.0  # it is up within one; more only on a machine that is very busy
STOP_SECONDS = 5.0
ATTEMPTS = 3  # another process may take the free port between our look and the broker's bind


class BrokerFailed(SegmenterError):
    """The embedded broker did not start; the message ends with what it printed."""


class EmbeddedBroker:
    """One broker on loopback, with a fresh working directory that is removed when it stops.

        with EmbeddedBroker() as broker:
            AdminClient({"bootstrap.servers": broker.bootstrap})

    `start` blocks until the broker accepts connections (about a second). Raises `ConfigError` when noida-db is not
    installed and `BrokerFailed` when it can't be started. A Ctrl-C does not reach the broker: who started it stops it.
    """

    def __init__(self, *, port: int | None = None) -> None:
        self._wanted_port = port
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._directory: Path | None = None

    @property
    def bootstrap(self) -> str:
        """The broker's address, `host:port`; only while it runs."""
        if self._port is None:
            raise BrokerFailed("the embedded broker is not running: call start() first")
        return f"127.0.0.1:{self._port}"

    @property
    def log(self) -> str:
        """What the broker printed so far."""
        path = self._log_path()
        return path.read_text("utf-8", "replace") if path is not None and path.exists() else ""

    def start(self) -> None:
        if self._process is not None:
            return
        program = _program()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._launch(program, self._wanted_port or free_port())
                return
            except BrokerFailed:
                self.stop()
                if attempt == ATTEMPTS or self._wanted_port is not None:
                    raise

    def stop(self) -> None:
        """Stop the broker, wait for its end, and remove its directory. Does nothing when it is not running."""
        process, self._process, self._port = self._process, None, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        directory, self._directory = self._directory, None
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, program: Path, port: int) -> None:
        # It keeps consumer groups under its working directory: an old one would remember groups of an earlier run.
        self._directory = Path(tempfile.mkdtemp(prefix="segmenter-broker-"))
        command = [str(program), "start", "--only", "kafka", "--kafka-port", str(port), "--host", "127.0.0.1"]
        with open(self._directory / "broker.log", "wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C must first end the worker, which still commits
            )
        for _ in _until(START_SECONDS):
            if self._process.poll() is not None:
                raise BrokerFailed(
                    f"the embedded broker ended with status {self._process.returncode} at its start; "
                    f"expected it to listen on 127.0.0.1:{port}; it printed:\n{self.log.strip()}"
                )
            # It prints its address once it is bound: what listens before that is somebody else.
            if f"127.0.0.1:{port}" in self.log and _listens(port):
                self._port = port
                return
        raise BrokerFailed(
            f"the embedded broker does not listen on 127.0.0.1:{port} after {START_SECONDS:.0f} s; "
            f"use a broker of your own with --broker; it printed:\n{self.log.strip()}"
        )

    def _log_path(self) -> Path | None:
        return self._directory / "broker.log" if self._directory is not None else None


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nobody listens at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _program() -> Path:
    """The broker's executable. Not its console script: that one leaves the broker behind when it is stopped."""
    spec = importlib.util.find_spec("noida_db")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "the embedded broker is not installed; found no package noida-db; "
            "try: pip install 'segmenter[demo]', or name a broker of your own with --broker"
        )
    program = Path(spec.origin).with_name("noida-db")
    if not program.is_file():
        raise ConfigError(
            f"the package noida-db holds no program for this platform; expected {program.name} in it; "
            "name a broker of your own with --broker"
        )
    if not os.access(program, os.X_OK):  # the wheel does not carry the permission
        program.chmod(0o755)
    return program


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


def _until(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.05)
