from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from stream.cli.replay import replay_lines
from stream.codec.inbound import MAX_BYTES
from stream.codec.instants import from_text
from stream.core.events import Erasure, Event, Rejected
from tests.cli.commands import DAY_MS, SHOP, SMALLEST, START_MS, order, replay, run, told
from tests.oracle.generate import definition_files, end_of, logs
from tests.oracle.history import Log, Step
from tests.oracle.history import replay as oracle_replay
from tests.oracle.test_against_core import by_customer, compiled

# -- the worked example ------------------------------------------------------------------------------------------------

KIM = [
    {"type": "identify", "userId": "kim", "_ts_ms": START_MS, "traits": {"marketing_consent": True}},
    order("kim", START_MS, properties={"revenue": 250}),
]


def test_one_order_and_silence_give_the_changes_of_the_worked_example() -> None:
    changes, _ = replay(KIM, SHOP, until="2027-01-10T00:00:00Z")

    moved = [(*told(change)[1:3], change["effective_at"][:10], change["cause"]["kind"]) for change in changes]
    assert moved == [
        ("lifecycle", "prospect", "2026-01-05", "event"),
        ("frequency", "none", "2026-01-05", "event"),
        ("recency", "never", "2026-01-05", "event"),
        ("lifecycle", "new", "2026-01-05", "event"),
        ("frequency", "one-time", "2026-01-05", "event"),
        ("recency", "hot", "2026-01-05", "event"),
        ("recency", "warm", "2026-01-12", "clock"),
        ("lifecycle", "active", "2026-02-04", "clock"),
        ("recency", "cool", "2026-02-04", "clock"),
        ("frequency", "none", "2026-04-05", "clock"),
        ("recency", "cold", "2026-04-05", "clock"),
        ("lifecycle", "inactive", "2026-07-04", "clock"),
        ("win-back", True, "2026-07-04", "clock"),
        ("subscriber-lost", True, "2026-07-04", "clock"),
        ("win-back", False, "2027-01-05", "clock"),
    ]
    assert [change["sequence"] for change in changes] == list(range(1, 16))
    assert all(change["replayed"] for change in changes)


def test_what_was_passed_over_is_told_with_its_names() -> None:
    events = [
        order("kim", START_MS),
        {**order("kim", START_MS + 1, "m-2"), "event": "order completed"},
        {**order("kim", START_MS + 2, "m-3"), "type": "Track"},
        order("kim", START_MS + 400 * DAY_MS, "m-4"),
    ]
    _, result = replay(events, until="2026-06-01T00:00:00Z")
    assert result.stderr.splitlines()[:-1] == [
        "ignored, of a type that is none of track, identify, page, screen, group: 'Track' (1)",
        "events that no definition names: 'order completed' (1)",
        "later than --until, and taken for that instant: 1",
    ]


