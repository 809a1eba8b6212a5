"""Laws of how a report is shown: everything needed to find the records, nobody's data unless asked for."""

from __future__ import annotations

import json

from stream.verify.check import check
from stream.verify.log import MemoryLog
from stream.verify.report import KEPT_PER_KIND, Kind, Record, Report, Violation
from stream.verify.show import as_json, hashed, lines_of
from tests.verify.worlds import NAMES, PROGRAM, Copy, lived, log_of


async def damaged() -> MemoryLog:
    copy = Copy(log_of(await lived()))
    copy.edit_json("changes", 5, lambda found: found.update(valid_until="2030-01-01T00:00:00.000Z"))
    copy.edit("rejected", 0, value=b'{"email": "kim@example.com"}')
    return copy.log_now()


async def test_a_violation_names_topic_partition_and_offset_and_hides_the_customer():
    report = check(await damaged(), PROGRAM, NAMES)
    altered = next(found for found in report.violations if found.kind is Kind.ALTERED)
    text = "\n".join(lines_of(altered, show_values=False))
    assert text.startswith("altered: partition 0: differs in value (valid_until)\n")
    assert "changes, partition 0, offset 5, key #" in text
    assert "c5" not in text.replace("key #", "").split() and "2030" not in text


async def test_values_are_shown_when_asked_for_beside_what_had_to_be_there():
    report = check(await damaged(), PROGRAM, NAMES)
    altered = next(found for found in report.violations if found.kind is Kind.ALTERED)
    lines = list(lines_of(altered, show_values=True))
    values = [json.loads(line.partition("value: ")[2]) for line in lines if line.startswith("        value: ")]
    assert [value["customer_id"] for value in values] == [altered.records[0].key.decode()] * 2
    assert values[0]["valid_until"] == "2030-01-01T00:00:00.000Z" != values[1]["valid_until"]


async def test_the_json_report_counts_explains_and_hides_the_same():
    report = check(await damaged(), PROGRAM, NAMES)
    shown = as_json(report, show_values=False)
    assert (shown["clean"], shown["violations"]) == (False, {"altered": 1, "rejected-differs": 1})
    assert shown["meanings"].keys() == shown["violations"].keys()
    assert "kim@example.com" not in json.dumps(shown) and '"value"' not in json.dumps(shown)
    assert "kim@example.com" in json.dumps(as_json(report, show_values=True))


def test_the_same_customer_has_the_same_stand_in_and_bytes_that_are_no_text_can_be_shown():
    assert hashed(b"c1") == hashed(b"c1") != hashed(b"c2")
    record = Record("rejected", 0, 3, 0, b"\xff", None)
    violation = Violation(Kind.UNEXPECTED, 0, "no commit wrote it", (record,))
    assert "key 0xff" in "\n".join(lines_of(violation, show_values=True))


def test_a_million_violations_are_counted_and_some_hundred_kept():
    report = Report()
    for offset in range(3_000):
        report.add(Violation(Kind.MISSING, 0, "gone", (Record("changes", 0, offset, 0, b"c", b""),)))
    assert (report.found[Kind.MISSING], len(report.violations)) == (3_000, KEPT_PER_KIND)
