"""Laws of telling who put a key where."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.codec.partitioners import CRC32, MURMUR2, OTHER, murmur2, partitioner_of


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        (b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971), (b"abc", 479470107),
    ],
)  # fmt: skip
def test_murmur2_is_that_of_kafkas_own_tests(key: bytes, hashed: int) -> None:
    assert murmur2(key) == hashed & 0xFFFFFFFF


@given(st.binary(max_size=40), st.integers(2, 200), st.integers(0, 199))
def test_a_key_belongs_to_who_would_have_put_it_there(key: bytes, partitions: int, partition: int) -> None:
    partition %= partitions
    java, librdkafka = (murmur2(key) & 0x7FFFFFFF) % partitions, zlib.crc32(key) % partitions
    found = partitioner_of(key, partition, partitions)
    assert (found in (MURMUR2, None)) == (partition == java)
    assert (found in (CRC32, None)) == (partition == librdkafka)
    assert (found == OTHER) == (partition not in (java, librdkafka))
