"""Two revisions of the definitions side by side: what is other, what must newly be kept, what can't be answered yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from stream.core.coverage import answers, kept_since, warming_until
from stream.core.events import FOREVER_MS
from stream.rules.canonical import by_name, canonical
from stream.rules.compile import CompiledProgram
from stream.rules.tree import Definitions, DimensionDefinition, Match, SegmentDefinition


@dataclass(frozen=True, slots=True)
class Difference:
    """One event, fact, dimension or segment. `how`: added, removed or changed; `what`: the changes, a line each."""

    kind: str
    name: str
    how: str
    what: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What deploying the new definitions means for any customer of before.

    revision   what must be done about `revision` first; None: nothing
    blank      words whose events were not kept before: what they ask about begins at the deployment
    ever       of them those that ask for ever: judged at once from what is known then
    fewer      words that ask for ever of what was kept, but not for ever or fewer of it: judged at once from that
    traits     traits that are null until the customer's next identify or group call
    warming    definition -> how long after the deployment (ms) it is undecided at the most
    topics     extra topics that the old definitions did not have
    left       extra topics that the new definitions do not have: nothing is written there any more, no erasure either
    untold     (definition, its topic) where those who are in it already are not told
    """

    revision: str | None
    differences: tuple[Difference, ...]
    blank: tuple[str, ...] = ()
    ever: tuple[str, ...] = ()
    fewer: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    warming: dict[str, int] = field(default_factory=dict)
    topics: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    untold: tuple[tuple[str, str], ...] = ()


def compare(old: tuple[Definitions, CompiledProgram], new: tuple[Definitions, CompiledProgram]) -> Comparison:
    """What is other in the new definitions."""
    before, after = old[1], new[1]
    kept = kept_since(before, {}, after, 0)
    known = {cell.key: cell for cell in before.layout}
    parts = {each.name: each.part for each in before.definitions}
    topics = {each.name: each.topic for each in before.definitions}
    changed = [at for at, each in enumerate(after.definitions) if parts.get(each.name) != each.part]
    asks = dict.fromkeys(ask for at in changed for ask in after.asks(at) if ask.key != "first_seen")
    missing = [ask for ask in asks if ask.key not in known]
    ever = [ask for ask in asks if ask.reach_ms >= FOREVER_MS and ask.key in known]
    until = {after.definitions[at].name: warming_until(after, kept, at) for at in changed}
    return Comparison(
        revision=_revision(before, after),
        differences=tuple(_differences(old, new)),
        blank=_lines(f"{ask.place}: {ask.text}" for ask in missing if ask.reach_ms < FOREVER_MS),
        ever=_lines(f"{ask.place}: {ask.text}" for ask in missing if ask.reach_ms >= FOREVER_MS),
        fewer=_lines(f"{ask.place}: {ask.text}" for ask in ever if not answers(known[ask.key], ask)),
        traits=_lines(
            ".".join(cell.key.split("\0")[1:])
            for cell in after.layout
            if cell.kind == "trait" and cell.key not in known
        ),
        warming={name: until_ms for name, until_ms in until.items() if until_ms > 0},
        topics=tuple(topic for topic in after.extra_topics if topic not in before.extra_topics),
        left=tuple(topic for topic in before.extra_topics if topic not in after.extra_topics),
        untold=tuple(
            (each.name, each.topic)
            for each in after.definitions
            if each.topic is not None and each.name in topics and topics[each.name] != each.topic
        ),
    )


def _lines(lines: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lines))


def _revision(old: CompiledProgram, new: CompiledProgram) -> str | None:
    if new.version > old.version or (new.version, new.hash) == (old.version, old.hash):
        return None
    return f"write `revision: {old.version + 1}` into the new file (found {new.version}, the old one has {old.version})"


