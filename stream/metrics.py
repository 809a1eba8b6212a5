"""`/metrics`: an observer of the engine that keeps the families of `metric_families` on a registry of its own.

A series that can be known in advance stands at 0 from the start, so that a rate over it is never without its first
rise. Series of a partition exist only while it is assigned. Children are cached: `labels()` costs 1.9 us, a cached
child's `inc()` 0.56 us.
"""

from __future__ import annotations

import importlib.metadata
import platform
import threading
import time
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Enum,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from stream import __version__
from stream.codec.control import Control
from stream.core.events import NEVER_MS, Reason
from stream.core.holds import CLOCK, EVENT, SEGMENT, STOPPED
from stream.core.program import Definition, Program
from stream.engine.guard import GUARDS
from stream.engine.holding import RESTORED
from stream.engine.observer import COMMIT_PHASES, CommitReport, Observer
from stream.key_metrics import KeyMetrics
from stream.metric_families import (
    CLOCK_REASONS,
    COUNTER,
    FAMILIES,
    GAUGE,
    HISTOGRAM,
    HORIZONS,
    NO_STAGE,
    OTHER_EVENTS,
    PREFIX,
    STATE_SET,
    STATES,
    Family,
)
from stream.metric_labels import STORED, answer_label, cause_label
from stream.revision_metrics import RevisionMetrics

Place = tuple[str, tuple[str, ...]]
"""Name and label values of a series."""

CAUSES = ("event", "clock", "definitions")
MEASURED_CAUSES = ("event", "clock")
LEVELS = ("debug", "info", "warning", "error", "critical")
LEVEL_OF_METHOD = {"warn": "warning", "exception": "error", "fatal": "critical"}


