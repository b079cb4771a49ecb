"""`harvester history`: what is kept of failed sign-ins, for people, for programs and as a page."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fakeonce import FakeOnce, Run
from films import PICTURE, evidence, sealed
from harvester import errors
from harvester.cli import history
from harvester.cli.filmstrip import page
from harvester.evidence import Evidence
from harvester.signin.skeleton import known_of, view_of
from harvester.vault.directory import DirectoryStore, prepare
from storekit import OTHER_SEAL, SEAL

Out = pytest.CaptureFixture[str]

HOSTILE = '<script>alert(1)</script>\x1b[31m\u202edesrever" onload=x <img src=//evil.example>'


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = home / "store"
    monkeypatch.setenv("HARVESTER_STORE", str(root))
    key = home / "a-key"
    key.write_bytes(base64.b64encode(b"k" * 32) + b"\n")
    key.chmod(0o600)
    monkeypatch.setenv("HARVESTER_KEY_FILE", str(key))
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return root


def keep(root: Path, *told: Evidence, profile: str = "default") -> None:
    prepare(root)
    shelf = DirectoryStore(root, SEAL).evidence(profile)
    for one in told or (evidence(),):
        shelf.add(sealed(one, profile=profile))


def test_where_nothing_failed_nothing_is_listed_and_nothing_is_made(
    cli: Run, store: Path, capsys: Out
) -> None:
    assert cli("history") == 0
    out, err = capsys.readouterr()
    assert out == "" and "nothing has happened yet" in err
    assert cli("history", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"version": 1, "profile": "default", "entries": [], "kept": []}
    assert cli("history", "--open") == 4
    assert not store.exists()


def test_the_newest_is_listed_first(cli: Run, store: Path, capsys: Out) -> None:
    keep(store, evidence(), evidence(code="credentials_rejected"))
    assert cli("history") == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["ID", "WHEN", "HOW", "WHY", "WHERE", "STEPS"]
    assert first.split() == [
        "s-0002", "2025-11-23T12:13:20Z", "scripted", "credentials_rejected",
        "login.acme.example", "3",
    ]  # fmt: skip
    assert second.startswith("s-0001")
    assert cli("history", "--json") == 0
    told = json.loads(capsys.readouterr().out)["kept"]
    assert [one["id"] for one in told] == ["s-0002", "s-0001"]
    assert (told[0]["host"], told[0]["steps"]) == ("login.acme.example", 3)


def test_one_is_told_with_its_steps_and_its_last_page(cli: Run, store: Path, capsys: Out) -> None:
    keep(store)
    assert cli("history", "S-0001") == 0
    out = capsys.readouterr().out
    assert re.search(r"2 +0\.50 s +choose_provider +press +knoq\.one/login", out)
    assert re.search(r"heading +'Sign in'\n +textbox", out)
    assert re.search(r"textbox +'Password' += password +\(password \d+\)", out)
    assert cli("history", "s-0001", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["id"], told["at"]) == ("s-0001", "2025-11-23T12:13:20Z")
    assert "picture" not in told["steps"][0]


def test_a_skeleton_is_printed_that_can_be_loaded_again(cli: Run, store: Path, capsys: Out) -> None:
    keep(store)
    assert cli("history", "--skeleton") == 0
    told = json.loads(capsys.readouterr().out)
    assert view_of(told).main.title == "Sign in" and known_of(told).rung == "scripted"
    keep(store, evidence(skeleton=None))
    assert cli("history", "s-0002", "--skeleton") == 2
    assert "could not be read" in capsys.readouterr().err


def test_it_is_written_as_one_private_file(cli: Run, store: Path, capsys: Out) -> None:
    keep(store)
    assert cli("history", "s-0001", "--open") == 0
    out, err = capsys.readouterr()
    path = Path(out.strip())
    assert path == store / "run/s-0001.html" and "no screen" in err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert cli("history", "--open") == 0  # written over: it is ours


def test_it_is_shown_where_there_is_a_screen(
    cli: Run, store: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(history.webbrowser, "open", lambda url: not shown.append(url))
    keep(store)
    assert cli("history", "--open") == 0
    out, err = capsys.readouterr()
    assert shown == [Path(out.strip()).as_uri()] and "screen" not in err


def test_no_file_of_the_users_is_written_over(
    cli: Run, store: Path, home: Path, capsys: Out
) -> None:
    keep(store)
    there = home / "film.html"
    assert cli("history", "--open", "--output", str(there)) == 0
    assert stat.S_IMODE(there.stat().st_mode) == 0o600
    there.write_text("mine")
    assert cli("history", "--open", "--output", str(there)) == 2
    assert there.read_text() == "mine" and "there already" in capsys.readouterr().err
    assert cli("history", "--output", str(there)) == 2
    assert cli("history", "--open", "--skeleton") == 2


def test_one_that_is_not_there_is_named_with_those_that_are(
    cli: Run, store: Path, capsys: Out
) -> None:
    keep(store, evidence(), evidence())
    assert cli("history", "s-0042") == 2
    assert "there are: s-0002, s-0001" in capsys.readouterr().err


def test_another_profiles_is_asked_for_by_its_name(
    cli: Run, store: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_PROFILES__WORK_EU__USERNAME", "ada")
    keep(store, evidence(code="challenge"), profile="work-eu")
    assert cli("history", "work-eu/s-0001") == 0
    out = capsys.readouterr().out
    assert "challenge" in out and "history work-eu/s-0001 --open" in out
    assert cli("history", "--profile", "work-eu", "s-0001") == 0
    assert cli("history", "nobody/s-0001") == 78


def test_one_that_does_not_open_is_listed_as_what_it_is(cli: Run, store: Path, capsys: Out) -> None:
    keep(store, evidence(), evidence())
    path = store / "profiles/default/evidence-0001"
    path.write_bytes(path.read_bytes()[:500])
    (store / "profiles/default/evidence-0002").write_bytes(sealed(seal=OTHER_SEAL))
    assert cli("history", "--json") == 0
    assert [one["code"] for one in json.loads(capsys.readouterr().out)["kept"]] == [
        "key_wrong",
        "store_corrupt",
    ]
    assert cli("history") == 0
    capsys.readouterr()
    assert cli("history", "s-0001") == 74
    assert cli("history", "s-0002") == 78
    assert path.exists()


def test_an_error_names_the_one_command_that_shows_it(cli: Run, store: Path, capsys: Out) -> None:
    wrong = errors.PageNotRecognised("the page is not one we know", evidence="s-0007")
    assert cli("login", once=FakeOnce(wrong)) == 4
    assert "  see: harvester history s-0007\n" in capsys.readouterr().err
    assert cli("login", "--json", once=FakeOnce(wrong)) == 4
    assert json.loads(capsys.readouterr().out)["error"]["evidence"] == "s-0007"


# -- the page -------------------------------------------------------------------------------------


class Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [about for name, about in self.tags if name == tag]


def hostile() -> Evidence:
    steps = evidence(label=HOSTILE).steps
    return evidence(
        title=HOSTILE, label=HOSTILE, code=HOSTILE, message=HOSTILE, rung=HOSTILE,
        steps=(*steps, *(type(steps[0])(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0, 0),)),
    )  # fmt: skip


def test_the_page_holds_the_pictures_and_draws_what_has_none() -> None:
    told = Reader(page(evidence(), "s-0001"))
    data = base64.b64encode(PICTURE).decode()
    assert [one["src"] for one in told.named("img")] == [f"data:image/jpeg;base64,{data}"] * 2
    assert len(told.named("svg")) == 1 and len(told.named("li")) == 3


def test_the_page_may_load_nothing_send_nothing_and_run_nothing() -> None:
    told = Reader(page(hostile(), HOSTILE))
    (policy,) = (one for one in told.named("meta") if one.get("http-equiv"))
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert str(policy["content"]).startswith("default-src 'none'; img-src data:;")
    assert not {tag for tag, _ in told.tags} & {"script", "iframe", "a", "form", "link", "object"}
    assert all(not name.startswith("on") for _, about in told.tags for name in about)
    assert all(str(one["src"]).startswith("data:image/jpeg;") for one in told.named("img"))


def test_a_strangers_words_neither_colour_nor_turn_what_is_shown(
    cli: Run, store: Path, capsys: Out
) -> None:
    keep(store, hostile())
    text = page(hostile(), HOSTILE)
    for args in ((), ("s-0001",)):
        assert cli("history", *args) == 0
        text += capsys.readouterr().out
    assert "desrever" in text
    assert "\x1b" not in text and "\u202e" not in text


def test_the_page_is_the_same_wherever_it_is_written(store: Path) -> None:
    assert page(evidence(), "s-0001") == page(evidence(), "s-0001")
    assert str(os.getpid()) not in page(evidence(), "s-0001").partition("<body>")[0]
