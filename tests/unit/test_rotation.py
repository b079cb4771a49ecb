"""A key is changed: all is sealed anew, nobody seals with the old one, and it goes when it may."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harvester import ledger_form
from harvester.clock import SystemClock
from harvester.errors import Busy, HarvesterError, KeyWrong, StoreCorrupt, StoreError, Usage
from harvester.kept_ledger import dated_text
from harvester.ledger import Ledger
from harvester.profile import KeyChoice, SecretSource
from harvester.rotation import Rotation
from harvester.vault import keys, passphrase
from harvester.vault.closed import CLOSED_NAME
from harvester.vault.directory import DirectoryStore, prepare
from harvester.vault.keys import Kdf, KeyRing, MasterKey, fresh
from harvester.vault.ring import LiveRing, ring_of
from harvester.vault.seal import Seal, label_of

OWN = KeyChoice()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrase, "fresh_kdf", lambda: Kdf(os.urandom(16), 64, 1, 1))


def live(root: Path, choice: KeyChoice = OWN) -> LiveRing:
    ring = ring_of(choice, root)
    ring.open(may_create=not DirectoryStore(root).has_records())
    return ring


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store of two profiles, with records in use, before them, set aside and numbered."""
    root = tmp_path / "store"
    prepare(root)
    filled(root, OWN)
    return root


def filled(root: Path, choice: KeyChoice) -> None:
    ring = live(root, choice)
    store = DirectoryStore(root, Seal(ring))
    for profile in ("default", "work"):
        store.write(profile, "session", b"first of " + profile.encode(), 1)
        store.write(profile, "session", b"second of " + profile.encode(), 2)
        store.write(profile, "ledger", b"{}", 1)
    seal = Seal(ring)
    evidence = seal.seal(b"seen", profile="work", purpose="evidence", generation=0, now_s=5.0)
    store.evidence("work").add(evidence)
    bad = root / "profiles/work/session.bad-20260101T000000.000Z"
    bad.write_bytes((root / "profiles/work/session").read_bytes()[:-20])
    bad.chmod(0o600)


def records(root: Path) -> dict[str, str]:
    """The key that each record names, by its path; those set aside left out."""
    return {
        str(path.relative_to(root / "profiles")): label_of(path.read_bytes(), "it").kid
        for path in sorted((root / "profiles").glob("*/*"))
        if ".bad-" not in path.name and path.name not in ("seen", "journal")
    }


def contents(root: Path, ring: LiveRing) -> dict[str, tuple[bytes, int, float]]:
    seal = Seal(ring)
    found = {}
    for name in records(root):
        profile, _, file = name.partition("/")
        purpose: Any = next(
            one for one in ("session", "ledger", "evidence", "passkey") if file.startswith(one)
        )
        record = (root / "profiles" / name).read_bytes()
        opened = seal.open(record, profile=profile, purpose=purpose)
        found[name] = (opened.plaintext, opened.generation, opened.created_at)
    return found


def secret(text: str, kind: str = "key") -> KeyChoice:
    source = SecretSource("value", f"HARVESTER_{kind.upper()}", value=text)
    return KeyChoice(key=source) if kind == "key" else KeyChoice(passphrase=source)


def test_all_is_sealed_anew_and_is_what_it_was(root: Path) -> None:
    (old,) = set(records(root).values())
    before = contents(root, live(root))
    assert len(before) == 7
    done = Rotation(OWN, root).rotate()
    assert set(records(root).values()) == {done.primary} != {old}
    assert (done.records, done.resumed, done.opens) == (7, False, (old,))
    assert contents(root, live(root)) == before
    assert (root / "profiles/work/session.bad-20260101T000000.000Z").exists()


def test_a_key_goes_when_no_record_names_it_and_not_before(root: Path) -> None:
    rotation = Rotation(OWN, root)
    (old,) = set(records(root).values())
    with pytest.raises(Usage, match="the one that seals"):
        rotation.retire(old)
    stray = (root / "profiles/work/session.previous").read_bytes()
    done = rotation.rotate()
    (root / "profiles/work/session.previous").write_bytes(stray)
    with pytest.raises(Usage, match=r"named by 1 record \(session.previous of profile work\)"):
        rotation.retire(old)
    assert rotation.rotate().primary != done.primary, "what was done is done; this is another"
    rotation.retire(old)
    assert old not in [one.kid for one in rotation.listed()]
    assert len((root / "key").read_text().split()) == 2
    contents(root, live(root))
    with pytest.raises(Usage, match="no key"):
        rotation.retire("0" * 16)


def test_no_key_goes_while_a_record_cannot_be_read(root: Path) -> None:
    rotation = Rotation(OWN, root)
    (old,) = set(records(root).values())
    rotation.rotate()
    damaged = root / "profiles/default/session.previous"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    with pytest.raises(StoreCorrupt):
        rotation.retire(old)
    assert old in [one.kid for one in rotation.listed()]


