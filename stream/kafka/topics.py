"""The pipeline's topics: what they must be, making what is missing, saying what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import stamina
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from stream.config import UNITS_MS, Settings, format_quantity
from stream.errors import StartRefused
from stream.kafka.asking import attempts
from stream.kafka.errors import KafkaUnreachable, error_of
from stream.kafka.look import CALL_S, Found, Look, told
from stream.kafka.settings import DEFAULT_LIMIT_BYTES, HEADROOM_BYTES

TRY_S = 5.0
"""For one request to make a topic."""

DAY_MS = 86_400_000
SHORTEST_RETENTION_MS = DAY_MS
"""A topic that forgets within a day can be followed by nobody after a night's outage."""

_CHANGES = {"cleanup.policy": "delete", "retention.ms": str(30 * DAY_MS)}
_COMPACTED = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.2",
    "segment.bytes": str(64 << 20),  # the active segment is never compacted: a restore reads at most this much twice
    "delete.retention.ms": str(7 * DAY_MS),  # a reader that was away this long still sees an erasure
}

_CONTROL = {
    "cleanup.policy": "compact",
    "delete.retention.ms": str(30 * DAY_MS),  # a worker that was away this long still sees what was released
}


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be made. `role` is for the reader of a message."""

    name: str
    role: str
    config: dict[str, str] = field(default_factory=dict)
    partitions: int | None = None  # None: as many as the input has


@dataclass(frozen=True, slots=True)
class TopicProblem:
    """What about a topic would lose, double or stop something. `kind` is one of TOPIC_CHECKS; `text` says topic, found
    and expected."""

    kind: str
    text: str
    remedy: str


TOPIC_CHECKS = ("topics", "partition counts", "policies", "message limits")
_MISSING, _COUNT, _POLICY, _LIMIT = TOPIC_CHECKS
_CREATE = "`segmenter topics create` makes what is missing"


def plan(settings: Settings, definitions_topics: Sequence[str], limit_bytes: int) -> list[TopicSpec]:
    """All topics but the input. `definitions_topics` are those that segments name, without prefix."""
    topics = settings.topics
    rejected = _CHANGES | {"max.message.bytes": str(limit_bytes + HEADROOM_BYTES)}
    journal = {
        "cleanup.policy": "delete",
        "retention.ms": str(90 * DAY_MS),  # as far back as what was done can be done again
        "message.timestamp.type": "LogAppendTime",  # the broker's time, against which our clock is held
    }
    return [
        TopicSpec(topics.changes, "segment changes", dict(_CHANGES)),
        TopicSpec(topics.memberships, "memberships", dict(_COMPACTED)),
        TopicSpec(topics.rejected, "rejected events", rejected),
        TopicSpec(topics.state, "state", dict(_COMPACTED)),
        TopicSpec(topics.journal, "journal", journal),
        TopicSpec(topics.control, "holds", dict(_CONTROL), partitions=1),
        *(TopicSpec(topics.extra(name), "a definition's changes", dict(_CHANGES)) for name in definitions_topics),
    ]


def input_partitions(settings: Settings, look: Look | None = None) -> int:
    """Number of partitions of the input. StartRefused when there is no such topic."""
    found = (look or Look(settings)).of([settings.topics.input])[settings.topics.input]
    if found is None:
        raise StartRefused(
            f"{settings.topics.input}: found no such topic, expected the input; `segmenter topics create` makes it"
        )
    return found.partitions


def partition_counts(settings: Settings, topics: Sequence[str]) -> dict[str, int]:
    """How many partitions each has. StartRefused when one is not there."""
    counts = {}
    for topic, found in Look(settings).of(topics).items():
        if found is None:
            raise StartRefused(f"{topic}: found no such topic; {_CREATE}")
        counts[topic] = found.partitions
    return counts


def limits_bytes(settings: Settings, topics: Sequence[str], look: Look | None = None) -> dict[str, int]:
    """The largest record each topic takes."""
    found = (look or Look(settings)).of(topics)
    return {topic: DEFAULT_LIMIT_BYTES if each is None else _limit(each) for topic, each in found.items()}


def tells_append_time(settings: Settings, look: Look | None = None) -> bool:
    """Whether the journal is there and the broker says that its records carry append times."""
    name = settings.topics.journal
    found = (look or Look(settings)).of([name])[name]
    return found is not None and found.config.get("message.timestamp.type") == "LogAppendTime"


def create_topics(
    settings: Settings, definitions_topics: Sequence[str], partitions: int, replication: int | None
) -> list[str]:
    """Make what is missing; returns the names made. The input, when it must be made, gets `partitions`; the
    others as many as the input has, the control topic one. The input keeps everything: records of an imported history
    carry old timestamps. `replication` None: as many copies as the input has, which gets one on each of at most three
    brokers."""
    look = Look(settings)
    name = settings.topics.input
    there = look.anew([name])[name]
    made = []
    if there is None:
        spec = TopicSpec(name, "input", {"cleanup.policy": "delete", "retention.ms": "-1"})
        made += _create(look, [spec], partitions, replication or min(MOST_COPIES, look.brokers()))
        there = _await(look, [name])[name]
    specs = plan(settings, definitions_topics, _limit(there))
    found = look.anew([spec.name for spec in specs])
    missing = [spec for spec in specs if found[spec.name] is None]
    made += _create(look, missing, there.partitions, replication or there.copies)
    _await(look, made)
    return made


def check_topics(settings: Settings, definitions_topics: Sequence[str], look: Look | None = None) -> list[str]:
    """What about the topics would lose, double or stop something: topic, found, expected. Empty when all is well."""
    return [problem.text for problem in examine_topics(settings, definitions_topics, look)]


def examine_topics(
    settings: Settings, definitions_topics: Sequence[str], look: Look | None = None
) -> list[TopicProblem]:
    """The same, each with its kind and what to do about it."""
    topics = settings.topics
    problems = [
        TopicProblem(
            _MISSING,
            f"{topics.extra(name)}: found a definition's topic that is one of the pipeline's own, "
            "expected another name",
            "give the segment another `topic`",
        )
        for name in definitions_topics
        if topics.extra(name) in topics.own
    ]
    names = [topics.input, *(spec.name for spec in plan(settings, definitions_topics, 0))]
    found = (look or Look(settings)).of(names)
    there = found[topics.input]
    if there is None:
        text = f"{topics.input}: found no such topic, expected the input"
        return [*problems, TopicProblem(_MISSING, text, _CREATE)]
    if "compact" in there.config.get("cleanup.policy", ""):
        text = (
            f"{topics.input}: found cleanup.policy={there.config['cleanup.policy']}, expected delete: compaction "
            "would take events away before they are counted"
        )
        problems.append(TopicProblem(_POLICY, text, _alter(settings, topics.input, "cleanup.policy", "delete")))
    for spec in plan(settings, definitions_topics, _limit(there)):
        if spec.name != topics.input:
            problems += _check(settings, spec, found[spec.name], there.partitions)
    return problems


def _check(settings: Settings, spec: TopicSpec, found: Found | None, partitions: int) -> list[TopicProblem]:
    wanted = spec.partitions or partitions
    if found is None:
        text = f"{spec.name}: found no such topic, expected one for {spec.role} with {_partitions(wanted)}"
        return [TopicProblem(_MISSING, text, _CREATE)]
    problems = []
    if found.partitions != wanted:
        why = "" if spec.partitions else " as the input has"
        text = f"{spec.name}: found {found.partitions} partitions, expected {wanted}{why}"
        remedy = "make it anew while it is empty; else begin anew under another `name` and `output_prefix`"
        problems.append(TopicProblem(_COUNT, text, remedy))
    for key, expected in spec.config.items():
        actual = found.config.get(key)
        fits = _FITS.get(key)
        if actual is not None and fits is not None and not fits(actual, expected):
            kind = _LIMIT if key == "max.message.bytes" else _POLICY
            text = f"{spec.name}: found {key}={actual}, expected {_expected(key, expected)}"
            problems.append(TopicProblem(kind, text, _alter(settings, spec.name, key, expected)))
    return problems


def _partitions(count: int) -> str:
    return f"{count} partition{'' if count == 1 else 's'}"


def _alter(settings: Settings, topic: str, key: str, value: str) -> str:
    """The command of Kafka's own tools that sets it."""
    servers = settings.kafka_properties()["bootstrap.servers"]
    return (
        f"kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics --entity-name {topic} "
        f"--add-config {key}={value}"
    )


