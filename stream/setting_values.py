"""What may stand as a setting's value: durations, sizes, addresses, tokens; from text, and back to text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr

UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
UNITS_BYTES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
TOKEN_CHARACTERS = range(16, 513)
"""Fewer can be guessed over a network, more do not fit every proxy's headers."""

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # what may follow `Bearer`: RFC 6750, section 2.1
_TOKEN_EXPECTED = f"{TOKEN_CHARACTERS.start} to {TOKEN_CHARACTERS.stop - 1} letters, digits and -._~+/"


class Wrong(ValueError):
    """A value that can't be used: what was found (None: the value as given) and what was expected (None: the field's
    own words)."""

    def __init__(self, found: str | None = None, expected: str | None = None, key: str | None = None) -> None:
        super().__init__(f"found {found}, expected {expected}")
        self.found = found
        self.expected = expected
        self.key = key


def parse_quantity(text: Any, units: Mapping[str, int]) -> int:
    """`"1.5s"` -> 1500. ValueError when it is no whole number of the smallest unit."""
    if isinstance(text, int) and not isinstance(text, bool) and (text == 0 or "" in units):
        text = str(text)
    match = _QUANTITY.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or (match[2] not in units and match[1] != "0"):
        raise Wrong()
    amount = float(match[1]) * units.get(match[2], 1)
    if not isfinite(amount) or amount != int(amount):
        raise Wrong()
    return int(amount)


def format_quantity(amount: int, units: Mapping[str, int]) -> str:
    """The shortest exact text: 15000 -> 15s."""
    fitting = [(size, unit) for unit, size in units.items() if unit and amount % size == 0]
    size, unit = min(fitting, key=lambda pair: (amount // pair[0], pair[0])) if amount else (1, "")
    return f"{amount // size}{unit}"


def parse_duration_ms(text: Any) -> int:
    return parse_quantity(text, UNITS_MS)


def parse_size_bytes(text: Any) -> int:
    return parse_quantity(text, UNITS_BYTES)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the web server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: Any) -> Address:
    if isinstance(text, Address):
        return text
    host, colon, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not colon or not port.isdecimal() or int(port) > 65535:
        raise Wrong()
    return Address(host, int(port))


def parse_token(value: Any) -> SecretStr | None:
    """The endpoints' token. What is wrong is told without a character of it."""
    if value is None:
        return None
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        raise Wrong("no text", _TOKEN_EXPECTED)
    if len(text) not in TOKEN_CHARACTERS:
        raise Wrong(f"a text of {len(text)} characters", _TOKEN_EXPECTED)
    if not _TOKEN.fullmatch(text):
        raise Wrong("a character that can't stand in a header", _TOKEN_EXPECTED)
    return SecretStr(text)


Duration = Annotated[int, BeforeValidator(parse_duration_ms)]
Size = Annotated[int, BeforeValidator(parse_size_bytes)]
ListenAddress = Annotated[Address, BeforeValidator(parse_address)]
Token = Annotated[SecretStr | None, BeforeValidator(parse_token)]
