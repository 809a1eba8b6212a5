"""`segmenter demo`: a broker, a worker and a shop, and a screen that shows what happens.

The worker is a process of its own, so that it can be killed; the demo starts it again. What the screen shows is read
from the changes topic, as any subscriber would.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml
from rich.console import Console
from rich.live import Live

from stream.app.clock import now_ms
from stream.app.demo_picks import Picks
from stream.app.demo_screen import ShopView, plain_line, screen
from stream.app.demo_worker import ShopClock
from stream.app.embedded_broker import EmbeddedBroker, free_port
from stream.app.shop import DAY_MS, Shop
from stream.codec.instants import to_text
from stream.config import Settings, load_settings
from stream.errors import SegmenterError
from stream.kafka.simple import EventWriter, TopicReader
from stream.kafka.topics import create_topics
from stream.rules.compile import compile_program
from stream.rules.load import load_definitions

DAYS_PER_SECOND = 5.0
"""A horizon of 180 days passes in 36 seconds."""

SHOP_YEARS = 4
"""The shop's history ends today: brokers refuse timestamps of the future. At 5 days a second that is five minutes."""

CUSTOMERS = 1_500
LINES_PER_SECOND = 4.0
ROWS_PER_SECOND = 2.0
"""More would scroll past unread."""

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FRAME_S = 0.1
RESTART_AFTER_S = 1.0
CATCH_UP_S = 5.0
RATE_WINDOW_S = 3.0
PARTITIONS = 4
WORKER_SETTINGS = "worker.yaml"


class WorkerKeepsFailing(SegmenterError):
    """The worker ended by itself again and again."""


@dataclass
class Checked:
    """What the changes topic proves by itself: per customer's life a gapless sequence, every id once."""

    last: dict[str, int] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    gaps: int = 0
    doubles: int = 0

    def take(self, change: dict[str, Any]) -> None:
        if change["id"] in self.ids:
            self.doubles += 1
            return
        self.ids.add(change["id"])
        life = f"{change['customer_id']}@{change['born']}"
        self.gaps += change["sequence"] != self.last.get(life, 0) + 1
        self.last[life] = change["sequence"]


