"""A shop as the codec sees it: a program of definitions without logic, profiles and changes of any shape."""

from __future__ import annotations

from array import array
from typing import Any

from hypothesis import strategies as st

from stream.codec.instants import LAST_MS
from stream.core.changes import Change, ClockCause, ErasureCause, EventCause
from stream.core.events import FOREVER_MS, NEVER_MS
from stream.core.profile import Profile
from stream.core.program import Condition, Decider, Definition

NOW_MS = 1_788_424_212_512  # 2026-09-03T08:30:12.512Z
DAY_MS = 86_400_000

LIFECYCLE = Definition("lifecycle", ("prospect", "new", "active", "inactive"), None, "f31168c67a14")
FREQUENCY = Definition("frequency", ("none", "one-time", "frequent"), None, "0a1b2c3d4e5f")
WIN_BACK = Definition("win-back", (), "win-back", "5aab259ed491")
CART = Definition("cart-abandoned", (), None, "5aab259ed492")


class Shop:
    """The part of a `Program` that the codec reads."""

    name = "shop"
    version = 12
    hash = "9d27e2c535de"
    definitions = (LIFECYCLE, FREQUENCY, WIN_BACK, CART)
    accepts_too_old = False


def a_profile(customer_id: str = "c-1042") -> Profile:
    profile = Profile(customer_id, (4, 18823), len(Shop.definitions), [3, NOW_MS, {"email": "ada@example.com"}, [1.5]])
    profile.now_ms = NOW_MS
    profile.sequence = 20
    profile.answers = (2, 1, 1, 0)
    profile.standings.since_ms = array("q", [NOW_MS, NOW_MS - DAY_MS, NOW_MS, NEVER_MS])
    profile.standings.nth = array("I", [5, 2, 1, 0])
    profile.standings.changed_by = array("I", [17, 18, 20, 0])
    profile.standings.by_clock = bytearray([0, 1, 0, 0])
    profile.control = [None, None, False, None]
    profile.marks = array("q", [-(1 << 63), 0, (1 << 63) - 1]).tobytes()
    profile.mark_times = array("q", [NOW_MS - 2, NOW_MS - 1, NOW_MS]).tobytes()
    profile.forgotten_ms = NOW_MS - 8 * DAY_MS
    profile.wake_ms = NOW_MS + 7 * DAY_MS
    profile.indexed_ms = NOW_MS + 6 * DAY_MS
    return profile


def a_revised_profile() -> Profile:
    """The customer under later definitions, with a change parked and a definition warming."""
    profile = a_profile()
    profile.revision = 12
    profile.parked_ms = NOW_MS - DAY_MS
    profile.warming = {1: NOW_MS + 30 * DAY_MS, 3: NOW_MS + DAY_MS}
    return profile


def a_change(**other: Any) -> Change:
    """The customer entered win-back because the clock said so, but for what `other` says."""
    fields: dict[str, Any] = {
        "definition": WIN_BACK,
        "sequence": 16,
        "nth": 1,
        "set_index": 2,
        "set_size": 2,
        "before": None,
        "after": 1,
        "effective_ms": NOW_MS,
        "decided_ms": NOW_MS + 350,
        "cause": ClockCause(NOW_MS),
        "because": [Decider(Condition("spend_365d >= 200", True, "shop.yaml", 36), 250)],
        "valid_until_ms": NOW_MS + 180 * DAY_MS,
        "control": False,
        "replayed": False,
        "corrects": None,
        "carried": {"email": "ada@example.com"},
        "approximate": False,
    }
    return Change(**{**fields, **other})


def an_erasure(**other: Any) -> Change:
    nothing: dict[str, Any] = {
        "definition": None,
        "nth": 0,
        "set_index": 1,
        "set_size": 1,
        "after": None,
        "because": [],
        "valid_until_ms": None,
        "control": None,
        "carried": {},
        "cause": ErasureCause(931554, "dsr-2026-0412"),
    }
    return a_change(**{**nothing, **other})


def an_event_cause(**other: Any) -> EventCause:
    fields: dict[str, Any] = {
        "message_id": "m-90213",
        "event": "Order Completed",
        "event_time_ms": NOW_MS,
        "offset": 922017,
        "traceparent": None,
    }
    return EventCause(**{**fields, **other})


