"""State as bytes: nothing is lost, old bytes stay readable, damage is noticed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.codec import snapshot
from stream.codec.snapshot import (
    SNAPSHOT_VERSION,
    Census,
    Tally,
    decode_profile,
    digest,
    encode_profile,
    parked_of,
    revision_of,
    wake_of,
)
from stream.core.profile import Profile
from stream.errors import UnreadableState
from tests.codec.samples import Shop, a_profile, a_revised_profile, profiles

GOLDEN = Path(__file__).parent / "golden"
SHOP = Shop()


def parts(profile: Profile) -> dict[str, object]:
    hidden = {"unpacked_standings", "packed_standings"}
    return {name: getattr(profile, name) for name in Profile.__slots__ if name not in hidden} | {
        "standings": profile.pack_standings()
    }


def golden(version: int) -> bytes:
    return bytes.fromhex((GOLDEN / f"profile.v{version}.hex").read_text())


@settings(max_examples=60)
@given(profiles())
def test_a_profile_written_is_read_back_the_same_and_gives_the_same_bytes(profile: Profile) -> None:
    data = encode_profile(profile)
    again = decode_profile(profile.customer_id, data, SHOP)
    assert parts(again) == parts(profile)
    assert encode_profile(again) == data
    assert wake_of(data) == profile.indexed_ms
    assert (revision_of(data), parked_of(data)) == (profile.revision, profile.parked_ms)


@pytest.mark.parametrize("amount", [2**63, 2**64, -(2**63) - 1, 10**40])
def test_exact_sums_wider_than_64_bits_stay_exact(amount: int) -> None:
    profile = a_profile()
    profile.cells = [amount, {"sum": [amount, "é"]}]
    assert decode_profile("c-1042", encode_profile(profile), SHOP).cells == [amount, {"sum": [amount, "é"]}]


def test_keys_that_are_no_text_are_refused_also_beside_a_wide_number() -> None:
    profile = a_profile()
    profile.cells = [{5: "lost"}]
    with pytest.raises(TypeError):
        encode_profile(profile)


GOLDEN_PROFILES = {1: a_profile(), 2: a_revised_profile()}


@pytest.mark.parametrize("version", snapshot._READ_VERSIONS)
def test_every_version_that_is_read_has_golden_bytes_that_stay_readable(version: int) -> None:
    assert parts(decode_profile("c-1042", golden(version), SHOP)) == parts(GOLDEN_PROFILES[version])
    assert wake_of(golden(version)) == a_profile().indexed_ms


@pytest.mark.parametrize("version", snapshot._READ_VERSIONS)
def test_what_is_written_are_the_golden_bytes(version: int) -> None:
    assert encode_profile(GOLDEN_PROFILES[version]) == golden(version)


def test_what_an_older_release_can_read_is_written_so_that_it_can() -> None:
    assert encode_profile(a_profile())[0] == SNAPSHOT_VERSION - 1


@pytest.mark.parametrize("version", [0, 3, 255])
def test_an_unknown_version_is_refused_with_what_to_do(version: int) -> None:
    data = bytes([version]) + encode_profile(a_profile())[1:]
    with pytest.raises(UnreadableState, match=rf"found version {version}, expected one of \[1, 2\].*start the release"):
        decode_profile("c-1042", data, SHOP)
    with pytest.raises(UnreadableState, match=f"found version {version}"):
        wake_of(data)


@given(st.data())
def test_any_cut_of_the_bytes_is_noticed(data: st.DataObject) -> None:
    whole = encode_profile(data.draw(st.sampled_from([a_profile(), a_revised_profile()])))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(UnreadableState) as refused:
        decode_profile("c-1042", cut, SHOP)
    assert "ada@example.com" not in str(refused.value) and "rebuilt" in str(refused.value)


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda rest: bytes([SNAPSHOT_VERSION]) + rest))
def test_bytes_that_are_no_state_are_refused_never_misread(data: bytes) -> None:
    with pytest.raises(UnreadableState):
        decode_profile("c-1042", data, SHOP)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"5", b"[1,2]", b"nonsense", b"[[],[1,0],null]"])
def test_a_body_of_another_shape_is_refused(body: bytes) -> None:
    whole = encode_profile(a_profile())
    *numbers, old_body = snapshot._HEADER.unpack_from(whole)
    data = snapshot._HEADER.pack(*numbers, len(body)) + whole[snapshot._HEADER.size : -old_body] + body
    with pytest.raises(UnreadableState, match="damaged"):
        decode_profile("c-1042", data, SHOP)


def test_state_written_under_other_definitions_is_refused() -> None:
    other = Profile("c-1042", (0, 0), 3, [])
    other.revision = SHOP.version
    with pytest.raises(UnreadableState, match="found answers of 3 definitions, expected 4"):
        decode_profile("c-1042", encode_profile(other), SHOP)


def test_a_number_that_is_not_finite_is_never_written_exactly() -> None:
    profile = a_profile()
    profile.cells = [2**70, math.inf]
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_profile(profile)


@given(st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=20))
def test_a_digest_has_128_bits_and_tells_key_and_value_apart(a: bytes, b: bytes, c: bytes, d: bytes) -> None:
    assert 0 <= digest(a, b) < 1 << 128
    assert (digest(a, b) == digest(c, d)) == ((a, b) == (c, d))


def test_a_digest_is_the_same_on_every_machine() -> None:
    assert f"{digest(b'c-1042', b'state'):032x}" == (GOLDEN / "digest.hex").read_text().strip()


KEYS = (b"c-1", b"c-2", b"c-3")
CHANGELOGS = st.lists(st.tuples(st.sampled_from(KEYS), profiles() | st.none()), max_size=8)


@settings(max_examples=60)
@given(CHANGELOGS, st.integers(0, 8))
def test_a_census_of_a_changelog_agrees_with_a_tally_of_its_newest_states(
    changelog: list[tuple[bytes, Profile | None]], cut: int
) -> None:
    records = [(key, None if profile is None else encode_profile(profile)) for key, profile in changelog]
    newest = [(key, state) for key, state in dict(records).items() if state is not None]
    census, tally = Census(), Tally()

    census.take(records[:cut])
    census.take(records[cut:])

    assert sorted(census.indexed()) == sorted(tally.take(newest))
    assert (census.keys, census.digest) == (tally.keys, tally.digest)


@pytest.mark.parametrize("state", [b"", b"\x09" * 80, encode_profile(a_revised_profile())[:60]])
def test_a_census_refuses_bytes_that_are_no_state(state: bytes) -> None:
    with pytest.raises(UnreadableState):
        Census().take([(b"c-1", state)])
