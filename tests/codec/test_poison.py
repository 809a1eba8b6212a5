"""The poison corpus through the decoder: each record has one meaning, and none breaks it."""

from __future__ import annotations

import pytest

from stream.codec.inbound import decode
from stream.core.events import Erasure, Event, Ignored, Reason, Rejected
from tests.codec.poison import CORPUS, ERASURE, EVENT, IGNORED, Poison
from tests.codec.samples import NOW_MS

KINDS = {EVENT: Event, IGNORED: Ignored, ERASURE: Erasure}


def test_the_corpus_has_each_record_once() -> None:
    assert len({poison.name for poison in CORPUS}) == len(CORPUS)


def test_the_corpus_shows_every_reason_that_a_record_alone_can_have() -> None:
    of_history = {Reason.TOO_OLD, Reason.INTERNAL}

    assert {poison.becomes for poison in CORPUS if poison.is_rejected} == set(Reason) - of_history


@pytest.mark.parametrize("poison", CORPUS, ids=lambda poison: poison.name)
def test_a_poison_record_has_the_meaning_that_stands_beside_it(poison: Poison) -> None:
    stamp = NOW_MS if poison.timestamp_ms is None else poison.timestamp_ms

    decoded = decode(poison.key, poison.value, poison.headers, stamp, 7, NOW_MS)  # type: ignore[arg-type]

    if poison.is_rejected:
        assert isinstance(decoded, Rejected) and decoded.reason == poison.becomes, decoded
        assert len(decoded.detail) < 256 and decoded.detail.isprintable()
    else:
        assert isinstance(decoded, KINDS[poison.becomes]), decoded
