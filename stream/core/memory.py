"""Recent message ids of a customer: an event that comes twice counts once.

Bounded in number and age. An event no newer than something already forgotten might be a repeat that can no longer be
recognised: it is too old (unless the definitions accept it). Events without an id are never repeats.

Kept as bytes, oldest first: of each id a mark of eight, of its event time eight (signed, little-endian). So a state
is read and written without touching them one by one.
"""

from __future__ import annotations

from enum import Enum
from hashlib import blake2b
from struct import Struct

from stream.core.profile import Profile

MESSAGE_IDS = 32
"""Enough for the retried batches of the usual client libraries. 16 bytes each, which no compression shrinks: they are
the larger part of a state record, and every commit writes them again."""

MESSAGE_AGE_MS = 7 * 86_400_000
"""Retries of mobile and server libraries end within days."""

MARK_BYTES = 8
_TIME = Struct("<q")


class Verdict(Enum):
    NEW = "new"
    DUPLICATE = "duplicate"
    TOO_OLD = "too-old"


def fingerprint(message_id: str) -> bytes:
    """The mark of a message id: 64 bits of BLAKE2b."""
    return blake2b(message_id.encode(), digest_size=MARK_BYTES).digest()


def recall(profile: Profile, mark: bytes | None, time_ms: int, accepts_too_old: bool) -> Verdict:
    """Whether the customer has seen the message, or can no longer know. `mark` is its fingerprint, None without id."""
    if mark is None:
        return Verdict.NEW
    at = profile.marks.find(mark)
    while at >= 0 and at % MARK_BYTES:  # the end of one mark and the start of the next
        at = profile.marks.find(mark, at + 1)
    if at >= 0:
        return Verdict.DUPLICATE
    if time_ms <= profile.forgotten_ms and not accepts_too_old:
        return Verdict.TOO_OLD
    return Verdict.NEW


def remember(profile: Profile, mark: bytes | None, time_ms: int) -> None:
    """Keep an accepted message's id; forget the oldest (in log order) that are past the bounds."""
    times = profile.mark_times
    if mark is not None:
        profile.marks += mark
        times = profile.mark_times = times + _TIME.pack(time_ms)
    if not times:
        return
    count = len(times) // MARK_BYTES
    oldest_ms = profile.now_ms - MESSAGE_AGE_MS
    drop = max(0, count - MESSAGE_IDS)
    while drop < count and _TIME.unpack_from(times, drop * MARK_BYTES)[0] < oldest_ms:
        drop += 1
    if drop:
        end = drop * MARK_BYTES
        for (forgotten_ms,) in _TIME.iter_unpack(times[:end]):
            if forgotten_ms > profile.forgotten_ms:
                profile.forgotten_ms = forgotten_ms
        profile.marks = profile.marks[end:]
        profile.mark_times = times[end:]
