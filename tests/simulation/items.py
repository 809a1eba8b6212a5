"""What happens in a world, as a list of items made from a seed. A shorter list is a valid one, so it can be shrunk.

An item's `pause_ms` passes after it. Times are relative to what the world then holds, so that dropping an item leaves
the others their meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.simulation.definitions import ACTIVE_MS, BROWSING_MS, DAY_MS, HOUR_MS, KEEN_MS
from tests.simulation.host import Fault

PARTITIONS = 2
DEPLOYING = 0.4
"""In so many worlds definitions change."""
INSTANCES = ("a", "b", "c")
WINDOWS = (ACTIVE_MS, KEEN_MS, BROWSING_MS)

CALLS = ("send offsets", "commit", "abort", "renew", "committed", "bounds", "flush")
"""Requests to the broker that can fail; each is also a point before and after which a process can end."""

COMMIT_POINTS = (
    "begin", "before-produce", "before record", "after-produce", "before send offsets", "after send offsets",
    "before-commit", "before flush", "after flush", "before commit", "after commit", "after-commit", "before-store",
    "before store write", "after store write", "after-store", "before abort", "after abort", "before renew",
    "after renew",
)  # fmt: skip
RESTORE_POINTS = (
    "open store", "set store aside", "read changelog", "before committed", "after committed", "before bounds",
    "after bounds",
)  # fmt: skip
FREEZE_POINTS = ("after-produce", "after send offsets", "before commit", "after commit", "before-store")

HELD = (
    "clock", "clock", "event/Order Completed", "event/Product Viewed", "segment/keen", "segment/lost",
    "segment/browsing", "partition/0",
)  # fmt: skip
HOLDING = 0.3
"""In so many worlds things are held and released."""

POISON = (
    "not json", "not an object", "no user", "other user", "too large", "too deep", "bad number", "no event name",
    "bad timestamp", "not utf-8", "alias",
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """`what` is the name of a method of the world, `with_` its arguments."""

    what: str
    with_: dict[str, Any] = field(default_factory=dict)
    pause_ms: int = 0


def program(seed: int) -> list[Item]:
    """The items of a seed: 20 to 60 records, and faults among them."""
    rng = Random(f"items {seed}")
    makers, weights = zip(*_weighted(rng, Random(f"holds {seed}")))
    customers = rng.randint(3, 8)
    items = [
        Item("start", {"instance": name}, rng.randint(0, 400)) for name in INSTANCES[: rng.choice((1, 1, 2, 2, 3))]
    ]
    records, wanted = 0, rng.randint(20, 60)
    while records < wanted:
        made = rng.choices(makers, weights)[0](rng, f"c{rng.randrange(customers)}")
        records += sum(item.what in ("send", "repeat", "poison", "erase") for item in made)
        items += made
    return _with_deployments(seed, items)


def _with_deployments(seed: int, items: list[Item]) -> list[Item]:
    """In some worlds changed definitions are deployed, worker by worker, and in some of those taken back."""
    rng = Random(f"deployments {seed}")
    if rng.random() >= DEPLOYING:
        return items
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randint(len(items) // 4, len(items))
        given = {"instance": rng.choice(INSTANCES), "kill": rng.random() < 0.5}
        items = [*items[:at], Item("deploy", given, _pause(rng)), *items[at:]]
    return items


def _weighted(rng: Random, rng_of_holds: Random) -> list[tuple[Callable[[Random, str], list[Item]], float]]:
    """Every world has its own mix: calm ones, and ones in which one kind of fault prevails."""
    trouble = rng.choice((0.0, 0.5, 1.0, 1.0, 2.0))
    mix: list[tuple[Callable[[Random, str], list[Item]], float]] = [
        (_send, 30), (_sends, 6), (_repeat, 4), (_edge, 5), (_poison, 3), (_erase, 1.5), (_jump, 6), (_wait, 3),
        (_upstream, 1.5),
    ]  # fmt: skip
    faults: list[tuple[Callable[[Random, str], list[Item]], float]] = [
        (_crash, 4), (_fault, 5), (_freeze, 2), (_freeze_at, 2), (_cut, 1.5), (_start, 2), (_stop, 1.5), (_kill, 1),
        (_skew, 1.5), (_disk, 2.5), (_compact, 1), (_ends, 1.5),
    ]  # fmt: skip
    if rng_of_holds.random() < HOLDING:
        mix += [(_hold, 4), (_release, 2)]
    return mix + [(make, weight * trouble * rng.choice((0.5, 1, 3))) for make, weight in faults]


# -- records


def _pause(rng: Random) -> int:
    return rng.choice((0, 0, 0, 20, 60, 120, 250))


def _send(rng: Random, customer: str) -> list[Item]:
    late = rng.choice((0, 0, 0, 0, 1, HOUR_MS, DAY_MS, 8 * DAY_MS, 31 * DAY_MS))
    given = {
        "customer": customer,
        "event": rng.choice(("purchase", "purchase", "browse", "browse", "other", "unknown type")),
        "late_ms": late,
        "ahead_ms": rng.choice((0, 0, 0, 0, 0, 0, 3_000_000)),
        "id": rng.choice(("new", "new", "new", "new", "none", "breaks") if rng.random() < 0.3 else ("new",)),
    }
    return [Item("send", given, _pause(rng))]


def _sends(rng: Random, customer: str) -> list[Item]:
    """A burst of one customer's."""
    return [_send(rng, customer)[0] for _ in range(rng.randint(3, 6))]


