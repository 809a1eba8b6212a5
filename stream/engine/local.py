"""What a store keeps beside the data: where its copy of the changelog ends, and the `meta` of the last commit."""

from __future__ import annotations

from stream.codec.journal import Meta, decode_meta, encode_meta


def encode_local(changelog_offset: int, meta: Meta) -> bytes:
    """`changelog_offset`: the next one to read."""
    return changelog_offset.to_bytes(8, "big") + encode_meta(meta)


def decode_local(data: bytes) -> tuple[int, Meta]:
    """Raises UnreadableState."""
    return int.from_bytes(data[:8], "big"), decode_meta(data[8:])
