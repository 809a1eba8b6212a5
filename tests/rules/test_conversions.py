from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from stream.codec.instants import from_text
from stream.rules.conversions import to_instant

BERLIN = to_instant(ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        ("2026-09-03", "2026-09-02T22:00:00Z"),
        ("2026-09-03T08:30", "2026-09-03T06:30:00Z"),
        ("2026-09-03 08:30:12.512Z", "2026-09-03T08:30:12.512Z"),
        ("2026-09-03T083012+0200", "2026-09-03T06:30:12Z"),
    ],
)
def test_a_trait_that_is_a_date_or_a_time_without_offset_is_of_the_zone(raw: str, meant: str) -> None:
    assert BERLIN(raw) == from_text(meant)


@pytest.mark.parametrize(
    "raw",
    [7, None, "", "soon", "20260903", "2026-W36-4", "2026-02-30", "2026-09-03T24:00", "2026-09-03T08:30:460Z",
     "2026-09-03T08:30:12,Z", "2026-09-03T08:30:12." + "0" * 30],
)  # fmt: skip
def test_a_trait_that_is_no_instant_or_one_for_some_versions_of_python_only_is_null(raw: object) -> None:
    assert BERLIN(raw) is None
