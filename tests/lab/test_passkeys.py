"""Signing in with a passkey alone, at a relying party that verifies every signature."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from house import House
from relying import Conditional, Named, Popped, Relying, Thief
from visit import actions, said, visit

from harvester.errors import NeedsHuman
from harvester.passkeys import Passkey, from_bytes, to_bytes
from harvester.signin.find import find_browser
from harvester.vault import keys
from harvester.vault.directory import DirectoryStore
from harvester.vault.seal import Seal
from parent import KEY, Outcome, secret
from runs import Home

PATIENCE_S = 30.0


def _seal() -> Seal:
    ring, _ = keys.load(secret("HARVESTER_KEY", KEY), Path(), may_create=False)
    return Seal(ring)


def _sealed(*passkeys: Passkey) -> str:
    record = _seal().seal(
        to_bytes(passkeys), profile="default", purpose="passkey", generation=1, now_s=time.time()
    )
    return record.decode()


def _opened(sealed: str) -> Passkey:
    opened = _seal().open(sealed.encode(), profile="default", purpose="passkey")
    (only,) = from_bytes(opened.plaintext)
    return only


def _with_passkey(house: House, *passkeys: Passkey, **changes: Any) -> Outcome:
    """A sign-in that has passkeys and neither password nor seed."""
    nothing = {"rung": "silent", "password": None, "totp": None}
    return visit(house, **{**nothing, "passkeys": _sealed(*passkeys), **changes})


@pytest.mark.parametrize(
    ("kind", "steps"),
    [
        (Relying, ["choose_provider", "use_passkey"]),
        (Named, ["choose_provider", "ask_identifier", "use_passkey"]),
        (Conditional, ["choose_provider"]),
        (Popped, ["choose_provider", "use_passkey"]),
    ],
)
def test_a_passkey_is_enough(kind: type[Relying], steps: list[str]) -> None:
    with House(kind()) as house:
        passkey = house.kind.issued()
        outcome = _with_passkey(house, passkey)
    assert outcome.result["result"] == "signed_in", said(outcome)
    assert actions(outcome) == steps
    assert outcome.submits == [] and house.passwords == []
    assert not house.wrong
    (key,) = house.kind.keys.values()
    # A slow machine goes on from the passkey's age in seconds, not from the count before.
    assert len(key.counts) == 2 and key.counts[-1] > key.counts[0]
    assert _opened(outcome.passkeys[-1]).sign_count == key.counts[-1], "what was used is told"
    assert passkey.private_key.encode() not in outcome.raw + outcome.stderr


def test_a_lost_sign_count_does_no_harm() -> None:
    with House(Relying()) as house:
        kind = house.kind
        passkey = kind.issued(age_s=60)
        for _ in range(3):  # each time from the first record: nothing that was used was stored
            outcome = _with_passkey(house, passkey)
            assert outcome.result["result"] == "signed_in", said(outcome)
    (key,) = kind.keys.values()
    assert key.counts == sorted(set(key.counts)) and len(key.counts) == 4
    assert kind.refused == []


def test_a_revoked_passkey_stops_the_sign_in_and_no_password_follows() -> None:
    with House(Relying()) as house:
        passkey = house.kind.issued()
        house.kind.keys.clear()
        password = secret("HARVESTER_PASSWORD", house.password)
        outcome = _with_passkey(house, passkey, rung="scripted", password=password)
    assert isinstance(outcome.error, NeedsHuman), said(outcome)
    assert "refused the passkey 'lab-machine'" in outcome.error.message
    assert "harvester passkey remove lab-machine" in outcome.error.hint
    assert outcome.submits == [] and house.passwords == []
    assert not outcome.result["asked"], "nothing heavier is tried by itself"


def test_a_passkey_that_the_provider_does_not_ask_for_is_told_from_a_refused_one() -> None:
    with House(Named()) as house:
        passkey = house.kind.issued()
        house.kind.keys.clear()
        outcome = _with_passkey(house, passkey)
    assert isinstance(outcome.error, NeedsHuman), said(outcome)
    assert "did not ask for a passkey that this machine has" in outcome.error.message
    assert outcome.passkeys == [], "nothing was signed"


def test_a_passkey_of_another_domain_never_reaches_the_browser() -> None:
    with House(Relying()) as house:
        elsewhere = replace(house.kind.issued(), rp_id="elsewhere.localhost")
        refused = _with_passkey(house, elsewhere)
        password = secret("HARVESTER_PASSWORD", house.password)
        typed = _with_passkey(house, elsewhere, rung="scripted", password=password)
    assert refused.result["asked"] and "elsewhere.localhost" in str(refused.error)
    assert refused.steps == [], "no browser is started for it"
    assert typed.result["result"] == "signed_in", said(typed)
    assert "POST id/authenticator/true" not in house.served, "the page sees no authenticator"
    assert "POST id/authenticator/false" in house.served
    assert typed.passkeys == []


def test_no_other_page_can_have_anything_signed() -> None:
    """Playwright's own virtual authenticator signs for any origin that a page claims to be."""
    with House(Thief()) as house:
        outcome = _with_passkey(house, house.kind.issued())
    assert outcome.result["result"] == "signed_in", said(outcome)
    assert "POST site/got/nothing" in house.served
    assert not {"POST site/got/signature", "POST site/got/door"} & set(house.served)
    (key,) = house.kind.keys.values()
    assert len(key.counts) == 2, "one signature, for the provider's own page"


