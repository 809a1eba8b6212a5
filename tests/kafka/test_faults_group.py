"""A group and a worker that are of different opinions about who reads what."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from confluent_kafka import Consumer

from stream.config import load_settings
from stream.kafka.membership import GroupView, Membership
from stream.kafka.settings import consumer_config
from tests.kafka.apache import ApacheKafka
from tests.kafka.torment import all_is_well, events_of, parts_of, torment

FORGETFUL_WORKER = ("-m", "tests.kafka.forgetful_worker")


def test_a_worker_that_never_heard_of_the_partitions_it_was_given_ends_and_started_again_reads_them(
    apache_kafka: ApacheKafka, topics: Any, tmp_path: Path
) -> None:
    before, after = parts_of(events_of(seed=71, each=6), 2)
    with torment(apache_kafka, topics.prefix, tmp_path) as pipeline:
        pipeline.send(before)
        worker = pipeline.start("a", FORGETFUL_WORKER)
        pipeline.wait_for(lambda: not worker.alive)
        assert worker.process.returncode == 1
        assert "partitions [0, 1]" in worker.log and "nobody reads them" in worker.log

        pipeline.start_ready("a")

        pipeline.send(after)
        all_is_well(pipeline)


def test_the_group_says_what_it_has_given_to_an_instance_and_whom_it_does_not_know(
    apache_kafka: ApacheKafka, topics: Any, tmp_path: Path
) -> None:
    with torment(apache_kafka, topics.prefix, tmp_path) as pipeline:
        asked = {name: Membership(load_settings(pipeline.config(name), {})) for name in ("a", "b")}
        nobody = asked["a"].ask()  # has ever joined
        assert nobody is not None and nobody.ours is None

        pipeline.start_ready("a")

        seen = {name: membership.ask() for name, membership in asked.items()}
        assert seen["a"] is not None and seen["a"].ours == {0, 1}
        assert seen["b"] is not None and seen["b"].ours is None


DIES_LETTING_GO = """
import json, os, sys
from confluent_kafka import Consumer
consumer = Consumer(json.loads(sys.argv[1]))
consumer.subscribe([sys.argv[2]], on_revoke=lambda *_: os._exit(9), on_assign=lambda *_: print("assigned", flush=True))
while True:
    consumer.poll(0.1)
"""


def polled_until(consumers: list[Consumer], wanted: Callable[[], bool], seconds: float = 40.0) -> None:
    give_up = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < give_up, [consumer.assignment() for consumer in consumers]
        for consumer in consumers:
            consumer.poll(0.05)


def test_partitions_orphaned_by_a_member_that_died_letting_go_are_noticed_and_a_nudge_gives_them_an_owner(
    apache_kafka: ApacheKafka, topics: Any, tmp_path: Path
) -> None:
    """Of two members, the first dies between letting two of four partitions go and joining once more, and is back at
    once: the group takes it in again without a round."""
    with torment(apache_kafka, topics.prefix, tmp_path, partitions=4, session_timeout="30s") as pipeline:
        settings = {name: load_settings(pipeline.config(name), {}) for name in ("a", "b")}
        topic = settings["a"].topics.input

        def config(name: str) -> dict[str, Any]:
            return {**consumer_config(settings[name]), "auto.offset.reset": "latest", "heartbeat.interval.ms": 500}

        command = [sys.executable, "-c", DIES_LETTING_GO, json.dumps(config("a")), topic]
        dying = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert dying.stdout is not None and dying.stdout.readline() == b"assigned\n"
        second, again = Consumer(config("b")), Consumer(config("a"))
        membership = Membership(settings["b"])

        def at_rest() -> GroupView | None:
            """The group with `b` in it."""
            group = membership.ask()
            return group if group is not None and group.ours is not None else None

        try:
            second.subscribe([topic])
            polled_until([second], lambda: dying.poll() is not None)
            again.subscribe([topic])
            polled_until([second, again], lambda: len(again.assignment()) == 2 and at_rest() is not None)

            found = at_rest()
            assert found is not None and len(found.unowned(4)) == 2 and found.rank == 1
            nudging = Thread(target=membership.nudge)
            nudging.start()

            def shared_out() -> bool:
                group = at_rest()
                return not nudging.is_alive() and group is not None and not group.unowned(4)

            polled_until([second, again], shared_out)
        finally:
            for consumer in (second, again):
                consumer.close()
