"""A history is judged alike under every version of Python: odd texts are read as they were when the digests below were
taken (3.11, 3.13 and 3.14 agreed). A digest that differs under another version is a fault; one that differs after a
change of ours means that old histories may be judged anew, and is taken again only when that is meant."""

from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import sha256

from stream.codec.inbound import decode
from stream.codec.instants import from_text
from stream.core.events import Event, Rejected

TEXTS = 6_000
INSTANTS = (
    "2026-01-01T00:00:00Z", "2026-12-31T24:00:00Z", "2026-01-01T24:00", "2026-01-01 10:00:00+01:00", "2026-01-01",
    "2026-01-01T10:00:00.123456789-0330", "2026-01-01T10:30:00,5Z", "2026-01-01T10:30:00+01:00:30.5",
    "9999-12-31T23:59:59.999-01:00", "2026-01-01T103000.5+0100", "2026-W01-1",
)  # fmt: skip
SIGNS = "0123456789-:+.,TZtz W\u0663\n"
PAYLOADS = (
    b'{"type":"track","event":"x","userId":"kim","messageId":"m","timestamp":"2026-01-01T00:00:00Z","properties":{"a":1}}',
    b'{"type":"identify","userId":"kim","traits":{"age":27},"sentAt":"2026-01-01T00:00:00Z"}',
    b"[" * 600, b'{"a":' * 600 + b"1" + b"}" * 600, b'{"a":1e999}', b'{"a":NaN}', b'{"a":12345678901234567890123}',
    b'"\\ud800"',
)  # fmt: skip
PIECES = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"1", b"e", b"-", b".", b"9" * 30, b"1e400", b"NaN", b"null",
    b"\x00", b"\n", b" ", b"\\u0000", b"\\udc00", "é\u0663\ufeff".encode(), b"[" * 40, b'{"a":' * 30, b"[" * 520,
    b"\xff",
)  # fmt: skip


def changed(dice: random.Random, text: bytes, pieces: Sequence[bytes]) -> bytes:
    """Something put in, put over, or left out, once or twice."""
    for _ in range(dice.randrange(1, 3)):
        at, piece = dice.randrange(len(text) + 1), pieces[dice.randrange(len(pieces))]
        kept = at + (0, len(piece), dice.randrange(1, 6))[which := dice.randrange(3)]
        text = text[:at] + (b"" if which == 2 else piece) + text[kept:]
    return text


def corpus(seeds: Sequence[bytes], pieces: Sequence[bytes]) -> list[bytes]:
    dice = random.Random(7)
    return [changed(dice, seeds[dice.randrange(len(seeds))], pieces) for _ in range(TEXTS)]


def digest(told: Sequence[object]) -> str:
    return sha256("\n".join(map(str, told)).encode()).hexdigest()[:16]


def test_odd_instants_are_read_as_they_always_were() -> None:
    texts = [
        text.decode(errors="replace")
        for text in corpus([each.encode() for each in INSTANTS], [each.encode() for each in SIGNS])
    ]
    read = [from_text(text) for text in texts]

    assert sum(instant is not None for instant in read) > 300, "a corpus that tells little"
    assert digest(read) == "f916d7899e7dec1b"


def test_odd_payloads_are_taken_or_rejected_as_they_always_were() -> None:
    told = []
    for offset, value in enumerate(corpus(PAYLOADS, PIECES)):
        item = decode(b"kim", value, None, 1_767_225_600_000, offset, 1_767_225_600_000)
        told.append(
            (item.reason.value,) if isinstance(item, Rejected)
            else (item.kind, item.name, item.time_ms, item.message_id, item.properties) if isinstance(item, Event)
            else (type(item).__name__,)
        )  # fmt: skip

    assert len({each[0] for each in told}) >= 10, "a corpus that tells little"
    assert digest(told) == "522b5607735f4a5e"
