"""The worker: a Faust app wired to the engine. Everything is built here, nothing at import.

poll thread -> batches -> CustomerEvents channel -> agent -> engine -> transaction -> store
"""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import logging
import os
import secrets
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import faust
import structlog
from faust.app import BootStrategy
from mode import Service

from stream import __version__
from stream.app.clock import now_ms
from stream.app.crash_points import crash_point_from
from stream.app.events import CustomerEvents, Feed
from stream.app.group_watch import GroupWatch
from stream.app.http import add_routes
from stream.app.log_observer import LogObserver
from stream.app.logs import set_up_logs
from stream.app.progress import RestoreProgress
from stream.app.recent import Recent
from stream.app.starting import Start
from stream.app.status import EngineStatus
from stream.app.tracebacks import summary
from stream.app.watch import Watch
from stream.build import is_compiled
from stream.codec.levels import NEWEST_LEVEL
from stream.config import Settings
from stream.engine.engine import Engine, EngineSettings, Outside
from stream.engine.interfaces import Batch
from stream.engine.observer import Observers
from stream.engine.restore import Beginning, Restorer
from stream.engine.task import TaskSettings
from stream.engine.wall_clock import WallClock
from stream.errors import SegmenterError
from stream.kafka.certificate import UnreadableCertificate, client_certificate_end_s
from stream.kafka.changelog import KafkaChangelogReader
from stream.kafka.control import KafkaControls
from stream.kafka.membership import Membership
from stream.kafka.offsets import KafkaOffsets
from stream.kafka.source import KafkaSource
from stream.kafka.transactions import KafkaTransactions
from stream.kafka.watch import KafkaWatch
from stream.metrics import Metrics
from stream.rules.compile import CompiledProgram
from stream.store.stores import Stores

log = structlog.get_logger()

CRASH_VARIABLE = "SEGMENTER_CRASH_AT"

LONGEST_COMMIT_S = 12.0
"""From SIGTERM until what is done must be committed. It takes a moment; with the brokers away the calls that ask them
would wait for a minute, longer than supervisors do, ours (`supervisor.STOP_S`) or the machine's."""

Clock = Callable[[], int]


class StopUnfinished(SegmenterError):
    """Told to stop, and the brokers did not answer."""


class NoKafkaDrivers(BootStrategy):  # type: ignore[misc]
    """Faust without its own consumer, producer, conductor and table recovery: the channel feeds itself."""

    enable_kafka = False


class SegmenterApp(faust.App):  # type: ignore[misc]
    """A Faust app that reads no topics of its own."""

    BootStrategy = NoKafkaDrivers
    logger = logging.getLogger("mode")  # its comings and goings say nothing an operator needs

    # What the decorators `agent` and `service` do, but for making it known to Faust's search for such things: that asks
    # of every module where its source lies, for 0.1 s.

    def add_agent(self, work: Callable[[Any], Awaitable[None]], channel: faust.Channel) -> None:
        agent = faust.Agent(work, name=work.__name__, app=self, channel=channel)
        self.agents[agent.name] = agent

    def add_service(self, service: Service) -> None:
        self._extra_services.append(cast(Any, service))  # typed for classes, takes instances too


class SegmenterWorker(faust.Worker):  # type: ignore[misc]
    """Told to stop it ends, whoever is silent."""

    def __init__(self, engine: Engine, *arguments: Any, **options: Any) -> None:
        self._engine = engine
        super().__init__(*arguments, **options)

    async def stop(self) -> None:
        limit = threading.Timer(LONGEST_COMMIT_S, self._end_uncommitted)
        limit.daemon = True
        limit.start()
        await super().stop()

    def _end_uncommitted(self) -> None:
        if not self._engine.closed:
            die(
                StopUnfinished(
                    f"told to stop, and the brokers did not answer within {LONGEST_COMMIT_S:.0f} s: what was read "
                    "since the last commit is not committed, and is read again at the next start. Nothing is lost."
                )
            )


@dataclass(frozen=True, slots=True)
class Built:
    """The parts of a worker that somebody outside may ask for."""

    app: SegmenterApp
    engine: Engine
    metrics: Metrics
    recent: Recent


def run_worker(
    settings: Settings, program: CompiledProgram, clock: Clock = now_ms, start: Start | None = None
) -> NoReturn:
    """Run until told to stop; ends the process. Exit code 0 after SIGTERM or SIGINT, else not. `start`: its checks,
    where they are under way already."""
    start = start or Start(settings, program, clock=now_ms)
    partitions = start.finish()
    built = build(settings, program, partitions, start, clock)
    _tell_certificate(settings, built.metrics)
    logging_config = set_up_logs(
        settings.log, settings.log_format, built.metrics.count_log, built.recent.line, process=settings.process
    )
    log.info(
        "worker_starting", version=__version__, name=settings.name, instance=settings.instance,
        definitions=program.hash, revision=program.version, partitions=partitions, listen=str(settings.listen),
        compiled=is_compiled(),
    )  # fmt: skip
    if settings.process == 1 and partitions < settings.processes:  # one of them says it for all
        log.warning("fewer_partitions_than_processes", partition_count=partitions, processes=settings.processes)
    worker = SegmenterWorker(
        built.engine,
        built.app,
        loglevel=settings.log,
        logging_config=logging_config,
        redirect_stdouts=False,
        quiet=True,
    )
    code: object = 1
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        code = end.code
    # A thread that still waits for a broker's answer must not hold up the end: everything is committed and closed.
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _tell_certificate(settings: Settings, metrics: Metrics) -> None:
    """When the client certificate ends. One that we can't read may do for librdkafka, whose matter it is."""
    try:
        found = client_certificate_end_s(settings.kafka_properties())
    except (UnreadableCertificate, OSError) as error:
        log.warning("certificate_unread", error=str(error))
        return
    if found is not None:
        metrics.certificate(*found)


