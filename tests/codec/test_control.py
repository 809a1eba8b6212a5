"""Records of the control topic: what is written is read; what can't be read holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.codec.control import LONGEST_REASON, UNREADABLE, Control, decode_control, encode_control

STAMP_MS = 1_767_225_600_000
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(TEXTS, st.integers(0, 4_000_000_000_000), TEXTS)
def test_what_is_written_is_read(by: str, at_ms: int, reason: str) -> None:
    assert decode_control(encode_control(Control(by, at_ms, reason)), 0) == Control(by, at_ms, reason)


def test_a_reason_has_a_bound() -> None:
    told = decode_control(encode_control(Control("ann", STAMP_MS, "x" * 10_000)), 0)
    assert len(told.reason) == LONGEST_REASON


@given(st.binary(max_size=60))
def test_whatever_else_comes_holds_too(value: bytes) -> None:
    assert decode_control(value, STAMP_MS) == Control("unknown", STAMP_MS, UNREADABLE)


@pytest.mark.parametrize("value", [b"{}", b"[]", b"null", b'{"by": 1, "at": "x", "reason": null}', b'"clock"'])
def test_json_of_another_shape_holds_too(value: bytes) -> None:
    assert decode_control(value, STAMP_MS) == Control("unknown", STAMP_MS, UNREADABLE)
