"""Definitions that can't be answered yet, since what they ask about was not kept before their revision.

Of a customer from before, such a definition is *warming* until its windows lie wholly within what is kept: it keeps its
present answer (a new definition stays not judged). Then it is judged like any other; the instant is a wake of its own.
"""

from __future__ import annotations

from stream.core.events import FOREVER_MS
from stream.core.profile import Profile
from stream.core.program import Answers


def undecided(profile: Profile, answers: Answers, turns_ms: int, now_ms: int) -> tuple[Answers, int]:
    """What a judgement at `now_ms` amounts to: warming definitions keep their present answer, and the next instant at
    which anything may turn is at latest the end of the first warming."""
    warming, present = profile.warming, profile.answers
    if warming is None:
        return answers, turns_ms
    until_ms = min((each for each in warming.values() if each > now_ms), default=FOREVER_MS)
    kept = tuple(
        present[index] if warming.get(index, now_ms) > now_ms else answer for index, answer in enumerate(answers)
    )
    return kept, min(turns_ms, until_ms)


def covered(profile: Profile, now_ms: int) -> bool:
    """Take out what is covered at `now_ms`; whether there was any."""
    warming = profile.warming
    if warming is None:
        return False
    left = {index: until_ms for index, until_ms in warming.items() if until_ms > now_ms}
    if len(left) == len(warming):
        return False
    profile.warming = left or None
    return True
