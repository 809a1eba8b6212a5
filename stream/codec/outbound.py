"""What is published: a change or a membership as CloudEvents 1.0 in binary mode, its JSON value complete by itself.

The shapes are `schemas/segment-change.v1`, `segment-membership.v1` and `headers.v1`. What is the same for every
change of a definition is encoded once; the rest is put between as text, each value that a customer or a team has
written by orjson.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stream.codec.instants import to_text, to_text_or_none
from stream.codec.reasons import Reasons, json_text
from stream.core.changes import Cause, Change, ClockCause, DefinitionsCause, EventCause
from stream.core.events import Rejected
from stream.core.profile import Born, Profile
from stream.core.program import Definition, Program

Headers = list[tuple[str, bytes]]

DIMENSION_CHANGED = "segmenter.dimension.changed.v1"
SEGMENT_ENTERED = "segmenter.segment.entered.v1"
SEGMENT_EXITED = "segmenter.segment.exited.v1"
CUSTOMER_ERASED = "segmenter.customer.erased.v1"
MEMBERSHIP = "segmenter.membership.v1"

CHANGE_SCHEMA = "urn:segmenter:schema:segment-change:1"
MEMBERSHIP_SCHEMA = "urn:segmenter:schema:segment-membership:1"

_BOOLEAN = (b"false", b"true")
_JSON = {None: "null", False: "false", True: "true"}
_CONTENT = [("content-type", b"application/json"), ("ce_specversion", b"1.0")]


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose changes these are: the processor's name, the run id (8 hex digits), the input topic and partition."""

    name: str
    run_id: str
    input_topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class _Constants:
    """What every change of one definition, and every membership in it, has in common, as JSON texts.

    subject      `"dimension":"lifecycle"`
    stages       the names of its stages ([] for a segment)
    types        type and constant headers by answer, for a segment; the first for a dimension
    standings    how its entry in a membership begins, by answer; None: it has none there
    definitions  by which definitions
    """

    subject: str
    stages: list[str]
    types: list[tuple[str, Headers]]
    standings: list[str | None]
    definitions: str