# -- any of them

instants = st.integers(min_value=0, max_value=LAST_MS)
offsets = st.integers(min_value=0, max_value=(1 << 53) - 1)
counts = st.integers(min_value=1, max_value=(1 << 53) - 1)
stored_counts = st.integers(min_value=1, max_value=(1 << 32) - 1)
texts = st.text(st.characters(codec="utf-8"), max_size=40)
customer_ids = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=256)
numbers = st.integers(-(1 << 53), 1 << 53) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
traceparents = st.none() | st.just("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")

causes = st.one_of(
    st.builds(EventCause, st.none() | texts, st.text(min_size=1, max_size=256), instants, offsets, traceparents),
    st.builds(ClockCause, instants),
)
conditions = st.builds(
    Condition,
    expression=st.text(min_size=1, max_size=600),
    holds=st.booleans(),
    file=st.just("shop.yaml"),
    line=st.integers(1, 9999),
    withheld=st.booleans(),
)
deciders = st.builds(Decider, conditions, scalars | st.text(max_size=300) | st.lists(scalars, max_size=30))


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Any change the core may bring forth: of a dimension, of a segment, or an erasure."""
    definition = draw(st.sampled_from([*Shop.definitions, None]))
    common = {
        "sequence": draw(counts),
        "effective_ms": draw(instants),
        "decided_ms": draw(instants),
        "replayed": draw(st.booleans()),
    }
    if definition is None:
        return an_erasure(cause=ErasureCause(draw(offsets), draw(st.none() | st.just("dsr-1"))), **common)
    size = draw(st.integers(1, 20))
    answers = st.integers(0, len(definition.stages) - 1) if definition.stages else st.integers(0, 1)
    return a_change(
        definition=definition,
        nth=draw(counts),
        set_index=draw(st.integers(1, size)),
        set_size=size,
        before=draw(st.none() | answers),
        after=draw(answers),
        cause=draw(causes),
        because=draw(st.lists(deciders, max_size=25)),
        valid_until_ms=draw(st.none() | instants | st.just(FOREVER_MS)),
        control=None if definition.stages else draw(st.none() | st.booleans()),
        corrects=draw(st.none() | counts),
        approximate=draw(st.booleans()),
        carried={} if definition.stages else draw(st.dictionaries(st.sampled_from(["email", "last_order"]), scalars)),
        **common,
    )


cell_values = st.recursive(
    scalars | st.integers(),
    lambda part: st.lists(part, max_size=2) | st.dictionaries(texts, part, max_size=2),
    max_leaves=4,
)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Any profile of the shop, judged or not."""
    profile = Profile(
        draw(customer_ids), (draw(st.integers(0, 99)), draw(offsets)), 4, draw(st.lists(cell_values, max_size=3))
    )
    answers = draw(st.tuples(*(st.integers(-1, max(len(each.stages) - 1, 1)) for each in Shop.definitions)))
    since_ms, changed_by, control = draw(instants), draw(stored_counts), draw(st.none() | st.booleans())
    for index, definition in enumerate(Shop.definitions):
        answer = answers[index]
        changed = answer > 0 or (answer == 0 and bool(definition.stages))
        profile.standings.since_ms[index] = since_ms if changed else NEVER_MS
        profile.standings.nth[index] = profile.standings.changed_by[index] = changed_by if changed else 0
        profile.standings.by_clock[index] = int(changed)
        profile.control[index] = None if definition.stages or not changed else control
    profile.answers = answers
    profile.now_ms = draw(instants)
    profile.sequence = draw(st.integers(0, (1 << 53) - 1))
    ids = draw(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=4))
    profile.marks = array("q", ids).tobytes()
    profile.mark_times = array("q", [draw(instants)] * len(ids)).tobytes()
    profile.forgotten_ms = draw(instants | st.just(NEVER_MS))
    profile.wake_ms = draw(instants | st.just(FOREVER_MS))
    profile.indexed_ms = draw(instants | st.just(FOREVER_MS))
    profile.revision = draw(st.integers(1, (1 << 32) - 1) | st.just(1))
    profile.parked_ms = draw(instants | st.just(NEVER_MS))
    profile.warming = draw(st.dictionaries(st.integers(0, 3), instants, min_size=1) | st.none())
    return profile
