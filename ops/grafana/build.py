"""The dashboards as tables: `python ops/grafana/build.py` writes them to `dashboards/`; a test keeps them current.

`business.json` is for who owns the segments, `operation.json` for who is called at night. `$job` picks the pipeline.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH = 24
LIVE = 'job=~"$job",replayed="false"'
JOB = 'job=~"$job"'


@dataclass(frozen=True)
class Panel:
    """`queries`: (PromQL, legend). `width` of 24 columns. A stat shows what is now, `shows` its value, name or both."""

    title: str
    description: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    stacked: bool = False
    shows: str = "auto"


def _latency(share: float) -> str:
    return (
        f"histogram_quantile({share}, sum by (le, cause) (rate(segmenter_change_latency_seconds_bucket{{{JOB}}}"
        "[$__rate_interval])))"
    )


BUSINESS = (
    Panel(
        "Customers",
        "How many customers are known.",
        ((f"sum(segmenter_customers{{{JOB}}})", ""),),
        kind="stat",
        width=4,
    ),
    Panel(
        "Entered today",
        "Entries into segments in 24 hours, without replayed history.",
        ((f'sum(increase(segmenter_changes_total{{direction="entered",{LIVE}}}[24h]))', ""),),
        kind="stat",
        width=4,
    ),
    Panel(
        "Left today",
        "Exits from segments in 24 hours, without replayed history.",
        ((f'sum(increase(segmenter_changes_total{{direction="exited",{LIVE}}}[24h]))', ""),),
        kind="stat",
        width=4,
    ),
    Panel(
        "Asked again within 24 h",
        "So many customers have an instant within a day at which their answer may change by itself; at most so many.",
        ((f'sum(segmenter_wakes_due{{within="24h",{JOB}}})', ""),),
        kind="stat",
        width=4,
    ),
    Panel(
        "Freshness",
        "Share of changes of the last hour that were out 5 s after their cause.",
        ((f"1 - job:segmenter_changes_slow_per_changes:ratio_rate1h{{{JOB}}}", "{{job}}"),),
        unit="percentunit",
        kind="stat",
        width=4,
    ),
    Panel(
        "Corrections today",
        "Changes that undid one which a late event showed to be wrong.",
        ((f"sum(increase(segmenter_corrections_total{{{JOB}}}[24h]))", ""),),
        kind="stat",
        width=4,
    ),
    Panel(
        "Segment sizes",
        "How many customers are in each segment.",
        ((f"sum by (segment) (segmenter_segment_members{{{JOB}}})", "{{segment}}"),),
        width=12,
    ),
    Panel(
        "Stages",
        "How many customers are in each stage.",
        ((f"sum by (dimension, stage) (segmenter_stage_customers{{{JOB}}})", "{{dimension}}: {{stage}}"),),
        width=12,
    ),
    Panel(
        "Entries by segment",
        "Per hour. A sudden rise floods a campaign; compare with yesterday's curve.",
        ((f'sum by (segment) (increase(segmenter_changes_total{{direction="entered",{LIVE}}}[1h]))', "{{segment}}"),),
        width=12,
    ),
    Panel(
        "Exits by segment",
        "Per hour.",
        ((f'sum by (segment) (increase(segmenter_changes_total{{direction="exited",{LIVE}}}[1h]))', "{{segment}}"),),
        width=12,
    ),
    Panel(
        "Flows between stages",
        "Customers per hour from stage to stage; `-` is a customer's first.",
        (
            (
                f"sum by (dimension, from_stage, to_stage) (increase(segmenter_stage_flows_total{{{JOB}}}[1h])) > 0",
                "{{dimension}}: {{from_stage}} to {{to_stage}}",
            ),
        ),
        width=12,
    ),
    Panel(
        "Win-backs",
        "Customers per hour who came out of a stage or segment by an event of their own after time had put them there: "
        "exits caused by events.",
        (
            (
                f'sum by (segment) (increase(segmenter_changes_total{{direction="exited",cause="event",{LIVE}}}[1h]))',
                "{{segment}}",
            ),
        ),
        width=12,
    ),
    Panel(
        "Entries and exits by cause",
        "Per hour: by something the customer did, or by time passing.",
        (
            (
                f"sum by (direction, cause) (increase(segmenter_changes_total{{{LIVE}}}[1h]))",
                "{{direction}} by {{cause}}",
            ),
        ),
        width=12,
        stacked=True,
    ),
    Panel(
        "Events the definitions use",
        "Per second. One that stops makes customers seem silent.",
        (
            (
                f"sum by (event) (rate(segmenter_events_by_name_total{{{JOB}}}[$__rate_interval]))",
                "{{event}}",
            ),
        ),
        unit="ops",
        width=12,
    ),
    Panel(
        "Due",
        "Customers who will be asked again within an hour, a day, a week, overdue ones included.",
        ((f"sum by (within) (segmenter_wakes_due{{{JOB}}})", "within {{within}}"),),
        width=12,
    ),
    Panel(
        "Held back",
        "Customers whose changes wait for a release: `segmenter holds` says what is held, and why.",
        ((f"sum by (job) (segmenter_held_customers{{{JOB}}})", "{{job}}"),),
        width=12,
    ),
    Panel(
        "Judged by changed definitions",
        "Customers by revision of the definitions. The earlier ones' lines go to 0 while they are carried over.",
        ((f"sum by (revision) (segmenter_definitions_customers{{{JOB}}})", "revision {{revision}}"),),
        width=12,
        stacked=True,
    ),
    Panel(
        "Undecided after a change",
        "Dimensions and segments that ask for more than was kept before, and how long customers of before are "
        "undecided there.",
        (
            (
                f"max by (definition) (segmenter_segment_warming_until_timestamp_seconds{{{JOB}}}) - time() > 0",
                "{{definition}}",
            ),
        ),
        unit="s",
        width=12,
    ),
    Panel(
        "Erased",
        "Customers erased on request, in 24 hours.",
        ((f"sum(increase(segmenter_customers_erased_total{{{JOB}}}[24h]))", "erased"),),
        width=12,
    ),
)

OPERATION = (
    Panel(
        "Workers",
        "What each worker is doing.",
        ((f"segmenter_worker_state{{{JOB}}} == 1", "{{instance}} {{segmenter_worker_state}}"),),
        kind="stat",
        width=8,
        shows="name",
    ),
    Panel(
        "Alerts",
        "What fires; each has a section in docs/runbook.md.",
        (
            (
                'count by (alertname) (ALERTS{alertstate="firing",alertname=~"Segmenter.*",severity!="none"})',
                "{{alertname}}",
            ),
        ),
        kind="stat",
        width=8,
        shows="value_and_name",
    ),
    Panel(
        "Partitions without a worker",
        "Input partitions that nobody reads.",
        (
            (
                f"max by (job) (segmenter_topic_partitions{{{JOB}}}) - sum by (job) "
                f"(segmenter_assigned_partitions{{{JOB}}})",
                "{{job}}",
            ),
        ),
        kind="stat",
        width=4,
    ),
    Panel(
        "Definitions",
        "More than one: workers judge by different definitions.",
        ((f"count by (job) (count by (job, hash) (segmenter_definitions_info{{{JOB}}}))", "{{job}}"),),
        kind="stat",
        width=4,
    ),
    Panel(
        "Events",
        "Is what comes in also done? The lines lie on each other; a gap means work piles up.",
        (
            (f"sum(rate(segmenter_events_received_total{{{JOB}}}[$__rate_interval]))", "received"),
            (f"sum(rate(segmenter_events_processed_total{{{JOB}}}[$__rate_interval]))", "processed"),
        ),
        unit="ops",
    ),
    Panel(
        "Rejected",
        "By reason; the records are in the rejected topic.",
        ((f"sum by (reason) (rate(segmenter_rejected_events_total{{{JOB}}}[$__rate_interval])) > 0", "{{reason}}"),),
        unit="ops",
    ),
    Panel(
        "Late, duplicate, ignored",
        "Late: after their customer was judged at a later instant.",
        (
            (f"sum(rate(segmenter_events_late_total{{{JOB}}}[$__rate_interval]))", "late"),
            (f"sum(rate(segmenter_events_duplicate_total{{{JOB}}}[$__rate_interval]))", "duplicate"),
            (f"sum(rate(segmenter_events_ignored_total{{{JOB}}}[$__rate_interval]))", "ignored"),
        ),
        unit="ops",
    ),
    Panel(
        "From cause to change",
        "event: from the record's append; clock: from the due instant and the grace. The objective: 99 % within 5 s.",
        ((_latency(0.5), "p50 {{cause}}"), (_latency(0.99), "p99 {{cause}}")),
        unit="s",
    ),
    Panel(
        "Lag",
        "Unread records by partition. A single high line is one stuck partition.",
        ((f"segmenter_consumer_lag{{{JOB}}}", "{{partition}}"),),
    ),
    Panel(
        "Clock behind",
        "How far each partition is from having judged silence up to now.",
        ((f"time() - segmenter_partition_clock_timestamp_seconds{{{JOB}}}", "{{partition}}"),),
        unit="s",
    ),
    Panel(
        "Why clocks stand still",
        "Partitions by reason; nothing shown: all run.",
        ((f"sum by (reason) (segmenter_clock_blocked{{{JOB}}}) > 0", "{{reason}}"),),
        stacked=True,
    ),
    Panel(
        "What is held",
        "And for how long; nothing shown: nothing is. `partition/N`: it is not read on.",
        (
            (
                f"time() - min by (hold, by) (segmenter_held_since_timestamp_seconds{{{JOB}}} and on "
                f"(job, instance) segmenter_assigned_partitions{{{JOB}}} > 0)",
                "{{hold}} by {{by}}",
            ),
        ),
        unit="s",
    ),
    Panel(
        "Customers held back",
        "By partition: something of them waits for `segmenter release`. Afterwards it goes down by 5,000 a commit.",
        ((f"segmenter_held_customers{{{JOB}}} > 0", "{{partition}}"),),
    ),
    Panel(
        "Customers of earlier definitions",
        "Still to be carried over, by worker and revision; the line must go down (`definitions_rate`).",
        (
            (
                f"sum by (instance, revision) (segmenter_definitions_customers{{{JOB}}}) "
                "unless on (instance, revision) "
                f'label_replace(segmenter_definitions_info{{{JOB}}}, "revision", "$1", "version", "(.*)")',
                "{{instance}} revision {{revision}}",
            ),
        ),
    ),
    Panel(
        "Wakes",
        "How many customers are asked again a second because an instant has come.",
        ((f"sum by (instance) (rate(segmenter_wakes_fired_total{{{JOB}}}[$__rate_interval]))", "{{instance}}"),),
        unit="ops",
    ),
    Panel(
        "Wakes overdue",
        "By the partition's own clock. More than seconds: a storm, or they are not keeping up.",
        ((f"segmenter_wakes_overdue_seconds{{{JOB}}}", "{{partition}}"),),
        unit="s",
    ),
    Panel(
        "Commits",
        "Transactions a second, and those that were aborted.",
        (
            (f"sum by (instance) (rate(segmenter_commits_total{{{JOB}}}[$__rate_interval]))", "{{instance}}"),
            (
                f"sum by (instance) (rate(segmenter_commit_failures_total{{{JOB}}}[$__rate_interval]))",
                "{{instance}} failed",
            ),
        ),
        unit="ops",
    ),
    Panel(
        "Commit phases",
        "Mean time of each: build is ours, offsets and commit are the broker's, store is RocksDB's.",
        (
            (
                f"sum by (phase) (rate(segmenter_commit_phase_seconds_sum{{{JOB}}}[$__rate_interval])) / "
                f"sum by (phase) (rate(segmenter_commit_phase_seconds_count{{{JOB}}}[$__rate_interval]))",
                "{{phase}}",
            ),
        ),
        unit="s",
        stacked=True,
    ),
    Panel(
        "Busy",
        "Share of the time spent on batches and commits; above 0.8 add workers.",
        ((f"rate(segmenter_busy_seconds_total{{{JOB}}}[$__rate_interval])", "{{instance}}"),),
        unit="percentunit",
    ),
    Panel(
        "Open transactions",
        "How long one has held back readers, on the input or on our changes.",
        ((f"segmenter_open_transaction_seconds{{{JOB}}} > 0", "{{topic}} {{partition}}"),),
        unit="s",
    ),
    Panel(
        "Headroom of the input",
        "Until retention may delete what was not read; absent when nothing is unread.",
        ((f"segmenter_input_headroom_seconds{{{JOB}}}", "{{partition}}"),),
        unit="s",
    ),
    Panel(
        "Restore",
        "Estimate of what is left, by partition.",
        ((f"segmenter_restore_estimate_seconds{{{JOB}}} > 0", "{{instance}} {{partition}}"),),
        unit="s",
    ),
    Panel(
        "State",
        "On disk and in write buffers, and what is left of the disk.",
        (
            (f"sum by (instance) (segmenter_state_size_bytes{{{JOB}}})", "{{instance}} state"),
            (f"segmenter_data_dir_free_bytes{{{JOB}}}", "{{instance}} free"),
        ),
        unit="bytes",
    ),
    Panel(
        "Read from the store",
        "Share of the customers touched that were not held in memory.",
        (
            (
                f"sum by (instance) (rate(segmenter_store_reads_total{{{JOB}}}[$__rate_interval])) / "
                f"sum by (instance) (rate(segmenter_customer_lookups_total{{{JOB}}}[$__rate_interval]))",
                "{{instance}}",
            ),
        ),
        unit="percentunit",
    ),
    Panel(
        "Read back",
        "Records of the state topic that restores have read. Many times the customers: it is hardly compacted.",
        ((f"increase(segmenter_restore_records_total{{{JOB}}}[$__rate_interval])", "{{instance}}"),),
    ),
    Panel(
        "Memory",
        "Resident, by process.",
        (('process_resident_memory_bytes{job=~"$job"}', "{{instance}}"),),
        unit="bytes",
    ),
    Panel(
        "Processor",
        "Cores used, by process; Python uses one.",
        (('rate(process_cpu_seconds_total{job=~"$job"}[$__rate_interval])', "{{instance}}"),),
    ),
    Panel(
        "Log lines",
        "Warnings and worse, a minute.",
        (
            (
                f'sum by (instance, level) (rate(segmenter_log_messages_total{{level=~"warning|error|critical",{JOB}}}'
                "[$__rate_interval])) * 60",
                "{{instance}} {{level}}",
            ),
        ),
    ),
)


def dashboard(uid: str, title: str, panels: tuple[Panel, ...]) -> dict[str, Any]:
    """As Grafana reads it."""
    job = {
        "name": "job",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": "label_values(segmenter_build_info, job)", "refId": "job"},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }
    deployed = {
        "name": "Definitions loaded",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "blue",
        "expr": f"changes(segmenter_definitions_loaded_timestamp_seconds{{{JOB}}}[1m]) > 0",
        "titleFormat": "{{instance}} started",
    }
    return {
        "uid": uid,
        "title": title,
        "tags": ["segmenter"],
        "schemaVersion": 41,
        "version": 1,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": [job]},
        "annotations": {"list": [deployed]},
        "links": [{"type": "dashboards", "tags": ["segmenter"], "title": "Segmenter", "asDropdown": True}],
        "panels": _laid_out(panels),
    }


def _laid_out(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    found, x, y, height = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > WIDTH:
            x, y = 0, y + height
        height = 4 if panel.kind == "stat" else 8
        found.append(_panel(number, panel, {"x": x, "y": y, "w": panel.width, "h": height}))
        x += panel.width
    return found


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    custom = {"custom": {"stacking": {"mode": "normal"}, "fillOpacity": 30}} if panel.stacked else {}
    # A range would go on showing the last value of a series that ended hours ago.
    now = {"instant": True, "range": False} if panel.kind == "stat" else {}
    last = {"reduceOptions": {"calcs": ["lastNotNull"], "values": False}, "textMode": panel.shows}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, **custom}, "overrides": []},
        **({"options": last} if now else {}),
        "targets": [
            {"refId": chr(ord("A") + at), "expr": query, "legendFormat": legend, **now}
            for at, (query, legend) in enumerate(panel.queries)
        ],
    }


def texts() -> dict[str, str]:
    """File name -> content of every dashboard."""
    boards = {
        "business.json": dashboard("segmenter-business", "Segments", BUSINESS),
        "operation.json": dashboard("segmenter-operation", "Segmenter operation", OPERATION),
    }
    return {name: json.dumps(board, indent=1) + "\n" for name, board in boards.items()}


if __name__ == "__main__":
    for name, text in texts().items():
        (HERE / "dashboards" / name).write_text(text, "utf-8")