def _differences(
    old: tuple[Definitions, CompiledProgram], new: tuple[Definitions, CompiledProgram]
) -> Iterator[Difference]:
    yield from _renamed("event", _events(old[0]), _events(new[0]))
    yield from _renamed("fact", _facts(old[0]), _facts(new[0]))
    before, after = by_name(old[0]), by_name(new[0])
    parts = [{each.name: each.part for each in program.definitions} for _, program in (old, new)]
    for name, definition in before.items():
        if name not in after or type(after[name]) is not type(definition):
            yield Difference(_kind(definition), name, "removed")
    for name, definition in after.items():
        former = before.get(name)
        if former is None or type(former) is not type(definition):
            yield Difference(_kind(definition), name, "added")
            continue
        what = tuple(_changes(former, definition))
        if not what and parts[0][name] != parts[1][name]:
            what = ("what it rests on is changed",)
        if what:
            yield Difference(_kind(definition), name, "changed", what)


Named = dict[str, tuple[str, str]]
"""Name -> what it means, as it is compared and as it is shown."""


def _events(definitions: Definitions) -> Named:
    def shown(match: Match) -> str:
        named = match.name or "/".join(sorted(match.kinds))
        return named if match.where is None else f"{named} where {match.where.text}"

    return {name: (canonical(each), ", ".join(map(shown, each))) for name, each in definitions.events.items()}


def _facts(definitions: Definitions) -> Named:
    return {fact.name: (canonical(fact.value), fact.value.text) for fact in definitions.facts}


def _renamed(kind: str, before: Named, after: Named) -> Iterator[Difference]:
    """Events and facts: facts are told in memberships, and answers rest on both."""
    for name in before:
        if name not in after:
            yield Difference(kind, name, "removed")
    for name, (meaning, shown) in after.items():
        if name not in before:
            yield Difference(kind, name, "added", (shown,))
        elif meaning != before[name][0]:
            yield Difference(kind, name, "changed", (_turned(before[name][1], shown),))


def _turned(old: str, new: str) -> str:
    """What an expression was and is; the same text may mean something else now, by its names or the zone."""
    return f"{old} -> {new}" if old != new else f"{old}, which means something else now"


def _kind(definition: DimensionDefinition | SegmentDefinition) -> str:
    return "segment" if isinstance(definition, SegmentDefinition) else "dimension"


def _changes(
    old: DimensionDefinition | SegmentDefinition, new: DimensionDefinition | SegmentDefinition
) -> Iterator[str]:
    if isinstance(old, DimensionDefinition) and isinstance(new, DimensionDefinition):
        yield from _stages(old, new)
    elif isinstance(old, SegmentDefinition) and isinstance(new, SegmentDefinition):
        if canonical(old.when) != canonical(new.when):
            yield f"when: {_turned(old.when.text, new.when.text)}"
        for what, former, latter in (
            ("topic", old.topic, new.topic),
            ("action", old.action, new.action),
            ("control_group", _share(old), _share(new)),
            ("salt", old.salt, new.salt),
            ("with", ", ".join(name for name, _ in old.carried), ", ".join(name for name, _ in new.carried)),
        ):
            if former != latter:
                yield f"{what}: {former or 'none'} -> {latter or 'none'}"
        if canonical(old.carried) != canonical(new.carried) and [n for n, _ in old.carried] == [
            n for n, _ in new.carried
        ]:
            yield "with: other values"
        if canonical(old.goal) != canonical(new.goal):
            yield "goal: another"


def _share(definition: SegmentDefinition) -> str | None:
    return None if definition.control_share is None else f"{definition.control_share:.4g}"


def _stages(old: DimensionDefinition, new: DimensionDefinition) -> Iterator[str]:
    before = {stage.name: stage for stage in old.stages}
    after = {stage.name: stage for stage in new.stages}
    for name in before:
        if name not in after:
            yield f"stage {name}: removed"
    for name, stage in after.items():
        if name not in before:
            yield f"stage {name}: added"
        elif canonical(stage.condition) != canonical(before[name].condition):
            texts = (each.text if each else "otherwise" for each in (before[name].condition, stage.condition))
            yield f"stage {name}: {_turned(*texts)}"
    common = [name for name in before if name in after]
    if common != [name for name in after if name in before]:
        yield f"stages in another order: {', '.join(after)}"
