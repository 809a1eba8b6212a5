"""The engines that are compared: what each is called, how it is made ready, and the command that runs it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.rig import PARTITIONS, SETTINGS, create_topics
from bench.rivals import bare, builds
from bench.rivals.progress import CheckpointedEvents, Progress
from bench.sampling import CommittedEvents
from tests.kafka.kit import Topic, admin_of
from tests.kafka.kit import create_topics as make_topics
from tests.kafka.pipeline import Pipeline

HERE = Path(__file__).parent
COMMIT_MS = 100
CHECKPOINT_MS = 1_000
"""Flink's; a tenth of a second between checkpoints is not what it is built for."""
HEAP = "-Xmx2g"
FAUST_COMMIT_MS = 2_800
"""Its own default. A commit of its exactly_once halts the stream for a transaction of each partition in turn."""
FAUST_EVENTS = 40_000
"""Faust is given the first so many of the measured events: some 20 s of its work, seven of its commits."""

OPENED = ("java.lang", "java.lang.invoke", "java.lang.reflect", "java.net", "java.nio", "java.util",
          "java.util.concurrent", "java.util.concurrent.atomic", "java.time")  # fmt: skip
"""Packages of Java 17 that Flink looks into, as its own start script opens them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run happens: a broker, names that begin with a prefix of the run's own, and an empty directory."""

    bootstrap: str
    directory: Path
    prefix: str

    @property
    def input(self) -> str:
        return f"{self.prefix}customer-events"

    @property
    def output(self) -> str:
        return f"{self.prefix}segment-changes"

    @property
    def group(self) -> str:
        """Also the beginning of the names of the topics that Kafka Streams, Quix and Faust keep their state in."""
        return f"{self.prefix}shop"


def make_plain_topics(place: Place) -> None:
    """Input and output; an engine that keeps its state in further topics makes those itself."""
    admin = admin_of(place.bootstrap)
    make_topics(admin, [Topic(place.input, PARTITIONS), Topic(place.output, PARTITIONS)])


def committed_offsets(place: Place) -> Progress:
    """What the group has committed of the input: the yardstick of every engine but Flink."""
    return CommittedEvents(place.bootstrap, place.group, place.input, PARTITIONS)


def checkpointed(place: Place) -> Progress:
    return CheckpointedEvents(place.directory / "checkpointed")


@dataclass(frozen=True, slots=True)
class Engine:
    """`prepare` fetches and compiles what it needs; `topics` makes what must be there before it starts.

    `most`: of the measured events it is given the first so many at most. `checked`: it does all of the work, so that
    its change records are compared with the right answer. `members`: of its group, which share the work.
    """

    name: str
    title: str
    command: Callable[[Place], list[str]]
    prepare: Callable[[], object] = lambda: None
    topics: Callable[[Place], None] = make_plain_topics
    progress: Callable[[Place], Progress] = committed_offsets
    most: int | None = None
    checked: bool = True
    members: int = 1

    def events_of(self, events: int) -> int:
        """How many of the measured events it is given."""
        return events if self.most is None else min(self.most, events)


def chosen(names: str) -> list[Engine]:
    """Of a list with commas; `flink` and `bare` stand for all of their rows, `ours-N` for our worker with so many
    processes, `ours-compiled` and `ours-N-compiled` for it compiled. Raises ValueError."""
    found: list[Engine] = []
    for name in filter(None, names.split(",")):
        exact = [engine for engine in ENGINES if engine.name == name]
        if not exact and (ours := re.fullmatch(r"ours(?:-([2-9]|[1-6][0-9]))?(-compiled)?", name)):
            exact = [_ours_of(name, int(ours[1] or 1), ours[2] is not None)]
        rows = exact or [engine for engine in ENGINES if engine.name.split("-")[0] == name]
        if not rows:
            raise ValueError(f"found {name}, expected some of {', '.join(e.name for e in ENGINES)}, flink, bare")
        found += [engine for engine in rows if engine not in found]
    return found


def environment() -> dict[str, str]:
    """For every engine: the Python ones read `bench.rivals.work` from the checkout."""
    return {**os.environ, "PYTHONPATH": str(builds.ROOT)}


