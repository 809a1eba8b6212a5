"""The consumer group: members, generations, and partitions that move cooperatively, with static membership.

As Kafka does it: a change of members makes everybody join again; when all have (or their session ran out) a new
generation begins, in which a partition that must move is first taken from its owner; that owner joins once more when it
has let go, and only the next generation gives the partition away.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SESSION_MS = 900
"""Not seen for so long: thrown out."""


@dataclass
class Member:
    instance: str
    seen_ms: int
    owned: set[int] = field(default_factory=set)  # what it told it holds
    assigned: set[int] = field(default_factory=set)  # what this generation gives it
    joined: bool = False


class Group:
    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.generation = 0
        self.members: dict[str, Member] = {}
        self.joining = False

    def join(self, member_id: str, instance: str, now_ms: int) -> None:
        """A static member that comes back before its session ran out takes its former place: nothing moves,
        unless something was moving."""
        for former_id, former in list(self.members.items()):
            if former.instance == instance:
                del self.members[former_id]
                if not self.joining and former.owned == former.assigned:
                    self.members[member_id] = Member(instance, now_ms, set(former.owned), set(former.assigned))
                    return
        self.members[member_id] = Member(instance, now_ms)
        self._everybody_joins_again()

    def leave(self, instance: str) -> None:
        for member_id in [key for key, member in self.members.items() if member.instance == instance]:
            del self.members[member_id]
            self._everybody_joins_again()

    def heartbeat(self, member_id: str, now_ms: int) -> None:
        member = self.members[member_id]
        member.seen_ms = now_ms
        member.joined = True
        self._expire(now_ms)
        if self.joining and all(each.joined for each in self.members.values()):
            self._begin_generation()

    def holds(self, member_id: str, partitions: set[int], let_go: bool) -> None:
        """The member tells what it holds now; after letting go of some it joins again."""
        self.members[member_id].owned = set(partitions)
        if let_go:
            self._everybody_joins_again()

    def accepts(self, member_id: str, generation: int) -> bool:
        """Whether a transaction's offsets may come from this member as of this generation (KIP-447)."""
        return member_id in self.members and generation == self.generation

    def _expire(self, now_ms: int) -> None:
        for member_id, member in list(self.members.items()):
            if now_ms - member.seen_ms > SESSION_MS:
                del self.members[member_id]
                self._everybody_joins_again()

    def _everybody_joins_again(self) -> None:
        self.joining = True
        for member in self.members.values():
            member.joined = False

    def _begin_generation(self) -> None:
        self.generation += 1
        self.joining = False
        owners = {partition: key for key, member in self.members.items() for partition in member.owned}
        target = self._balanced(owners)
        for member_id, member in self.members.items():
            member.assigned = {
                partition
                for partition, wanted in target.items()
                if wanted == member_id and owners.get(partition, member_id) == member_id
            }

    def _balanced(self, owners: dict[int, str]) -> dict[int, str]:
        """Whose each partition is to be: as many for each as can be, and as few moved."""
        share = -(-self.partitions // len(self.members))
        count = dict.fromkeys(sorted(self.members, key=lambda key: self.members[key].instance), 0)
        target: dict[int, str] = {}
        for partition, owner in sorted(owners.items()):
            if count[owner] < share:
                target[partition] = owner
                count[owner] += 1
        for partition in range(self.partitions):
            if partition not in target:
                least = min(count, key=lambda key: count[key])
                target[partition] = least
                count[least] += 1
        return target