class Encoder:
    """Encodes what one partition publishes. The same inputs give the same bytes."""

    def __init__(self, origin: Origin, program: Program) -> None:
        self.origin = origin
        self._definitions = program.definitions
        self._source = ("ce_source", f"/segmenter/{origin.name}/{origin.run_id}".encode())
        self._ce_definitions = ("ce_definitions", f"{program.name}@{program.version}".encode())
        named = {"name": program.name, "version": program.version, "hash": program.hash}
        self._named = json_text(named)
        self._constants = {definition.name: self._constants_of(definition, named) for definition in program.definitions}
        self._standings = [constants.standings for constants in self._constants.values()]
        self._reasons = Reasons()
        self._erased = self._first_headers(CUSTOMER_ERASED, CHANGE_SCHEMA)
        self._membership = [*self._first_headers(MEMBERSHIP, MEMBERSHIP_SCHEMA), self._ce_definitions]
        self._latest_customer: tuple[tuple[str, Born] | None, str, str] = (None, "", "")
        self._latest_cause: tuple[Cause | None, bytes, str] = (None, b"", "")

    def change(self, customer_id: str, born: Born, change: Change) -> tuple[bytes, Headers]:
        """Value and headers of one change of the customer's life that began at `born`."""
        if change.definition is None:
            return self._erasure(customer_id, born, change)
        constants = self._constants[change.definition.name]
        prefix, customer = self._customer(customer_id, born)
        change_id = f"{prefix}{change.sequence}"
        effective_at = to_text(change.effective_ms)
        valid_until = to_text_or_none(change.valid_until_ms)
        corrects = None if change.corrects is None else f"{prefix}{change.corrects}"
        cause_kind, cause = self._cause(change.cause)
        if constants.stages:
            kind, first = constants.types[0]
            moved = _stages_moved(constants.stages, change)
        else:
            kind, first = constants.types[change.after or 0]
            moved = f'"member":{_JSON[change.after == 1]}'
        until = "" if valid_until is None else f'"valid_until":"{valid_until}",'
        approximate = ',"approximate":true' if change.approximate else ""
        carried = f',"with":{json_text(change.carried)}' if change.carried else ""
        value = (
            f'{{"type":"{kind}","id":"{change_id}",{customer},"sequence":{change.sequence},"nth":{change.nth},'
            f'"change_set":{{"index":{change.set_index},"size":{change.set_size}}},{constants.subject},{moved},'
            f'"effective_at":"{effective_at}","decided_at":"{to_text(change.decided_ms)}",{until}"cause":{cause},'
            f'"because":{self._reasons.text(change.because)},"definitions":{constants.definitions},'
            f'"control":{_JSON[change.control]},"replayed":{_JSON[change.replayed]},"corrects":{_quoted(corrects)}'
            f"{approximate}{carried}}}"
        )
        headers = self._headers(first, change_id, customer_id, effective_at, change)
        headers.append(("ce_cause", cause_kind))
        if change.control is not None:
            headers.append(("ce_control", _BOOLEAN[change.control]))
        if corrects is not None:
            headers.append(("ce_corrects", corrects.encode()))
        if isinstance(change.cause, EventCause) and change.cause.traceparent is not None:
            headers.append(("traceparent", change.cause.traceparent.encode()))
        return value.encode(), headers

    def membership(
        self, profile: Profile, as_of_ms: int, facts: dict[str, Any], replayed: bool
    ) -> tuple[bytes, Headers]:
        """Value and headers of the customer's present stages and segments."""
        prefix, customer = self._customer(profile.customer_id, profile.born)
        membership_id = f"{prefix}m{profile.sequence}"
        as_of = to_text(as_of_ms)
        dimensions, segments = self._present(profile, prefix)
        value = (
            f'{{"type":"{MEMBERSHIP}","id":"{membership_id}",{customer},"sequence":{profile.sequence},'
            f'"as_of":"{as_of}","dimensions":{{{dimensions}}},"segments":{{{segments}}},"facts":{json_text(facts)},'
            f'"next_change_at":{_quoted(to_text_or_none(profile.wake_ms))},"definitions":{self._named},'
            f'"replayed":{_JSON[replayed]}}}'
        )
        headers = [
            *self._membership,
            ("ce_id", membership_id.encode()),
            ("ce_subject", profile.customer_id.encode()),
            ("ce_time", as_of.encode()),
            ("ce_customersequence", b"%d" % profile.sequence),
            ("ce_replayed", _BOOLEAN[replayed]),
        ]
        return value.encode(), headers

    def erased_membership(self) -> tuple[None, Headers]:
        """The tombstone: on a compacted topic it removes what the customer had."""
        return None, []

    def rejected_headers(self, original: Headers | None, rejected: Rejected) -> Headers:
        """Headers of a rejected record: the original ones, untouched and first, then why and whence."""
        return [
            *(original or ()),
            ("segmenter_reason", rejected.reason.value.encode()),
            ("segmenter_detail", rejected.detail.encode()),
            ("segmenter_source_topic", self.origin.input_topic.encode()),
            ("segmenter_source_partition", b"%d" % self.origin.partition),
            ("segmenter_source_offset", b"%d" % rejected.offset),
        ]

    def _erasure(self, customer_id: str, born: Born, change: Change) -> tuple[bytes, Headers]:
        prefix, customer = self._customer(customer_id, born)
        change_id = f"{prefix}{change.sequence}"
        effective_at = to_text(change.effective_ms)
        cause_kind, cause = self._cause(change.cause)
        value = (
            f'{{"type":"{CUSTOMER_ERASED}","id":"{change_id}",{customer},"sequence":{change.sequence},'
            f'"effective_at":"{effective_at}","decided_at":"{to_text(change.decided_ms)}","cause":{cause},'
            f'"replayed":{_JSON[change.replayed]}}}'
        )
        headers = self._headers(self._erased, change_id, customer_id, effective_at, change)
        headers.append(("ce_cause", cause_kind))
        return value.encode(), headers

    def _present(self, profile: Profile, prefix: str) -> tuple[str, str]:
        """A membership's entries of dimensions and of segments."""
        standings, definitions = profile.standings, self._definitions
        since_ms, nth, changed_by = standings.since_ms, standings.nth, standings.changed_by
        dimensions, segments = [], []
        for index, (answer, begins) in enumerate(zip(profile.answers, self._standings, strict=True)):
            if answer < 0 or (begin := begins[answer]) is None:
                continue
            since = to_text(since_ms[index])
            if definitions[index].stages:
                entry = f'{begin}{since}","nth":{nth[index]},"change_id":"{prefix}{changed_by[index]}"}}'
                dimensions.append(entry)
            else:
                held_out = _JSON[profile.control[index]]
                entry = f'{begin}{since}","control":{held_out},"nth":{nth[index]},"change_id":"{prefix}'
                segments.append(f'{entry}{changed_by[index]}"}}')
        return ",".join(dimensions), ",".join(segments)

    def _customer(self, customer_id: str, born: Born) -> tuple[str, str]:
        """What the ids of a life begin with, and the JSON that says whose it is; the latest is kept."""
        life, prefix, told = self._latest_customer
        if life != (customer_id, born):
            partition, offset = born
            prefix = f"{self.origin.run_id}.{partition}.{offset}."
            told = f'"customer_id":{json_text(customer_id)},"born":{{"partition":{partition},"offset":{offset}}}'
            self._latest_customer = (customer_id, born), prefix, told
        return prefix, told

    def _cause(self, cause: Cause) -> tuple[bytes, str]:
        """The header and the JSON of a cause; the latest is kept, since all changes of a set have the same."""
        latest, kind, encoded = self._latest_cause
        if cause is latest:
            return kind, encoded
        value: dict[str, Any]
        if isinstance(cause, EventCause):
            kind = b"event"
            value = {
                "kind": "event",
                "message_id": cause.message_id,
                "event": cause.event,
                "event_time": to_text(cause.event_time_ms),
                "input": self._position(cause.offset),
            }
        elif isinstance(cause, ClockCause):
            kind, value = b"clock", {"kind": "clock", "due_at": to_text(cause.due_ms)}
        elif isinstance(cause, DefinitionsCause):
            kind = b"definitions"
            value = {"kind": "definitions", "from_version": cause.from_revision, "to_version": cause.to_revision}
        else:
            kind = b"erasure"
            value = {"kind": "erasure", "request_id": cause.request_id, "input": self._position(cause.offset)}
        encoded = json_text(value)
        self._latest_cause = cause, kind, encoded
        return kind, encoded

    def _position(self, offset: int) -> dict[str, Any]:
        return {"topic": self.origin.input_topic, "partition": self.origin.partition, "offset": offset}

    def _headers(self, first: Headers, change_id: str, customer_id: str, effective_at: str, change: Change) -> Headers:
        return [
            *first,
            ("ce_id", change_id.encode()),
            ("ce_subject", customer_id.encode()),
            ("ce_time", effective_at.encode()),
            ("ce_customersequence", b"%d" % change.sequence),
            ("ce_replayed", _BOOLEAN[change.replayed]),
        ]

    def _first_headers(self, kind: str, schema: str) -> Headers:
        return [*_CONTENT, ("ce_type", kind.encode()), self._source, ("ce_dataschema", schema.encode())]

    def _constants_of(self, definition: Definition, named: dict[str, Any]) -> _Constants:
        word = "segment" if definition.is_segment else "dimension"
        name = json_text(definition.name)
        kinds = [SEGMENT_EXITED, SEGMENT_ENTERED] if definition.is_segment else [DIMENSION_CHANGED]
        headers = [(f"ce_{word}", definition.name.encode()), self._ce_definitions]
        stages = [json_text(stage) for stage in definition.stages]
        return _Constants(
            subject=f'"{word}":{name}',
            stages=stages,
            types=[(kind, [*self._first_headers(kind, CHANGE_SCHEMA), *headers]) for kind in kinds],
            standings=(
                [None, f'{name}:{{"since":"']
                if definition.is_segment
                else [f'{name}:{{"stage":{stage},"since":"' for stage in stages]
            ),
            definitions=json_text({**named, "part": definition.part}),
        )


def _stages_moved(stages: list[str], change: Change) -> str:
    before = json_text(change.former) if change.before is None else stages[change.before]
    return f'"from_stage":{before},"to_stage":{"null" if change.after is None else stages[change.after]}'


def _quoted(text: str | None) -> str:
    """JSON of a text that needs no escapes."""
    return "null" if text is None else f'"{text}"'
