"""Poison through the whole path in memory: one rejected record each or processed, never a crash, never a stall."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stream.codec.inbound import MAX_BYTES, decode
from stream.codec.instants import to_text
from stream.codec.journal import decode_journal
from stream.codec.outbound import Encoder, Origin
from stream.codec.snapshot import decode_profile, encode_profile
from stream.core.events import Event
from stream.core.partition import Partition, Position
from stream.core.profile import Profile
from stream.rules.compile import compile_program
from stream.rules.load import parse_definitions
from tests.codec.poison import CORPUS, CUSTOMER, ERASURE, EVENT, IGNORED, KEY, Poison, call
from tests.engine.world import DAY, START, Message, Worker, World

# Every word of the language that keeps something of an event, each on the poisoned properties.
EVERY_WORD = """\
definitions: 1
name: every-word
events:
  purchase: Order Completed
  dear: {event: Order Completed, where: 'revenue > 1 and ("x" in tags or starts_with(properties.coupon, "a"))'}
traits:
  plan: text
  country: {type: text, private: true}
  age: number
  born: date
  tags: list
  consent: boolean
facts:
  total: sum(purchase.revenue)
  spend: sum(purchase.revenue, 30d)
  mean: avg(purchase.revenue, 30d)
  least: min(purchase.revenue)
  greatest: max(purchase.revenue)
  deep: max(purchase.a.a.a, 30d)
  last_coupon: last(purchase.coupon)
  first_coupon: first(purchase.revenue)
  kinds: distinct(purchase.coupon, 30d)
  days: active_days(any, 30d)
  old: traits.age
dimensions:
  value:
    stages:
      - nobody: count(any) == 0
      - big: total > 1000 or greatest > 1000 or mean > 10
      - dear: count(dear, 30d) >= 1
      - small: otherwise
  plan:
    stages:
      - poor: traits.plan == null or contains(lower(traits.plan), "free")
      - rich: '"x" in traits.tags or traits.age > 18 or traits.born < now'
      - other: otherwise
segments:
  quiet:
    when: silent(any, 10d)
    with: {plan: traits.plan, country: traits.country, tags: traits.tags, coupon: last_coupon, born: traits.born}
  tried:
    when: count(page where name == "Home", 7d) >= 1 or kinds >= 2 or least < 0
    topic: tried
  counted:
    when: count(purchase) >= 2 and traits.consent != true
    control_group: 50%
