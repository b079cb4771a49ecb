"""A sealed record opens for its key, its profile and its purpose, and for nothing else."""

from __future__ import annotations

import base64
import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from harvester.errors import (
    BY_CODE,
    HarvesterError,
    KeyWrong,
    StoreCorrupt,
    StoreFull,
    StoreSwapped,
    StoreTampered,
)
from harvester.vault.keys import KeyRing, MasterKey
from harvester.vault.seal import (
    MAX_PLAINTEXT_BYTES,
    MAX_RECORD_BYTES,
    PURPOSES,
    Seal,
)

KIT = Path(__file__).parent.parent / "kit"
MADE = runpy.run_path(str(KIT / "make.py"))
KEY = MasterKey(MADE["KEY"])
SEAL = Seal(KeyRing(KEY))
SECRET = b"stytch_session=not-a-real-one"
FILES = sorted(KIT.glob("*.record"), key=lambda path: path.name)
TOLD = json.loads((KIT / "manifest.json").read_text("utf-8"))["records"]


def sealed(plaintext: bytes = SECRET, *, generation: int = 3) -> bytes:
    return SEAL.seal(
        plaintext, profile="default", purpose="session", generation=generation, now_s=1000.1234
    )


def test_what_was_sealed_opens_with_all_that_was_said_of_it() -> None:
    opened = SEAL.open(sealed(), profile="default", purpose="session")
    assert opened.plaintext == SECRET
    assert (opened.generation, opened.created_at, opened.kid) == (3, 1000.123, KEY.kid)


def test_a_record_is_text_with_a_version_first_and_a_checksum_last() -> None:
    lines = sealed(SECRET * 20).decode("ascii").split("\n")
    assert lines[0] == "harvester-sealed 1"
    assert lines[-2].startswith("sha256:")
    assert lines[-1] == ""
    assert max(len(line) for line in lines[2:-1]) <= 76


def test_a_record_says_nothing_of_what_is_in_it() -> None:
    record = sealed()
    assert SECRET not in record
    assert b"stytch" not in record


def test_the_same_bytes_sealed_twice_share_no_line_of_ciphertext() -> None:
    first, second = sealed().split(b"\n"), sealed().split(b"\n")
    assert not set(first[2:-2]) & set(second[2:-2])


def test_neither_the_opened_record_nor_the_key_shows_a_secret_when_printed() -> None:
    opened = SEAL.open(sealed(), profile="default", purpose="session")
    assert "stytch" not in repr(opened)
    assert repr(KEY.material) not in repr(KEY)
    assert "material" not in repr(KeyRing(KEY))


def test_a_record_of_an_old_key_opens_while_that_key_is_in_the_ring() -> None:
    new = MasterKey(MADE["OTHER_KEY"])
    both = Seal(KeyRing(new, (KEY,)))
    assert both.open(sealed(), profile="default", purpose="session").kid == KEY.kid
    resealed = both.seal(b"x", profile="default", purpose="session", generation=1, now_s=0)
    assert both.open(resealed, profile="default", purpose="session").kid == new.kid
    with pytest.raises(KeyWrong) as caught:
        Seal(KeyRing(new)).open(sealed(), profile="default", purpose="session")
    assert KEY.kid in caught.value.message
    assert new.kid in caught.value.message
    assert "HARVESTER_KEY" in caught.value.hint


def test_a_swapped_record_names_both_places() -> None:
    with pytest.raises(StoreSwapped) as caught:
        SEAL.open(sealed(), profile="work", purpose="ledger")
    assert "ledger of profile work" in caught.value.message
    assert "session of profile default" in caught.value.message


def test_the_label_can_be_read_without_opening() -> None:
    label = SEAL.label(sealed(generation=9), profile="default", purpose="session")
    assert (label.profile, label.purpose, label.generation) == ("default", "session", 9)


