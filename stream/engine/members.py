"""How many customers are in each segment and stage of one partition: counted from changes, committed with them.

Keyed `segment` or `dimension/stage`. What stands at 0 is left out, so the same members are the same mapping.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from stream.core.changes import Change
from stream.core.profile import Profile
from stream.core.program import Definition


def member_key(definition: Definition, answer: int | None) -> str | None:
    """What a customer with this answer counts for; None: for nothing (outside the segment, or not judged yet)."""
    if definition.is_segment:
        return definition.name if answer == 1 else None
    return None if answer is None or answer < 0 else f"{definition.name}/{definition.stages[answer]}"


def members_after(
    members: Mapping[str, int],
    changes: Sequence[tuple[Profile, Change]],
    definitions: Callable[[int], Sequence[Definition]],
) -> dict[str, int]:
    """`members` as the changes leave them. An erasure takes the customer out of all its profile was in at the end.
    `definitions`: those of a revision."""
    moves: Counter[str | None] = Counter()  # None gathers what counts for nothing
    for profile, change in changes:
        definition = change.definition
        if definition is None:
            for held, answer in zip(definitions(change.revision), profile.answers, strict=True):
                moves[member_key(held, answer)] -= 1
        else:
            before = member_key(definition, change.before)
            moves[before if change.former is None else f"{definition.name}/{change.former}"] -= 1
            moves[member_key(definition, change.after)] += 1
    after = dict(members)
    for key, move in moves.items():
        if key is not None:
            after[key] = after.get(key, 0) + move
            if not after[key]:
                del after[key]
    return after