"""
PROGRAM = compile_program(parse_definitions([("every-word.yaml", EVERY_WORD)]))
READ_MS = START + 100


def put(world: World, poison: Poison) -> None:
    log = world.inputs[0]
    stamp = world.now_ms if poison.timestamp_ms is None else poison.timestamp_ms
    log.append(Message(len(log), poison.key, poison.value, poison.headers, stamp))  # type: ignore[arg-type]


def good(number: int, at_ms: int) -> Poison:
    customer = f"good-{number}"
    fields: dict[str, Any] = {"messageId": f"m-{number}", "timestamp": to_text(at_ms), "userId": customer}
    return Poison(customer, EVENT, call(**fields), key=customer.encode(), timestamp_ms=at_ms)


def counts(world: World) -> Counter[str]:
    """What the journal says became of the records."""
    total: Counter[str] = Counter()
    for record in world.values("journal"):
        total.update(decode_journal(record.value or b"").counts)
    return total


@pytest.mark.parametrize("most", [1, 1_000_000], ids=["one by one", "all at once"])
async def test_the_corpus_between_good_events_is_rejected_byte_for_byte_or_processed(most: int) -> None:
    world = World()
    for number, poison in enumerate(CORPUS):
        put(world, good(number, world.now_ms))
        put(world, poison)
    worker = Worker(world, PROGRAM)
    await worker.assign(0)

    await worker.settle(most)

    poisoned = [poison for poison in CORPUS if poison.is_rejected]
    found = world.values("rejected")
    assert [(record.key, record.value) for record in found] == [(poison.key, poison.value) for poison in poisoned]
    for record, poison in zip(found, poisoned, strict=True):
        headers = list(record.headers or [])
        assert headers[:-5] == list(poison.headers or [])
        assert dict(headers[-5:])["segmenter_reason"] == poison.becomes.encode()
    became = Counter("rejected" if poison.is_rejected else poison.becomes for poison in CORPUS)
    total = counts(world)
    assert total["received"] == 2 * len(CORPUS) == sum(
        total[name] for name in ("accepted", "duplicate", "ignored", "rejected", "erased")
    )  # fmt: skip
    assert total["rejected"] == became["rejected"] and total["ignored"] == became[IGNORED]
    assert total["accepted"] == became[EVENT] + len(CORPUS) and total["erased"] == became[ERASURE]
    customers = {json.loads(record.value)["customer_id"] for record in world.values("changes") if record.value}
    assert customers >= {f"good-{number}" for number in range(len(CORPUS))} | {CUSTOMER}
    assert world.offsets[0][0] == 2 * len(CORPUS)
    assert worker.engine.tasks[0].poisoned == set()  # type: ignore[union-attr]


async def test_what_poison_left_behind_is_read_back_by_another_worker_and_falls_silent_on_time() -> None:
    world = World()
    for poison in CORPUS:
        put(world, poison)
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    await worker.settle()
    world.stores.clear()  # only the changelog is left
    world.now_ms += 11 * DAY

    second = Worker(world, PROGRAM, nonce="n2")
    await second.assign(0)
    await second.settle()

    values = [json.loads(record.value) for record in world.values("changes") if record.value]
    assert any(each.get("segment") == "quiet" and each["customer_id"] == CUSTOMER for each in values)


class WithoutHeaders(Message):
    """As confluent-kafka gives a record with a header name that is not UTF-8: it fails, and asked again it crashes."""

    asked: ClassVar[list[int]] = []

    def headers(self) -> list[tuple[str, bytes]] | None:
        assert id(self) not in self.asked, "the second answer would end the process"
        self.asked.append(id(self))
        raise SystemError("returned a result with an exception set") from UnicodeDecodeError("utf-8", b"", 0, 1, "")


@pytest.mark.parametrize("most", [1, 1_000_000])
async def test_a_header_whose_name_is_no_text_costs_the_record_its_headers_and_nothing_else(most: int) -> None:
    world = World()
    put(world, good(1, world.now_ms))
    unreadable = WithoutHeaders(1, KEY, call(), None, world.now_ms)
    world.inputs[0].append(unreadable)
    put(world, good(2, world.now_ms))
    worker = Worker(world, PROGRAM)
    await worker.assign(0)

    await worker.settle(most)

    (found,) = world.values("rejected")
    assert (found.key, found.value) == (KEY, call())
    headers = dict(found.headers or [])
    assert len(headers) == 5 and headers["segmenter_reason"] == b"invalid-utf8"
    assert b"headers are left out" in headers["segmenter_detail"]
    assert counts(world)["accepted"] == 2 and WithoutHeaders.asked == [id(unreadable)]
    WithoutHeaders.asked.clear()


# -- and whatever else comes


class Path:
    """decode -> partition -> state -> changes, as a worker goes, on one partition without a store."""

    def __init__(self) -> None:
        self.profiles: dict[str, bytes] = {}
        self.encoder = Encoder(Origin("shop", "00000000", "events", 0), PROGRAM)
        self.partition = Partition(0, PROGRAM, self._load, lambda _from, _until: iter(()), Position(0))

    def _load(self, customer_id: str) -> Profile | None:
        data = self.profiles.get(customer_id)
        return None if data is None else decode_profile(customer_id, data, PROGRAM)

    def take(self, key: bytes | None, value: bytes | None, headers: Any, timestamp_ms: int) -> None:
        partition = self.partition
        partition.take(decode(key, value, headers, timestamp_ms, partition.next_offset, READ_MS), READ_MS)

    def commit(self) -> None:
        """Everything that a commit writes can be written, and what is read back writes the same again."""
        partition = self.partition
        for profile, change in partition.pending.changes:
            value, _ = self.encoder.change(profile.customer_id, profile.born, change)
            assert json.loads(value)["customer_id"] == profile.customer_id
        for customer_id in partition.pending.changed:
            profile = partition.pending.touched[customer_id]
            if profile is not None:
                facts = PROGRAM.facts(profile.cells, profile.now_ms)
                assert json.loads(self.encoder.membership(profile, profile.now_ms, facts, False)[0])
        for rejected in partition.pending.rejected:
            self.encoder.rejected_headers([], rejected)
        for customer_id, profile in partition.pending.touched.items():
            if profile is None:
                self.profiles.pop(customer_id, None)
                continue
            data = encode_profile(profile)
            assert len(data) <= MAX_BYTES
            again = decode_profile(customer_id, data, PROGRAM)
            assert encode_profile(again) == data
            assert (again.cells, again.answers, again.wake_ms) == (profile.cells, profile.answers, profile.wake_ms)
            self.profiles[customer_id] = data
        partition.committed()


numbers = st.sampled_from(
    ["NaN", "1e999", "-1e308", "5e-324", "9007199254740991", "-9007199254740991", "9007199254740992", "1e15", "0.1",
     "999999999999999.9", "-0", "0.0000001", "1e-400", "9" * 400, "true", "null", '"1e999"', "[]", "{}"]
)  # fmt: skip
texts = st.text(st.characters(exclude_categories=[]), max_size=8) | st.sampled_from(
    ["x" * 3000, "\0", "\ud800", "🙂" * 700, "{0.__class__}", "1e999", "2026-01-01", "0001-01-01", "true", "\u202e"]
)
LARGEST = 2**53 - 1
"""What a number beyond it does is shown by some `numbers`; with all of them most events would be rejected for it."""
values = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | st.floats(-LARGEST, LARGEST) | texts,
    lambda part: st.lists(part, max_size=4) | st.dictionaries(texts | st.just("a"), part, max_size=4),
    max_leaves=10,
)
properties = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("revenue", "coupon", "tags", "a", "plan", "country", "age", "born", "consent"), values),
)
instants = st.sampled_from(
    ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00.001+23:59", "9999-12-31T23:59:59.999Z", "2025-12-31T23:59:59Z",
     "0001-01-01T00:00:00Z", "2026-01-01", "soon"]
)  # fmt: skip
kinds = st.sampled_from(["track", "track", "track", "identify", "identify", "page", "group", "screen", "alias", "x"])


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """A call of the customer with strange properties, often a valid one."""
    fields: dict[str, Any] = {"type": draw(kinds), "userId": CUSTOMER, "event": "Order Completed", "name": "Home"}
    if draw(st.integers(0, 2)) == 2:
        fields["timestamp"] = draw(instants)
    if draw(st.integers(0, 2)) == 2:
        fields["messageId"] = draw(texts)
    fields["traits" if fields["type"] in ("identify", "group") else "properties"] = draw(properties)
    text = json.dumps(fields)
    if draw(st.booleans()):
        text = text.replace('"Home"', draw(numbers), 1)
    return text.encode()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid event with damage: flipped bits, cuts, repeated parts, nesting, foreign bytes."""
    data = bytearray(draw(events()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        damage = draw(st.sampled_from(["flip", "cut", "repeat", "nest", "insert", "key"]))
        if damage == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif damage == "cut":
            del data[at : at + draw(st.integers(1, 40))]
        elif damage == "repeat":
            data[at:at] = data[at : at + draw(st.integers(1, 200))]
        elif damage == "nest":
            depth = draw(st.sampled_from([1, 29, 33, 300, 5_000]))
            data[at:at] = draw(st.sampled_from([b"[", b'{"a":'])) * depth
        elif damage == "insert":
            data[at:at] = draw(st.sampled_from([b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\\ud800", b"\\u0000"]))
        else:
            data[-1:] = b',"userId":"' + KEY + b'","properties":{"revenue":' + draw(numbers).encode() + b"}}"
    return bytes(data)


bodies = events() | mutated() | st.binary(max_size=64) | st.none()
keys = st.sampled_from([KEY] * 8 + [None, b"", b"\xff", b"\x00meta", b"p-2"]) | st.binary(max_size=6)
header_names = st.text(max_size=6) | st.sampled_from(["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"])
headers = st.none() | st.lists(st.tuples(header_names, st.none() | st.binary(max_size=6) | st.just(b"1.0")), max_size=6)
stamps = st.sampled_from([START, 0, -1, START - 40 * DAY, (1 << 63) - 1]) | st.integers(-1, (1 << 63) - 1)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(st.tuples(keys, bodies, headers, stamps), min_size=1, max_size=12), st.integers(0, 60))
@example([(KEY, call('{"revenue": 9007199254740991}'), None, START)] * 12, 11)
@example([(KEY, call(timestamp="1970-01-01T00:00:00Z"), None, START)], 60)
@example([(KEY, call(), None, 0), (KEY, None, None, START), (KEY, call(), None, 1)], 11)
def test_no_record_breaks_decoding_the_core_or_the_state_and_the_state_round_trips(
    records: list[tuple[bytes | None, bytes | None, Any, int]], days: int
) -> None:
    path = Path()
    for record in records:
        path.take(*record)
        path.commit()
    while not path.partition.step(START + days * DAY, 5_000):
        path.commit()
    path.commit()


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(events(), min_size=1, max_size=10))
def test_events_read_in_one_commit_and_one_by_one_leave_the_same_state(bodies: list[bytes]) -> None:
    together, apart = Path(), Path()
    for body in bodies:
        together.take(KEY, body, None, START)
        apart.take(KEY, body, None, START)
        apart.commit()
    together.commit()

    assert together.profiles == apart.profiles


def test_strange_events_are_mostly_events() -> None:
    """Else the laws above would only show that what is rejected is harmless."""
    taken: Counter[type] = Counter()

    @settings(max_examples=200, database=None, derandomize=True)
    @given(events())
    def draw(body: bytes) -> None:
        taken[type(decode(KEY, body, None, START, 0, READ_MS))] += 1

    draw()
    assert taken[Event] >= sum(taken.values()) // 5, taken
