"""Laws of the metrics: told by the real engine on a log in memory, read as Prometheus reads them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as Counters
from prometheus_client.parser import text_string_to_metric_families

from stream.codec.control import Control
from stream.codec.instants import to_text
from stream.codec.journal import META_KEY, RESERVED
from stream.codec.partitioners import PARTITIONERS, partitioner_of
from stream.codec.snapshot import decode_profile
from stream.core.events import Reason
from stream.engine.observer import CLOCK_BLOCKS, COMMIT_PHASES
from stream.key_metrics import KeyMetrics
from stream.metric_families import CLOCK_REASONS, COUNTER, FAMILIES, HISTOGRAM, PREFIX, STATES, page
from stream.metrics import Metrics
from stream.rules.compile import compile_program
from stream.rules.load import parse_definitions
from tests.engine.world import DAY, START, Fault, Worker, World

SHOP = """\
definitions: 1
name: shop
events:
  purchase: Order Completed
dimensions:
  lifecycle:
    stages:
      - prospect: count(purchase) == 0
      - active: last(purchase) > ago(30d)
      - inactive: otherwise
segments:
  lost:
    when: lifecycle == "inactive"
    topic: win-back
  buyer:
    when: count(purchase) >= 1
"""
PROGRAM = compile_program(parse_definitions([("shop.yaml", SHOP)]))
OUTPUTS = ("changes", "memberships", "rejected", "state", "journal", "win-back")


def metrics() -> Metrics:
    return Metrics(
        PROGRAM,
        input_topic="events",
        partition_count=2,
        output_topics=OUTPUTS,
        event_names=PROGRAM.event_names,
        grace_ms=2_000,
        loaded_ms=START,
    )


def value(told: Metrics, name: str, **labels: str) -> float | None:
    return told.registry.get_sample_value(PREFIX + name, labels)


def of_partition(told: Metrics, partition: int) -> set[str]:
    """Names of the series that a partition has."""
    return {
        sample.name
        for family in told.registry.collect()
        for sample in family.samples
        if sample.labels.get("partition") == str(partition)
    }


def state(told: Metrics) -> list[str]:
    label = PREFIX + "worker_state"
    return [name for name in STATES if value(told, "worker_state", **{label: name})]


def event(customer: str, at_ms: int, number: int, name: str = "Order Completed") -> bytes:
    message = {"type": "track", "event": name, "userId": customer, "messageId": f"m{number}"}
    return json.dumps({**message, "timestamp": to_text(at_ms)}).encode()


def order(world: World, customer: str, partition: int = 0) -> None:
    number = sum(len(log) for log in world.inputs.values())
    world.send(customer, event(customer, world.now_ms, number), partition)


async def started(world: World, *partitions: int) -> tuple[Worker, Metrics]:
    told = metrics()
    worker = Worker(world, PROGRAM, told)
    await worker.assign(*partitions)
    return worker, told


def counted(world: World, *partitions: int) -> Counter[str]:
    """Members by reading every customer of the state topic, of these partitions or all."""
    partitions = partitions or tuple(range(world.partitions))
    newest = {record.key: record.value for partition in partitions for record in world.values("state", partition)}
    found: Counter[str] = Counter()
    for key, data in newest.items():
        if data is None or key == META_KEY or key.startswith(RESERVED):
            continue
        profile = decode_profile(key.decode(), data, PROGRAM)
        for definition, answer in zip(PROGRAM.definitions, profile.answers, strict=True):
            if not definition.is_segment:
                found[definition.stages[answer]] += 1
            elif answer:
                found[definition.name] += 1
    return found


def shown(told: Metrics) -> Counter[str]:
    """Members as the gauges show them, without zeros."""
    return +Counter({
        sample.labels.get("segment") or sample.labels["stage"]: int(sample.value)
        for family in told.registry.collect()
        if family.name in (PREFIX + "segment_members", PREFIX + "stage_customers")
        for sample in family.samples
    })  # fmt: skip


# -- the families


def test_the_page_of_metrics_is_current():
    found = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text()
    assert found == page(), "write it anew: python -m stream.metric_families > docs/metrics.md"


def test_what_is_exported_is_what_the_table_says_and_nothing_more():
    kinds = {"stateset": "gauge"}  # as the text format 0.0.4 has it
    exported = {
        family.name: family.type
        for family in text_string_to_metric_families(generate_latest(metrics().registry).decode())
        if not family.name.startswith(("process_", "python_"))
    }
    assert exported == {PREFIX + family.name: kinds.get(family.kind, family.kind) for family in FAMILIES}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_asks_an_operators_question_and_names_its_unit(family):
    assert "?" in family.help
    assert family.series.endswith("_total") == (family.kind == COUNTER)
    assert bool(family.buckets) == (family.kind == HISTOGRAM)
    assert family.kind != HISTOGRAM or family.name.endswith("_seconds")
    assert not {"customer", "customer_id", "user", "email"} & set(family.labels)


def test_series_known_in_advance_stand_at_zero_before_the_first_event():
    told = metrics()
    for segment in ("lost", "buyer"):
        assert value(told, "segment_members", segment=segment) == 0
        for direction in ("entered", "exited"):
            for cause in ("event", "clock"):
                labels = {"segment": segment, "direction": direction, "cause": cause, "replayed": "false"}
                assert value(told, "changes_total", **labels) == 0
    for stage in ("prospect", "active", "inactive"):
        assert value(told, "stage_customers", dimension="lifecycle", stage=stage) == 0
    assert all(value(told, "rejected_events_total", reason=str(reason)) == 0 for reason in Reason)
    assert all(value(told, "produced_records_total", topic=topic) == 0 for topic in OUTPUTS)
    assert all(value(told, "change_latency_seconds_count", cause=cause) == 0 for cause in ("event", "clock"))
    assert value(told, "events_processed_total", topic="events") == 0
    assert all(value(told, "events_by_name_total", event=name) == 0 for name in ("Order Completed", "other"))
    assert all(value(told, "commit_phase_seconds_count", phase=phase) == 0 for phase in COMMIT_PHASES)
    for before, after in (("-", "prospect"), ("prospect", "active"), ("active", "inactive"), ("inactive", "active")):
        labels = {"dimension": "lifecycle", "from_stage": before, "to_stage": after}
        assert value(told, "stage_flows_total", **labels) == 0


def test_latency_has_a_bound_at_each_limit_an_objective_may_name():
    (family,) = [family for family in FAMILIES if family.name == "change_latency_seconds"]
    assert {0.5, 1.0, 5.0, 30.0, 60.0} <= set(family.buckets)


def test_no_series_tells_when_it_was_created():
    assert b"_created" not in generate_latest(metrics().registry)


# -- flow and product


async def test_counts_are_those_of_the_topics():
    world = World()
    worker, told = await started(world, 0)
    for customer in ("ada", "bob", "cy"):
        order(world, customer)
    world.send("ada", event("ada", world.now_ms, 0))  # ada's message id again
    world.send("bob", event("bob", world.now_ms - DAY, 90))  # late
    world.send("bob", b"{")
    world.send("bob", b'{"type": "hello", "userId": "bob"}')
    world.send("cy", None)
    await worker.settle()
    assert value(told, "events_received_total", topic="events") == 8
    assert value(told, "events_processed_total", topic="events") == 8
    for name in ("late", "duplicate", "ignored"):
        assert value(told, f"events_{name}_total", topic="events") == 1, name
    assert value(told, "rejected_events_total", reason="invalid-json") == 1
    assert value(told, "customers_erased_total") == 1
    assert value(told, "events_in_progress") == 0
    assert value(told, "last_event_processed_timestamp_seconds", topic="events") is not None
    for topic in OUTPUTS:
        assert value(told, "produced_records_total", topic=topic) == len(world.values(topic)), topic
    assert value(told, "memberships_written_total") == len(world.values("memberships"))
    live = {"cause": "event", "replayed": "false"}
    assert value(told, "changes_total", segment="buyer", direction="entered", **live) == 3
    assert value(told, "stage_changes_total", dimension="lifecycle", stage="active", **live) == 3
    assert value(told, "change_latency_seconds_count", cause="event") == 6


async def test_history_read_at_the_first_start_is_counted_apart_and_has_no_latency():
    world = World()
    order(world, "ada")
    worker, told = await started(world, 0)
    await worker.settle()
    labels = {"segment": "buyer", "direction": "entered", "cause": "event"}
    assert value(told, "changes_total", replayed="true", **labels) == 1
    assert value(told, "changes_total", replayed="false", **labels) == 0
    assert value(told, "change_latency_seconds_count", cause="event") == 0


async def test_the_latency_of_a_silence_runs_from_its_due_instant_and_the_grace_to_the_commit():
    world = World()
    worker, told = await started(world, 0)
    order(world, "ada")
    await worker.settle()
    world.now_ms += 30 * DAY + 2_500
    await worker.settle()
    assert value(told, "change_latency_seconds_count", cause="clock") == 2
    assert value(told, "change_latency_seconds_sum", cause="clock") == 2 * 0.5
    assert value(told, "wakes_fired_total") == 1


async def test_the_latency_of_an_event_runs_from_its_records_timestamp_to_the_commit():
    world = World()
    worker, told = await started(world, 0)
    world.send("ada", event("ada", world.now_ms - DAY, 1))  # old news, appended now
    world.now_ms += 1_500
    world.send("ada", event("ada", world.now_ms, 2, "Page Seen"))
    await worker.settle()
    assert value(told, "change_latency_seconds_count", cause="event") == 2
    assert value(told, "change_latency_seconds_sum", cause="event") == 2 * 1.5


async def test_events_are_counted_by_the_names_that_the_definitions_use_and_others_together():
    world = World()
    worker, told = await started(world, 0)
    for number, name in enumerate(("Order Completed", "Page Seen", "Order Completed", "hostile name of a sender")):
        world.send("ada", event("ada", world.now_ms, number, name))
    await worker.settle()
    assert value(told, "events_by_name_total", event="Order Completed") == 2
    assert value(told, "events_by_name_total", event="other") == 2
    assert b"hostile" not in generate_latest(told.registry)


async def test_events_of_an_aborted_commit_are_counted_once():
    world = World()
    worker, told = await started(world, 0)
    order(world, "ada")
    world.faults["commit"] = [Fault.ABORT]
    await worker.settle()
    assert value(told, "events_by_name_total", event="Order Completed") == 1
    assert value(told, "customer_lookups_total") == 1


async def test_customers_flow_from_stage_to_stage():
    world = World()
    worker, told = await started(world, 0)
    order(world, "ada")
    world.now_ms += 1
    world.send("ada", event("ada", world.now_ms, 2, "Page Seen"))
    await worker.settle()
    world.now_ms += 31 * DAY
    await worker.settle()
    labels = {"dimension": "lifecycle"}
    assert value(told, "stage_flows_total", from_stage="-", to_stage="active", **labels) == 1
    assert value(told, "stage_flows_total", from_stage="active", to_stage="inactive", **labels) == 1


async def test_a_commit_tells_its_phases_and_when_it_was():
    world = World()
    worker, told = await started(world, 0)
    order(world, "ada")
    await worker.settle()
    commits = value(told, "commit_duration_seconds_count")
    assert all(value(told, "commit_phase_seconds_count", phase=phase) == commits for phase in COMMIT_PHASES)
    assert value(told, "last_commit_timestamp_seconds") == world.now_ms / 1000


async def test_wakes_fire_when_the_grace_is_over_and_are_overdue_from_then_on_by_the_partitions_own_clock():
    told = metrics()
    told.assigned([0])
    labels = {"topic": "events", "partition": "0"}
    told.clock(0, START, START + 1)
    assert value(told, "wakes_overdue_seconds", **labels) == 0
    told.clock(0, START + 10_000, START + 1_000)
    assert value(told, "wakes_overdue_seconds", **labels) == 10 - 2 - 1
    assert value(told, "wakes_next_due_timestamp_seconds", **labels) == START / 1000 + 1 + 2
    told.clock(0, START + 10_000, None)
    assert value(told, "wakes_overdue_seconds", **labels) == 0


async def test_a_change_that_undoes_another_is_a_correction():
    world = World()
    worker, told = await started(world, 0)
    order(world, "ada")
    await worker.settle()
    world.now_ms += 31 * DAY
    await worker.settle()
    world.send("ada", event("ada", world.now_ms - 2 * DAY, 1))
    await worker.settle()
    assert value(told, "corrections_total") == 2


async def test_members_are_those_of_the_stored_customers_through_silence_erasure_aborts_and_a_restart():
    world = World(partitions=2)
    worker, told = await started(world, 0, 1)
    for number in range(12):
        world.now_ms += 4 * DAY
        order(world, f"c{number}", number % 2)
        if number % 4 == 3:
            world.send(f"c{number - 2}", None, number % 2)
        if number % 5 == 4:
            world.faults["commit"] = [Fault.ABORT]
        world.send(f"c{number}", event(f"c{number}", world.now_ms, 1000 + number, "Page Seen"), number % 2)
        await worker.settle(most=2)
        assert shown(told) == counted(world)
    assert len(counted(world)) == 4, "the history must reach every kind of member"
    restarted, told_again = await started(world, 0, 1)
    assert shown(told_again) == counted(world)
    await restarted.engine.revoked([1], "metadata")
    assert shown(told_again) == counted(world, 0)


async def test_members_come_back_when_the_local_copy_is_lost():
    world = World()
    worker, _ = await started(world, 0)
    order(world, "ada")
    await worker.settle()
    expected = counted(world)
    world.stores.clear()
    _, told = await started(world, 0)
    assert shown(told) == expected
    assert value(told, "restore_duration_seconds_count", rebuilt="true") == 1


# -- Kafka, time, state


async def test_an_aborted_transaction_is_one_tried_and_one_failed_and_leaves_nothing_in_progress():
    world = World()
    worker, told = await started(world, 0)
    order(world, "ada")
    await worker.read()
    assert value(told, "events_in_progress") == 1
    world.faults["commit"] = [Fault.ABORT]
    await worker.engine.commit()
    assert (value(told, "commits_total"), value(told, "commit_failures_total")) == (1, 1)
    assert value(told, "events_in_progress") == 0
    assert value(told, "events_processed_total", topic="events") == 0
    await worker.settle()
    assert (value(told, "commits_total"), value(told, "commit_failures_total")) == (2, 1)
    assert value(told, "commit_duration_seconds_count") == 1
    assert value(told, "events_processed_total", topic="events") == 1


async def test_a_partition_tells_where_it_stands_and_what_is_due():
    world = World()
    worker, told = await started(world, 0)
    labels = {"topic": "events", "partition": "0"}
    assert value(told, "partition_clock_timestamp_seconds", **labels) is None
    order(world, "ada")
    await worker.engine.tick()
    assert value(told, "consumer_lag", **labels) == 1
    assert value(told, "wakes_next_due_timestamp_seconds", **labels) is None
    await worker.settle()
    await worker.engine.tick()
    assert value(told, "consumer_lag", **labels) == 0
    assert value(told, "partition_position", **labels) == 1
    assert value(told, "customers", **labels) == 1
    assert value(told, "partition_clock_timestamp_seconds", **labels) == world.now_ms / 1000
    assert value(told, "wakes_next_due_timestamp_seconds", **labels) == (world.now_ms + 30 * DAY + 2_000) / 1000


async def test_a_partition_that_is_taken_away_leaves_no_series_behind():
    world = World(partitions=2)
    worker, told = await started(world, 0, 1)
    order(world, "ada", 0)
    order(world, "bob", 1)
    await worker.settle()
    assert value(told, "assigned_partitions", topic="events") == 2
    await worker.engine.revoked([0], "metadata")
    told.restoring(0, 5, 7, 5)  # from the thread of a restore that has not noticed yet
    assert of_partition(told, 0) == set()
    assert of_partition(told, 1) != set()
    assert value(told, "assigned_partitions", topic="events") == 1
    assert value(told, "segment_members", segment="buyer") == 1


def test_a_partition_being_restored_tells_how_much_is_left():
    told = metrics()
    labels = {"topic": "events", "partition": "3"}
    told.assigned([3])
    told.restoring(3, 10, 90, 8)
    assert value(told, "partition_restoring", **labels) == 1
    assert value(told, "restore_remaining_records", **labels) == 90
    told.restored(3, 100, 4.0, True)
    told.live(3, 17, 100, {})
    assert value(told, "partition_restoring", **labels) == 0
    assert value(told, "restore_remaining_records", **labels) == 0
    assert value(told, "restore_duration_seconds_sum", rebuilt="true") == 4.0


def test_the_worker_is_in_exactly_one_state():
    told = metrics()
    assert state(told) == ["starting"]
    told.assigned([])
    assert state(told) == ["idle"]
    told.assigned([0, 1])
    assert state(told) == ["restoring"]
    told.live(0, 0, 0, {})
    assert state(told) == ["restoring"]
    told.live(1, 0, 0, {})
    assert state(told) == ["running"]
    told.dropped([0, 1])
    assert state(told) == ["idle"]
    told.draining()
    told.dropped([])
    assert state(told) == ["draining"]
    told.failed(RuntimeError())
    assert state(told) == ["failed"]


def test_a_partitions_clock_that_stands_still_names_one_reason():
    told = metrics()

    def blocked() -> list[str]:
        labels = {"topic": "events", "partition": "0"}
        return [reason for reason in CLOCK_REASONS if value(told, "clock_blocked", reason=reason, **labels)]

    told.assigned([0, 1])
    assert blocked() == ["restoring"]
    told.standing(0, "broker-unreachable")
    assert blocked() == ["broker-unreachable"]
    told.standing(0, None)
    assert blocked() == []
    assert of_partition(told, 0)
    told.dropped([0])
    assert of_partition(told, 0) == set()


def test_every_reason_of_the_engine_is_one_of_the_metrics():
    assert set(CLOCK_BLOCKS) < set(CLOCK_REASONS)


def test_the_store_tells_its_sizes_as_far_as_it_knows_them():
    told = metrics()
    told.assigned([0])
    told.stored(0, {"sst_bytes": 10, "memtable_bytes": 5, "write_stopped": 1}, 3)
    labels = {"topic": "events", "partition": "0"}
    assert value(told, "state_size_bytes", **labels) == 15
    assert value(told, "state_write_stopped", **labels) == 1
    assert value(told, "state_keys", **labels) is None
    assert value(told, "cached_customers", **labels) == 3


def test_log_lines_are_counted_by_level_and_passed_on():
    told = metrics()
    line = {"event": "something"}
    for method in ("info", "warning", "warn", "exception"):
        assert told.count_log(None, method, line) is line
    assert [value(told, "log_messages_total", level=level) for level in ("info", "warning", "error")] == [1, 2, 1]


async def test_no_series_holds_anything_of_a_customer():
    world = World()
    worker, told = await started(world, 0)
    order(world, "secret-ada@example.com")
    world.send("secret-bob", b'{"type": "secret-type", "userId": "secret-bob"}')
    world.send("secret-cy", b'{"type": "track", "userId": "secret-cy", "event": "secret-event"}')
    world.send("secret-di", b"secret")
    await worker.settle()
    assert value(told, "events_processed_total", topic="events") == 4
    assert b"secret" not in generate_latest(told.registry)


def test_what_is_held_is_told_by_key_and_by_whose_kind_and_gone_when_it_is_released():
    told = metrics()
    keys = ("clock", "partition/3", "segment/unknown")
    told.held({key: Control("silence_hold" if key == "clock" else "ann", 5_000, "why") for key in keys})
    assert value(told, "held_since_timestamp_seconds", hold="clock", by="silence_hold") == 5
    assert value(told, "held_since_timestamp_seconds", hold="partition/3", by="human") == 5
    assert value(told, "held_since_timestamp_seconds", hold="other", by="human") == 5
    told.held({})
    assert value(told, "held_since_timestamp_seconds", hold="clock", by="silence_hold") is None


def test_of_the_inputs_keys_one_a_second_tells_who_put_it_there():
    registry = CollectorRegistry()
    counter = Counters("keys", "Who put them there?", ["partitioner"], registry=registry)
    keys = KeyMetrics(2, counter)
    by_java_in_1 = next(key for key in (b"%d" % n for n in range(99)) if partitioner_of(key, 1, 2) == "murmur2")
    for read_ms, key in [(5_000, by_java_in_1), (5_999, by_java_in_1), (6_000, None), (6_000, by_java_in_1)]:
        keys.sample(1, read_ms, key)
    KeyMetrics(1, counter).sample(0, 9_000, by_java_in_1)  # with one partition there is nothing to tell

    told = {name: registry.get_sample_value("keys_total", {"partitioner": name}) for name in PARTITIONERS}
    assert told == {"murmur2": 2, "crc32": 0, "other": 0}