def test_the_same_file_prints_the_same_bytes_twice() -> None:
    events = [order(f"c{number % 7}", START_MS + number * DAY_MS // 3, f"m{number}") for number in range(60)]

    (_, first), (_, second) = replay(events), replay(events)

    assert first.stdout_bytes == second.stdout_bytes != b""


def test_the_order_of_lines_of_different_customers_does_not_matter() -> None:
    histories = [
        [order(f"c{each}", START_MS + day * DAY_MS) for day in range(each, 90, 11 + each)] for each in range(5)
    ]
    shuffled: list[dict[str, Any]] = []
    left = [list(history) for history in histories]
    draw = random.Random(5)
    while any(left):
        shuffled.append(draw.choice([history for history in left if history]).pop(0))

    one_by_one, _ = replay([event for history in histories for event in history], until="2027-01-01T00:00:00Z")
    mixed, _ = replay(shuffled, until="2027-01-01T00:00:00Z")

    assert sorted(map(told, one_by_one)) == sorted(map(told, mixed))


# -- time --------------------------------------------------------------------------------------------------------------


def test_silence_is_judged_up_to_the_newest_lines_time_when_no_end_is_given() -> None:
    events = [order("kim", START_MS), order("lee", START_MS + 90 * DAY_MS)]

    changes, _ = replay(events)

    assert ("kim", "gone-quiet", True, "2026-04-05T00:00:00.000Z", "clock") in map(told, changes)


def test_what_is_later_than_the_end_is_clamped_to_it() -> None:
    changes, _ = replay([order("kim", START_MS + 9 * DAY_MS)], until="2026-01-06T00:00:00Z")

    assert told(changes[0]) == ("kim", "newcomer", True, "2026-01-06T00:00:00.000Z", "event")
    assert changes[0]["decided_at"] == "2026-01-06T00:00:00.000Z"


def test_a_line_without_the_records_timestamp_stands_at_the_events_own_time() -> None:
    event = order("kim", 0) | {"timestamp": "2026-01-05T09:00:00+01:00", "sentAt": "2026-01-05T08:00:07Z"}
    del event["_ts_ms"]

    changes, _ = replay([event])

    assert [change["effective_at"] for change in changes] == ["2026-01-05T08:00:00.000Z"]
    assert changes[0]["decided_at"] == "2026-01-05T08:00:07.000Z"


@pytest.mark.parametrize("until", [None, "2026-06-01T00:00:00Z"])
def test_an_event_without_any_time_is_rejected(until: str | None) -> None:
    event = order("kim", 0)
    del event["_ts_ms"]

    changes, result = replay([event, order("lee", START_MS)], until=until)

    assert {change["customer_id"] for change in changes} == {"lee"}
    assert "line 1: rejected, bad-timestamp: the line has no time" in result.stderr


def test_a_late_event_counts_where_it_belongs_and_names_what_it_puts_right() -> None:
    """The clock of another customer's line moves nobody: kim's own next line does."""
    events = [
        order("kim", START_MS),
        order("kim", START_MS + 100 * DAY_MS),  # gone quiet after 90 days, and back
        order("kim", START_MS + 120 * DAY_MS, timestamp="2026-02-24T00:00:00Z"),  # had ordered in between
    ]

    changes, result = replay(events)

    assert [told(change)[1:3] for change in changes if change["segment"] == "gone-quiet"] == [
        ("gone-quiet", True),
        ("gone-quiet", False),
    ]
    assert "1 late" in result.stderr


def test_an_event_that_comes_twice_counts_once() -> None:
    once = [order("kim", START_MS + day * DAY_MS, f"m{day}") for day in (0, 1, 2)]

    changes, result = replay([event for event in once for _ in (1, 2)])

    assert [told(change) for change in changes] == [told(change) for change in replay(once)[0]]
    assert "3 duplicate" in result.stderr


def test_a_line_of_type_erase_forgets_the_customer_and_a_new_life_begins() -> None:
    events = [order("kim", START_MS), {"type": "erase", "userId": "kim"}, order("kim", START_MS + DAY_MS)]

    changes, _ = replay(events)

    assert [change["type"].split(".")[2] for change in changes] == ["entered", "erased", "entered"]
    assert [change["sequence"] for change in changes] == [1, 2, 1]
    assert changes[1]["effective_at"] == "2026-01-05T00:00:00.000Z"


# -- lines that can't be used ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\xff\xfe", "invalid-utf8"),
        (b'{"a":', "invalid-json"),
        (b"[1]", "not-an-object"),
        (b"7", "not-an-object"),
        (b'"' + b"x" * (3 * MAX_BYTES) + b'"', "too-large"),
        (b"[" * 5_000, "too-deep"),
        (b'{"type":"track","userId":"kim","_ts_ms":1,"properties":' + b'{"a":' * 300 + b"1" + b"}" * 301, "too-deep"),
        (b'{"type":"track","userId":7,"event":"x","_ts_ms":1}', "bad-customer-id"),
        (b'{"type":"track","event":"x","_ts_ms":1}', "missing-customer-id"),
        (b'{"type":"erase","_ts_ms":1}', "missing-customer-id"),
        (b'{"type":"track","userId":"kim","_ts_ms":1}', "missing-event-name"),
        (b'{"type":"track","userId":"kim","event":"x","_ts_ms":-1}', "bad-timestamp"),
        (b'{"type":"track","userId":"kim","event":"x","_ts_ms":"1"}', "bad-timestamp"),
        (b'{"type":"track","userId":"kim","event":"x","_ts_ms":true}', "bad-timestamp"),
        (b'{"type":"track","userId":"kim","event":"x","_ts_ms":999999999999999999}', "bad-timestamp"),
        (b'{"type":"track","userId":"kim","event":"x","timestamp":"soon"}', "bad-timestamp"),
    ],
)
def test_a_line_that_can_not_be_used_is_told_and_the_rest_goes_on(line: bytes, reason: str) -> None:
    changes, result = replay([order("kim", START_MS), line, order("lee", START_MS)])

    assert f"line 2: rejected, {reason}: " in result.stderr
    assert {change["customer_id"] for change in changes} == {"kim", "lee"}


