"""Where Kafka's two usual partitioners put a key.

Java's clients and aiokafka hash a key with murmur2, librdkafka with CRC-32 unless told otherwise. A producer of each
kind on one topic puts one customer into two partitions, where they are two customers.
"""

from __future__ import annotations

import zlib

MURMUR2, CRC32, OTHER = "murmur2", "crc32", "other"
PARTITIONERS = (MURMUR2, CRC32, OTHER)

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def partitioner_of(key: bytes, partition: int, partitions: int) -> str | None:
    """Which partitioner puts this key into this partition; OTHER: neither does; None: both do, so nobody can tell."""
    by_murmur2 = (murmur2(key) & 0x7FFFFFFF) % partitions == partition
    by_crc32 = zlib.crc32(key) % partitions == partition
    if by_murmur2 and by_crc32:
        return None
    return MURMUR2 if by_murmur2 else CRC32 if by_crc32 else OTHER


def murmur2(data: bytes) -> int:
    """As `org.apache.kafka.common.utils.Utils.murmur2`, unsigned."""
    length = len(data)
    mixed = _SEED ^ length
    whole = length - length % 4
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        word = (word ^ word >> 24) * _M & _MASK
        mixed = mixed * _M & _MASK ^ word
    if whole < length:
        mixed = (mixed ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    mixed = (mixed ^ mixed >> 13) * _M & _MASK
    return mixed ^ mixed >> 15