def test_one_that_cannot_be_sealed_anew_stops_no_other_and_the_key_stays(root: Path) -> None:
    (old,) = set(records(root).values())
    foreign = Seal(KeyRing(MasterKey(b"f" * 32))).seal(
        b"x", profile="default", purpose="passkey", generation=1, now_s=1.0
    )
    (root / "profiles/default/passkey").write_bytes(foreign)
    (root / "profiles/default/passkey").chmod(0o600)
    with pytest.raises(KeyWrong, match="1 of the records could not be sealed anew, 7 were"):
        Rotation(OWN, root).rotate()
    assert list(records(root).values()).count(old) == 0
    assert (root / "profiles/default/passkey").read_bytes() == foreign
    listed = {one.state: one.kid for one in Rotation(OWN, root).listed()}
    assert listed["missing"] == MasterKey(b"f" * 32).kid
    keyfile = root / "foreign"
    keyfile.write_text(MasterKey(b"f" * 32).text())
    done = Rotation(OWN, root).rotate((MasterKey(b"f" * 32),))
    assert done.resumed and done.records == 1
    assert set(records(root).values()) == {done.primary}


def test_a_spare_is_taken_and_one_that_sealed_once_is_none(root: Path) -> None:
    rotation = Rotation(OWN, root)
    spare = rotation.new()
    assert {one.kid: one.state for one in rotation.listed()}[spare] == "spare"
    more = rotation.new()
    done = rotation.rotate()
    assert done.primary == spare and more not in done.opens
    assert {one.kid: one.state for one in rotation.listed()}[more] == "spare"
    assert rotation.rotate().primary == more
    assert rotation.rotate().primary not in (spare, more) and len(rotation.listed()) == 4


def test_whoever_runs_on_seals_with_the_new_key_at_once(root: Path) -> None:
    ring = live(root)
    store = DirectoryStore(root, Seal(ring))
    old = ring.current().primary.kid
    done = Rotation(OWN, root).rotate()
    store.write("default", "session", b"third", 3)
    assert records(root)["default/session"] == done.primary
    Rotation(OWN, root).retire(old)
    assert old not in [key.kid for key in KeyRing.from_lines(ring.lines()).all]
    store.write("default", "session", b"fourth", 4)
    assert set(records(root).values()) == {done.primary}


def test_a_reader_that_was_slow_still_opens_what_it_read(root: Path) -> None:
    ring = live(root)
    record = (root / "profiles/default/session").read_bytes()
    old = ring.current().primary.kid
    rotation = Rotation(OWN, root)
    rotation.rotate()
    rotation.retire(old)
    ring.current()
    opened = Seal(ring).open(record, profile="default", purpose="session")
    assert opened.plaintext == b"second of default"


def test_who_was_given_the_old_key_alone_seals_nothing_more_with_it(tmp_path: Path) -> None:
    root = tmp_path / "store"
    prepare(root)
    old, new = fresh(), fresh()
    filled(root, secret(old.text()))
    stale, knows = live(root, secret(old.text())), live(root, secret(f"{old.text()},{new.text()}"))
    both = secret(f"{new.text()},{old.text()}")
    done = Rotation(both, root).rotate()
    assert done.primary == new.kid
    with pytest.raises(KeyWrong, match="seals no more") as caught:
        DirectoryStore(root, Seal(stale)).write("default", "session", b"third", 3)
    assert new.kid in caught.value.message
    DirectoryStore(root, Seal(knows)).write("default", "session", b"third", 3)
    assert set(records(root).values()) == {new.kid}
    assert stale.shown()["kid"] is None and knows.shown()["kid"] == new.kid
    Rotation(secret(new.text()), root).retire(old.kid)
    with pytest.raises(Usage, match="one key alone"):
        Rotation(secret(new.text()), root).rotate()


def test_a_passphrase_is_changed(tmp_path: Path) -> None:
    root = tmp_path / "store"
    prepare(root)
    before, after = secret("old words", "passphrase"), secret("new words", "passphrase")
    filled(root, before)
    was = contents(root, live(root, before))
    old = live(root, before).current().primary
    with pytest.raises(KeyWrong):
        Rotation(after, root).rotate()
    running = live(root, before)
    done = Rotation(after, root).rotate((old,))
    assert contents(root, live(root, after)) == was
    with pytest.raises(KeyWrong, match="seals no more"):
        running.current()
    Rotation(after, root).retire(old.kid)
    kept = json.loads((root / "key.kdf").read_text())["keys"]
    assert [one["kid"] for one in kept] == [done.primary]
    with pytest.raises(KeyWrong, match="is not the passphrase"):
        live(root, before)
    with pytest.raises(Usage, match="are the same"):
        Rotation(after, root).rotate((live(root, after).current().primary,))