def _calm_collector() -> None:
    """What waits for a commit is some hundred thousand objects without cycles, and young collections would walk them
    over and over: about 8 us an event (docs/performance.md). What is committed is bytes, which the collector does not
    look at."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(1_000_000, 20, 20)


def build(settings: Settings, program: CompiledProgram, partitions: int, start: Start, clock: Clock = now_ms) -> Built:
    """Wire everything. `clock` is the only time anything of the worker knows."""
    topics = settings.topics
    written = (name for name in topics.own if name not in (topics.input, topics.control))
    outputs = [*written, *map(topics.extra, program.extra_topics)]
    metrics = Metrics(
        program,
        input_topic=topics.input,
        partition_count=partitions,
        output_topics=outputs,
        event_names=program.event_names,
        grace_ms=settings.grace_ms,
        loaded_ms=clock(),
    )
    recent = Recent(clock)
    progress = RestoreProgress(False if settings.process else None)  # several would draw over each other
    observer = Observers(metrics, LogObserver(), progress, recent)
    offsets = KafkaOffsets(settings)
    batches: asyncio.Queue[Batch] = asyncio.Queue()
    # With the machine's clock, whatever `clock` is: that is what the broker's is compared with.
    transactions = KafkaTransactions(settings, now_ms, start.broker_clock)
    app = _faust_app(settings)
    wall = WallClock(clock, transactions.ahead_ms)
    source = KafkaSource(settings, batches, wall.believed_ms, die)
    restorer = Restorer(
        program,
        offsets,
        KafkaChangelogReader(settings),
        Stores(start.data_dir.path, settings.cache_memory_bytes, start.hashed),
        Beginning(
            "latest" if settings.start_from == "latest" else "earliest",
            partitions,
            lambda: secrets.token_hex(4),
            wall.believed_ms,
        ),
        observer,
    )
    outside = Outside(
        source, transactions, offsets, restorer, clock, die, crash_point_from(os.environ.get(CRASH_VARIABLE, "")),
        KafkaControls(settings),
    )  # fmt: skip
    engine = Engine(program, _engine_settings(settings, program.absence_events), outside, observer)
    source.owner = engine
    customer_events = CustomerEvents(app)

    async def segment(batches: Any) -> None:
        async for batch in batches:
            await engine.handle(batch)

    app.add_agent(segment, customer_events)
    seen = (topics.input, topics.changes)
    watch = Watch(engine, KafkaWatch(settings), transactions, metrics, seen, start.data_dir.path, clock)
    membership = Membership(settings)
    group_watch = GroupWatch(membership.ask, membership.nudge, source.held, die, partitions)
    status = EngineStatus(engine, metrics.registry, recent, settings.instance, watch.held_back_s, settings.processes)

    async def look_on() -> None:
        await asyncio.gather(status.watch_loop(metrics.loop_lagged), watch.run(), group_watch.run())

    feed = Feed(customer_events, engine, source, batches, transactions.renew, _calm_collector, look_on)
    app.add_service(feed)
    add_routes(cast(Any, app.web).web_app, status, settings.api_token)
    return Built(app, engine, metrics, recent)


def die(error: BaseException) -> NoReturn:
    """End the process at once: nothing uncommitted may be written after an error nobody expected."""
    try:
        if isinstance(error, SegmenterError) and sys.stderr.isatty():
            print(str(error), file=sys.stderr)
        elif isinstance(error, SegmenterError):
            log.critical("worker_failed", error=str(error))
        else:
            log.critical("worker_failed", error=summary(error), exc_info=error)
        sys.stderr.flush()
    finally:  # also when the error can't be told
        os._exit(error.exit_code if isinstance(error, SegmenterError) else 1)


def _faust_app(settings: Settings) -> SegmenterApp:
    host = settings.listen.host
    return SegmenterApp(
        settings.name,
        broker="kafka://127.0.0.1:1",  # never used: the drivers are off
        datadir=str(settings.data_dir / "faust"),
        web_enabled=True,
        web_bind=host,
        web_host=f"[{host}]" if ":" in host else host,  # within a URL
        web_port=settings.listen.port,
        web_tables_enabled=False,
        web_router_enabled=False,
        web_graph_enabled=False,
        web_stats_enabled=False,
        web_metrics_enabled=False,
        worker_redirect_stdouts=False,
    )


def _engine_settings(settings: Settings, watched_events: tuple[str, ...]) -> EngineSettings:
    topics = settings.topics
    return EngineSettings(
        settings.commit_interval_ms / 1000,
        TaskSettings(
            name=settings.name,
            input_topic=topics.input,
            changes_topic=topics.changes,
            memberships_topic=topics.memberships,
            rejected_topic=topics.rejected,
            state_topic=topics.state,
            journal_topic=topics.journal,
            output_prefix=topics.prefix,
            max_event_bytes=settings.max_event_bytes,
            grace_ms=settings.grace_ms,
            cache_customers=settings.cache_customers,
            nonce=secrets.token_hex(8),
            versions={
                "code": __version__,
                "codec": str(NEWEST_LEVEL),
                "tzdata": importlib.metadata.version("tzdata"),
                "grace_ms": str(settings.grace_ms),
                "max_event_bytes": str(settings.max_event_bytes),
            },
        ),
        settings.silence_hold_ms,
        settings.reject_stop_ratio,
        watched_events,
        settings.definitions_rate,
    )