def short_history(settings: Settings, lookback_ms: int, look: Look | None = None) -> TopicProblem | None:
    """The input, if it deletes events sooner than definitions look back; None too where the broker does not tell.

    Of use before the first start only: then on the state has what was read, however soon the input forgets it.
    """
    name = settings.topics.input
    there = (look or Look(settings)).of([name])[name]
    config: Mapping[str, str] = {} if there is None else there.config
    kept_ms = int(config.get("retention.ms", "-1"))
    if kept_ms < 0 or kept_ms >= lookback_ms or "delete" not in config.get("cleanup.policy", "delete"):
        return None
    text = (
        f"{name}: found retention.ms={kept_ms} ({format_quantity(kept_ms, UNITS_MS)}), expected at least {lookback_ms} "
        f"({format_quantity(lookback_ms, UNITS_MS)}), as far back as the definitions look"
    )
    remedy = (
        f"{_alter(settings, name, 'retention.ms', str(lookback_ms))}; or `start_from: kept`: what is there is read, "
        "and customers are judged as if nothing had been before it"
    )
    return TopicProblem(HISTORY, text, remedy)


def weak_topics(settings: Settings, definitions_topics: Sequence[str], look: Look | None = None) -> list[TopicProblem]:
    """Which of the pipeline's topics a broker's failure would stop, or make forget what was acknowledged. A worker
    starts all the same."""
    names = [settings.topics.input, *(spec.name for spec in plan(settings, definitions_topics, 0))]
    return weak_of(settings, (look or Look(settings)).of(names))