def test_the_place_is_changed_from_file_to_passphrase_to_given_key(root: Path) -> None:
    was = contents(root, live(root))
    from_file = keys.load(None, root, may_create=False)[0].all
    words = secret("some words", "passphrase")
    Rotation(words, root).rotate(from_file)
    assert contents(root, live(root, words)) == was
    with pytest.raises(KeyWrong, match="seals no more"):
        live(root).current()
    given = fresh()
    Rotation(secret(given.text()), root).rotate(live(root, words).current().all)
    assert contents(root, live(root, secret(given.text()))) == was


def test_a_list_of_closed_keys_that_is_damaged_stops_the_sealing_alone(root: Path) -> None:
    ring = live(root)
    store = DirectoryStore(root, Seal(ring))
    Rotation(OWN, root).rotate()
    (root / CLOSED_NAME).write_text("{}")
    with pytest.raises(StoreCorrupt, match="seal no more"):
        store.write("default", "session", b"third", 3)
    found = store.read("default", "session")
    assert found is not None and found.plaintext == b"second of default"


def test_two_rotations_and_a_held_profile_wait_and_say_so(root: Path) -> None:
    with DirectoryStore(root).lock("work") as lock:
        assert lock.acquire_nonblocking()
        with pytest.raises(Busy, match="profile work"):
            Rotation(OWN, root, patience_s=0.2).rotate()
    done = Rotation(OWN, root).rotate()
    assert done.resumed and set(records(root).values()) == {done.primary}


def test_nothing_is_sealed_with_a_retired_key_by_a_writer_that_never_rests(root: Path) -> None:
    stop = threading.Event()
    sealed: list[str] = []
    troubles: list[HarvesterError] = []

    def write() -> None:
        store = DirectoryStore(root, Seal(live(root)))
        generation = 10
        while not stop.is_set():
            lock = store.lock("default")
            if not lock.acquire_nonblocking():
                continue
            with lock:
                generation += 1
                try:
                    store.write("default", "session", b"%d" % generation, generation)
                    kid = label_of((root / "profiles/default/session").read_bytes(), "it").kid
                    sealed.append(kid)
                    found = store.read("default", "session")
                except (StoreError, KeyWrong) as error:
                    troubles.append(error)
                    return
                assert found is not None and found.generation == generation
            time.sleep(0.03)  # others want the lock too

    writer = threading.Thread(target=write)
    writer.start()
    rotation = Rotation(OWN, root)
    gone: list[str] = []
    try:
        for _ in range(3):
            known = len(sealed)
            while writer.is_alive() and len(sealed) < known + 2:
                time.sleep(0.01)  # on a busy machine it gets a turn all the same
            done = rotation.rotate()
            for kid in done.opens:
                at = len(sealed)
                rotation.retire(kid)
                gone.append(kid)
                assert kid not in sealed[at + 1 :]
    finally:
        stop.set()
        writer.join()
    assert not troubles, troubles[0].message
    assert len(sealed) > 5 and len(gone) == 3
    assert set(records(root).values()) == {done.primary}


# What a refused password was remembered by


def test_a_refused_password_stays_refused_under_every_key(root: Path) -> None:
    ring = live(root)
    parts = ("https://login.example", "ada", "wrong")
    old = ring.current()
    unnamed = keys.fingerprint(old, *parts).partition(":")[2]
    ledger = Ledger().aged(1.0).with_submit(1.0, unnamed).with_rejected(unnamed)
    text = dated_text(ledger_form.to_dict(ledger), SystemClock())
    store = DirectoryStore(root, Seal(ring))
    store.write("default", "ledger", text, 2)
    store.write("default", "ledger", text, 3)
    rotation = Rotation(OWN, root)
    rotation.rotate()

    def rejected(read: Callable[[str], Any] = json.loads) -> tuple[str, ...]:
        found = DirectoryStore(root, Seal(live(root))).read("default", "ledger")
        assert found is not None
        stored = ledger_form.from_dict(read(found.plaintext.decode()))
        assert {one.fingerprint for one in stored.submits} == set(stored.rejected)
        return stored.rejected_fingerprints()

    assert rejected() == (f"{old.primary.kid}:{unnamed}",)
    now = live(root).current()
    assert keys.is_among(now, rejected(), *parts)
    assert not keys.is_among(now, rejected(), *parts[:2], "right")
    rotation.retire(old.primary.kid)
    # Nobody can tell any more which password that was: it may be this one.
    assert keys.is_among(live(root).current(), rejected(), *parts[:2], "right")
    assert not keys.is_among(live(root).current(), (), *parts)
