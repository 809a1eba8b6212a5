"""What is told of brokers that do not answer, of all that librdkafka said of its connections."""

from __future__ import annotations

from itertools import permutations

import pytest
from confluent_kafka import KafkaError

from stream.kafka.metadata import Heard

CLOSED = "Disconnected: SSL connection closed by peer"
SAID = [
    (KafkaError._TRANSPORT, f"ssl://127.0.0.1:9/bootstrap: {CLOSED} (after 0ms in state SSL_HANDSHAKE)"),
    (
        KafkaError._TRANSPORT,
        f"ssl://127.0.0.1:9/bootstrap: SSL handshake failed: {CLOSED}: connecting to a PLAINTEXT broker listener? "
        "(after 0ms in state SSL_HANDSHAKE)",
    ),
    (
        KafkaError._ALL_BROKERS_DOWN,
        "1/1 brokers are down, and nobody can tell in however many words why that is so " * 3,
    ),
]


@pytest.mark.parametrize("order", list(permutations(SAID)))
def test_the_guess_at_the_reason_is_told_whenever_it_was_made(order):
    heard = Heard()
    for code, text in order:
        heard.hear(KafkaError(code, text))
    assert heard.trouble is not None and "PLAINTEXT broker listener?" in heard.trouble.str()
