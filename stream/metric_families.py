"""The families of `/metrics`: what each is called, how it is labelled, and which question of an operator it answers.

Times are seconds, sizes bytes. `_timestamp_seconds` are instants since 1970, so that `time() - x` needs no update to
grow. Every label is bounded by the definitions, the topics, the partitions or a closed list; none holds a customer.
"""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "segmenter_"

COUNTER, GAUGE, HISTOGRAM, STATE_SET = "counter", "gauge", "histogram", "stateset"

STATES = ("starting", "restoring", "running", "idle", "draining", "failed")
"""idle: a member of the group without partitions, ready to take some over."""

CLOCK_REASONS = (
    "restoring",
    "starting",
    "core-failed",
    "broker-unreachable",
    "clock-skew",
    "control-unreachable",
    "rejects",
    "open-transaction",
    "unread-records",
    "commit-waiting",
    "unknown",
)
"""Why a partition's clock stands still, the first that holds. open-transaction: an upstream's, on the input.
commit-waiting: a transaction of ours has had no answer yet. control-unreachable: nobody knows what is held. rejects:
the partition is stopped and has records to read. core-failed: a bug of ours at a wake."""

HORIZONS = {"1h": 3_600_000, "24h": 86_400_000, "7d": 604_800_000}
"""`within` of the wakes to come, in ms."""

OTHER_EVENTS = "other"
NO_STAGE = "-"
"""`from_stage` of a customer's first stage."""

EVENT_SECONDS = (5e-6, 1e-5, 1.5e-5, 2e-5, 3e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 1e-2, 0.1)
COMMIT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LATENCY_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
AGE_SECONDS = (0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 3600.0, 86400.0)
RESTORE_SECONDS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
PHASE_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0)
LOOP_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0)


INTRODUCTION = """\
# Metrics

What a worker tells at `/metrics`. This page is written by `python -m stream.metric_families > docs/metrics.md`; a test
keeps it current.

Times are seconds, sizes bytes; an instant is seconds since 1970, so `time() - x` is its age. Counters begin at 0 with
the worker, and count only what is committed unless they say otherwise. What is labelled by `partition` exists while the
partition is this worker's. `replayed="true"` marks what came of history that lay in the input before the first start.
No label holds anything of a customer. Beside these stand `process_*` and `python_*` of the Prometheus client.

The change latency has a bound at each limit that an objective may name: 0.5, 1, 5, 30 and 60 seconds."""


@dataclass(frozen=True, slots=True)
class Family:
    """`name` without the prefix, a counter's without `_total`. `buckets` are upper bounds, of a histogram only."""

    group: str
    kind: str
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def series(self) -> str:
        """The name by which it is asked for."""
        return PREFIX + self.name + ("_total" if self.kind == COUNTER else "")


_PARTITION = ("topic", "partition")

_WORKER = "Worker"
_FLOW = "Flow"
_PRODUCT = "Product"
_ERRORS = "Errors"
_TIME = "Time and wakes"
_KAFKA = "Kafka"
_STATE = "State"

