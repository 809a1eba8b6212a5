"""A worker whose consumer is not told of its first partitions, as if the group's answer had got lost on the way.

python -m tests.kafka.forgetful_worker CONFIG
"""

from __future__ import annotations

import sys
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from stream.app import group_watch
from stream.app.worker import run_worker
from stream.config import load_settings
from stream.kafka.source import KafkaSource
from stream.rules.compile import compile_program
from stream.rules.load import load_definitions

STRAYED_S = 8.0
"""The worker's own patience is longer than a test's; it must still be longer than the way from group to consumer."""


def forget(source: KafkaSource, consumer: Consumer, places: list[TopicPartition]) -> None:
    consumer.incremental_assign([])


if __name__ == "__main__":
    settings = load_settings(Path(sys.argv[1]), {})
    group_watch.STRAYED_S, group_watch.LOOK_EVERY_S = STRAYED_S, STRAYED_S / 4
    KafkaSource._on_assign = forget  # type: ignore[method-assign]
    run_worker(settings, compile_program(load_definitions([settings.definitions])))
