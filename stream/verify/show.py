"""A report for people and for machines. Customers' ids and records' values show only where that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from stream.verify.log import Record
from stream.verify.report import MEANING, Expected, Report, Violation


def hashed(key: bytes | None) -> str:
    """A stand-in for a customer's id: the same id has the same, and it can be compared, not read."""
    return "no key" if key is None else f"key #{blake2b(key, digest_size=6).hexdigest()}"


def lines_of(violation: Violation, show_values: bool) -> Iterator[str]:
    """What it is and where; then each record involved."""
    yield f"{violation.kind}: partition {violation.partition}: {violation.message}"
    for record in violation.records:
        yield f"    {_place(record)}, {_key(record.key, show_values)}"
        if show_values:
            yield from _values(record)
    if violation.expected is not None:
        expected = violation.expected
        yield f"    expected in {expected.topic}: {_key(expected.key, show_values)}"
        if show_values:
            yield from _values(expected)


def as_json(report: Report, show_values: bool) -> dict[str, Any]:
    """`violations` counts all by kind; `examples` are those kept."""
    return {
        "clean": report.clean,
        "violations": {str(kind): count for kind, count in sorted(report.found.items())},
        "meanings": {str(kind): MEANING[kind] for kind in sorted(report.found)},
        "checked": dict(sorted(report.checked.items())),
        "unchecked": report.unchecked,
        "examples": [_violation(violation, show_values) for violation in report.violations],
    }


def _violation(violation: Violation, show_values: bool) -> dict[str, Any]:
    value: dict[str, Any] = {
        "kind": str(violation.kind),
        "partition": violation.partition,
        "message": violation.message,
        "records": [_shown(record, show_values) for record in violation.records],
    }
    if violation.expected is not None:
        value["expected"] = _shown(violation.expected, show_values)
    return value


def _shown(record: Record | Expected, show_values: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"topic": record.topic, "key": _key(record.key, show_values)}
    if isinstance(record, Record):
        shown |= {"partition": record.partition, "offset": record.offset}
    if show_values:
        shown |= {"value": _text(record.value), "headers": [[name, _text(v)] for name, v in record.headers or ()]}
    return shown


def _values(record: Record | Expected) -> Iterator[str]:
    yield f"        value: {_text(record.value)}"
    for name, value in record.headers or ():
        yield f"        {name}: {_text(value)}"


def _place(record: Record) -> str:
    offset = "newest" if record.offset < 0 else f"offset {record.offset}"
    return f"{record.topic}, partition {record.partition}, {offset}"


def _key(key: bytes | None, show_values: bool) -> str:
    return f"key {_text(key)}" if show_values else hashed(key)


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