FAMILIES = (
    Family(
        _WORKER,
        GAUGE,
        "build_info",
        "Which versions does this worker run? Always 1.",
        ("version", "python", "faust", "confluent_kafka"),
    ),
    Family(
        _WORKER,
        GAUGE,
        "definitions_info",
        "Which definitions does this worker judge by? Always 1; two hashes at once: workers differ.",
        ("name", "version", "hash"),
    ),
    Family(
        _WORKER,
        GAUGE,
        "definitions_customers",
        "How many customers are judged by which revision of the definitions? Of this worker's partitions. An earlier "
        "revision that does not go down: a migration stands still.",
        ("revision",),
    ),
    Family(
        _WORKER,
        GAUGE,
        "segment_warming_until_timestamp_seconds",
        "Until when may a dimension or segment be undecided for customers of before, since what it asks about was not "
        "kept? 0: it is decided for all.",
        ("definition",),
    ),
    Family(_WORKER, GAUGE, "definitions_loaded_timestamp_seconds", "Since when does it judge by them?"),
    Family(_WORKER, STATE_SET, "worker_state", "What is this worker doing? Exactly one state is 1."),
    Family(
        _WORKER,
        COUNTER,
        "busy_seconds",
        "How busy is it? Seconds spent on batches and commits; a rate near 1 leaves no room: add workers.",
    ),
    Family(
        _WORKER,
        HISTOGRAM,
        "event_loop_lag_seconds",
        "Does anything block the event loop? How much later than asked it came back.",
        (),
        LOOP_SECONDS,
    ),
    Family(_WORKER, GAUGE, "last_commit_timestamp_seconds", "When was something committed last?"),
    Family(
        _WORKER,
        GAUGE,
        "ends_asked_timestamp_seconds",
        "When did the broker last tell where the input ends? Asked every 5 s, however the worker does; lag is as of "
        "then. 0: no partition was here yet.",
    ),
    Family(
        _WORKER,
        GAUGE,
        "watch_completed_timestamp_seconds",
        "When was all answered that is asked beside the work? Also told where nothing is to be asked. Older than a "
        "minute: open transactions, retention, headroom, wakes to come or customers held are old too.",
    ),
    Family(
        _WORKER,
        GAUGE,
        "clock_skew_seconds",
        "How far is this machine's clock ahead of the broker's? Measured at commits; beyond 2 s no silence is judged.",
    ),
    Family(
        _WORKER,
        GAUGE,
        "certificate_expiry_timestamp_seconds",
        "When does the client certificate end that this worker has read at its start? Absent: it uses none, or a key "
        "store.",
        ("property",),
    ),
    Family(_WORKER, GAUGE, "data_dir_free_bytes", "How much room is left on the disk of `data_dir`?"),
    Family(_WORKER, GAUGE, "data_dir_size_bytes", "How large is that disk?"),
    Family(_WORKER, COUNTER, "log_messages", "Does it log more warnings or errors than before?", ("level",)),
    Family(
        _FLOW,
        COUNTER,
        "events_received",
        "How many records come in? Counted again when they are read again after an abort.",
        ("topic",),
    ),
    Family(
        _FLOW,
        COUNTER,
        "input_keys_sampled",
        "Who put the keys into their partitions? One a second of each. murmur2 (Java) and crc32 (librdkafka's default) "
        "at once: a customer of both is two customers. Keys that both put there are not counted.",
        ("partitioner",),
    ),
    Family(
        _FLOW, COUNTER, "events_processed", "How many records are done, all that came of them committed?", ("topic",)
    ),
    Family(
        _FLOW,
        GAUGE,
        "events_in_progress",
        "How many records are judged, but not committed yet? Stuck above 0: commits fail.",
    ),
    Family(
        _FLOW,
        HISTOGRAM,
        "event_processing_duration_seconds",
        "What does one event cost? Mean of a batch, once a batch.",
        (),
        EVENT_SECONDS,
    ),
    Family(
        _FLOW,
        GAUGE,
        "last_event_processed_timestamp_seconds",
        "When was the last event processed (when its batch was read)?",
        ("topic",),
    ),
    Family(
        _FLOW,
        HISTOGRAM,
        "event_age_seconds",
        "How old are events when they reach us? Read time less event time, of the last event of each batch.",
        ("topic",),
        AGE_SECONDS,
    ),
    Family(
        _FLOW,
        COUNTER,
        "events_late",
        "How many events came after their customer was judged at a later instant? They count where they belong.",
        ("topic",),
    ),
    Family(
        _FLOW,
        COUNTER,
        "events_duplicate",
        "How many events were dropped, their message id having come before?",
        ("topic",),
    ),
    Family(
        _FLOW,
        COUNTER,
        "events_ignored",
        "How many records were of a type that is not ours, and passed over?",
        ("topic",),
    ),
    Family(
        _FLOW,
        COUNTER,
        "events_by_name",
        "Which events come? Track events by the names that the definitions use; all else is `other`. One that stops: "
        "silence will be taken for lapses.",
        ("event",),
    ),
    Family(
        _PRODUCT,
        COUNTER,
        "changes",
        "How many customers entered or left each segment? `replayed`: history read at the first start.",
        ("segment", "direction", "cause", "replayed"),
    ),
    Family(
        _PRODUCT,
        COUNTER,
        "stage_changes",
        "How many customers came to each stage of a dimension?",
        ("dimension", "stage", "cause", "replayed"),
    ),
    Family(
        _PRODUCT,
        COUNTER,
        "stage_flows",
        "How many customers went from which stage to which? `-`: it is their first. Without replayed changes.",
        ("dimension", "from_stage", "to_stage"),
    ),
    Family(
        _PRODUCT,
        COUNTER,
        "corrections",
        "How many changes undid one that a late event showed to be wrong? Many: the "
        "input comes late, silence is judged too early.",
    ),
    Family(_PRODUCT, COUNTER, "memberships_written", "How many rows were written to the memberships topic?"),
    Family(_PRODUCT, COUNTER, "customers_erased", "How many customers were erased on request?"),
    Family(
        _PRODUCT,
        GAUGE,
        "segment_members",
        "How many customers are in each segment? Of this worker's partitions: sum over the workers.",
        ("segment",),
    ),
    Family(
        _PRODUCT,
        GAUGE,
        "stage_customers",
        "How many customers are in each stage? Of this worker's partitions: sum over the workers.",
        ("dimension", "stage"),
    ),
    Family(_PRODUCT, GAUGE, "customers", "How many customers does each partition know?", _PARTITION),
    Family(
        _PRODUCT,
        HISTOGRAM,
        "change_latency_seconds",
        "How soon is a change out? event: commit less the record's timestamp; clock: commit less the due instant and "
        "the grace. Without replayed changes.",
        ("cause",),
        LATENCY_SECONDS,
    ),
    Family(
        _ERRORS,
        COUNTER,
        "rejected_events",
        "How many events could not be used, and why? They are in the rejected topic.",
        ("reason",),
    ),
    Family(
        _ERRORS,
        COUNTER,
        "core_failures",
        "How often did the core fail? A bug of ours: the record is rejected; at a wake, the clock stands.",
    ),
    Family(
        _ERRORS,
        COUNTER,
        "state_set_aside",
        "How often was a local copy of the state not trusted, and rebuilt from the changelog?",
    ),
    Family(
        _TIME,
        GAUGE,
        "partition_clock_timestamp_seconds",
        "How far has each partition judged silence? Absent until its clock has run once.",
        _PARTITION,
    ),
    Family(
        _TIME,
        GAUGE,
        "clock_blocked",
        "Why does a partition's clock stand still? 1 for the reason, all 0 when it is at most 5 s behind.",
        ("topic", "partition", "reason"),
    ),
    Family(_TIME, COUNTER, "wakes_fired", "How many customers were asked again because an instant had come?"),
    Family(
        _TIME,
        GAUGE,
        "wakes_next_due_timestamp_seconds",
        "When does the next wake fire: its due instant and the grace? Long past: wakes do not fire. Absent: none is "
        "due.",
        _PARTITION,
    ),
    Family(
        _TIME,
        GAUGE,
        "wakes_overdue_seconds",
        "How long ago should the first wake have fired, by the partition's own clock? 0 when none is due; more than a "
        "few seconds: wakes are not keeping up.",
        _PARTITION,
    ),
    Family(
        _TIME,
        GAUGE,
        "wakes_due",
        "How many customers will be asked again within an hour, a day, a week? At most so many: what they do meanwhile "
        "moves it. Counted every minute.",
        ("topic", "partition", "within"),
    ),
    Family(
        _TIME,
        GAUGE,
        "held_since_timestamp_seconds",
        "What is held, and since when? `hold` is its key; `by` is silence_hold, reject_stop_ratio, "
        "segmenter (known from a state only), or human. Absent: nothing is.",
        ("hold", "by"),
    ),
    Family(
        _TIME,
        GAUGE,
        "held_customers",
        "How many customers wait for a release? Something of them is kept back, or was due while the clock is held. "
        "Counted every minute.",
        _PARTITION,
    ),
    Family(
        _KAFKA,
        GAUGE,
        "consumer_lag",
        "How many records of each assigned partition are unread? Absent until asked once.",
        _PARTITION,
    ),
    Family(
        _KAFKA,
        GAUGE,
        "partition_position",
        "Which record of each partition comes next? Standing still with lag: the partition is stuck.",
        _PARTITION,
    ),
    Family(
        _KAFKA,
        GAUGE,
        "topic_partitions",
        "How many partitions has the input? More than all workers' assigned ones: some have no owner.",
        ("topic",),
    ),
    Family(_KAFKA, GAUGE, "assigned_partitions", "How many partitions are this worker's?", ("topic",)),
    Family(_KAFKA, COUNTER, "rebalances", "How often were partitions given to this worker or taken from it?"),
    Family(_KAFKA, COUNTER, "commits", "How many transactions were tried? Base of the share that failed."),
    Family(_KAFKA, COUNTER, "commit_failures", "How many of them were aborted, their records read again?"),
    Family(
        _KAFKA,
        HISTOGRAM,
        "commit_duration_seconds",
        "How long does a committed transaction take, from building its records to the local write?",
        (),
        COMMIT_SECONDS,
    ),
    Family(
        _KAFKA,
        HISTOGRAM,
        "commit_phase_seconds",
        "What in a commit takes the time? build: our records, handed over as they are made; offsets and commit: the "
        "broker; store: RocksDB.",
        ("phase",),
        PHASE_SECONDS,
    ),
    Family(
        _KAFKA,
        GAUGE,
        "open_transaction_seconds",
        "Since when does an open transaction hold back readers, on the input or on our changes? 0: none does.",
        _PARTITION,
    ),
    Family(
        _KAFKA,
        GAUGE,
        "input_retention_seconds",
        "How long does the input keep records? Absent: by size only, or for ever.",
        ("topic",),
    ),
    Family(
        _KAFKA,
        GAUGE,
        "input_headroom_seconds",
        "How long until retention may delete a record we have not read? Absent: nothing is unread, or nothing is "
        "deleted by age. Asked every 30 s.",
        _PARTITION,
    ),
    Family(_KAFKA, COUNTER, "produced_records", "How many committed records were written to each topic?", ("topic",)),
    Family(
        _STATE,
        GAUGE,
        "partition_restoring",
        "Which partitions are being restored (1)? Nothing moves in them so long.",
        _PARTITION,
    ),
    Family(
        _STATE,
        GAUGE,
        "restore_remaining_records",
        "How many offsets is it to the changelog's end? Compaction leaves gaps, so records are fewer. 0 when live.",
        _PARTITION,
    ),
    Family(
        _STATE,
        COUNTER,
        "restore_records",
        "How many changelog records were read back? Many times the customers: the topic is hardly compacted.",
    ),
    Family(
        _STATE,
        GAUGE,
        "restore_estimate_seconds",
        "How long until the changelog is read, at the pace so far? 0 when live.",
        _PARTITION,
    ),
    Family(
        _STATE,
        HISTOGRAM,
        "assignment_duration_seconds",
        "How long does a partition stand still when it comes to this worker, from assignment to its first record?",
        (),
        RESTORE_SECONDS,
    ),
    Family(
        _STATE,
        HISTOGRAM,
        "restore_duration_seconds",
        "How long does a partition's restore take?",
        ("rebuilt",),
        RESTORE_SECONDS,
    ),
    Family(_STATE, GAUGE, "state_keys", "How many entries does the store hold, by its own estimate?", _PARTITION),
    Family(_STATE, GAUGE, "state_size_bytes", "How large is the state, on disk and in write buffers?", _PARTITION),
    Family(
        _STATE,
        GAUGE,
        "state_pending_compaction_bytes",
        "How much is the store behind with compaction? Growing: the disk is too slow.",
        _PARTITION,
    ),
    Family(_STATE, GAUGE, "state_write_stopped", "Has the store stopped writes (1)?", _PARTITION),
    Family(
        _STATE,
        GAUGE,
        "state_background_errors",
        "Has the store met errors in the background? Look at the disk.",
        _PARTITION,
    ),
    Family(_STATE, GAUGE, "state_wakes", "How many wakes are stored, by the store's own estimate?", _PARTITION),
    Family(_STATE, GAUGE, "state_running_compactions", "How many compactions run?", _PARTITION),
    Family(
        _STATE,
        GAUGE,
        "state_block_cache_bytes",
        "How full is RocksDB's cache? All partitions share it: each shows the whole.",
        _PARTITION,
    ),
    Family(_STATE, COUNTER, "customer_lookups", "How many customers were touched, counted once a commit?"),
    Family(
        _STATE,
        COUNTER,
        "store_reads",
        "How many customers were asked of the store, for they were not held in memory? New ones count too, and those "
        "of a repeated message. Many beside the lookups: raise `cache_customers`.",
    ),
    Family(
        _STATE,
        COUNTER,
        "state_merged",
        "How many entries were merged or dropped, a customer having more than is kept one by one? Answers that "
        "rest on them say `approximate`.",
    ),
    Family(
        _STATE,
        GAUGE,
        "cached_customers",
        "How many customers are held in memory? At the bound: others are read from the store.",
        _PARTITION,
    ),
)


def page() -> str:
    """`docs/metrics.md`: the families as Markdown, by group."""
    lines = [INTRODUCTION]
    group = ""
    for family in FAMILIES:
        if family.group != group:
            group = family.group
            lines += [f"\n## {group}\n", "| metric | kind | labels | question |", "|---|---|---|---|"]
        labels = ", ".join(f"`{label}`" for label in family.labels)
        lines.append(f"| `{family.series}` | {family.kind} | {labels} | {family.help} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
