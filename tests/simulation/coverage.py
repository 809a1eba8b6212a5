"""What must have happened in a large run: a simulation that never meets its faults proves nothing."""

from __future__ import annotations

from collections import Counter

from tests.simulation.items import CALLS, COMMIT_POINTS, FREEZE_POINTS, RESTORE_POINTS

ENOUGH_SEEDS = 5_000
"""From so many on everything below happens."""

MUST_HAPPEN = (
    *(f"crash {point}" for point in dict.fromkeys(COMMIT_POINTS + RESTORE_POINTS)),
    *(f"freeze {point}" for point in FREEZE_POINTS),
    *(f"{call}: {how}" for call in CALLS for how in ("request lost", "reply lost")),
    "send offsets: abort", "commit: abort", "commit: late", "late commit accepted", "late commit refused",
    "produce: kept back", "ends: no answer", "cut from the broker", "abort", "stale batch",
    "producer fenced", "not a member of this generation", "transaction timed out",
    "committed offsets wait for an open transaction", "restore waits for an open transaction",
    "assigned", "revoked", "thrown out of the group", "kill", "stop", "freeze", "exit: Fenced", "exit: OutcomeUnknown",
    "data directory lost", "old data directory put back", "data directory damaged", "state or memberships compacted",
    "old tombstones compacted away",
    "restored from disk", "restored from the changelog", "set aside: count or digest differ",
    "set aside: it was not finished",
    "wall clock steps ahead", "wall clock steps back", "clock blocked: clock-skew", "clock blocked: broker-unreachable",
    "time jumps", "event", "late event", "producer's clock ahead", "event at a window's edge", "record repeated",
    "poison record", "erasure", "core failed", "upstream transaction committed", "upstream transaction aborted",
    "hold", "release", "answers kept back", "clock blocked: control-unreachable",
    "commit", "changes", "changes by silence", "corrections", "duplicates passed over", "world of storms",
    "definitions deployed",
    "changes by definitions",
    "exit: StartRefused",
)  # fmt: skip


def never_happened(counts: Counter[str]) -> list[str]:
    return [what for what in MUST_HAPPEN if not counts[what]]