def test_blank_lines_a_byte_order_mark_and_a_missing_last_line_end_are_passed_over() -> None:
    event = json.dumps(order("kim", START_MS)).encode()

    result = run("replay", "-", "-d", SMALLEST, given=b"\xef\xbb\xbf" + event + b"\r\n\n  \n" + event)

    assert "replayed 2 received, 2 accepted" in result.stderr


def test_a_missing_file_is_named() -> None:
    result = run("replay", "nowhere.jsonl", "-d", SMALLEST)

    assert result.exit_code == 4
    assert "nowhere.jsonl" in result.stderr


# -- the oracle --------------------------------------------------------------------------------------------------------


def line_of(item: Event | Erasure) -> bytes:
    if isinstance(item, Erasure):
        return json.dumps({"type": "erase", "userId": item.customer_id, "_ts_ms": item.time_ms}).encode()
    payload = {
        "type": item.kind,
        "userId": item.customer_id,
        "event": item.name,
        "messageId": item.message_id,
        "traits" if item.kind in ("identify", "group") else "properties": item.properties,
        "context": item.context,
        "_ts_ms": item.time_ms,
    }
    return json.dumps(payload).encode()


def row_of(change: dict[str, Any]) -> tuple[Any, ...]:
    before, after = change.get("from_stage"), change.get("to_stage")
    if "segment" in change:
        before, after = not change["member"], change["member"]
    name = change.get("segment", change.get("dimension"))
    return (change["sequence"], name, before, after, from_text(change["effective_at"]), change["cause"]["kind"])


@settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(text=definition_files(), log=logs())
def test_a_replay_equals_the_oracle_over_random_definitions_and_histories(text: str, log: Log) -> None:
    definitions, program = compiled(text)
    items = [item for item in log if not isinstance(item, Step)]
    for number, item in enumerate(items):
        item.offset = number
    until_ms = end_of(log)
    found: list[dict[str, Any]] = []
    rejected: list[Rejected] = []

    replay_lines(map(line_of, items), program, until_ms, lambda value: found.append(json.loads(value)), rejected.append)

    expected = by_customer(oracle_replay(definitions, list(items), until_ms))
    keys = ("sequence", "definition", "from", "to", "effective_ms", "cause")
    told_by_oracle = {who: [tuple(row[key] for key in keys) for row in rows] for who, rows in expected.items()}
    told_by_replay: dict[str, list[tuple[Any, ...]]] = {}
    for change in found:
        told_by_replay.setdefault(change["customer_id"], []).append(row_of(change))
    assert told_by_replay == told_by_oracle
    assert all(each.reason == "too-old" for each in rejected)
