"""What verifying found: violations by kind, what was checked, and what could not be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from stream.verify.log import Record

KEPT_PER_KIND = 200
"""Violations kept with their records, of each kind and partition; all are counted."""


class Kind(StrEnum):
    """Every law that the topics can show, by the name of its breach. `MEANING` has a sentence for each."""

    JOURNAL_CHAIN = "journal-chain"
    JOURNAL_UNREADABLE = "journal-unreadable"
    INPUT_GAP = "input-gap"
    INPUT_OVERLAP = "input-overlap"
    CONSERVATION = "conservation"
    DEFINITIONS = "definitions"
    RUN = "run"
    CLOCK_BACK = "clock-back"
    CLOCK_AHEAD = "clock-ahead"
    WAKE_EARLY = "wake-early"
    WAKE_GHOST = "wake-ghost"
    WAKE_UNFIRED = "wake-unfired"
    MODEL_DIFFERS = "model-differs"
    MODEL_FAILED = "model-failed"
    MISSING = "missing"
    UNEXPECTED = "unexpected"
    DOUBLED = "doubled"
    ORDER = "order"
    ALTERED = "altered"
    REJECTED_DIFFERS = "rejected-differs"
    CHANGE_UNREADABLE = "change-unreadable"
    SEQUENCE = "sequence"
    NTH = "nth"
    ID = "id"
    ALTERNATION = "alternation"
    CHANGE_SET = "change-set"
    CUSTOMER_TIME = "customer-time"
    MEMBERSHIP_FOLD = "membership-fold"
    STATE_FOLD = "state-fold"
    DIGEST = "digest"
    META = "meta"
    COMMITTED_OFFSET = "committed-offset"


MEANING: dict[Kind, str] = {
    Kind.JOURNAL_CHAIN: "a journal record doesn't follow from the one before: its number, or the digest it names",
    Kind.JOURNAL_UNREADABLE: "a journal record can't be read",
    Kind.INPUT_GAP: "input offsets that no commit took in",
    Kind.INPUT_OVERLAP: "input offsets that two commits took in",
    Kind.CONSERVATION: "input records don't add up: received, accepted, duplicate, ignored, rejected, erased",
    Kind.DEFINITIONS: "a commit was made under other definitions than the ones given",
    Kind.RUN: "a record of another run id, or of another partition",
    Kind.CLOCK_BACK: "the partition clock went back, or the journal's clock is not that of its last step",
    Kind.CLOCK_AHEAD: "the clock passed an instant while records appended before it were unread",
    Kind.WAKE_EARLY: "a change caused by the clock before due instant plus grace",
    Kind.WAKE_GHOST: "a change caused by the clock that no clock step and no record of the customer accounts for",
    Kind.WAKE_UNFIRED: "a wake that a step passed and that did not fire, or a customer parked though nothing is held",
    Kind.MODEL_DIFFERS: "doing the commit again gives other figures or rejected offsets than the journal says",
    Kind.MODEL_FAILED: "the core fails on a record which the journal says was processed",
    Kind.MISSING: "a record that a commit must have written is not there: lost, or a torn commit",
    Kind.UNEXPECTED: "a record that no commit accounts for",
    Kind.DOUBLED: "a record that is there again",
    Kind.ORDER: "records of a commit stand in another order than they were made in",
    Kind.ALTERED: "a record's bytes or headers are not those the commit must have written",
    Kind.REJECTED_DIFFERS: "a rejected record's key, value or headers are not those of the input record it names",
    Kind.CHANGE_UNREADABLE: "a change, or a membership, that is no JSON of its shape",
    Kind.SEQUENCE: "a customer's changes are not numbered 1, 2, 3 in their order",
    Kind.NTH: "a customer's changes of one dimension or segment are not numbered 1, 2, 3",
    Kind.ID: "a change's id is not made of run, birth and sequence, or came twice",
    Kind.ALTERNATION: "a change does not lead away from where the customer was",
    Kind.CHANGE_SET: "the changes of one cause are not together or not all there",
    Kind.CUSTOMER_TIME: "a change took effect before the customer's change before it",
    Kind.MEMBERSHIP_FOLD: "a membership is not what the customer's changes add up to",
    Kind.STATE_FOLD: "the state topic, read from its beginning, does not give the customers of its last commit",
    Kind.DIGEST: "the digest or number of customers after a commit is not the model's",
    Kind.META: "the state topic's meta record is not that of the commit the journal tells",
    Kind.COMMITTED_OFFSET: "the group's committed offset, or the text with it, is not that of the last commit",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """A record that a commit must have written."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach. `message` holds no customer's data; `records` are those involved, `expected` what had to be there."""

    kind: Kind
    partition: int
    message: str
    records: tuple[Record, ...] = ()
    expected: Expected | None = None


@dataclass(slots=True)
class Report:
    """`checked` counts what was held against a law, by the law's words; `unchecked` says what could not be and why."""

    violations: list[Violation] = field(default_factory=list)
    found: Counter[Kind] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    unchecked: list[str] = field(default_factory=list)
    _kept: Counter[tuple[Kind, int]] = field(default_factory=Counter)

    @property
    def clean(self) -> bool:
        return not self.found

    @property
    def kinds(self) -> set[Kind]:
        return set(self.found)

    def add(self, violation: Violation) -> None:
        self.found[violation.kind] += 1
        place = (violation.kind, violation.partition)
        self._kept[place] += 1
        if self._kept[place] <= KEPT_PER_KIND:
            self.violations.append(violation)

    def not_checked(self, why: str) -> None:
        if why not in self.unchecked:
            self.unchecked.append(why)