def _edge(rng: Random, customer: str) -> list[Item]:
    """Time goes on to about the end of a window of the customer's latest event, and there comes another event."""
    window_ms = rng.choice(WINDOWS)
    wait = Item("jump_to_edge", {"customer": customer, "ms": window_ms + rng.choice((2, 500, 2_500))}, _pause(rng))
    after_ms = window_ms + rng.choice((-1, 0, 0, 1))
    event = rng.choice(("purchase", "purchase", "browse"))
    return [wait, Item("send_at_edge", {"customer": customer, "event": event, "ms": after_ms}, _pause(rng))]


def _repeat(rng: Random, customer: str) -> list[Item]:
    return [Item("repeat", {"back": rng.randint(1, 12)}, _pause(rng))]


def _poison(rng: Random, customer: str) -> list[Item]:
    return [Item("poison", {"customer": customer, "kind": rng.choice(POISON)}, _pause(rng))]


def _erase(rng: Random, customer: str) -> list[Item]:
    return [Item("erase", {"customer": customer}, _pause(rng))]


def _upstream(rng: Random, customer: str) -> list[Item]:
    """Some producer's own transaction on the input: its records are there, and can't be read yet."""
    events = [_send(rng, customer)[0].with_ for _ in range(rng.randint(1, 3))]
    return [
        Item(
            "upstream",
            {"events": events, "open_ms": rng.randint(50, 1_200), "commits": rng.random() < 0.7},
            _pause(rng),
        )
    ]


# -- holds


def _hold(rng: Random, customer: str) -> list[Item]:
    """Something is held, mostly until a silence is over, and mostly released again."""
    key = rng.choice(HELD)
    items = [Item("hold", {"key": key}, rng.choice((0, 0, 100, 400, 700)))]
    if rng.random() < 0.7:
        items += rng.choice((_jump, _edge, _send))(rng, customer) + _send(rng, customer)
    if rng.random() < 0.6:
        items.append(Item("release", {"key": key}, rng.choice((0, 0, 100, 400, 700))))
    return items


def _release(rng: Random, customer: str) -> list[Item]:
    return [Item("release", {"key": rng.choice(HELD)}, _pause(rng))]


# -- time


def _jump(rng: Random, customer: str) -> list[Item]:
    far = rng.choice((1_800_000, HOUR_MS, HOUR_MS, DAY_MS, 6 * DAY_MS, 7 * DAY_MS, 31 * DAY_MS))
    return [Item("jump", {"ms": far}, _pause(rng))]


