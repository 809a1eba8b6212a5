"""Recent message ids of a customer: an event that comes twice counts once.

Bounded in number and age. An event older than something already forgotten might be a repeat that can no longer be
recognised: it is too old (unless the definitions accept it). Events without an id are never repeats.
"""

from __future__ import annotations

from enum import Enum
from hashlib import blake2b

from stream.core.profile import Profile

MESSAGE_IDS = 32
"""Enough for the retried batches of the usual client libraries. 16 bytes each, which no compression shrinks: they are
the larger part of a state record, and every commit writes them again."""

MESSAGE_AGE_MS = 7 * 86_400_000
"""Retries of mobile and server libraries end within days."""


class Verdict(Enum):
    NEW = "new"
    DUPLICATE = "duplicate"
    TOO_OLD = "too-old"


def fingerprint(message_id: str) -> int:
    """64 bits of BLAKE2b, signed: what is kept of a message id."""
    return int.from_bytes(blake2b(message_id.encode(), digest_size=8).digest(), "big", signed=True)


def recall(profile: Profile, mark: int | None, time_ms: int, accepts_too_old: bool) -> Verdict:
    """Whether the customer has seen the message, or can no longer know. `mark` is its fingerprint, None without id."""
    if mark is None:
        return Verdict.NEW
    if mark in profile.message_ids:
        return Verdict.DUPLICATE
    if time_ms <= profile.forgotten_ms and not accepts_too_old:
        return Verdict.TOO_OLD
    return Verdict.NEW


def remember(profile: Profile, mark: int | None, time_ms: int) -> None:
    """Keep an accepted message's id; forget the oldest (in log order) that are past the bounds."""
    ids, times = profile.message_ids, profile.message_times
    if mark is not None:
        ids.append(mark)
        times.append(time_ms)
    if not times or (len(times) <= MESSAGE_IDS and times[0] >= profile.now_ms - MESSAGE_AGE_MS):
        return
    oldest_ms = profile.now_ms - MESSAGE_AGE_MS
    drop = max(0, len(times) - MESSAGE_IDS)
    while drop < len(times) and times[drop] < oldest_ms:
        drop += 1
    if drop:
        profile.forgotten_ms = max(profile.forgotten_ms, *times[:drop])
        del ids[:drop], times[:drop]
