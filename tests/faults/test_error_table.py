"""The table of errors of a sealed record, for every purpose: its own code, a sentence that says
what and whose, what helps; and every byte that was in the store is still there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from faultydisk import disk_of
from harvester.errors import HarvesterError
from harvester.vault.directory import DirectoryStore, prepare
from harvester.vault.seal import PURPOSES, Purpose
from storekit import OTHER_SEAL, SEAL, StillClock, at, resealed, too_new


def sealed(purpose: Purpose, *, profile: str = "default", generation: int = 9) -> bytes:
    return SEAL.seal(
        b"planted" * 40, profile=profile, purpose=purpose, generation=generation, now_s=1.0
    )


def other(purpose: Purpose) -> Purpose:
    return PURPOSES[PURPOSES.index(purpose) - 1]


@dataclass(frozen=True)
class Row:
    """``made`` makes what is put in the record's place; ``says`` is a part of the sentence,
    ``helps`` of the hint."""

    code: str
    made: Callable[[Purpose], bytes]
    says: str
    helps: str
    stays: bool = True


ROWS = {
    "cut short": Row("store_corrupt", lambda one: sealed(one)[:-60], "checksum", "doctor", False),
    "half lost": Row("store_corrupt", lambda one: sealed(one)[:300], "checksum", "doctor", False),
    "nothing": Row("store_corrupt", lambda one: b"", "checksum", "doctor", False),
    "a bit flipped": Row(
        "store_corrupt", lambda one: sealed(one).replace(b'"alg"', b'"amg"'), "checksum", "doctor",
        False,
    ),
    "a bit flipped and the checksum mended": Row(
        "store_tampered",
        lambda one: resealed(sealed(one).replace(b'"generation":9', b'"generation":8')),
        "changed by somebody without the key", "find out who",
    ),
    "another key": Row(
        "key_wrong",
        lambda one: OTHER_SEAL.seal(b"x", profile="default", purpose=one, generation=9, now_s=1.0),
        "was sealed with key", "HARVESTER_KEY",
    ),
    "another profile": Row(
        "store_swapped", lambda one: sealed(one, profile="work"), "of profile work", "find out who"
    ),
    "another purpose": Row(
        "store_swapped", lambda one: sealed(other(one)), "lies the", "find out who"
    ),
    "a later release": Row("store_too_new", lambda one: too_new(), "later release", "upgrade"),
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    prepare(root, disk=disk_of())
    return root


def contents(root: Path) -> Counter[bytes]:
    return Counter(path.read_bytes() for path in root.rglob("*") if path.is_file())


def looks(root: Path) -> dict[str, tuple[int, int, int]]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {
        str(path): (path.stat().st_ino, path.stat().st_mode, path.stat().st_mtime_ns)
        for path in files
    }


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_each_error_has_its_code_its_sentence_and_its_hint_and_loses_nothing(
    root: Path, row: Row, purpose: Purpose
) -> None:
    store = DirectoryStore(root, SEAL, disk=disk_of(), clock=StillClock())
    store.write("default", purpose, b"only", 1)
    planted = row.made(purpose)
    attempts: dict[str, Callable[[], object]] = {
        "read": lambda: store.read("default", purpose),
        "handed on": lambda: store.read_sealed("default", purpose),
        "written": lambda: store.write("default", purpose, b"new", 10),
        "written sealed": lambda: store.write_sealed("default", purpose, sealed(purpose)),
    }
    for name, attempt in attempts.items():
        at(root, purpose).write_bytes(planted)
        at(root, purpose).chmod(0o600)
        before, looked = contents(root), looks(root)
        forged = row.code == "store_tampered"
        if not row.stays and name.startswith("written"):
            attempt()  # set aside, and a whole one takes its place
            assert planted in contents(root)
            continue
        if forged and name == "handed on":
            attempt()  # its body is not opened here; whoever opens it finds out
        else:
            with pytest.raises(HarvesterError) as caught:
                attempt()
            error = caught.value
            assert error.code == row.code
            assert row.says in error.message
            assert purpose in error.message and "default" in error.message
            helps = "unlock" if row.helps == "find out who" and purpose == "ledger" else row.helps
            assert helps in error.hint
            assert (error.message + error.hint).isprintable()
            assert b"planted".decode() not in error.message + error.hint
        assert contents(root) == before
        if row.stays:
            assert looks(root) == looked


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_the_same_in_the_place_of_the_one_before_when_it_is_needed(
    root: Path, row: Row, purpose: Purpose
) -> None:
    store = DirectoryStore(root, SEAL, disk=disk_of(), clock=StillClock())
    for generation in (1, 2):
        store.write("default", purpose, b"x", generation)
    planted, broken = row.made(purpose), sealed(purpose)[:-40]
    at(root, purpose).write_bytes(broken)
    at(root, f"{purpose}.previous").write_bytes(planted)
    before = contents(root)
    with pytest.raises(HarvesterError) as caught:
        store.read("default", purpose)
    assert (caught.value.code, bool(caught.value.hint)) == (row.code, True)
    assert contents(root) == before
    if row.stays:
        assert at(root, f"{purpose}.previous").read_bytes() == planted


def test_every_row_of_the_table_that_bytes_can_show_is_here() -> None:
    assert {row.code for row in ROWS.values()} == {
        "store_corrupt", "store_tampered", "key_wrong", "store_swapped", "store_too_new",
    }  # fmt: skip
