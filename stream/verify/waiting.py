"""What is due and was not looked at: wakes that the clock passed, and customers who stay parked though nothing is held.

A step of the clock looks at the index's parked customers first, so many at a time, and at no wake before it has seen
all. So where none ever was, a step that leaves a wake behind must have met others. Where some were, commits may pass in
which nothing comes: as many as it takes to see all their entries, of which an old copy keeps some that count no longer.
"""

from __future__ import annotations

from stream.verify.journal_laws import Commit
from stream.verify.match import Tell
from stream.verify.model import Replayed
from stream.verify.report import Kind

LOOKED_AT_ONCE = 5_000
"""Entries of parked customers that a worker looks at in a step of its clock."""

PATIENCE = 20
"""Commits in a row, and three times as many as it takes to look at every entry there can be: an abort begins anew."""


class Waiting:
    """Takes one partition's commits in order."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._commits = 0  # in a row, of one process, in which the clock stepped and nothing came of what waits
        self._nonce = ""

    def take(self, commit: Commit, replayed: Replayed) -> None:
        waits = replayed.overdue_ms is not None or (replayed.released and replayed.parked > 0)
        if not waits or commit.journal.nonce != self._nonce:
            self._commits, self._nonce = 0, commit.journal.nonce
        if not waits:
            return
        self._commits += 1
        if replayed.ever_parked and self._commits < PATIENCE + 3 * replayed.ever_parked // LOOKED_AT_ONCE:
            return
        number = commit.journal.commit_number
        if replayed.overdue_ms is not None:
            text = f"commit {number}: the clock passed a wake by {replayed.overdue_ms} ms, none fired"
        else:
            text = f"commit {number}: nothing is held, and {replayed.parked} customers stay parked"
        self._tell(Kind.WAKE_UNFIRED, text, (commit.record,), None)
