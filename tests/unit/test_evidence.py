"""What is kept of failed sign-ins: how many, sealed how, and what a full disk does to them."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from engine import KEY, Engine, FakeClock, World
from films import PICTURE, evidence, sealed
from harvester import errors
from harvester.evidence import Evidence
from harvester.records import Records
from harvester.vault.directory import DirectoryStore, prepare
from harvester.vault.keys import KeyRing, MasterKey
from harvester.vault.nothing import NoStore
from harvester.vault.seal import MAX_PLAINTEXT_BYTES, Seal
from harvester.vault.shelf import KEPT_MOST
from storekit import OTHER_SEAL, SEAL, StillClock, at, damage, names


@pytest.fixture
def records(tmp_path: Path) -> Records:
    prepare(tmp_path)
    return Records(DirectoryStore(tmp_path, SEAL), "default", StillClock())


def keep(records: Records, count: int) -> list[str]:
    return [records.keep_evidence(sealed(at=one).decode()) for one in range(1, count + 1)]


def test_what_was_kept_is_told_again(records: Records) -> None:
    (name,) = keep(records, 1)
    assert name == "s-0001"
    assert records.evidence(name) == records.evidence("0001") == records.evidence("S-1")
    assert records.evidence(name) == evidence()


def test_ten_are_kept_and_the_oldest_goes(records: Records, tmp_path: Path) -> None:
    keep(records, KEPT_MOST + 2)
    assert records.evidence_names() == [f"s-{one:04d}" for one in range(12, 2, -1)]
    assert records.evidence("s-0002") is None and records.evidence("s-0003") is not None
    assert names(tmp_path) == [f"evidence-{one:04d}" for one in range(3, 13)]
    assert all(at(tmp_path, one).stat().st_mode & 0o777 == 0o600 for one in names(tmp_path))


def test_a_name_that_nobody_gave_is_nothing(records: Records) -> None:
    keep(records, 1)
    for odd in ("s-0002", "", "s-", "../ledger", "s-٣", "-1", "s-1" + "0" * 40):
        assert records.evidence(odd) is None


def test_another_profile_is_named(tmp_path: Path) -> None:
    prepare(tmp_path)
    records = Records(DirectoryStore(tmp_path, SEAL), "work-eu", StillClock())
    assert records.keep_evidence(sealed(profile="work-eu").decode()) == "work-eu/s-0001"


def test_it_opens_as_evidence_of_its_profile_and_as_nothing_else(tmp_path: Path) -> None:
    record = sealed()
    with pytest.raises(errors.StoreSwapped):
        SEAL.open(record, profile="default", purpose="session")
    with pytest.raises(errors.StoreSwapped):
        SEAL.open(record, profile="other", purpose="evidence")
    with pytest.raises(errors.KeyWrong):
        OTHER_SEAL.open(record, profile="default", purpose="evidence")


def test_a_record_of_another_kind_is_not_kept_as_evidence(records: Records) -> None:
    session = SEAL.seal(b"{}", profile="default", purpose="session", generation=1, now_s=1.0)
    with pytest.raises(errors.StoreSwapped):
        records.keep_evidence(session.decode())
    assert records.evidence_names() == []


def test_a_damaged_one_stays_and_stands_in_nobodys_way(records: Records, tmp_path: Path) -> None:
    keep(records, 2)
    damage(at(tmp_path, "evidence-0001"))
    with pytest.raises(errors.StoreCorrupt):
        records.evidence("s-0001")
    assert records.keep_evidence(sealed(at=3).decode()) == "s-0003"
    assert records.evidence_names() == ["s-0003", "s-0002", "s-0001"]


def test_evidence_alone_is_a_reason_to_make_no_new_key(records: Records, tmp_path: Path) -> None:
    keep(records, 1)
    assert DirectoryStore(tmp_path).has_records()


def test_where_there_is_no_store_there_is_nothing_to_show() -> None:
    records = Records(NoStore(), "default", StillClock())
    assert records.evidence_names() == [] and records.evidence("s-0001") is None


def test_a_logout_leaves_it(records: Records) -> None:
    keep(records, 1)
    records.forget()
    assert records.evidence_names() == ["s-0001"]


def test_pictures_go_from_the_middle_until_it_fits() -> None:
    step = evidence().steps[0]
    big = replace(step, picture=b"\xff" * 150_000)
    told = replace(evidence(), steps=(big, big, big, big, replace(big, action="stopped")))
    data = told.to_bytes(MAX_PLAINTEXT_BYTES)
    assert len(data) <= MAX_PLAINTEXT_BYTES
    kept = Evidence.from_bytes(data)
    assert [one.picture is not None for one in kept.steps] == [True, False, False, True, True]
    assert kept.skeleton == told.skeleton
    tight = Evidence.from_bytes(told.to_bytes(300_000))
    assert [one.picture is not None for one in tight.steps] == [False] * 4 + [True]
    none = Evidence.from_bytes(told.to_bytes(1))
    assert none.skeleton == told.skeleton
    assert not any(one.picture or one.outline for one in none.steps)


# -- the engine -----------------------------------------------------------------------------------


def stopping(evidence: str) -> World:
    world = World(FakeClock())
    world.stops_with = errors.PageNotRecognised("the page is not one we know", hint="look at it")
    world.evidence = evidence
    return world


def by_engine() -> str:
    return sealed(seal=Seal(KeyRing(MasterKey(KEY)))).decode()


async def test_the_error_names_what_was_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "harvester")
    engine = Engine(tmp_path, stopping(by_engine()))
    await engine.keeper.start()
    with pytest.raises(errors.PageNotRecognised) as stopped:
        await engine.keeper.get()
    assert stopped.value.evidence == "s-0001"
    assert errors.from_dict(stopped.value.as_dict()).evidence == "s-0001"
    assert engine.records.evidence("s-0001") is not None
    told = [one.fields for one in caplog.records if one.message == "sign_in.stopped"]
    assert [one["evidence"] for one in told] == ["s-0001"]
    await engine.keeper.close()


async def test_evidence_that_cannot_be_kept_is_dropped_and_the_error_is_the_sign_ins(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "harvester")
    engine = Engine(tmp_path, stopping(sealed(seal=OTHER_SEAL).decode()))
    await engine.keeper.start()
    with pytest.raises(errors.PageNotRecognised) as stopped:
        await engine.keeper.get()
    assert stopped.value.evidence == "" and "evidence" not in stopped.value.as_dict()
    told = [one.fields for one in caplog.records if one.message == "evidence.dropped"]
    assert [one["code"] for one in told] == ["key_wrong"]
    await engine.keeper.close()


def test_a_disk_that_takes_nothing_says_so_and_keeps_what_it_has(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(records, KEPT_MOST)

    def full(*_: object, **__: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("harvester.vault.calls.Calls.write", full)
    with pytest.raises(errors.StoreFull):
        records.keep_evidence(sealed().decode())
    assert len(records.evidence_names()) == KEPT_MOST
    assert PICTURE in [one.picture for one in _read(records, "s-0001").steps]


def _read(records: Records, name: str) -> Evidence:
    found = records.evidence(name)
    assert found is not None
    return found
