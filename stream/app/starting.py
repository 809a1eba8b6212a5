"""What must hold before a worker starts, beyond settings and definitions.

Each check is told in one line, and before anything is done. What the brokers are asked is asked beside the rest of the
start, the imports above all, which take longer than all answers.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from stream.app.aside import Aside
from stream.app.clock import now_ms
from stream.app.data_dir import DataDir
from stream.app.listening import check_is_free
from stream.app.logs import set_up_logs
from stream.codec.definitions import DefinitionsText, encode_definitions
from stream.config import Settings
from stream.errors import StartRefused
from stream.kafka.broker_clock import BrokerClock
from stream.kafka.look import Look
from stream.kafka.offsets import KafkaOffsets
from stream.kafka.skew import Skew, measure_skew
from stream.kafka.topics import TopicProblem, check_topics, input_partitions, limits_bytes, short_history
from stream.rules.compile import CompiledProgram
from stream.store.ahead import Ahead

RECORD_ROOM_BYTES = 32 << 10
"""For what stands beside the text: since when cells are kept, and the rest of a journal record."""

AGREE_MS = 100
"""Clocks that differ by less agree, as far as anybody who reads of them cares."""

CLOCK_REMEDY = "set the clocks right (NTP) on this machine and on the brokers"

log = structlog.get_logger()


def look_ahead(settings: Settings) -> Look:
    """Ask for the pipeline's own topics, whose answer is wanted later: what goes wrong is told then."""
    look = Look(settings)
    Aside(lambda: look.of(settings.topics.own), "topics")
    return look


class Start:
    """The checks of a start, begun: this machine's are made, the brokers' answers are on their way.

    Raises ConfigError and StartRefused of this machine at once, the others in `finish`. `clock` is the machine's.
    """

    def __init__(
        self,
        settings: Settings,
        program: CompiledProgram,
        look: Look | None = None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._settings = settings
        self._program = program
        set_up_logs(settings.log, settings.log_format, process=settings.process)
        check_is_free(settings.listen)
        self.data_dir = DataDir(settings.data_dir)
        self.hashed = Ahead(settings.data_dir)
        self.look = look or look_ahead(settings)
        self._skew = Aside(lambda: measure_skew(settings, clock, self.look), "skew")

    def finish(self) -> int:
        """The rest of the checks. Returns the number of the input's partitions; `broker_clock` tells then."""
        settings, program, look = self._settings, self._program, self.look
        partitions = input_partitions(settings, look)
        problems = check_topics(settings, program.extra_topics, look)
        if problems:
            raise StartRefused("\n".join([*problems, "`segmenter topics create` makes what is missing"]))
        check_definitions_fit(settings, program, look)
        check_history(settings, program, partitions, look)
        check_clock(self._skew.result())
        return partitions

    @property
    def broker_clock(self) -> BrokerClock:
        """What was learned of it: the worker goes on with that before its first commit."""
        return self._skew.result().broker_clock


def check_history(settings: Settings, program: CompiledProgram, partitions: int, look: Look) -> None:
    """Raises StartRefused at a first start whose input forgets events that the definitions ask for."""
    problem = history_problem(settings, program, partitions, look)
    if problem is not None:
        raise StartRefused(f"{problem.text}. Try: {problem.remedy}")


def history_problem(settings: Settings, program: CompiledProgram, partitions: int, look: Look) -> TopicProblem | None:
    """The same as a value. Once something is committed the state has what was read."""
    if settings.start_from != "earliest":
        return None
    problem = short_history(settings, program.longest_lookback_ms, look)
    if problem is None:
        return None
    # Asked last: the answer waits for a dead owner's open transaction, which most starts need not.
    committed = KafkaOffsets(settings).committed(range(partitions))
    return problem if all(each.offset is None for each in committed.values()) else None


def check_definitions_fit(settings: Settings, program: CompiledProgram, look: Look) -> None:
    """Raises StartRefused when the text of the definitions, which travels with the state, is too large for a record."""
    text = DefinitionsText(program.version, program.hash, program.fingerprint, 0, {}, program.files)
    size = len(encode_definitions(text)) + RECORD_ROOM_BYTES
    names = settings.topics
    for where, limit in limits_bytes(settings, [names.state, names.journal], look).items():
        if size > limit:
            raise StartRefused(
                f"found definitions of {size} bytes, expected at most {limit}, the largest record {where} takes: their "
                "text travels with the state. Try: move the cases into a file of their own that is not deployed, or "
                "raise max.message.bytes of the state topic and the journal"
            )


def check_clock(skew: Skew) -> None:
    """Raises StartRefused when this machine's time and the broker's differ by more than silence can be judged with:
    the very first commit would already tell of silences that have not come about, or late of those that have."""
    if skew.ahead_ms is None:
        log.info("clock_not_compared", reason=skew.why_not)
    elif skew.too_large:
        raise StartRefused(f"{skew_text(skew)}. Try: {CLOCK_REMEDY}")


def skew_text(skew: Skew) -> str:
    """The difference in words; what is of no account is none."""
    assert skew.ahead_ms is not None, "only a measured one has words"
    if abs(skew.ahead_ms) < AGREE_MS:
        return f"this machine's clock and the broker's agree to {AGREE_MS / 1000} s"
    where = "ahead of" if skew.ahead_ms > 0 else "behind"
    return f"found this machine's clock {abs(skew.ahead_ms) / 1000:.3f} s {where} the broker's, expected at most 2 s"
