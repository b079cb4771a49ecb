"""For any bytes: what is sealed opens to the same, and nothing that was changed opens at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.errors import HarvesterError, KeyWrong, StoreCorrupt, StoreSwapped
from harvester.vault.keys import KeyRing, MasterKey, fingerprint
from harvester.vault.seal import PURPOSES, Purpose, Seal

SEAL = Seal(KeyRing(MasterKey(b"k" * 32)))
RECORD = SEAL.seal(b"the plaintext", profile="a", purpose="session", generation=5, now_s=1.0)

profiles = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
purposes = st.sampled_from(PURPOSES)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=5000), profiles, purposes, st.integers(0, 2**53), st.floats(0, 2**40))
def test_any_bytes_come_back_as_they_went_in(
    plaintext: bytes, profile: str, purpose: Purpose, generation: int, now_s: float
) -> None:
    record = SEAL.seal(
        plaintext, profile=profile, purpose=purpose, generation=generation, now_s=now_s
    )
    opened = SEAL.open(record, profile=profile, purpose=purpose)
    assert opened.plaintext == plaintext
    assert opened.generation == generation
    assert opened.created_at == pytest.approx(now_s, abs=0.001)


@settings(max_examples=100, deadline=None)
@given(profiles, purposes, profiles, purposes)
def test_a_record_opens_in_its_own_place_only(
    profile: str, purpose: Purpose, other_profile: str, other_purpose: Purpose
) -> None:
    record = SEAL.seal(b"x", profile=profile, purpose=purpose, generation=1, now_s=0)
    if (profile, purpose) == (other_profile, other_purpose):
        assert SEAL.open(record, profile=profile, purpose=purpose).plaintext == b"x"
    else:
        with pytest.raises(StoreSwapped):
            SEAL.open(record, profile=other_profile, purpose=other_purpose)


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=32, max_size=32).filter(lambda key: key != b"k" * 32))
def test_no_other_key_opens_it(key: bytes) -> None:
    with pytest.raises(KeyWrong):
        Seal(KeyRing(MasterKey(key))).open(RECORD, profile="a", purpose="session")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_at_all_give_a_named_error(data: bytes) -> None:
    with pytest.raises(StoreCorrupt):
        SEAL.open(data, profile="a", purpose="session")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_splice_of_a_record_gives_a_named_error_or_the_true_plaintext(
    data: st.DataObject,
) -> None:
    start = data.draw(st.integers(0, len(RECORD)))
    end = data.draw(st.integers(start, len(RECORD)))
    spliced = RECORD[:start] + data.draw(st.binary(max_size=40)) + RECORD[end:]
    try:
        opened = SEAL.open(spliced, profile="a", purpose="session")
    except HarvesterError as error:
        assert error.code
        assert spliced != RECORD
    else:
        assert spliced == RECORD
        assert opened.plaintext == b"the plaintext"


def flips(record: bytes) -> Iterator[bytes]:
    for at in range(len(record)):
        for bit in range(8):
            yield record[:at] + bytes([record[at] ^ (1 << bit)]) + record[at + 1 :]


def test_every_flip_of_a_bit_is_called_damage() -> None:
    for record in flips(RECORD):
        with pytest.raises(StoreCorrupt):
            SEAL.open(record, profile="a", purpose="session")


def test_every_cut_is_called_damage() -> None:
    for length in range(len(RECORD)):
        with pytest.raises(StoreCorrupt):
            SEAL.open(RECORD[:length], profile="a", purpose="session")


def test_a_flip_by_somebody_who_mends_the_checksum_never_gives_another_plaintext() -> None:
    body = RECORD[: RECORD.rindex(b"sha256:")]
    seen = set()
    for changed in flips(body):
        record = changed + b"sha256:" + hashlib.sha256(changed).hexdigest().encode() + b"\n"
        try:
            opened = SEAL.open(record, profile="a", purpose="session")
        except HarvesterError as error:
            seen.add(error.code)
        else:
            # The unused bits of the last base64 character, and nothing else.
            assert opened.plaintext == b"the plaintext"
            assert opened.generation == 5
            seen.add("ok")
    assert {"store_tampered", "key_wrong", "store_corrupt", "store_too_new"} <= seen


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=4), st.lists(st.text(max_size=20), max_size=4))
def test_fingerprints_are_equal_for_equal_parts_only(one: list[str], other: list[str]) -> None:
    key = KeyRing(MasterKey(b"f" * 32))
    assert (fingerprint(key, *one) == fingerprint(key, *other)) == (one == other)
