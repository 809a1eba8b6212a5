"""What a commit writes about customers: their changes, memberships and states, as records.

All of it follows from what is pending, so it can be made before the commit, while nothing waits to be taken in: then
the commit has less to do, and what it tells is known sooner. A change is made once. A membership and a state are made
anew when more was heard of the customer.
"""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple, Protocol

from stream.codec.outbound import Encoder, Headers, Origin
from stream.codec.snapshot import DIGEST_MODULUS, digest, encode_profile
from stream.core.changes import Change
from stream.core.partition import Partition
from stream.core.profile import Profile
from stream.engine.customers import Customers, Kept
from stream.engine.definitions import Revisions
from stream.engine.interfaces import Produce


class Topics(Protocol):
    """Whole names; `output_prefix` stands before a definition's own topic."""

    @property
    def changes_topic(self) -> str: ...
    @property
    def memberships_topic(self) -> str: ...
    @property
    def state_topic(self) -> str: ...
    @property
    def output_prefix(self) -> str: ...


class _Made(NamedTuple):
    """A customer as it is now. No membership: it has not changed."""

    state: bytes
    digest: int
    membership: tuple[bytes, Headers] | None


class Writing:
    """Of one partition. `replay_until_ms`: a membership of before is `replayed`."""

    def __init__(
        self,
        partition: Partition,
        customers: Customers,
        revisions: Revisions,
        topics: Topics,
        origin: Origin,
        replay_until_ms: int,
    ) -> None:
        self._partition = partition
        self._customers = customers
        self._revisions = revisions
        self._topics = topics
        self._origin = origin
        self._replay_until_ms = replay_until_ms
        self._encoders: dict[int, Encoder] = {}  # by revision
        self.encoder = self._encoder_of(partition.program.version)
        self.begin()

    def begin(self) -> None:
        """What was pending is committed or given up."""
        self._told: list[Produce] = []  # of the first `_changes` of the pending changes
        self._changes = 0
        self._made: dict[str, _Made] = {}  # not valid of those touched lately

    def ahead(self) -> None:
        """Make now what is known."""
        self._tell()
        pending = self._partition.pending
        for customer_id in dict.fromkeys(pending.lately):
            profile = pending.touched[customer_id]
            if profile is None:
                self._made.pop(customer_id, None)
            else:
                changed = customer_id in pending.changed
                state = encode_profile(profile)
                self._made[customer_id] = _Made(
                    state, digest(customer_id.encode(), state), self._membership(profile) if changed else None
                )
        pending.lately.clear()

    def changes(self) -> list[Produce]:
        """Those pending, in order, each also for its definition's own topic."""
        self._tell()
        return list(self._told)

    def memberships(self) -> list[Produce]:
        """Of the customers who changed, as they are now."""
        topic, number = self._topics.memberships_topic, self._partition.number
        pending, made = self._partition.pending, self._made_and_valid()
        records: list[Produce] = []
        for customer_id in pending.changed:
            key, profile, ready = customer_id.encode(), pending.touched[customer_id], made.get(customer_id)
            if profile is None or not profile.sequence:  # the second: erased, and seen again without a change yet
                records.append(Produce(topic, number, key, None))
                continue
            value, headers = (
                self._membership(profile) if ready is None or ready.membership is None else ready.membership
            )
            records.append(Produce(topic, number, key, value, headers))
        return records

    def states(self, keys: int, total: int) -> tuple[list[Produce], list[Kept], int, int]:
        """Of all who were touched. There were `keys` customers, and `total` is the sum of their digests. Returns the
        records, what is to be kept when they are committed, and both numbers as they are then."""
        topic, number = self._topics.state_topic, self._partition.number
        stored_digest, made = self._customers.stored_digest, self._made_and_valid()
        records: list[Produce] = []
        kept: list[Kept] = []
        for customer_id, profile in self._partition.pending.touched.items():
            key = customer_id.encode()
            value, after = None, 0
            if profile is not None:
                ready = made.get(customer_id)
                if ready is None:
                    value = encode_profile(profile)
                    after = digest(key, value)
                else:
                    value, after, _ = ready
            before = stored_digest(customer_id)
            if before is None and value is None:
                continue  # came and went within one commit
            total += after - (before or 0)
            keys += (value is not None) - (before is not None)
            records.append(Produce(topic, number, key, value))
            kept.append((customer_id, value, after))
        return records, kept, keys, total % DIGEST_MODULUS

    def _made_and_valid(self) -> dict[str, _Made]:
        """What was made ahead of those who were not touched since."""
        made, lately = self._made, self._partition.pending.lately
        if made:
            for customer_id in lately:
                made.pop(customer_id, None)
        lately.clear()
        return made

    def _membership(self, profile: Profile) -> tuple[bytes, Headers]:
        facts = self._partition.program.facts(profile.cells, profile.now_ms)
        return self.encoder.membership(profile, profile.now_ms, facts, profile.now_ms < self._replay_until_ms)

    def _tell(self) -> None:
        """Make the records of the changes that have none yet."""
        topic, number, encoders, told = self._topics.changes_topic, self._partition.number, self._encoders, self._told
        changes = self._partition.pending.changes
        for profile, change in islice(changes, self._changes, None):
            encoder = encoders.get(change.revision) or self._encoder_of(change.revision)
            value, headers = encoder.change(profile.customer_id, profile.born, change)
            key = profile.customer_id.encode()
            told.append(Produce(topic, number, key, value, headers))
            definition = change.definition
            if definition is not None and definition.topic is None:
                continue
            for extra in self._extra_topics(profile, change):
                told.append(Produce(extra, number, key, value, headers))
        self._changes = len(changes)

    def _encoder_of(self, revision: int) -> Encoder:
        return self._encoders.setdefault(revision, Encoder(self._origin, self._revisions.program(revision)))

    def _extra_topics(self, profile: Profile, change: Change) -> list[str]:
        """A definition's own topic, without held-out customers; an erasure goes wherever the customer may stand."""
        prefix = self._topics.output_prefix
        if change.definition is None:
            topics = [
                prefix + definition.topic
                for definition, nth in zip(
                    self._revisions.definitions(change.revision), profile.standings.nth, strict=True
                )
                if nth and definition.topic
            ]
            return list(dict.fromkeys(topics))
        topic = change.definition.topic
        return [prefix + topic] if topic is not None and not change.control else []
