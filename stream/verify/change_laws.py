"""Laws of the changes as any subscriber could hold them: numbering, ids, alternation, whole sets, a customer's time.

They need neither journal nor model, only the topic in its order.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import orjson

from stream.codec.outbound import CUSTOMER_ERASED
from stream.verify.disk import Disk
from stream.verify.log import Record
from stream.verify.match import Tell
from stream.verify.report import Kind, Report
from stream.verify.tape import header

EDGE = 100_000
"""Changes of which the customers are remembered: more than the commits at the edge of a cut hold."""

OFFSETS = 1 << 63
"""There are no larger ones."""

Life = dict[str, Any]
"""One customer as the changes tell: born (input offset), sequence, effective_at, over (erased), whole (known from its
first change), of: name -> [nth, answer, since, change id, control], revision: name -> of its last change's
definitions."""


class ChangeLaws:
    """Takes one partition's changes in their order. `trimmed`: the first ones are deleted."""

    def __init__(self, partition: int, disk: Disk, tell: Tell, report: Report, trimmed: bool) -> None:
        self.partition = partition
        self.run_id: str | None = None  # once the journal has told
        self.fresh: list[tuple[Record, dict[str, Any]]] = []  # read since somebody last cleared it
        self.keeps_fresh = True  # while somebody does
        self.latest: deque[bytes] = deque(maxlen=EDGE)  # keys
        self._disk = disk
        self._tell = tell
        self._report = report
        self._trimmed = trimmed
        self._set: tuple[bytes, int, int, Any] | None = None  # key, index, size and cause of the last change
        self._last: Record | None = None

    def take(self, record: Record) -> None:
        self._report.checked["changes"] += 1
        self.latest.append(record.key or b"")
        value = parsed(record)
        if value is None:
            self._breach(Kind.CHANGE_UNREADABLE, "no JSON object with the fields of a change", record)
            return
        if self.keeps_fresh:
            self.fresh.append((record, value))
        try:
            self._take(record, value)
        except (KeyError, TypeError, ValueError, AttributeError):
            self._breach(Kind.CHANGE_UNREADABLE, "a field of a change is missing or of another type", record)

    def ended(self) -> None:
        """No more changes come."""
        if self._set is not None and self._last is not None and self._set[1] != self._set[2]:
            self._breach(Kind.CHANGE_SET, f"the last set ends with {self._set[1]} of {self._set[2]}", self._last)

    def _take(self, record: Record, value: dict[str, Any]) -> None:
        key = record.key or b""
        stored = self._disk.life(key)
        life: Life | None = None if stored is None else orjson.loads(stored)
        self._identity(record, value)
        life = self._life(record, value, life)
        erased = value["type"] == CUSTOMER_ERASED
        self._whole_set(record, value, erased)
        if value["effective_at"] < life["effective_at"]:
            self._breach(Kind.CUSTOMER_TIME, "effective before the customer's change before it", record)
        life["sequence"], life["effective_at"] = value["sequence"], value["effective_at"]
        if erased:
            life["over"], life["of"], life["revision"] = True, {}, {}
        else:
            self._answer(record, value, life)
        self._disk.write_life(key, orjson.dumps(life))
        self._last = record

    def _identity(self, record: Record, value: dict[str, Any]) -> None:
        born, key = value["born"], record.key or b""
        if type(born["offset"]) is not int or not 0 <= born["offset"] < OFFSETS:
            raise TypeError
        run_id = self.run_id or value["id"].split(".")[0]
        due = f"{run_id}.{self.partition}.{born['offset']}.{value['sequence']}"
        if value["id"] != due or born["partition"] != self.partition:
            self._breach(Kind.ID, "its id is not run, birth and sequence", record)
        if header(record.headers, "ce_id") != value["id"].encode() or value["customer_id"].encode() != key:
            self._breach(Kind.ID, "key, headers and value name different customers or changes", record)
        if self._disk.born(born["offset"], key) != key:
            self._breach(Kind.ID, "another customer's life began at the same input record", record)

    def _life(self, record: Record, value: dict[str, Any], life: Life | None) -> Life:
        """The life this change belongs to, begun if need be."""
        born, sequence = value["born"]["offset"], value["sequence"]
        if life is not None and life["born"] == born and not life["over"]:
            if sequence != life["sequence"] + 1:
                self._breach(Kind.SEQUENCE, f"number {sequence} follows number {life['sequence']}", record)
            return life
        if life is not None and not life["over"]:
            self._breach(Kind.SEQUENCE, "another life begins while the customer's is not over", record)
        elif life is not None and born <= life["born"]:
            self._breach(Kind.SEQUENCE, "a change of a life that is over", record)
        if sequence != 1 and not (self._trimmed and life is None):
            self._breach(Kind.SEQUENCE, f"a life begins with number {sequence}", record)
        whole = sequence == 1
        return {
            "born": born,
            "sequence": 0,
            "effective_at": "",
            "over": False,
            "whole": whole,
            "of": {},
            "revision": {},
        }

    def _whole_set(self, record: Record, value: dict[str, Any], erased: bool) -> None:
        index, size = (1, 1) if erased else (value["change_set"]["index"], value["change_set"]["size"])
        key, cause = record.key or b"", value["cause"]
        last = self._set
        follows = last is not None and last == (key, index - 1, size, cause)
        begins = index == 1 and (last is None or last[1] == last[2])
        if not (follows and index <= size) and not begins and not (last is None and self._trimmed):
            self._breach(Kind.CHANGE_SET, f"{index} of {size} does not follow what stands before it", record)
        self._set = (key, index, size, cause)

    def _answer(self, record: Record, value: dict[str, Any], life: Life) -> None:
        name = value.get("dimension", value.get("segment"))
        known = life["of"].get(name)
        if "dimension" in value:
            before, answer = value["from_stage"], value["to_stage"]
            stood = known[1] if known else None
        else:
            answer = value["member"]
            before, stood = not answer, known[1] if known else False
        nth, unknown = known[0] if known else 0, known is None and not life["whole"]
        revision = value["definitions"]["version"]
        comes_back = value["nth"] == 1 and revision > life["revision"].get(name, revision)  # it was removed meanwhile
        life["revision"][name] = revision
        if value["nth"] != nth + 1 and not unknown and not comes_back:
            self._breach(Kind.NTH, f"number {value['nth']} of {name} follows number {nth}", record)
        if (before != stood or answer == before) and not unknown:
            self._breach(Kind.ALTERNATION, f"{name} does not lead away from where the customer was", record)
        life["of"][name] = [value["nth"], answer, value["effective_at"], value["id"], value["control"]]

    def _breach(self, kind: Kind, message: str, record: Record) -> None:
        self._tell(kind, message, (record,), None)


def parsed(record: Record) -> dict[str, Any] | None:
    """The value as a JSON object; None when it is none."""
    try:
        value = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