def build_versions() -> dict[str, str]:
    """What runs here, by the labels of `build_info`."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "faust": importlib.metadata.version("faust-streaming"),
        "confluent_kafka": importlib.metadata.version("confluent-kafka"),
    }


class Metrics(Observer):
    """One worker's metrics, on `registry`.

    `loaded_ms`: when the definitions were loaded; `partition_count`: of the input; `output_topics`: all that are
    written to, extra topics included; `event_names`: those that the definitions use; `grace_ms`: of the worker.
    """

    def __init__(
        self,
        program: Program,
        *,
        input_topic: str,
        partition_count: int,
        output_topics: Sequence[str] = (),
        event_names: Sequence[str] = (),
        grace_ms: int = 0,
        loaded_ms: int,
    ) -> None:
        disable_created_metrics()
        self.registry = CollectorRegistry()
        self._topic = input_topic
        self._families: dict[str, Any] = {family.name: _create(family, self.registry) for family in FAMILIES}
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._lock = threading.Lock()  # over the rows: restores run in threads
        self._rows: dict[int, dict[Place, Any]] = {}  # assigned partition -> its gauges, as far as they are set
        self._restoring: set[int] = set()
        self._joined = False
        self._ending: str | None = None
        self._open: dict[int, int] = {}  # partition -> records processed and not committed
        self._members: dict[int, dict[str, int]] = {}
        self._grace_ms = grace_ms
        self._assigned_s: dict[int, float] = {}  # monotonic
        self._restores: dict[int, float] = {}  # partition -> begun, monotonic
        self._describe(program, partition_count, loaded_ms)
        self._prepare_flow(output_topics)
        self._prepare_product(program.definitions)
        self._revisions = RevisionMetrics(program, self._families)
        self._keys = KeyMetrics(partition_count, self._families["input_keys_sampled"])
        segments = (SEGMENT + each.name for each in program.definitions if each.is_segment)
        self._holdable = {CLOCK, *(EVENT + name for name in event_names), *segments}
        self._events = {name: self._families["events_by_name"].labels(name) for name in [*event_names, OTHER_EVENTS]}

    # -- what is known in advance

    def _describe(self, program: Program, partition_count: int, loaded_ms: int) -> None:
        families = self._families
        families["build_info"].labels(**build_versions()).set(1)
        families["definitions_info"].labels(program.name, str(program.version), program.hash).set(1)
        families["definitions_loaded_timestamp_seconds"].set(loaded_ms / 1000)
        families["topic_partitions"].labels(self._topic).set(partition_count)
        families["assigned_partitions"].labels(self._topic).set(0)

    def _prepare_flow(self, output_topics: Sequence[str]) -> None:
        families = self._families
        self._received = families["events_received"].labels(self._topic)
        self._processed = families["events_processed"].labels(self._topic)
        self._last_processed = families["last_event_processed_timestamp_seconds"].labels(self._topic)
        self._age = families["event_age_seconds"].labels(self._topic)
        self._cost = families["event_processing_duration_seconds"]
        self._busy = families["busy_seconds"]
        self._in_progress = families["events_in_progress"]
        self._misfits = [
            (name, families[f"events_{name}"].labels(self._topic)) for name in ("late", "duplicate", "ignored")
        ]
        self._rejected = {str(reason): families["rejected_events"].labels(str(reason)) for reason in Reason}
        self._produced = {topic: families["produced_records"].labels(topic) for topic in output_topics}
        self._latency = {cause: families["change_latency_seconds"].labels(cause) for cause in MEASURED_CAUSES}
        self._phases = {phase: families["commit_phase_seconds"].labels(phase) for phase in COMMIT_PHASES}
        self._logged = {level: families["log_messages"].labels(level) for level in LEVELS}
        for rebuilt in ("false", "true"):
            families["restore_duration_seconds"].labels(rebuilt)

    def _prepare_product(self, definitions: Sequence[Definition]) -> None:
        families = self._families
        self._changes: dict[tuple[str, bool, str, str, bool], Any] = {}
        self._member_gauges: dict[str, Any] = {}
        for definition in definitions:
            name = definition.name
            if definition.is_segment:
                self._member_gauges[name] = families["segment_members"].labels(name)
            for stage in definition.stages:
                self._member_gauges[f"{name}/{stage}"] = families["stage_customers"].labels(name, stage)
            for answer in range(len(definition.stages) or 2):
                for cause in CAUSES:
                    self._changed((name, definition.is_segment, answer_label(definition, answer), cause, False))
        self._flows: dict[tuple[str, str, str], Any] = {
            (definition.name, before, after): families["stage_flows"].labels(definition.name, before, after)
            for definition in definitions
            for after in definition.stages
            for before in (NO_STAGE, *definition.stages)
            if before != after
        }

    def _changed(self, key: tuple[str, bool, str, str, bool]) -> Any:
        """The counter of changes of a definition to an answer: name, whether it is a segment, to what, cause,
        replayed."""
        child = self._changes.get(key)
        if child is None:
            name, is_segment, to, cause, replayed = key
            family = "changes" if is_segment else "stage_changes"
            labels = (name, to, cause, "true" if replayed else "false")
            child = self._changes[key] = self._families[family].labels(*labels)
        return child

    # -- partitions come and go

    def assigned(self, partitions: list[int]) -> None:
        self._joined = True
        if partitions:
            self._families["rebalances"].inc()
        with self._lock:
            for partition in partitions:
                self._rows.setdefault(partition, {})
        self._restoring.update(partitions)
        for partition in partitions:
            self._set("partition_restoring", partition, 1)
            self._assigned_s[partition] = time.monotonic()
            self._show_standing(partition, CLOCK_REASONS[0])
        self._count_assigned()

    def restoring(self, partition: int, done: int, remaining: int, records: int) -> None:
        now_s = time.monotonic()
        begun_s = self._restores.setdefault(partition, now_s)
        self._families["restore_records"].inc(records)
        self._set("restore_remaining_records", partition, remaining)
        if done and now_s > begun_s:
            self._set("restore_estimate_seconds", partition, remaining * (now_s - begun_s) / done)

    def restored(self, partition: int, keys: int, seconds: float, rebuilt: bool) -> None:
        self._families["restore_duration_seconds"].labels("true" if rebuilt else "false").observe(seconds)

    def live(self, partition: int, next_offset: int, keys: int, members: dict[str, int]) -> None:
        self._restoring.discard(partition)
        self._set("partition_restoring", partition, 0)
        self._set("restore_remaining_records", partition, 0)
        self._set("restore_estimate_seconds", partition, 0)
        self._restores.pop(partition, None)
        self._show_standing(partition, None)
        assigned_s = self._assigned_s.pop(partition, None)
        if assigned_s is not None:
            self._families["assignment_duration_seconds"].observe(time.monotonic() - assigned_s)
        self._set("partition_position", partition, next_offset)
        self._set("customers", partition, keys)
        self._count_members(partition, members)
        self._show_state()

    def revisions(self, partition: int, keys: int, earlier: dict[str, int], warming: dict[str, int]) -> None:
        self._revisions.told(partition, keys, earlier, warming)

    def dropped(self, partitions: list[int]) -> None:
        if partitions:
            self._families["rebalances"].inc()
        self._restoring.difference_update(partitions)
        for partition in partitions:
            self._give_up(partition)
            self._count_members(partition, {})
            self._revisions.dropped(partition)
            self._restores.pop(partition, None)
            with self._lock:
                for name, labels in self._rows.pop(partition, {}):
                    self._families[name].remove(*labels)
        self._count_assigned()

    def set_aside(self, partition: int, reason: str) -> None:
        self._families["state_set_aside"].inc()

    # -- records and commits

    def received(self, partition: int, records: int) -> None:
        self._received.inc(records)

    def processed(self, partition: int, records: int, seconds: float) -> None:
        self._busy.inc(seconds)
        if records:
            self._cost.observe(seconds / records)
            self._open[partition] = self._open.get(partition, 0) + records
            self._in_progress.inc(records)

    def event_age(self, read_ms: int, age_ms: int) -> None:
        self._last_processed.set(read_ms / 1000)
        self._age.observe(age_ms / 1000)

    def keyed(self, partition: int, read_ms: int, key: bytes | None) -> None:
        self._keys.sample(partition, read_ms, key)

    def committed(self, reports: list[CommitReport], seconds: float) -> None:
        self._families["commits"].inc()
        self._families["commit_duration_seconds"].observe(seconds)
        self._families["last_commit_timestamp_seconds"].set(max(report.committed_ms for report in reports) / 1000)
        self._busy.inc(seconds)
        for report in reports:
            self._give_up(report.partition)  # no longer open: a commit takes all that was processed
            self._set("partition_position", report.partition, report.next_offset)
            self._set("customers", report.partition, report.keys)
            self._count_members(report.partition, report.members)
            self._revisions.told(report.partition, report.keys, report.earlier, report.warming)
            self._count_records(report)
            self._count_changes(report)

    def commit_phases(self, seconds: dict[str, float]) -> None:
        for phase, phase_seconds in seconds.items():
            self._phases[phase].observe(phase_seconds)

    def aborted(self, reason: str) -> None:
        self._families["commits"].inc()
        self._families["commit_failures"].inc()
        for partition in list(self._open):
            self._give_up(partition)

    def core_failed(self, partition: int, offset: int) -> None:
        self._families["core_failures"].inc()
        self._give_up(partition)

    def wake_failed(self, partition: int) -> None:
        self._families["core_failures"].inc()
        self._give_up(partition)

    def _give_up(self, partition: int) -> None:
        self._in_progress.dec(self._open.pop(partition, 0))

    def _count_records(self, report: CommitReport) -> None:
        counts = report.counts
        self._processed.inc(counts.received)
        for name, child in self._misfits:
            child.inc(getattr(counts, name))
        self._families["wakes_fired"].inc(counts.wakes)
        self._families["state_merged"].inc(counts.merged)
        self._families["memberships_written"].inc(report.memberships)
        self._families["customer_lookups"].inc(report.touched)
        self._families["store_reads"].inc(report.store_reads)
        for event, arrived in report.events.items():
            self._events.get(event, self._events[OTHER_EVENTS]).inc(arrived)
        for reason, events in report.rejected.items():
            self._rejected[reason].inc(events)
        for topic, records in report.produced.items():
            child = self._produced.get(topic)
            if child is None:
                child = self._produced[topic] = self._families["produced_records"].labels(topic)
            child.inc(records)

    def _count_changes(self, report: CommitReport) -> None:
        tally: Tally[tuple[str, bool, str, str, bool]] = Tally()
        for change in report.changes:
            definition = change.definition
            if definition is None:
                self._families["customers_erased"].inc()
            else:
                to = answer_label(definition, change.after)
                tally[definition.name, definition.is_segment, to, cause_label(change.cause), change.replayed] += 1
                if definition.stages and not change.replayed:
                    self._flow(definition.name, change.former or answer_label(definition, change.before), to).inc()
            if change.corrects is not None:
                self._families["corrections"].inc()
        for key, changes in tally.items():
            self._changed(key).inc(changes)
        for cause, lags_ms in (("event", report.event_lags_ms), ("clock", report.clock_lags_ms)):
            observe = self._latency[cause].observe
            for lag_ms in lags_ms:
                observe(lag_ms / 1000)

    def _flow(self, name: str, before: str, after: str) -> Any:
        child = self._flows.get((name, before, after))
        if child is None:  # from or to what only other definitions have
            child = self._flows[name, before, after] = self._families["stage_flows"].labels(name, before, after)
        return child

    def _member_gauge(self, key: str) -> Any:
        child = self._member_gauges.get(key)
        if child is None:  # of definitions of before
            name, _, stage = key.partition("/")
            family = self._families["stage_customers" if stage else "segment_members"]
            child = self._member_gauges[key] = family.labels(name, stage) if stage else family.labels(name)
        return child

    def _count_members(self, partition: int, members: dict[str, int]) -> None:
        """Gauges are sums over this worker's partitions: move them by what this one's count has changed."""
        before = self._members.get(partition, {})
        if before == members:
            return
        for key in before.keys() | members.keys():
            move = members.get(key, 0) - before.get(key, 0)
            if move:
                self._member_gauge(key).inc(move)
        self._members[partition] = members

    # -- time and state

    def lag(self, partition: int, records: int) -> None:
        self._set("consumer_lag", partition, records)

    def clock(self, partition: int, clock_ms: int, next_wake_ms: int | None) -> None:
        if clock_ms > NEVER_MS:
            self._set("partition_clock_timestamp_seconds", partition, clock_ms / 1000)
        overdue_ms = 0
        if next_wake_ms is None:
            self._unset("wakes_next_due_timestamp_seconds", partition)
        else:
            fires_ms = next_wake_ms + self._grace_ms
            self._set("wakes_next_due_timestamp_seconds", partition, fires_ms / 1000)
            overdue_ms = max(0, clock_ms - fires_ms)
        self._set("wakes_overdue_seconds", partition, overdue_ms / 1000)

    def stored(self, partition: int, sizes: dict[str, int], cached_customers: int) -> None:
        self._set("cached_customers", partition, cached_customers)
        for name, parts in STORED.items():
            if all(part in sizes for part in parts):
                self._set(name, partition, sum(sizes[part] for part in parts))

    # -- what the watch sees from outside of the engine

    def ends_asked(self, at_ms: int) -> None:
        self._families["ends_asked_timestamp_seconds"].set(at_ms / 1000)

    def watch_completed(self, at_ms: int) -> None:
        """All that was to be asked then has been answered."""
        self._families["watch_completed_timestamp_seconds"].set(at_ms / 1000)

    def standing(self, partition: int, reason: str | None) -> None:
        """Why the partition's clock stands still, one of `CLOCK_REASONS`; None: it does not."""
        self._show_standing(partition, reason)

    def wakes_due(self, partition: int, due: Mapping[str, int]) -> None:
        """How many wakes come within each of `HORIZONS`."""
        for within in HORIZONS:
            self._set("wakes_due", partition, due[within], within)

    def held(self, in_force: Mapping[str, Control]) -> None:
        family = self._families["held_since_timestamp_seconds"]
        family.clear()
        for key, control in in_force.items():
            by = control.by if control.by in (*GUARDS, RESTORED) else "human"
            family.labels(key if key.startswith(STOPPED) or key in self._holdable else OTHER_EVENTS, by).set(
                control.at_ms / 1000
            )

    def held_customers(self, partition: int, customers: int) -> None:
        self._set("held_customers", partition, customers)

    def open_transaction(self, topic: str, partition: int, seconds: float) -> None:
        self._set("open_transaction_seconds", partition, seconds, topic=topic)

    def retention(self, seconds: float | None) -> None:
        """Of the input; None: it deletes nothing by age."""
        family = self._families["input_retention_seconds"]
        if seconds is None:
            family.remove(self._topic)
        else:
            family.labels(self._topic).set(seconds)

    def headroom(self, partition: int, seconds: float | None) -> None:
        if seconds is None:
            self._unset("input_headroom_seconds", partition)
        else:
            self._set("input_headroom_seconds", partition, seconds)

    def disk(self, free_bytes: int, size_bytes: int) -> None:
        self._families["data_dir_free_bytes"].set(free_bytes)
        self._families["data_dir_size_bytes"].set(size_bytes)

    def certificate(self, property_name: str, end_s: int) -> None:
        self._families["certificate_expiry_timestamp_seconds"].labels(property_name).set(end_s)

    def skew(self, seconds: float) -> None:
        self._families["clock_skew_seconds"].set(seconds)

    # -- the worker

    def draining(self) -> None:
        self._ending = self._ending or "draining"
        self._show_state()

    def failed(self, error: BaseException) -> None:
        self._ending = "failed"
        self._show_state()

    def loop_lagged(self, seconds: float) -> None:
        """The event loop came back so much later than asked."""
        self._families["event_loop_lag_seconds"].observe(seconds)

    def count_log(self, logger: Any, method: str, event: Any) -> Any:
        """A structlog processor that counts lines by level and changes nothing."""
        child = self._logged.get(LEVEL_OF_METHOD.get(method, method))
        if child is not None:
            child.inc()
        return event

    def _count_assigned(self) -> None:
        self._families["assigned_partitions"].labels(self._topic).set(len(self._rows))
        self._show_state()

    def _show_state(self) -> None:
        if self._ending is not None:
            state = self._ending
        elif self._restoring:
            state = "restoring"
        elif self._rows:
            state = "running"
        else:
            state = "idle" if self._joined else "starting"
        self._families["worker_state"].state(state)

    # -- gauges of one partition

    def _show_standing(self, partition: int, reason: str | None) -> None:
        for each in CLOCK_REASONS:
            self._set("clock_blocked", partition, each == reason, each)

    def _set(self, name: str, partition: int, value: float, *more: str, topic: str | None = None) -> None:
        """Nothing when the partition was dropped meanwhile: a restore notices late."""
        place = (name, (topic or self._topic, str(partition), *more))
        with self._lock:
            row = self._rows.get(partition)
            if row is None:
                return
            child = row.get(place)
            if child is None:
                child = row[place] = self._families[name].labels(*place[1])
        child.set(value)

    def _unset(self, name: str, partition: int) -> None:
        labels = (self._topic, str(partition))
        with self._lock:
            if self._rows.get(partition, {}).pop((name, labels), None) is not None:
                self._families[name].remove(*labels)


def _create(family: Family, registry: CollectorRegistry) -> Any:
    name = PREFIX + family.name
    if family.kind == STATE_SET:
        return Enum(name, family.help, states=STATES, registry=registry)
    if family.kind == HISTOGRAM:
        return Histogram(name, family.help, family.labels, buckets=family.buckets, registry=registry)
    return {COUNTER: Counter, GAUGE: Gauge}[family.kind](name, family.help, family.labels, registry=registry)
