"""Where a partition stands, as three places tell it: the journal's last record, the state topic's meta, the group."""

from __future__ import annotations

from collections.abc import Mapping

from stream.codec.journal import Meta
from stream.verify.cold_restore import Restored
from stream.verify.journal_laws import Commit
from stream.verify.log import Committed
from stream.verify.match import Tell
from stream.verify.report import Kind

Tail = Mapping[int, Commit]
"""By number: the last settled commit, and those at the cut's edge. At rest it is the last one alone."""


def check_restored(restored: Restored, tail: Tail, topic: str, tell: Tell) -> None:
    """A cold restore gives what its last meta says, and that is what the journal says of the same commit."""
    meta, records = restored.meta, () if restored.record is None else (restored.record,)
    if meta is None:
        tell(Kind.META, f"{topic}: {restored.problem}", records, None)
        return
    if (restored.keys, restored.digest) != (meta.keys, meta.digest):
        text = f"{restored.keys} customers restored, {meta.keys} at the last commit, or their digest differs"
        tell(Kind.STATE_FOLD, text, records, None)
    commit = tail.get(meta.commit_number)
    if commit is None:
        if not tail or meta.commit_number < max(tail):
            last = max(tail, default=0)
            text = f"the last meta is of commit {meta.commit_number}, the journal's last commit is {last}"
            tell(Kind.META, text, records, None)
        return
    wrong = _differences(meta, commit)
    if wrong:
        text = f"commit {meta.commit_number}: {', '.join(wrong)} not as the journal says"
        tell(Kind.META, text, (*records, commit.record), None)


def _differences(meta: Meta, commit: Commit) -> list[str]:
    journal = commit.journal
    pairs = {
        "next_offset": (meta.next_offset, journal.to_offset),
        "nonce": (meta.nonce, journal.nonce),
        "clock_ms": (meta.clock_ms, journal.clock_ms),
        "wake_cursor_ms": (meta.wake_cursor_ms, journal.wake_cursor_ms),
        "definitions": (meta.program, journal.definitions),
        "run_id": (meta.run_id, journal.run_id),
        "keys": (meta.keys, journal.keys),
        "digest": (meta.digest, journal.digest),
        "journal_digest": (meta.journal_digest, commit.digest),
    }
    return [name for name, (found, due) in pairs.items() if found != due]


def check_committed(committed: Committed, tail: Tail, begins: bool, tell: Tell) -> None:
    """The group's offset and the text with it are those of a commit of the tail. `begins`: its first is the partition's
    very first and at the cut's edge, so that the group was perhaps asked before it."""
    records = tuple(commit.record for commit in list(tail.values())[-1:])
    if committed.offset is None:
        if tail and not begins:
            tell(Kind.COMMITTED_OFFSET, "the group has no committed offset: it expired or was deleted", records, None)
        return
    number, _, nonce = committed.metadata.partition(":")
    commit = tail.get(int(number)) if number.isdecimal() else None
    if commit is None:
        last = max(tail, default=0)
        text = f"the group committed offset {committed.offset} as {committed.metadata!r}, the last commit is {last}"
        tell(Kind.COMMITTED_OFFSET, text, records, None)
    elif (committed.offset, nonce) != (commit.journal.to_offset, commit.journal.nonce):
        text = (
            f"the group committed offset {committed.offset} as {committed.metadata!r}, commit {number} ends at "
            f"{commit.journal.to_offset} by {commit.journal.nonce!r}"
        )
        tell(Kind.COMMITTED_OFFSET, text, (commit.record,), None)
