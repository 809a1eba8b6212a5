"""The first question to the brokers, what topics there are; and why there is no answer, in one line.

librdkafka answers with a bare time-out when brokers refuse it. What they said comes by the client's error callback.
"""

from __future__ import annotations

import re
import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from stream.kafka.errors import KafkaRefused, KafkaUnreachable, describe, error_of

TRY_S = 3.0
"""After so long without an answer, and a refusal heard, more waiting helps nobody."""

_REFUSALS = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL})
_ORIGIN = re.compile(r"^\w+://[^ ]+: ")
_STATE = re.compile(r" \(after \d+ms in state \w+.*\)$")
_ADVICE = {
    KafkaError._AUTHENTICATION: "look at kafka.sasl.mechanism, sasl.username and sasl.password",
    KafkaError._SSL: "look at kafka.security.protocol, ssl.ca.location and whether the certificate names this host",
}


class Heard:
    """What a client is told of its connections. Give its `hear` as `error_cb`."""

    def __init__(self) -> None:
        self.refusal: KafkaError | None = None  # the newest: wrong credentials, a certificate that does not do
        self.trouble: KafkaError | None = None  # of any other kind, the one that says most

    def hear(self, error: KafkaError) -> None:
        if error.code() in _REFUSALS:
            self.refusal = error
        elif error.code() != KafkaError._ALL_BROKERS_DOWN and _tells_more(error, self.trouble):
            self.trouble = error


def ask_topics(client: Any, heard: Heard, servers: str, seconds: float, topic: str | None = None) -> dict[str, Any]:
    """Metadata of all topics, or of one, by name, from any librdkafka client.

    Raises KafkaRefused when brokers do not let us in, KafkaUnreachable when none answers within `seconds`.
    """
    end_s = time.monotonic() + seconds
    while True:
        try:
            left_s = max(0.1, min(TRY_S, end_s - time.monotonic()))
            found: dict[str, Any] = client.list_topics(topic, timeout=left_s).topics
            return found
        except KafkaException as exception:
            client.poll(0)  # serves `hear`
            if heard.refusal is not None:
                said = heard.refusal
                text = f"the brokers at {servers} do not let us in: {_plain(said)}; {_ADVICE[said.code()]}"
                raise KafkaRefused(text) from None
            if time.monotonic() >= end_s:
                trouble = "" if heard.trouble is None else f"; heard: {_plain(heard.trouble)}"
                raise KafkaUnreachable(
                    f"no answer from the brokers at {servers} (are they running, and is kafka.bootstrap.servers "
                    f"right?): {describe(error_of(exception))}{trouble}"
                ) from None


def _tells_more(error: KafkaError, than: KafkaError | None) -> bool:
    """A connection that is closed is told now with librdkafka's guess why, now without: the longest says most."""
    return than is None or len(_plain(error)) > len(_plain(than))


def _plain(error: KafkaError) -> str:
    """librdkafka's words without the connection's own name and times."""
    text: str = error.str()
    return _STATE.sub("", _ORIGIN.sub("", text)).strip()