class Demo:
    """One run of the demo. `broker` None starts the embedded one. Everything it made is gone afterwards."""

    def __init__(self, definitions: Path, broker: str | None, seconds: float | None, plain: bool) -> None:
        self.definitions = definitions
        self.broker = broker
        self.seconds = seconds
        self.console = Console()
        self.plain = plain or not self.console.is_terminal
        self.view = ShopView()
        self.checked = Checked()
        self.kills = 0
        self._worker: subprocess.Popen[bytes] | None = None
        self._ended_s: float | None = None
        self._failures = 0

    def run(self) -> None:
        """Blocks until the time is over, Ctrl-C, SIGTERM or a closed terminal."""
        for number in ENDING:
            signal.signal(number, _end)
        with suppress(KeyboardInterrupt), ExitStack() as stack:
            folder = Path(tempfile.mkdtemp(prefix="segmenter-demo-"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            address = self.broker
            if address is None:
                self._say("starting the embedded broker")
                embedded = EmbeddedBroker()
                stack.callback(embedded.stop)
                embedded.start()
                address = embedded.bootstrap
            settings = self._settings(folder, address)
            program = compile_program(load_definitions([settings.definitions]))
            create_topics(settings, list(program.extra_topics), PARTITIONS, 1)
            dimensions = [definition.name for definition in program.definitions if not definition.is_segment]
            self._picks = Picks(dimensions, LINES_PER_SECOND if self.plain else ROWS_PER_SECOND)
            stack.callback(self._stop_worker)
            self._tell_what_to_try(settings, folder, address)
            self._play(settings, folder)
        self._sum_up()

    # -- the play

    def _play(self, settings: Settings, folder: Path) -> None:
        properties = settings.kafka_properties()
        start_ms = now_ms() - SHOP_YEARS * 365 * DAY_MS
        clock = ShopClock(now_ms(), start_ms, DAYS_PER_SECOND * DAY_MS / 1000)
        arguments = [str(folder / WORKER_SETTINGS), str(clock.started_ms), str(clock.shop_start_ms), str(clock.speed)]
        self._command = [sys.executable, "-m", "stream.app.demo_worker", *arguments]
        self._log = folder / "worker.log"
        self._start_worker()
        shop = Shop(start_ms, CUSTOMERS, opening_days=SHOP_YEARS * 365)
        writer = EventWriter(properties, settings.topics.input)
        reader = TopicReader(properties, settings.topics.changes)
        end_s = time.monotonic() + (self.seconds or float("inf"))
        rate = _Rate()
        try:
            with self._screen() as show:
                while time.monotonic() < end_s and clock() < now_ms():
                    self._frame(shop, writer, reader, clock, rate)
                    show()
                if time.monotonic() < end_s:
                    self._note(f"{SHOP_YEARS} years of shop time have passed: the shop closes")
                writer.flush()
                self._finish(reader)
                show()
        finally:
            reader.close()

    def _frame(self, shop: Shop, writer: EventWriter, reader: TopicReader, clock: ShopClock, rate: _Rate) -> None:
        shop_ms = clock()
        for event in shop.until(shop_ms):
            writer.write(event.customer_id.encode(), event.value, event.time_ms)
            self.view.events += 1
        rate.at(self.view.events)
        self.view.events_per_second = rate.per_second
        self.view.shop_time = to_text(shop_ms)[:10]
        self._take(reader, FRAME_S, lambda change: self._answer(shop, change, shop_ms))
        self._look_after_worker()

    def _take(
        self, reader: TopicReader, seconds: float, answer: Callable[[dict[str, Any]], None] = lambda _change: None
    ) -> None:
        for record in reader.poll(seconds):
            change = json.loads(record.value or b"{}")
            self.checked.take(change)
            self.view.take(change)
            self._picks.offer(change)
            answer(change)
        for change in self._picks.take(time.monotonic()):
            self.view.latest.append(change)
            if self.plain:
                self._say(plain_line(change))

    def _answer(self, shop: Shop, change: dict[str, Any], shop_ms: int) -> None:
        """The engagement platform: who enters win-back and is not held out gets a letter; some come back."""
        if change.get("segment") == "win-back" and change["member"] and not change["control"]:
            shop.win_back(change["customer_id"], shop_ms)

    def _finish(self, reader: TopicReader) -> None:
        """Let the worker finish what was sent."""
        until_s = time.monotonic() + CATCH_UP_S
        while time.monotonic() < until_s:
            before = self.view.changes
            self._take(reader, 1.0)
            if self.view.changes == before and self._ended_s is None:
                return
            self._look_after_worker()

    # -- the worker

    def _start_worker(self) -> None:
        with self._log.open("ab") as log:
            self._worker = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._started_s = time.monotonic()
        self._ended_s = None
        self.view.worker = f"pid {self._worker.pid}"
        self._note(f"kill -9 {self._worker.pid} ends the worker; it comes back, and nothing is lost or doubled")

    def _look_after_worker(self) -> None:
        assert self._worker is not None
        code = self._worker.poll()
        if code is None:
            return
        if self._ended_s is None:
            self._ended_s = time.monotonic()
            self.kills += 1
            self.view.worker = f"ended with {code}, starting again"
            self._note(f"the worker ended with {code}")
            self._failures = self._failures + 1 if code > 0 else 0
            if self._failures > 3:
                tail = self._log.read_text("utf-8", "replace")[-2_000:]
                raise WorkerKeepsFailing(f"the worker ends again and again, last with {code}. Its log:\n{tail}")
        elif time.monotonic() - self._ended_s > RESTART_AFTER_S:
            self._start_worker()

    def _stop_worker(self) -> None:
        if self._worker is not None and self._worker.poll() is None:
            self._worker.terminate()
            try:
                self._worker.wait(10)
            except subprocess.TimeoutExpired:
                self._worker.kill()
                self._worker.wait()

    # -- words

    def _tell_what_to_try(self, settings: Settings, folder: Path, address: str) -> None:
        self.view.beside = (
            f"in a second terminal: segmenter verify --config {folder / WORKER_SETTINGS} (or status, explain CUSTOMER)",
            f"or read {settings.topics.changes} from {address}, metrics from http://{settings.listen}/metrics",
        )
        if self.plain:
            for line in self.view.beside:
                self._say(line)

    def _settings(self, folder: Path, address: str) -> Settings:
        prefix = "" if self.broker is None else f"demo-{uuid.uuid4().hex[:6]}-"
        path = folder / WORKER_SETTINGS
        path.write_text(
            yaml.safe_dump(
                {
                    "name": f"{prefix}demo",
                    "input": f"{prefix}customer-events",
                    "output_prefix": prefix,
                    "definitions": str(self.definitions.resolve()),
                    "data_dir": str(folder / "data"),
                    "instance": "demo",
                    "session_timeout": "6s",
                    "transaction_timeout": "10s",
                    "listen": f"127.0.0.1:{free_port()}",
                    "log_format": "json",
                    "kafka": {"bootstrap.servers": address},
                }
            )
        )
        return load_settings(path, {})

    def _screen(self) -> _Screen:
        return _Screen(None if self.plain else self.console, self.view)

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _note(self, text: str) -> None:
        self.view.notes.append(text)
        if self.plain:
            self._say(text)

    def _sum_up(self) -> None:
        entered = ", ".join(f"{count} into {name}" for name, count in sorted(self.view.entered.items()))
        self._say(f"{self.view.events:,} events, {self.view.changes:,} changes; {entered or 'no segment entered'}.")
        self._say(
            f"{len(self.checked.last):,} customers: {self.checked.gaps} gaps in their sequences, "
            f"{self.checked.doubles} changes twice; the worker ended {self.kills} times."
        )


def _end(_number: int, _frame: object) -> NoReturn:
    """The first signal ends the play; while everything is put away, more of them would leave processes behind."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


class _Screen:
    """A live picture on a terminal, nothing elsewhere."""

    def __init__(self, console: Console | None, view: ShopView) -> None:
        self._view = view
        self._live = None if console is None else Live(console=console, screen=False, auto_refresh=False)

    def __enter__(self) -> Callable[[], None]:
        if self._live is not None:
            self._live.__enter__()
        return self._show

    def _show(self) -> None:
        if self._live is not None:
            self._live.update(screen(self._view, self._live.console.height), refresh=True)

    def __exit__(self, *problem: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*problem)


class _Rate:
    """Events per second over the last seconds."""

    def __init__(self) -> None:
        self._points: list[tuple[float, int]] = [(time.monotonic(), 0)]
        self.per_second = 0.0

    def at(self, count: int) -> None:
        now_s = time.monotonic()
        self._points = [point for point in self._points if now_s - point[0] < RATE_WINDOW_S] or self._points[-1:]
        first_s, first = self._points[0]
        if now_s > first_s:
            self.per_second = (count - first) / (now_s - first_s)
        self._points.append((now_s, count))
