"""A look at topics: whether they are there, with how many partitions and which settings."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from stream.config import Settings
from stream.errors import SegmenterError
from stream.kafka.errors import KafkaRefused, KafkaUnreachable, create, describe, error_of, is_passing
from stream.kafka.metadata import Heard, ask_topics
from stream.kafka.settings import admin_config

CALL_S = 15.0


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is; `config` is empty where the broker does not tell; `copies`: of the partition with fewest."""

    partitions: int
    config: Mapping[str, str]
    copies: int = 1


class Look:
    """Topics as they are. One handle for all questions; used from any thread, one at a time."""

    def __init__(self, settings: Settings) -> None:
        self._servers = settings.kafka_properties()["bootstrap.servers"]
        self._heard = Heard()
        self._lock = threading.Lock()
        self._known: dict[str, Found | None] = {}
        self._failure: SegmenterError | None = None
        self.client = create(AdminClient, admin_config(settings) | {"error_cb": self._heard.hear})

    def of(self, names: Sequence[str]) -> dict[str, Found | None]:
        """These topics; None: not there. Each is asked for once, and so is a broker that gave no answer: who comes next
        hears the same at once. Raises KafkaUnreachable, KafkaRefused."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            unknown = [name for name in dict.fromkeys(names) if name not in self._known]
            try:
                self._known |= self.anew(unknown) if unknown else {}
            except SegmenterError as failure:
                self._failure = failure
                raise
            return {name: self._known[name] for name in names}

    def anew(self, names: Sequence[str]) -> dict[str, Found | None]:
        """These topics as they are now, whatever was seen before."""
        listed = ask_topics(self.client, self._heard, self._servers, CALL_S)
        there = {name: listed[name] for name in names if name in listed and listed[name].error is None}
        configs = self._configs(list(there))
        return {name: _found(there[name], configs[name]) if name in there else None for name in names}

    def brokers(self) -> int:
        """How many there are. Raises KafkaUnreachable."""
        try:
            return len(self.client.list_topics(timeout=CALL_S).brokers)
        except KafkaException as exception:
            raise told(exception, "the number of brokers") from exception

    def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        configs: dict[str, dict[str, str]] = {}
        for resource, answer in self.client.describe_configs(resources, request_timeout=CALL_S).items():
            try:
                entries: dict[str, Any] = answer.result(2 * CALL_S)
            except KafkaException as exception:
                if error_of(exception).code() not in _UNTOLD:
                    raise told(exception, f"{resource.name}: its configuration") from exception
                entries = {}
            configs[resource.name] = {key: entry.value for key, entry in entries.items() if entry.value is not None}
        return configs


def _found(listed: Any, config: Mapping[str, str]) -> Found:
    copies = min((len(each.replicas) for each in listed.partitions.values()), default=1)
    return Found(len(listed.partitions), config, copies)


_UNTOLD = frozenset({KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE, KafkaError.INVALID_REQUEST})
"""How a broker says that it has no such call."""


def told(exception: KafkaException, what: str) -> Exception:
    """The error to raise instead: asking again may help, or not."""
    text = f"{what}: {describe(error_of(exception))}"
    return KafkaUnreachable(text) if is_passing(exception) else KafkaRefused(text)
