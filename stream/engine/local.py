"""What a store keeps beside the data: up to where it has all of the changelog, and the `meta` of the last commit."""

from __future__ import annotations

from stream.codec.journal import Meta, decode_meta, encode_meta


def encode_local(changelog_offset: int, meta: Meta) -> bytes:
    """`changelog_offset`: the next one to read. States that are committed later than there may be in the copy already,
    and the `meta` is the last commit's: whoever reads on from there comes to the same."""
    return changelog_offset.to_bytes(8, "big") + encode_meta(meta)


def decode_local(data: bytes) -> tuple[int, Meta]:
    """Raises UnreadableState."""
    return int.from_bytes(data[:8], "big"), decode_meta(data[8:])