def test_a_label_made_up_without_the_key_is_not_believed() -> None:
    """Without decrypting, the commitment alone tells who held the key."""
    for story in ("commitment-changed", "key-id-of-ours-on-anothers", "profile-edited"):
        forged = (KIT / f"store_tampered--{story}.record").read_bytes()
        with pytest.raises(StoreTampered):
            SEAL.label(forged, profile="default", purpose="session")


def test_the_largest_plaintext_fits_and_one_byte_more_is_refused() -> None:
    largest = b"x" * MAX_PLAINTEXT_BYTES
    record = sealed(largest)
    assert len(record) <= MAX_RECORD_BYTES
    assert SEAL.open(record, profile="default", purpose="session").plaintext == largest
    with pytest.raises(StoreFull):
        sealed(largest + b"x")


def test_a_file_beyond_the_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(StoreCorrupt, match="larger than"):
        SEAL.open(b"harvester" * 200_000, profile="default", purpose="session")


@pytest.mark.parametrize("profile", ["", "Default", "a|b", "../etc", "a" * 33, "a\n"])
def test_a_name_that_no_profile_can_have_is_never_sealed(profile: str) -> None:
    with pytest.raises(ValueError, match="no record"):
        SEAL.seal(b"", profile=profile, purpose="session", generation=1, now_s=0)


def test_purposes_and_generations_outside_their_range_are_never_sealed() -> None:
    with pytest.raises(ValueError, match="no record"):
        SEAL.seal(b"", profile="default", purpose="other", generation=1, now_s=0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="generation"):
        SEAL.seal(b"", profile="default", purpose="session", generation=-1, now_s=0)


def test_the_purposes_are_those_of_the_format() -> None:
    assert PURPOSES == (
        "session",
        "identity-state",
        "totp-step",
        "ledger",
        "passkey",
        "evidence",
        "bundle",
        "leases",
    )


def test_the_kit_is_what_its_maker_makes() -> None:
    made = {f"{name}.record": record for name, record in MADE["records"]().items()}
    assert {path.name: path.read_bytes() for path in FILES} == made


def test_the_manifest_names_every_record_of_the_kit_and_says_why() -> None:
    assert (KIT / "manifest.json").read_text("utf-8") == MADE["manifest"]()
    assert sorted(one["file"] for one in TOLD) == [path.name for path in FILES]
    assert len(TOLD) >= 60
    assert all(one["why"] and one["file"].startswith(f"{one['expected']}--") for one in TOLD)


@pytest.mark.parametrize("told", TOLD, ids=lambda told: told["file"])
def test_each_record_of_the_kit_opens_or_fails_as_the_manifest_says(told: dict[str, Any]) -> None:
    record = (KIT / told["file"]).read_bytes()
    try:
        opened = SEAL.open(record, profile=told["profile"], purpose=told["purpose"])
    except HarvesterError as error:
        assert type(error) is BY_CODE[told["expected"]]
        assert error.hint
        assert (error.message + error.hint).isprintable()
    else:
        assert told["expected"] == "ok"
        assert opened.kid == MADE["KID"]
        assert opened.plaintext == base64.b64decode(told["plaintext"])
        assert (opened.generation, opened.created_at) == (told["generation"], told["created"])


@pytest.mark.parametrize("told", TOLD, ids=lambda told: told["file"])
def test_a_label_is_told_of_no_record_that_must_not_be_believed(told: dict[str, Any]) -> None:
    """Without decrypting: all but a changed body or a changed header is seen by then."""
    record = (KIT / told["file"]).read_bytes()
    try:
        label = SEAL.label(record, profile=told["profile"], purpose=told["purpose"])
    except HarvesterError as error:
        assert error.code == told["expected"]
    else:
        assert told["expected"] in ("ok", "store_tampered")
        assert (label.profile, label.purpose) == (told["profile"], told["purpose"])


def test_the_kit_has_a_record_for_every_error_of_the_format() -> None:
    assert {path.name.partition("--")[0] for path in FILES} == {
        "ok",
        "store_corrupt",
        "key_wrong",
        "store_tampered",
        "store_swapped",
        "store_too_new",
    }
