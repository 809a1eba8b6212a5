"""Laws of the record that holds the text of definitions."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.codec.definitions import (
    DefinitionsText,
    decode_definitions,
    definitions_key,
    encode_definitions,
    is_definitions,
    stored_definitions,
)
from stream.codec.journal import META_KEY
from stream.errors import UnreadableState

TEXT = DefinitionsText(
    3, "0a1b2c3d4e5f", "5aab259ed491", 1_000, {"last\0x": 900}, (("shop.yaml", "definitions: 1\né\n"),)
)


def test_what_was_written_is_read_back_and_gives_the_same_bytes() -> None:
    data = encode_definitions(TEXT)
    assert decode_definitions(data) == TEXT
    assert encode_definitions(decode_definitions(data)) == data


def test_texts_are_told_from_everything_else_under_a_reserved_key() -> None:
    assert is_definitions(definitions_key(3))
    assert not is_definitions(META_KEY) and not is_definitions(b"customer") and not is_definitions(None)
    assert stored_definitions({definitions_key(3): encode_definitions(TEXT), b"\x00other": b"?"}) == {3: TEXT}


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"v":2}', encode_definitions(TEXT).replace(b'"files":[[', b'"files":[[1,')]
)
def test_what_is_damaged_or_of_another_release_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableState, match="definitions"):
        decode_definitions(data)


def test_golden_bytes_stay_readable_and_are_what_is_written() -> None:
    data = (Path(__file__).parent / "golden" / "definitions.v1.json").read_bytes()
    assert decode_definitions(data) == TEXT
    assert encode_definitions(TEXT) == data
