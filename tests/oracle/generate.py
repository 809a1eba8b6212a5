"""Random definitions and random histories, small and full of coincidences.

Definitions are generated as the text of a file, so that the real front end reads them. Histories move on a coarse grid
of hours and days with an odd millisecond, so that window edges and events often fall on the same instant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from stream.core.events import Erasure, Event
from tests.oracle.history import Log, Step

START_MS = 1_735_689_600_000  # 2025-01-01T00:00:00Z
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

Text = st.SearchStrategy[str]

HEAD = """definitions: 1
name: random
{settings}
events:
  purchase: Order Completed
  engaged: [Email Clicked, Product Viewed]
  big: {{event: Order Completed, where: amount >= 10}}
traits:
  consent: boolean
  country: text
  age: number
  renewal: date
  tags: list
  plan.tier: text
group:
  industry: text
"""

DURATIONS = st.sampled_from(["1h", "1d", "7d", "30d", "1ms"])
ORDER = st.sampled_from(["<", "<=", ">", ">="])
ANY_OP = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
SMALL = st.integers(0, 4).map(str)
NEVER_MET = {("<", 0), (">=", 0)}
AMOUNT = st.sampled_from(["0", "5", "10", "27", "2.5", "17.5", "37"])

# `count(x) < 0` and `>= 0` are refused where they make a stage unreachable.
COUNT_TEST = st.sampled_from(
    [f"{op} {k}" for op in ["==", "!=", "<", "<=", ">", ">="] for k in range(5) if (op, k) not in NEVER_MET]
)

WHERES = [
    "amount >= 10",
    "amount > 5 and category == \"shoes\"",
    "category == \"shoes\"",
    "category != \"shoes\"",
    "category in [\"shoes\", \"bags\"]",
    "category not in [\"shoes\"]",
    "\"shoes\" in category",
    "products.category == \"bags\"",
    "products.price > 4",
    "amount == null",
    "not (amount > 5)",
    "timestamp >= date(\"2025-01-08\")",
    "starts_with(lower(category), \"sh\")",
    "context.locale == \"de\" or amount < 0",
]  # fmt: skip
NAMED = ["purchase", "engaged", "big", '"Product Viewed"', '"Signed In"', "page", "any"]
OFTEN = ["purchase", "purchase", "engaged", '"Product Viewed"', "any"]  # those of which histories hold most


def _filled(template: str, **parts: Text) -> Text:
    """The template with each `{part}` drawn."""
    return st.fixed_dictionaries(parts).map(lambda drawn: template.format(**drawn))


WHERE = st.one_of(st.just(""), st.just(""), st.sampled_from(WHERES).map(lambda where: f" where {where}"))
SELECTOR = _filled("{name}{where}", name=st.sampled_from(NAMED + OFTEN), where=WHERE)
WINDOW = st.one_of(
    _filled(", {window}", window=DURATIONS),
    _filled(", {window}, before {before}", window=DURATIONS, before=DURATIONS),
)
MAYBE_WINDOW = st.one_of(st.just(""), WINDOW, WINDOW)


def _of(word: str, path: str) -> Text:
    """`word(sel.path where ..., window)`."""
    parts = _filled("{name}{where}{window}", name=st.just(f"{{name}}.{path}"), where=WHERE, window=MAYBE_WINDOW)
    names = st.sampled_from(NAMED + OFTEN)
    return st.tuples(names, parts).map(lambda drawn: f"{word}({drawn[1].format(name=drawn[0])})")


COUNT = _filled("count({sel}{window})", sel=SELECTOR, window=MAYBE_WINDOW)
WINDOWED_COUNT = _filled("count({sel}{window})", sel=SELECTOR, window=WINDOW)
DISTINCT = _of("distinct", "category")
DAYS = _filled("active_days({sel}{window})", sel=SELECTOR, window=WINDOW)
SUMMARY = st.sampled_from(["sum", "avg", "min", "max", "sum"]).flatmap(lambda word: _of(word, "amount"))
SUM_OF_LIST = _of("sum", "products.price")
COUNTING = st.one_of(COUNT, WINDOWED_COUNT, DISTINCT, DAYS)
MEASURE = st.one_of(SUMMARY, SUMMARY, SUM_OF_LIST)
NUMBER = st.one_of(COUNTING, MEASURE, st.just("traits.age"))
EDGE = _filled("{word}({sel})", word=st.sampled_from(["first", "last", "last"]), sel=SELECTOR)
EVENT_INSTANT = st.one_of(EDGE, EDGE, st.sampled_from(["first_seen", "last_seen"]))
DATE = st.sampled_from(['date("2025-01-08")', 'date("2025-02-01")', "traits.renewal"])
NUMBER_OF_EVENT = _filled(
    "{word}({name}.amount{where})", word=st.sampled_from(["first", "last"]), name=st.sampled_from(OFTEN), where=WHERE
)
TEXT = st.sampled_from(["traits.country", "lower(traits.country)", "traits.plan.tier", "group.industry"])
TEXT_VALUE = st.sampled_from(['"DE"', '"de"', '"US"', '"pro"', '"retail"', '"5"'])

NUMBERS = st.one_of(
    _filled("{a} {test}", a=COUNTING, test=COUNT_TEST),
    _filled("{a} {test}", a=COUNTING, test=COUNT_TEST),
    _filled("{a} {op} {k}", a=MEASURE, op=ANY_OP, k=AMOUNT),
    _filled("{a} {op} {k}", a=MEASURE, op=ANY_OP, k=AMOUNT),
    _filled("{a} {op} {b}", a=NUMBER, op=ANY_OP, b=NUMBER),
    _filled("{a} {sign} {b} {op} {k}", a=NUMBER, sign=st.sampled_from("+-*/"), b=NUMBER, op=ORDER, k=AMOUNT),
    _filled("{a} {op} {k} * {b}", a=NUMBER, op=ORDER, k=SMALL, b=NUMBER),
    _filled("{a} {op} {k}", a=NUMBER_OF_EVENT, op=ANY_OP, k=AMOUNT),
    _filled("{k} <= {a} < {j}", a=NUMBER, k=SMALL, j=AMOUNT),
    _filled("{a} in [0, 2, 5]", a=NUMBER),
    _filled("{a} == null", a=st.one_of(SUMMARY, NUMBER_OF_EVENT)),
)
INSTANTS = st.one_of(
    _filled("{a} {op} ago({d})", a=EVENT_INSTANT, op=ORDER, d=DURATIONS),
    _filled("{a} {op} ago({d})", a=EVENT_INSTANT, op=ORDER, d=DURATIONS),
    _filled("silent({sel}, {d})", sel=SELECTOR, d=DURATIONS),
    _filled("{a} {op} {b}", a=EVENT_INSTANT, op=ANY_OP, b=EVENT_INSTANT),
    _filled("{a} {op} never", a=EDGE, op=st.sampled_from(["==", "!="])),
    _filled("{a} {op} {b}", a=EVENT_INSTANT, op=ORDER, b=DATE),
    _filled("{a} {op} ahead({d})", a=DATE, op=ORDER, d=DURATIONS),
    _filled("{a} {op} now", a=DATE, op=ORDER),
    _filled("{a} {op} {b} + {d}", a=EVENT_INSTANT, op=ORDER, b=EVENT_INSTANT, d=DURATIONS),
    _filled("{a} + {d} {op} ago({e})", a=EVENT_INSTANT, d=DURATIONS, op=ORDER, e=DURATIONS),
    _filled("{a} - {b} {op} {d}", a=EVENT_INSTANT, b=EVENT_INSTANT, op=ORDER, d=DURATIONS),
    _filled("now - {a} {op} {d}", a=EVENT_INSTANT, op=ORDER, d=DURATIONS),
)
TRAITS = st.one_of(
    st.sampled_from(
        ["traits.consent == true", "traits.consent != false", '("vip" in traits.tags)', '("vip" not in traits.tags)']
    ),
    _filled("{a} {op} {v}", a=TEXT, op=st.sampled_from(["==", "!="]), v=TEXT_VALUE),
    _filled("{a} in [{v}, {w}]", a=TEXT, v=TEXT_VALUE, w=TEXT_VALUE),
    _filled("{word}({a}, {v})", word=st.sampled_from(["contains", "starts_with"]), a=TEXT, v=TEXT_VALUE),
    _filled("traits.age {op} 27", op=ANY_OP),
    _filled("{a} == null", a=st.sampled_from(["traits.country", "traits.age", "traits.renewal", "traits.plan.tier"])),
    _filled('{a} == "shoes"', a=st.sampled_from(["last(purchase.category)", "first(any.category)"])),
)


@dataclass(frozen=True)
class Named:
    """What an expression may refer to by name."""

    numbers: tuple[str, ...] = ()
    instants: tuple[str, ...] = ()
    stages: tuple[tuple[str, tuple[str, ...]], ...] = ()
    segments: tuple[str, ...] = ()


def _by_name(named: Named) -> list[Text]:
    """Conditions on facts, dimensions and segments that stand before."""
    conditions: list[Text] = []
    if named.numbers:
        conditions.append(_filled("{a} {op} {k}", a=st.sampled_from(named.numbers), op=ANY_OP, k=SMALL))
    if named.instants:
        conditions.append(_filled("{a} {op} ago({d})", a=st.sampled_from(named.instants), op=ORDER, d=DURATIONS))
    if named.stages:
        pairs = [(name, stage) for name, stages in named.stages for stage in stages]
        conditions.append(st.sampled_from(pairs).map(lambda pair: f'{pair[0]} == "{pair[1]}"'))
        conditions.append(st.sampled_from(pairs).map(lambda pair: f'{pair[0]} != "{pair[1]}"'))
    if named.segments:
        conditions.append(st.sampled_from(named.segments).map(lambda name: f'in("{name}")'))
    return conditions


@st.composite
def conditions(draw: st.DrawFn, named: Named, depth: int = 2) -> str:
    """A condition with up to `depth` levels of and, or, not and if."""
    shape = draw(st.sampled_from(["leaf", "leaf", "leaf", "and", "or", "not", "if"])) if depth else "leaf"
    if shape == "leaf":
        return draw(st.one_of(NUMBERS, NUMBERS, INSTANTS, INSTANTS, TRAITS, *_by_name(named)))
    part = conditions(named, depth - 1)
    if shape == "not":
        return f"not ({draw(part)})"
    if shape == "if":
        return f"if({draw(part)}, {draw(COUNTING)}, {draw(NUMBER)}) {draw(ORDER)} {draw(SMALL)}"
    return f"({draw(part)}) {shape} ({draw(part)})"


@st.composite
def definition_files(draw: st.DrawFn, computed_durations: bool = False) -> str:
    """The text of a valid file: some facts, one or two dimensions, up to three segments that may build on them."""
    zone = draw(st.sampled_from(["", "", "zone: Europe/Berlin\n"]))
    too_old = draw(st.sampled_from(["", "", "too_old: accept\n"]))
    audience = draw(st.sampled_from(["", "", "audience: traits.consent == true\n"]))
    lines = [HEAD.format(settings=zone + too_old + audience).replace("\n\n", "\n")]
    named = Named()
    facts = []
    if draw(st.booleans()):
        facts.append(f"  amount_fact: {draw(NUMBER)}")
        named = Named(numbers=("amount_fact",))
    if draw(st.booleans()):
        facts.append(f"  instant_fact: {draw(EVENT_INSTANT)}")
        named = Named(named.numbers, ("instant_fact",))
    if computed_durations:
        facts.append("  gap: (last(purchase) - first(purchase)) / (count(purchase) - 1)")
    if facts:
        lines += ["facts:", *facts]
    lines.append("dimensions:")
    for number in range(draw(st.integers(1, 2))):
        stages = ["a", "b", "c"][: draw(st.integers(2, 3))]
        lines += [f"  dimension_{number}:", "    stages:"]
        lines += [f"      - {stage}: {draw(conditions(named))}" for stage in stages[:-1]]
        lines.append(f"      - {stages[-1]}: otherwise")
        stages_named = (*named.stages, (f"dimension_{number}", tuple(stages)))
        named = Named(named.numbers, named.instants, stages_named, named.segments)
    segments = draw(st.integers(0, 3))
    if segments or computed_durations:
        lines.append("segments:")
    for number in range(segments):
        lines += [f"  segment-{number}:", f"    when: {draw(conditions(named))}"]
        if audience and draw(st.booleans()):
            lines.append("    audience: everyone")
        named = Named(named.numbers, named.instants, named.stages, (*named.segments, f"segment-{number}"))
    if computed_durations:
        lines += ["  overdue:", f"    when: last(purchase) {draw(ORDER)} ago({draw(st.integers(1, 3))} * gap)"]
    return "\n".join(lines) + "\n"


PURCHASES = st.one_of(
    _filled("count(purchase{window}) {test}", window=MAYBE_WINDOW, test=COUNT_TEST),
    _filled("count(purchase{window}) {test}", window=WINDOW, test=COUNT_TEST),
    _filled("{word}(purchase.category{window}) {test}", word=st.just("distinct"), window=MAYBE_WINDOW, test=COUNT_TEST),
    _filled("active_days(purchase{window}) {test}", window=WINDOW, test=COUNT_TEST),
    _filled("sum(purchase.amount{window}) {op} {k}", window=MAYBE_WINDOW, op=ANY_OP, k=AMOUNT),
    _filled(
        "{word}(purchase.amount{window}) {op} {k}",
        word=st.sampled_from(["sum", "avg", "min", "max"]),
        window=MAYBE_WINDOW,
        op=ANY_OP,
        k=AMOUNT,
    ),
    _filled("{word}(purchase) {op} ago({d})", word=st.sampled_from(["first", "last"]), op=ORDER, d=DURATIONS),
    _filled("silent(purchase, {d})", d=DURATIONS),
    _filled("count(purchase{a}) {op} count(purchase{b})", a=WINDOW, op=ORDER, b=WINDOW),
)


@st.composite
def purchase_files(draw: st.DrawFn) -> str:
    """A few plain conditions on one kind of event: every window and every bound is met often."""
    lines = [HEAD.format(settings="zone: UTC"), "dimensions:", "  stage_of:", "    stages:"]
    lines += [f"      - {stage}: {draw(PURCHASES)}" for stage in "ab"[: draw(st.integers(1, 2))]]
    lines += ["      - z: otherwise", "segments:"]
    for number in range(draw(st.integers(1, 3))):
        lines += [f"  segment-{number}:", f"    when: {draw(PURCHASES)}"]
    return "\n".join(lines) + "\n"


MISSING = object()
ADVANCES = [0, 0, 1, HOUR_MS, HOUR_MS, DAY_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS, DAY_MS - HOUR_MS, HOUR_MS - 1]
LATENESS = [0, 0, 0, 0, 1, HOUR_MS, DAY_MS, DAY_MS, 7 * DAY_MS, 7 * DAY_MS - 1, 30 * DAY_MS, -DAY_MS]  # -: clamped
CALLS = [
    *[("track", "Order Completed")] * 5,
    *[("track", "Product Viewed")] * 3,
    *[("track", "Email Clicked")] * 2,
    *[("identify", "")] * 3,
    ("track", "Signed In"),
    ("page", ""),
    ("screen", ""),
    ("group", ""),
    ("erase", ""),
    ("step", ""),
]
SHOES = {"category": "shoes", "price": 5}
PROPERTIES: dict[str, list[Any]] = {
    "amount": [10, 10, 5, 27, 2.5, 7.5, MISSING, None, -5, "27", 0, 12.345678],
    "category": [MISSING, "shoes", "bags", "Shirts", ["shoes", "hats"], None, 5, "5"],
    "products": [MISSING, MISSING, [SHOES], [SHOES, {"category": "bags", "price": 2.5}], [{"category": "bags"}], []],
}
TRAIT_VALUES: dict[str, list[Any]] = {
    "consent": [True, False, MISSING, "true", "false", None, "yes"],
    "country": ["DE", MISSING, "US", None, 5, ""],
    "age": [27, MISSING, "27", 30.5, "old", None],
    "renewal": [MISSING, "2025-01-20", "2025-02-01T12:00:00Z", "2025-01-08", None, "soon"],
    "tags": [MISSING, ["vip"], ["new", "vip"], [], None],
    "plan": [MISSING, {"tier": "pro"}, {}, None, {"tier": "free", "seats": 5}],
}
GROUP_VALUES: dict[str, list[Any]] = {"industry": ["retail", MISSING, None, "Retail"]}
LOCALE = {"locale": ["de", "fr", MISSING]}


@st.composite
def _choices(draw: st.DrawFn, table: dict[str, list[Any]]) -> dict[str, Any]:
    drawn = {key: draw(st.sampled_from(values)) for key, values in table.items()}
    return {key: value for key, value in drawn.items() if value is not MISSING}


@st.composite
def logs(draw: st.DrawFn, customers: int = 3, most: int = 14) -> Log:
    """One partition's log, event times clamped, with repeats, late events, erasures and steps of the clock."""
    log: Log = []
    written: list[Event] = []
    now_ms = START_MS
    for offset in range(draw(st.integers(1, most))):
        now_ms += draw(st.sampled_from(ADVANCES))
        kind, name = draw(st.sampled_from(CALLS))
        customer_id = f"customer-{draw(st.integers(0, customers - 1))}"
        if kind == "erase":
            log.append(Erasure(customer_id, offset, now_ms))
            continue
        if kind == "step":
            log.append(Step(now_ms))
            continue
        if written and draw(st.integers(0, 7)) == 7:
            again = draw(st.sampled_from(written))
            log.append(_repeated(again, offset))
            continue
        time_ms = min(now_ms, now_ms - draw(st.sampled_from(LATENESS)))
        tables = {"identify": TRAIT_VALUES, "group": GROUP_VALUES}
        event = Event(
            customer_id=customer_id,
            kind=kind,
            name=name,
            time_ms=time_ms,
            offset=offset,
            message_id=draw(st.sampled_from([f"message-{offset}", f"message-{offset}", None])),
            properties=draw(_choices(tables.get(kind, PROPERTIES))),
            context=draw(_choices(LOCALE)),
        )
        log.append(event)
        written.append(event)
    return log


