"""The texts of definitions, as they travel with the state: one record per revision on the state topic, under a reserved
key, and in the journal record of the commit that wrote it. So another worker, and whoever replays the journal, can read
what was written under a revision that is no longer deployed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from stream.codec.journal import RESERVED
from stream.errors import UnreadableState

_PREFIX = RESERVED + b"definitions/"
_VERSION = 1
_NAMES = ("v", "revision", "hash", "layout", "began_ms", "kept", "files")


@dataclass(frozen=True, slots=True)
class DefinitionsText:
    """A revision as it was deployed.

    hash      of its meaning; `layout`: fingerprint of how its cells are laid out
    began_ms  when it began in this partition; NEVER_MS for the first
    kept      cell key -> since when it is kept (`core.coverage`)
    files     [name, text] of each file
    """

    revision: int
    hash: str
    layout: str
    began_ms: int
    kept: dict[str, int] = field(default_factory=dict)
    files: tuple[tuple[str, str], ...] = ()

    def told(self) -> dict[str, Any]:
        """As a record tells it."""
        return {
            "v": _VERSION,
            "revision": self.revision,
            "hash": self.hash,
            "layout": self.layout,
            "began_ms": self.began_ms,
            "kept": dict(self.kept),
            "files": [list(each) for each in self.files],
        }


def definitions_key(revision: int) -> bytes:
    return _PREFIX + str(revision).encode()


def is_definitions(key: bytes | None) -> bool:
    return key is not None and key.startswith(_PREFIX)


def encode_definitions(text: DefinitionsText) -> bytes:
    return orjson.dumps(text.told())


def decode_definitions(data: bytes) -> DefinitionsText:
    """Raises UnreadableState."""
    try:
        return read_definitions(orjson.loads(data))
    except orjson.JSONDecodeError:
        raise _damaged() from None


def read_definitions(told: Any) -> DefinitionsText:
    """What `told` told. Raises UnreadableState."""
    if not isinstance(told, dict) or told.get("v") != _VERSION or set(told) != set(_NAMES):
        raise _damaged()
    files, kept = told["files"], told["kept"]
    shaped = (
        all(type(told[name]) is int for name in ("revision", "began_ms"))
        and all(type(told[name]) is str for name in ("hash", "layout"))
        and isinstance(kept, dict)
        and all(type(since) is int for since in kept.values())
        and isinstance(files, list)
        and all(isinstance(each, list) and [type(part) for part in each] == [str, str] for each in files)
    )
    if not shaped:
        raise _damaged()
    return DefinitionsText(
        told["revision"], told["hash"], told["layout"], told["began_ms"], kept,
        tuple((name, text) for name, text in files),
    )  # fmt: skip


def stored_definitions(reserved: Mapping[bytes, bytes]) -> dict[int, DefinitionsText]:
    """The definitions among the processor's own records of a partition, by revision. Raises UnreadableState."""
    found = (decode_definitions(value) for key, value in reserved.items() if is_definitions(key))
    return {text.revision: text for text in found}


def _damaged() -> UnreadableState:
    return UnreadableState(
        "a record of definitions on the state topic: found what this release can't read, expected the text of a "
        "revision; start the release that wrote it"
    )
