"""What is published: a change or a membership as CloudEvents 1.0 in binary mode, its JSON value complete by itself.

The shapes are `schemas/segment-change.v1`, `segment-membership.v1` and `headers.v1`. What is the same for every
change of a definition is encoded once. A change with two reasons takes 5 us, a membership with five entries 8; putting
their JSON, or that of the reasons, together as text was no quicker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from stream.codec.instants import to_text, to_text_or_none
from stream.codec.wide_json import json_bytes
from stream.core.changes import Cause, Change, ClockCause, DefinitionsCause, EventCause
from stream.core.events import Rejected
from stream.core.profile import Born, Profile
from stream.core.program import Decider, Definition, Program

Headers = list[tuple[str, bytes]]

BECAUSE_LIMIT = 20
"""Conditions named in a change, and items of a list in one; a reader wants the few that decided."""

EXPRESSION_LIMIT = 512
VALUE_LIMIT = 256
"""Characters of a text within a reason, which shows a value; `with` carries it. Lists are cut at `BECAUSE_LIMIT`."""

DIMENSION_CHANGED = "segmenter.dimension.changed.v1"
SEGMENT_ENTERED = "segmenter.segment.entered.v1"
SEGMENT_EXITED = "segmenter.segment.exited.v1"
CUSTOMER_ERASED = "segmenter.customer.erased.v1"
MEMBERSHIP = "segmenter.membership.v1"

CHANGE_SCHEMA = "urn:segmenter:schema:segment-change:1"
MEMBERSHIP_SCHEMA = "urn:segmenter:schema:segment-membership:1"

_BOOLEAN = (b"false", b"true")
_REPLAYED = (("ce_replayed", b"false"), ("ce_replayed", b"true"))
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
    """What every change of one definition has in common."""

    definitions: orjson.Fragment
    types: dict[int, tuple[str, Headers]]  # answer -> type and constant headers, for a segment; key 0 for a dimension


class Encoder:
    """Encodes what one partition publishes. The same inputs give the same bytes."""

    def __init__(self, origin: Origin, program: Program) -> None:
        self.origin = origin
        self._definitions = program.definitions
        self._source = ("ce_source", f"/segmenter/{origin.name}/{origin.run_id}".encode())
        self._ce_definitions = ("ce_definitions", f"{program.name}@{program.version}".encode())
        named = {"name": program.name, "version": program.version, "hash": program.hash}
        self._named = orjson.Fragment(orjson.dumps(named))
        self._constants = {definition.name: self._constants_of(definition, named) for definition in program.definitions}
        self._erased = self._first_headers(CUSTOMER_ERASED, CHANGE_SCHEMA)
        self._membership = [*self._first_headers(MEMBERSHIP, MEMBERSHIP_SCHEMA), self._ce_definitions]
        self._latest_cause: tuple[Cause | None, bytes, orjson.Fragment] = (None, b"", orjson.Fragment(b""))

    def change(self, customer_id: str, born: Born, change: Change) -> tuple[bytes, Headers]:
        """Value and headers of one change of the customer's life that began at `born`."""
        if change.definition is None:
            return self._erasure(customer_id, born, change)
        definition, origin = change.definition, self.origin
        constants = self._constants[definition.name]
        prefix = f"{origin.run_id}.{born[0]}.{born[1]}."
        change_id = f"{prefix}{change.sequence}"
        corrects = None if change.corrects is None else f"{prefix}{change.corrects}"
        effective_at = to_text(change.effective_ms)
        stages = definition.stages
        kind, first = constants.types[0 if stages else change.after or 0]
        cause_kind, cause = self._cause(change.cause)
        value: dict[str, Any] = {
            "type": kind,
            "id": change_id,
            "customer_id": customer_id,
            "born": {"partition": born[0], "offset": born[1]},
            "sequence": change.sequence,
            "nth": change.nth,
            "change_set": {"index": change.set_index, "size": change.set_size},
        }
        if stages:
            value["dimension"] = definition.name
            value["from_stage"] = change.former if change.before is None else stages[change.before]
            value["to_stage"] = None if change.after is None else stages[change.after]
        else:
            value["segment"] = definition.name
            value["member"] = change.after == 1
        value["effective_at"] = effective_at
        value["decided_at"] = to_text(change.decided_ms)
        valid_until = to_text_or_none(change.valid_until_ms)
        if valid_until is not None:
            value["valid_until"] = valid_until
        value["cause"] = cause
        value["because"] = [_reason(decider) for decider in change.because[:BECAUSE_LIMIT]]
        value["definitions"] = constants.definitions
        value["control"] = change.control
        value["replayed"] = change.replayed
        value["corrects"] = corrects
        if change.approximate:
            value["approximate"] = True
        if change.carried:
            value["with"] = change.carried

        headers = self._headers(first, change_id, customer_id, effective_at, change)
        headers.append(("ce_cause", cause_kind))
        if change.control is not None:
            headers.append(("ce_control", _BOOLEAN[change.control]))
        if corrects is not None:
            headers.append(("ce_corrects", corrects.encode()))
        if isinstance(change.cause, EventCause) and change.cause.traceparent is not None:
            headers.append(("traceparent", change.cause.traceparent.encode()))
        return json_bytes(value), headers

    def membership(
        self, profile: Profile, as_of_ms: int, facts: dict[str, Any], replayed: bool
    ) -> tuple[bytes, Headers]:
        """Value and headers of the customer's present stages and segments."""
        born = profile.born
        prefix = f"{self.origin.run_id}.{born[0]}.{born[1]}."
        membership_id = f"{prefix}m{profile.sequence}"
        as_of = to_text(as_of_ms)
        standings = profile.standings
        dimensions: dict[str, Any] = {}
        segments: dict[str, Any] = {}
        for definition, answer, held_out, since_ms, nth, changed_by in zip(
            self._definitions, profile.answers, profile.control,
            standings.since_ms, standings.nth, standings.changed_by, strict=True,
        ):  # fmt: skip
            if definition.stages:
                if answer >= 0:
                    dimensions[definition.name] = {
                        "stage": definition.stages[answer],
                        "since": to_text(since_ms),
                        "nth": nth,
                        "change_id": f"{prefix}{changed_by}",
                    }
            elif answer == 1:
                segments[definition.name] = {
                    "since": to_text(since_ms),
                    "control": held_out,
                    "nth": nth,
                    "change_id": f"{prefix}{changed_by}",
                }
        value = {
            "type": MEMBERSHIP,
            "id": membership_id,
            "customer_id": profile.customer_id,
            "born": {"partition": born[0], "offset": born[1]},
            "sequence": profile.sequence,
            "as_of": as_of,
            "dimensions": dimensions,
            "segments": segments,
            "facts": facts,
            "next_change_at": to_text_or_none(profile.wake_ms),
            "definitions": self._named,
            "replayed": replayed,
        }
        headers = [
            *self._membership,
            ("ce_id", membership_id.encode()),
            ("ce_subject", profile.customer_id.encode()),
            ("ce_time", as_of.encode()),
            ("ce_customersequence", b"%d" % profile.sequence),
            _REPLAYED[replayed],
        ]
        return json_bytes(value), headers

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
        change_id = f"{self.origin.run_id}.{born[0]}.{born[1]}.{change.sequence}"
        effective_at = to_text(change.effective_ms)
        cause_kind, cause = self._cause(change.cause)
        value = {
            "type": CUSTOMER_ERASED,
            "id": change_id,
            "customer_id": customer_id,
            "born": {"partition": born[0], "offset": born[1]},
            "sequence": change.sequence,
            "effective_at": effective_at,
            "decided_at": to_text(change.decided_ms),
            "cause": cause,
            "replayed": change.replayed,
        }
        headers = self._headers(self._erased, change_id, customer_id, effective_at, change)
        headers.append(("ce_cause", cause_kind))
        return json_bytes(value), headers

    def _cause(self, cause: Cause) -> tuple[bytes, orjson.Fragment]:
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
        encoded = orjson.Fragment(orjson.dumps(value))
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
            _REPLAYED[change.replayed],
        ]

    def _first_headers(self, kind: str, schema: str) -> Headers:
        return [*_CONTENT, ("ce_type", kind.encode()), self._source, ("ce_dataschema", schema.encode())]

    def _constants_of(self, definition: Definition, named: dict[str, Any]) -> _Constants:
        kinds = [SEGMENT_EXITED, SEGMENT_ENTERED] if definition.is_segment else [DIMENSION_CHANGED]
        subject = ("ce_segment" if definition.is_segment else "ce_dimension", definition.name.encode())
        return _Constants(
            definitions=orjson.Fragment(orjson.dumps({**named, "part": definition.part})),
            types={
                answer: (kind, [*self._first_headers(kind, CHANGE_SCHEMA), subject, self._ce_definitions])
                for answer, kind in enumerate(kinds)
            },
        )


def _reason(decider: Decider) -> dict[str, Any]:
    condition = decider.condition
    reason: dict[str, Any] = {"expression": _cut(condition.expression, EXPRESSION_LIMIT), "holds": condition.holds}
    if condition.withheld:
        reason["value"] = None
        reason["withheld"] = True
    else:
        reason["value"] = _shown(decider.value)
    reason["file"] = condition.file
    reason["line"] = condition.line
    return reason


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return _cut(value, VALUE_LIMIT)
    if isinstance(value, list | tuple):
        return [_cut(item, VALUE_LIMIT) if isinstance(item, str) else item for item in value[:BECAUSE_LIMIT]]
    return value


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
