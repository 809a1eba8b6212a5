from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.codec.instants import FIRST_MS, LAST_MS, from_text, to_text, to_text_or_none
from stream.core.events import FOREVER_MS, NEVER_MS

any_instant = st.integers(FIRST_MS, LAST_MS)


@given(any_instant)
def test_an_instant_written_is_read_back_the_same(instant_ms: int) -> None:
    assert from_text(to_text(instant_ms)) == instant_ms


@given(any_instant)
def test_an_instant_is_written_as_the_calendar_says(instant_ms: int) -> None:
    moment = datetime(1970, 1, 1) + timedelta(milliseconds=instant_ms)
    assert to_text(instant_ms) == moment.isoformat(timespec="milliseconds") + "Z"


@given(any_instant, any_instant)
def test_order_of_text_is_order_of_time(one_ms: int, other_ms: int) -> None:
    assert (to_text(one_ms) < to_text(other_ms)) == (one_ms < other_ms)


@given(st.datetimes(), st.integers(-1439, 1439))
def test_an_offset_moves_the_instant_back_to_utc(moment: datetime, offset_minutes: int) -> None:
    text = f"{moment.isoformat()}{'-' if offset_minutes < 0 else '+'}"
    text += f"{abs(offset_minutes) // 60:02d}:{abs(offset_minutes) % 60:02d}"
    since = moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC) - timedelta(minutes=offset_minutes)
    assert from_text(text) == since // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-09-03T08:30:12.512Z", "2026-09-03T08:30:12.512Z"),
        ("2026-09-03T08:30:12Z", "2026-09-03T08:30:12.000Z"),
        ("2026-09-03T08:30:12.512", "2026-09-03T08:30:12.512Z"),
        ("2026-09-03 08:30:12", "2026-09-03T08:30:12.000Z"),
        ("2026-09-03t08:30:12z", "2026-09-03T08:30:12.000Z"),
        ("2026-09-03T08:30", "2026-09-03T08:30:00.000Z"),
        ("2026-09-03", "2026-09-03T00:00:00.000Z"),
        ("2026-09-03T08:30:12.5129999Z", "2026-09-03T08:30:12.512Z"),
        ("2026-09-03T10:30:12.5+02:00", "2026-09-03T08:30:12.500Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
    ],
)
def test_iso_8601_is_read_with_utc_for_none_and_below_a_millisecond_cut(text: str, meant: str) -> None:
    instant_ms = from_text(text)
    assert instant_ms is not None and to_text(instant_ms) == meant


@pytest.mark.parametrize(
    "text",
    ["", "now", "1788424212512", "2026-W36-4", "20260903T083012Z", "2026-09-03x08:30:12", "2026-02-30T00:00:00Z",
     "2026-09-03T25:00:00Z", "2026-09-03T23:59:60Z", "03.09.2026", "2026-09-03T", "2026-09-03T08:30:12ZZ",
     # Versions of Python differ about these, and a history must be read alike by all of them.
     "2026-09-03T24:00:00Z", "2026-09-03T24:00", "2026-09-03T08:30:12,Z", "2026-09-03T08:30:460Z",
     "2026-09-03T08:30:12zZ", "2026-09-03T08.30", "2026-09-03T08:30:\u0661\u0662Z"],
)  # fmt: skip
def test_what_is_no_iso_8601_instant_is_none(text: str) -> None:
    assert from_text(text) is None


@given(st.text())
def test_any_text_is_an_instant_or_none_never_an_error(text: str) -> None:
    assert from_text(text) is None or isinstance(from_text(text), int)


@pytest.mark.parametrize("instant_ms", [None, NEVER_MS, FOREVER_MS, FIRST_MS - 1, LAST_MS + 1])
def test_what_the_calendar_cannot_write_is_none(instant_ms: int | None) -> None:
    assert to_text_or_none(instant_ms) is None