# -- the commands


def _pipeline(place: Place, processes: int = 1) -> Pipeline:
    settings = {**SETTINGS, "commit_interval": f"{COMMIT_MS}ms", "processes": processes}
    definitions = HERE / "definitions.yaml"
    return Pipeline(place.bootstrap, place.prefix, place.directory, PARTITIONS, definitions, settings)


def _our_topics(place: Place) -> None:
    create_topics(_pipeline(place))


def _ours_of(name: str, processes: int = 1, compiled: bool = False) -> Engine:
    """The worker as it ships, or with several processes, or with its files compiled."""
    title = "segmenter"
    title += f", {processes} processes" if processes > 1 else ""
    title += ", compiled" if compiled else ""

    def command(place: Place) -> list[str]:
        config = str(_pipeline(place, processes).config("a"))
        # Safe: the checkout, where this runs, must not come before it.
        path = ["env", f"PYTHONPATH={builds.compiled()}", "PYTHONSAFEPATH=1"] if compiled else []
        return [*path, sys.executable, "-m", "stream.cli", "worker", "--config", config]

    prepare = builds.compiled if compiled else lambda: None
    return Engine(name, title, command, prepare, topics=_our_topics, members=processes)


def _arguments(place: Place, *more: object) -> list[str]:
    return [place.bootstrap, place.input, place.output, place.group, str(place.directory), *map(str, more)]


def _java(rival: str, main: str, place: Place, *options: str) -> list[str]:
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    return ["java", HEAP, quiet, *options, "-cp", builds.class_path(rival), main, *_arguments(place)]


def _kafka_streams(threads: int) -> Callable[[Place], list[str]]:
    return lambda place: [*_java("kafka-streams", "KafkaStreamsRival", place), str(COMMIT_MS), str(threads)]


def _flink(backend: str) -> Callable[[Place], list[str]]:
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    return lambda place: [*_java("flink", "FlinkRival", place, *opened), str(CHECKPOINT_MS), backend]


def _python(name: str) -> str:
    return builds.python(name, HERE / f"requirements-{name}.txt")


def _quix(place: Place) -> list[str]:
    return [_python("quix"), "-m", "bench.rivals.quix", *_arguments(place, COMMIT_MS)]


def _faust(place: Place) -> list[str]:
    return [_python("faust"), "-m", "bench.rivals.faust_tables", *_arguments(place, FAUST_COMMIT_MS)]


def _bare(stage: str) -> Engine:
    def command(place: Place) -> list[str]:
        where = [place.bootstrap, place.input, place.output, place.group, str(COMMIT_MS)]
        return [sys.executable, "-m", "bench.rivals.bare", stage, *where]

    return Engine(f"bare-{stage}", f"bare loop: {BARE_TITLES[stage]}", command, checked=False)


BARE_TITLES = {
    "poll": "poll",
    "parse": "poll, JSON",
    "produce": "poll, JSON, produce",
    "transactions": "poll, JSON, produce, exactly once",
}

ENGINES = (
    _ours_of("ours"),
    _ours_of("ours-2", 2),
    _ours_of("ours-2-compiled", 2, compiled=True),
    Engine("kafka-streams", "Kafka Streams 4.1.1", _kafka_streams(1), lambda: builds.class_path("kafka-streams")),
    Engine(
        "kafka-streams-2",
        "Kafka Streams 4.1.1, 2 threads",
        _kafka_streams(2),
        lambda: builds.class_path("kafka-streams"),
        members=2,
    ),
    Engine(
        "flink-rocksdb",
        "Flink 1.20, RocksDB",
        _flink("rocksdb"),
        lambda: builds.class_path("flink"),
        progress=checkpointed,
    ),
    Engine(
        "flink-heap", "Flink 1.20, heap", _flink("hashmap"), lambda: builds.class_path("flink"), progress=checkpointed
    ),
    Engine("quix", "Quix Streams 3.28", _quix, lambda: _python("quix")),
    Engine("faust", "Faust 0.15 with a table", _faust, lambda: _python("faust"), most=FAUST_EVENTS),
    *(_bare(stage) for stage in bare.STAGES),
)