def _wait(rng: Random, customer: str) -> list[Item]:
    return [Item("wait", {}, rng.choice((300, 800, 2_500)))]


def _skew(rng: Random, customer: str) -> list[Item]:
    """One machine's wall clock steps, to and fro."""
    ms = rng.choice((-DAY_MS, -HOUR_MS, -1_500, -300, 0, 0, 300, 1_500, HOUR_MS))
    return [Item("skew", {"instance": rng.choice(INSTANCES), "ms": ms}, _pause(rng))]


# -- processes


def _start(rng: Random, customer: str) -> list[Item]:
    return [Item("start", {"instance": rng.choice(INSTANCES)}, _pause(rng))]


def _stop(rng: Random, customer: str) -> list[Item]:
    given = {"instance": rng.choice(INSTANCES), "leave": rng.random() < 0.5, "again": rng.random() < 0.5}
    return [Item("stop", given, _pause(rng))]


def _kill(rng: Random, customer: str) -> list[Item]:
    return [Item("kill", {"instance": rng.choice(INSTANCES), "again": rng.random() < 0.7}, _pause(rng))]


def _crash(rng: Random, customer: str) -> list[Item]:
    point = rng.choice(COMMIT_POINTS + COMMIT_POINTS + RESTORE_POINTS)
    given = {"instance": rng.choice(INSTANCES), "point": point, "skip": rng.choice((0, 0, 1, 2, 7))}
    return [Item("crash", given, _pause(rng))]


def _freeze(rng: Random, customer: str) -> list[Item]:
    return [
        Item("freeze", {"instance": rng.choice(INSTANCES), "ms": rng.choice((100, 600, 1_400, 2_600))}, _pause(rng))
    ]


def _freeze_at(rng: Random, customer: str) -> list[Item]:
    """SIGSTOP in mid commit: with luck the partitions have moved when it goes on."""
    given = {
        "instance": rng.choice(INSTANCES),
        "point": rng.choice(FREEZE_POINTS),
        "skip": rng.choice((0, 0, 1, 3)),
        "ms": rng.choice((300, 1_200, 1_400, 2_600)),
    }
    return [Item("freeze_at", given, _pause(rng))]


# -- the outside


def _fault(rng: Random, customer: str) -> list[Item]:
    call = rng.choice((*CALLS, "commit", "commit", "commit", "produce"))
    kinds = {"commit": tuple(Fault), "send offsets": (Fault.ABORT, Fault.REQUEST_LOST, Fault.REPLY_LOST)}
    fault = rng.choice(kinds.get(call, (Fault.REQUEST_LOST, Fault.REPLY_LOST)))
    given = {"instance": rng.choice(INSTANCES), "call": call, "fault": fault.name, "skip": rng.choice((0, 0, 1, 2))}
    items = [Item("fault", given, _pause(rng))]
    if fault is Fault.ABORT and rng.random() < 0.4:  # the abort fails too
        lost = rng.choice((Fault.REQUEST_LOST, Fault.REPLY_LOST))
        items.insert(0, Item("fault", {**given, "call": "abort", "fault": lost.name, "skip": 0}))
    return items


def _cut(rng: Random, customer: str) -> list[Item]:
    return [
        Item("cut", {"instance": rng.choice(INSTANCES), "ms": rng.choice((100, 500, 1_000, 2_500, 3_500))}, _pause(rng))
    ]


def _ends(rng: Random, customer: str) -> list[Item]:
    given = {"instance": rng.choice(INSTANCES), "call": "ends", "fault": Fault.REQUEST_LOST.name, "skip": 0}
    return [Item("fault", given, _pause(rng))]


def _disk(rng: Random, customer: str) -> list[Item]:
    what = rng.choice(("lose_disk", "old_disk", "old_disk", "damage_disk"))
    given: dict[str, Any] = {"instance": rng.choice(INSTANCES)}
    if what == "old_disk":
        given["age"] = rng.randrange(4)
    return [Item(what, given, _pause(rng))]


def _compact(rng: Random, customer: str) -> list[Item]:
    return [Item("compact", {}, _pause(rng))]
