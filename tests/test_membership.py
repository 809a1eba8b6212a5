"""Kafka's consumer protocol, as far as it tells who has what."""

from __future__ import annotations

from stream.kafka.membership import assigned

OURS = b"\x00\x06events" + b"\x00\x00\x00\x03" + b"".join(number.to_bytes(4, "big") for number in (0, 7, 258))
OTHERS = b"\x00\x05other" + b"\x00\x00\x00\x01" + b"\x00\x00\x00\x09"
NO_USER_DATA = b"\xff\xff\xff\xff"


def test_the_partitions_of_one_topic_are_read_from_a_members_assignment() -> None:
    assignment = b"\x00\x03" + b"\x00\x00\x00\x02" + OTHERS + OURS + NO_USER_DATA

    assert list(assigned(assignment, "events")) == [0, 7, 258]
    assert list(assigned(assignment, "event")) == []


def test_a_member_that_was_given_nothing_has_none() -> None:
    assert list(assigned(b"", "events")) == []
    assert list(assigned(b"\x00\x00" + b"\x00\x00\x00\x00" + NO_USER_DATA, "events")) == []