def weak_of(settings: Settings, found: Mapping[str, Found | None]) -> list[TopicProblem]:
    """The same of topics as they are, the input among them."""
    source = found[settings.topics.input]
    problems = []
    for name, each in found.items():
        if each is None or source is None or name == settings.topics.input:
            continue
        if each.copies < source.copies:
            text = f"{name}: found {each.copies} of each partition, expected {source.copies} as of the input"
            problems.append(TopicProblem(COPIES, text, "kafka-reassign-partitions.sh makes more of them"))
        elif each.copies >= MOST_COPIES and each.config.get(_MIN_ISR) == "1":
            text = f"{name}: found {_MIN_ISR}=1, expected 2: what one broker alone has acknowledged goes with it"
            problems.append(TopicProblem(COPIES, text, _alter(settings, name, _MIN_ISR, "2")))
    return problems


HISTORY = "retention"
COPIES = "copies"
MOST_COPIES = 3
_MIN_ISR = "min.insync.replicas"

_FITS: dict[str, Callable[[str, str], bool]] = {
    "cleanup.policy": lambda actual, expected: actual == expected,
    "message.timestamp.type": lambda actual, expected: actual == expected,
    "max.message.bytes": lambda actual, expected: int(actual) >= int(expected),
    "retention.ms": lambda actual, _: int(actual) == -1 or int(actual) >= SHORTEST_RETENTION_MS,
}


def _expected(key: str, expected: str) -> str:
    if key == "retention.ms":
        return f"at least {SHORTEST_RETENTION_MS} (a day)"
    return f"at least {expected}" if key == "max.message.bytes" else expected


def _limit(found: Found) -> int:
    return int(found.config.get("max.message.bytes", DEFAULT_LIMIT_BYTES))


def _create(look: Look, specs: Sequence[TopicSpec], partitions: int, replication: int) -> list[str]:
    safe = {_MIN_ISR: "2"} if replication >= MOST_COPIES else {}
    wanted = [
        NewTopic(spec.name, spec.partitions or partitions, replication, config=spec.config | safe) for spec in specs
    ]
    return [new.topic for new in wanted if make_topic(look.client, new)]


def make_topic(client: AdminClient, wanted: NewTopic) -> bool:
    """Make this topic; returns whether it was not there.

    Asks again while there is no answer: a client that met brokers in a moment when they had no controller waits for
    one until its request's time is up, and does not look again. Raises KafkaUnreachable, KafkaRefused.
    """
    made = False
    for attempt in attempts(CALL_S):
        with attempt:
            try:
                client.list_topics(timeout=TRY_S)  # so that it knows the controller of now
                answers = client.create_topics([wanted], request_timeout=TRY_S, operation_timeout=TRY_S)
                answers[wanted.topic].result(2 * TRY_S)
                made = True
            except KafkaException as exception:
                if error_of(exception).code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise told(exception, f"{wanted.topic}: could not be made") from exception
                made = attempt.num > 1  # by a request whose answer did not come
            except TimeoutError:
                raise KafkaUnreachable(f"{wanted.topic}: no answer within {2 * TRY_S:.0f} s") from None
    return made


def _await(look: Look, names: Sequence[str]) -> dict[str, Found]:
    """Topics made a moment ago: not every broker knows them at once."""
    known: dict[str, Found] = {}
    try:
        for attempt in stamina.retry_context(on=LookupError, attempts=None, timeout=CALL_S, wait_max=0.5):
            with attempt:
                found = look.anew(names)
                known = {name: each for name, each in found.items() if each is not None}
                if len(known) < len(names):
                    raise LookupError
    except LookupError:
        unknown = ", ".join(name for name in names if name not in known)
        raise KafkaUnreachable(f"{unknown}: made, but not known to the broker after {CALL_S:.0f} s") from None
    return known