DENSE_ADVANCES = [0, 1, HOUR_MS, DAY_MS, DAY_MS, 2 * DAY_MS, 7 * DAY_MS - 1, 7 * DAY_MS]
DENSE_LATENESS = [0, 0, 0, HOUR_MS, DAY_MS, 2 * DAY_MS, 7 * DAY_MS, 8 * DAY_MS]
DENSE_PROPERTIES: dict[str, list[Any]] = {
    "amount": [5, 10, 7.5, 17.5, 0, 27, -5],
    "category": ["shoes", "bags", "Shirts", 5, "5"],
}


@st.composite
def purchase_logs(draw: st.DrawFn, fewest: int = 3, most: int = 16) -> Log:
    """The purchases of one customer, close together, many late, some written twice, with steps of the clock."""
    log: Log = []
    now_ms = START_MS
    for offset in range(draw(st.integers(fewest, most))):
        now_ms += draw(st.sampled_from(DENSE_ADVANCES))
        shape = draw(st.sampled_from(["new", "new", "new", "new", "again", "step"]))
        events = [item for item in log if isinstance(item, Event)]
        if shape == "step":
            log.append(Step(now_ms))
        elif shape == "again" and events:
            log.append(_repeated(draw(st.sampled_from(events)), offset))
        else:
            time_ms = now_ms - draw(st.sampled_from(DENSE_LATENESS))
            properties = draw(_choices(DENSE_PROPERTIES))
            message_id = draw(st.sampled_from([f"message-{offset}", None]))
            log.append(Event("customer-0", "track", "Order Completed", time_ms, offset, message_id, properties, {}))
    return log


def _repeated(event: Event, offset: int) -> Event:
    """The same message once more, as a retry brings it."""
    return replace(event, offset=offset, properties=dict(event.properties), context=dict(event.context))


def end_of(log: Log) -> int:
    """An instant by which every window of the generated definitions has passed."""
    times = [item.until_ms if isinstance(item, Step) else item.time_ms for item in log]
    return max(times) + 100 * DAY_MS
