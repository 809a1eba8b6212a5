"""Memberships are what the changes add up to: the last membership of each customer against the fold of the changes."""

from __future__ import annotations

from typing import Any

import orjson

from stream.verify.change_laws import Life
from stream.verify.disk import Disk
from stream.verify.log import Record
from stream.verify.match import Tell
from stream.verify.report import Kind, Report


class MembershipLaws:
    """Takes one partition's memberships as they come; `ended` compares."""

    def __init__(self, topic: str, partition: int, disk: Disk, tell: Tell, report: Report) -> None:
        self._topic = topic
        self._partition = partition
        self._disk = disk
        self._tell = tell
        self._report = report

    def take(self, record: Record) -> None:
        self._report.checked["membership records"] += 1
        self._disk.write_membership(record.key or b"", record.value, record.offset)

    def ended(self, moving: set[bytes], trimmed: bool) -> None:
        """`moving`: customers in commits at the edge of the cut, of whom one topic may tell more than the other.
        `trimmed`: the first changes are deleted, so customers without one may be right."""
        for key, stored in self._disk.lives():
            life = orjson.loads(stored)
            found = self._disk.membership(key)
            self._report.checked["customers' memberships against their changes"] += 1
            if found is None:
                if not life["over"] and key not in moving:
                    self._breach("the customer has changes and no membership", key, None)
                continue
            value, offset = found
            record = Record(self._topic, self._partition, offset, 0, key, value)
            if key not in moving:
                self._compare(life, record)
        for key, value, offset in self._disk.memberships():
            if key not in moving and not trimmed and self._disk.life(key) is None:
                record = Record(self._topic, self._partition, offset, 0, key, value)
                self._breach("the customer has a membership and no change", key, record)

    def _compare(self, life: Life, record: Record) -> None:
        key = record.key or b""
        if life["over"]:
            self._breach("the customer is erased and has a membership", key, record)
            return
        try:
            value = orjson.loads(record.value or b"")
            wrong = _differences(life, value)
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            self._tell(Kind.CHANGE_UNREADABLE, "no JSON object with the fields of a membership", (record,), None)
            return
        if wrong:
            self._breach(f"differs from the customer's changes in {', '.join(wrong)}", key, record)

    def _breach(self, message: str, key: bytes, record: Record | None) -> None:
        # Without a record of its own, one without offset and value says whose it is.
        record = record or Record(self._topic, self._partition, -1, 0, key, None)
        self._tell(Kind.MEMBERSHIP_FOLD, message, (record,), None)


def _differences(life: Life, value: dict[str, Any]) -> list[str]:
    wrong = []
    if (value["sequence"], value["born"]["offset"]) != (life["sequence"], life["born"]):
        wrong.append("sequence")
    told: dict[str, list[Any]] = {}
    for name, held in value["dimensions"].items():
        told[name] = [held["nth"], held["stage"], held["since"], held["change_id"], None]
    for name, held in value["segments"].items():
        told[name] = [held["nth"], True, held["since"], held["change_id"], held["control"]]
    due = {name: of for name, of in life["of"].items() if of[1] is not False and of[1] is not None}
    names = due.keys() | told.keys() if life["whole"] else due.keys()
    return wrong + sorted(name for name in names if due.get(name) != told.get(name))