# -- the whole way, as a person goes it -----------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A user without a password, and a browser that says which process it is."""
    found = find_browser(None, os.environ)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho $$ > {tmp_path}/pid\nexec {found.path} "$@"\n')
    browser.chmod(0o755)
    with House(Relying()) as house:
        house.provider = "Acme"
        place = tmp_path / "home"
        place.mkdir()
        yield Home(
            place, house, HARVESTER_PASSWORD=None, HARVESTER_BROWSER=str(browser), DISPLAY=":none"
        )  # fmt: skip
    shutil.rmtree(place)


def _enroll(
    home: Home, *, name: str = "lab-machine", seen: str
) -> subprocess.CompletedProcess[str]:
    """A person makes a passkey in the window, and closes it after ``seen`` was said."""
    house: Any = home.world
    house.kind.person = True
    lines = []
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "harvester", "passkey", "enroll", "--name", name],
        env=home.environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        stdin=subprocess.DEVNULL,
    ) as running:  # fmt: skip
        assert running.stdout is not None and running.stderr is not None
        patience = threading.Timer(PATIENCE_S, running.terminate)
        patience.start()
        for line in running.stderr:
            lines.append(line)
            if seen in line:
                # The browser leads a process group of its own.
                leader = int((home.place.parent / "pid").read_text())
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(leader, signal.SIGTERM)
        out = running.stdout.read()
        patience.cancel()
    house.kind.person = False
    return subprocess.CompletedProcess(running.args, running.returncode, out, "".join(lines))


def test_a_person_makes_a_passkey_and_the_machine_signs_in_with_it_alone(home: Home) -> None:
    house: Any = home.world
    ended = _enroll(home, seen="is sealed")
    assert ended.returncode == 0, ended.stderr
    (key,) = house.kind.keys.values()
    assert house.passwords == [house.password], "the person's own"

    for count in (2, 3, 4):
        ended = home.run("login")
        assert ended.returncode == 0, ended.stderr
        assert len(key.counts) == count
    assert key.counts == sorted(set(key.counts)), "a provider that checks the count is content"
    assert house.kind.refused == []
    assert house.passwords == [house.password], "nobody typed one"
    (told,) = json.loads(home.run("status", "--json").stdout)["profiles"]
    assert told["ready"]
    (shown,) = json.loads(home.run("passkey", "list", "--json").stdout)
    assert (shown["name"], shown["site"]) == ("lab-machine", "id.localhost")
    assert shown["user"] == house.username and shown["used_at"]

    store = DirectoryStore(home.store, _seal_of(home))
    stored = store.read("default", "passkey")
    assert stored is not None
    (passkey,) = from_bytes(stored.plaintext)
    raw = base64.b64decode(passkey.private_key)
    assert home.in_clear(passkey.private_key, base64.urlsafe_b64encode(raw).decode()) == []
    assert not [one for one in home.place.rglob("*") if one.is_file() and raw in one.read_bytes()]

    assert home.run("passkey", "remove", "lab-machine").returncode == 0
    code, error = home.error("login")
    assert (code, error["code"]) == (4, "not_configured"), "nothing is left to sign in with"
    assert len(key.counts) == 4, "what was removed is not used"
    assert not list(home.store.rglob("passkey*"))


def test_a_window_without_a_passkey_says_that_none_was_made(home: Home) -> None:
    house: Any = home.world
    house.kind.security_page = lambda: "<h1>No passkeys here</h1>"
    ended = _enroll(home, seen="now add a passkey")
    assert ended.returncode == 4, ended.stderr
    assert "no passkey was made" in ended.stderr
    assert json.loads(home.run("passkey", "list", "--json").stdout) == []


def _seal_of(home: Home) -> Seal:
    ring, _ = keys.load(None, home.store, may_create=False)
    return Seal(ring)
