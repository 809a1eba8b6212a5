"""One Kafka transaction from begin to a certain outcome.

Blocking; run from a worker thread. An outcome is unknown only once `commit` was called: then a new producer with the
same transactional id is initialised (which ends the old one's work one way or the other), and the committed commit
numbers tell. Whatever failed before left nothing committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from stream.codec.journal import Meta
from stream.engine.interfaces import Aborted, Fenced, Offsets, OutcomeUnknown, Produce, Transactions


class Outcome(Enum):
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Part:
    """One partition's records, the meta that holds now and the one that holds after."""

    partition: int
    records: list[Produce]
    before: Meta
    after: Meta


CrashPoint = Callable[[str], None]
"""Called at each named point of a commit; a fault test ends the process there."""


def offset_metadata(meta: Meta) -> str:
    """The text committed with an offset: `<commit number>:<nonce>`."""
    return f"{meta.commit_number}:{meta.nonce}"


def run_transaction(
    made: Iterable[Part], group_metadata: Any, transactions: Transactions, offsets: Offsets, crash_point: CrashPoint
) -> Outcome:
    """Write all parts in one transaction with their offsets, each as soon as it is made: so the broker takes one in
    while the next is put together. Raises Fenced when the process must exit."""
    parts: list[Part] = []
    commit_called = False
    try:
        transactions.begin()
        crash_point("before-produce")
        for part in made:
            parts.append(part)
            transactions.produce(part.records)
        crash_point("after-produce")
        transactions.send_offsets(
            {part.partition: (part.after.next_offset, offset_metadata(part.after)) for part in parts}, group_metadata
        )
        crash_point("before-commit")
        commit_called = True
        transactions.commit()
    except Aborted:
        _abort(transactions)
        return Outcome.ABORTED
    except OutcomeUnknown:
        transactions.renew()
        return _resolve(parts, offsets) if commit_called else Outcome.ABORTED
    crash_point("after-commit")
    return Outcome.COMMITTED


def _abort(transactions: Transactions) -> None:
    try:
        transactions.abort()
    except (Aborted, OutcomeUnknown):
        transactions.renew()


def _resolve(parts: Sequence[Part], offsets: Offsets) -> Outcome:
    """What the group's committed offsets say became of the transaction."""
    committed = offsets.committed([part.partition for part in parts])
    outcomes = set()
    for part in parts:
        found = committed[part.partition]
        name = (found.commit_number, found.nonce)
        if name == (part.after.commit_number, part.after.nonce):
            outcomes.add(Outcome.COMMITTED)
        elif name == (part.before.commit_number, part.before.nonce):
            outcomes.add(Outcome.ABORTED)
        else:
            raise Fenced(f"partition {part.partition}: another owner has committed since; this process must stop")
    if len(outcomes) != 1:
        raise Fenced("a transaction is committed for some partitions and not for others")
    return outcomes.pop()
