"""Laws of the pipeline's topics that need no broker: which of them a broker's failure would cost something."""

from __future__ import annotations

from stream.config import load_settings
from stream.kafka.look import Found
from stream.kafka.topics import weak_of

SETTINGS = load_settings(
    None, {"name": "shop", "definitions": "shop.yaml", "kafka": {"bootstrap.servers": "localhost:9092"}}
)
STATE, JOURNAL = SETTINGS.topics.state, SETTINGS.topics.journal


def told(input_copies: int, **topics: Found | None) -> list[str]:
    found = {SETTINGS.topics.input: Found(4, {}, input_copies)} | {
        getattr(SETTINGS.topics, name): each for name, each in topics.items()
    }
    return [problem.text for problem in weak_of(SETTINGS, found)]


def test_a_topic_with_fewer_copies_than_the_input_is_named() -> None:
    assert told(3, state=Found(4, {}, 1), journal=Found(4, {"min.insync.replicas": "2"}, 3)) == [
        f"{STATE}: found 1 of each partition, expected 3 as of the input"
    ]


def test_a_topic_of_three_copies_of_which_one_is_enough_is_named() -> None:
    (text,) = told(3, journal=Found(4, {"min.insync.replicas": "1"}, 3), state=Found(4, {}, 3))
    assert text.startswith(f"{JOURNAL}: found min.insync.replicas=1, expected 2")


def test_on_one_broker_nothing_is_weak_and_what_is_missing_is_others_to_tell() -> None:
    assert told(1, state=Found(4, {"min.insync.replicas": "1"}, 1), journal=None) == []
