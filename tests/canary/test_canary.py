"""The canary run's own tests: what it finds, what it lets be, and that a hit fails a test."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from canary import outlets, plants, trees
from canary.forms import base64_cores, forms
from canary.known import Known, code, recognisable
from canary.marks import PASSWORD, SEED_WORD, mark
from canary.plugin import TOLD, Sum
from canary.processes import Processes
from canary.scan import Hit, Place, Searched, search
from canary.taps import Scope, Taps, chain
from harvester.standin.totp import code_at

# A secret with every byte that some writer writes otherwise.
ODD = 'Zq9-tok?en&"x"/+=~ <\\> ä%26'


def found(text: str | bytes, known: Known | None = None, *, kind: str = "file") -> list[Hit]:
    raw = text.encode() if isinstance(text, str) else text
    return search("a test", [Place(kind, "there", raw)], known or Known(), Searched())


def knows(*values: str | bytes) -> Known:
    known = Known()
    for value in values:
        known.tell("cookie", value)
    return known


@pytest.mark.parametrize(
    "written",
    [
        ODD,
        json.dumps(ODD),
        json.dumps(ODD, ensure_ascii=False),
        json.dumps(json.dumps(ODD)),
        json.dumps(ODD).replace("/", "\\/"),
        quote(ODD),
        quote(ODD, safe=""),
        quote(ODD, safe="").lower().replace("zq9", "Zq9"),
        quote(quote(ODD, safe=""), safe=""),
        repr(ODD),
        ODD.encode().hex(),
        ODD.encode("utf-16-le"),
        *(base64.b64encode(b"user:"[:n] + ODD.encode() + b"!") for n in range(4)),
        *(base64.urlsafe_b64encode(b"user:"[:n] + ODD.encode()) for n in range(4)),
        base64.b64encode(base64.b64encode(ODD.encode())),
        base64.b64encode(b'{"Cookie": "sid=' + ODD.encode() + b'"}'),
    ],
    ids=str,
)
def test_a_secret_is_found_however_it_is_written(written: str | bytes) -> None:
    raw = written.encode() if isinstance(written, str) else written
    assert [hit.secret for hit in found(b"before " + raw + b" after", knows(ODD))] == ["cookie"]
    assert found(b"before " + raw[:4] + b" after", knows(ODD)) == []


def test_a_hit_does_not_show_what_it_found() -> None:
    [hit] = found(f"say {ODD} again", knows(ODD))
    assert "Zq9" not in str(hit) and "say <<HERE>>" in str(hit)


@pytest.mark.parametrize("kind", ["s", "i", "c", "j"])
def test_a_marked_token_says_what_it_is(kind: str) -> None:
    names = {"s": "session", "i": "identity", "c": "callback code", "j": "session JWT"}
    [hit] = found(f"Cookie: x={mark(kind)}abcdefgh")
    assert hit.secret == names[kind]


def test_two_tokens_in_one_place_are_both_told() -> None:
    assert {hit.secret for hit in found(f"{mark('s')}1234 {mark('s')}5678 {mark('i')}9")} == {
        "session",
        "identity",
    }


def test_the_stand_ins_secrets_are_known_without_being_told() -> None:
    for text, kind in ((PASSWORD, "password"), (f"otpauth://x?secret={SEED_WORD}ABCD", "seed")):
        assert [hit.secret for hit in found(text)] == [kind]


def test_what_could_be_any_word_is_no_canary() -> None:
    assert not any(map(recognisable, (b"", b"password", b"session", b"v" * 30, bytes(32))))
    assert all(map(recognisable, (b"Tulip-Anchor-9", bytes(range(32)), b"k" * 31 + b"l")))
    known = knows("right", "v" * 30)
    assert not known.values and known.left_out == 2


def test_a_key_is_found_in_bytes_in_hex_and_in_base64() -> None:
    key = bytes(range(200, 232))
    known = knows(key)
    for written in (key, key.hex().encode(), base64.b64encode(key), base64.urlsafe_b64encode(key)):
        assert found(b"x" + written + b"y", known)


def test_codes_are_looked_for_as_words_and_only_where_words_are() -> None:
    known = Known()
    seed = SEED_WORD + "ABCDEFGHIJKLMNOP"
    known.seeds.add(seed)
    step = int(known.began_at // 30)
    typed = code(seed, step).decode()
    assert code_at(seed, step) == typed
    assert [hit.secret for hit in found(f"typed {typed}.", known, kind="log")] == []
    assert [hit.secret for hit in found(f"typed {typed}, ok", known, kind="log")] == [
        "one-time code"
    ]
    for text in (f"0.{typed}", f"a{typed}", f"{typed}7", f"id-{typed}"):
        assert found(text, known, kind="log") == []
    assert found(f"typed {typed}, ok", known, kind="state") == []


def test_base64_cores_do_not_depend_on_what_stands_around() -> None:
    for before in (b"", b"q", b"qr", b"\xff\xff\xff"):
        for after in (b"", b"\xff", b"zz"):
            whole = base64.b64encode(before + b"Kn4ryQuill" + after)
            assert any(core in whole for core in base64_cores(b"Kn4ryQuill"))
    assert all(len(form) >= 6 for form in forms(b"Kn4ryQuill"))


# what a test leaves


def test_every_cause_is_part_of_an_exception() -> None:
    try:
        try:
            raise ValueError("Zq9-hidden")
        except ValueError:
            raise KeyError("seen") from None
    except KeyError as error:
        group = ExceptionGroup("many", [error])
    assert "Zq9-hidden" in chain(group)
    assert "raise" not in chain(group), "lines of source show what a test wrote in them"


def test_a_debug_record_is_heard_and_stays_unseen(caplog: pytest.LogCaptureFixture) -> None:
    taps, scope = Taps(), Scope("a test")
    logger = logging.getLogger("harvester.of-a-test")
    with pytest.MonkeyPatch.context():
        taps.put_in()
        taps.scope = scope
        try:
            logger.debug("a word: %s", "Zq9", extra={"fields": {"of": "it"}})
        finally:
            taps.take_out()
    [place] = [one for one in scope.places() if one.kind == "log"]
    assert b"a word: Zq9" in place.data and b"'of': 'it'" in place.data
    assert caplog.records == []


def test_a_process_is_heard_and_its_words_are_seen() -> None:
    taps, scope = Taps(), Scope("a test")
    taps.put_in()
    taps.scope = scope
    try:
        code = "import sys; print('Zq9 out'); print('Zq9 err', file=sys.stderr)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        with subprocess.Popen(["echo", "Zq9", "line"], stdout=subprocess.PIPE, text=True) as told:
            assert told.stdout is not None and list(told.stdout) == ["Zq9 line\n"]
    finally:
        taps.take_out()
    assert done.stdout == "Zq9 out\n"
    # The taps of this very run are there too, and hear the same: hence "in".
    held = [(one.kind, one.data) for one in scope.places()]
    for kind, said in (
        ("stdout", b"Zq9 out\n"),
        ("stderr", b"Zq9 err\n"),
        ("stdout", b"Zq9 line\n"),
        ("argv", b"echo Zq9 line"),
    ):
        assert any(one == kind and said in data for one, data in held), (kind, said)


def test_only_what_harvester_starts_must_have_a_clean_environment() -> None:
    told: list[tuple[str, str, bytes]] = []
    processes = Processes(lambda *one: told.append(one))
    words = "GIVEN=Zq9 sh -c 'echo ready; read line; :'; :"
    for name, seen in (("harvester", True), ("somebody", False)):
        told.clear()
        with subprocess.Popen(
            ["sh", "-c", words, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            processes.look()
            process.communicate(b"\n")
        environs = [data for kind, _, data in told if kind == "environ"]
        assert any(b"GIVEN=Zq9" in data for data in environs) is seen
        assert any(kind == "cmdline" and name in where for kind, where, _ in told)


def test_a_file_is_its_users_own_until_it_is_changed(tmp_path: Path) -> None:
    taps, scope = Taps(), Scope("a test")
    taps.put_in()
    taps.scope = scope
    try:
        for name in ("kept", "changed"):
            (tmp_path / name).write_text("Zq9")
    finally:
        taps.take_out()
    with (tmp_path / "changed").open("a") as file:
        file.write(" and more")
    os.symlink(tmp_path / "changed", tmp_path / "link")
    places = list(trees.files([tmp_path, tmp_path], scope.own_files))
    assert [(place.where.rpartition("/")[2], place.data) for place in places] == [
        ("changed", b"Zq9 and more")
    ]


def test_each_kind_of_file_has_its_name(tmp_path: Path) -> None:
    assert {place.kind for place in plants.files(tmp_path)} == {
        "file", "log file", "crash dump", "state", "opened",
    }  # fmt: skip


def test_a_plant_that_is_not_found_is_named(tmp_path: Path) -> None:
    everywhere = [
        Hit("", kind, "LookupError" if kind == "exception" else "", "session", "plain", "")
        for kind in plants.EXPECTED
    ]
    everywhere += [
        Hit("", "file", f"form {name}", "session", name, "") for name in plants.FORMS
    ] + [Hit("", "file", "key", "key", "plain", "")]
    plants.judge(everywhere, captures=False)
    for kind in sorted(plants.EXPECTED - {"file"}):
        with pytest.raises(plants.NotFound, match=kind):
            plants.judge([hit for hit in everywhere if hit.place != kind], captures=False)
    for name in plants.FORMS:
        rest = [hit for hit in everywhere if hit.where != f"form {name}"]
        with pytest.raises(plants.NotFound, match=f"form {name}"):
            plants.judge(rest, captures=False)


def test_an_outlet_lets_through_what_it_is_for_and_nothing_beside_it() -> None:
    of_token = Hit("t", "stdout", "python -P -m harvester token", "session", "plain", "")
    assert outlets.outlet_of(of_token) is not None
    for change in (
        {"place": "stderr"},
        {"secret": "password"},
        {"secret": "identity"},
        {"where": "python -P -m harvester status"},
    ):
        fields = {name: getattr(of_token, name) for name in Hit.__slots__}
        assert outlets.outlet_of(Hit(**{**fields, **change})) is None
    assert all(one.why and one.places and one.secrets for one in outlets.OUTLETS)
    assert len({one.name for one in outlets.OUTLETS}) == len(outlets.OUTLETS)


def test_an_outlet_that_a_whole_run_did_not_need_fails_it() -> None:
    option = SimpleNamespace(keyword="", markexpr="", lf=False, collectonly=False)
    whole = pytest.Config.ArgsSource.TESTPATHS
    config: Any = SimpleNamespace(stash=pytest.Stash(), option=option, args_source=whole)
    total = Sum(config)
    used = {one.name: 1 for one in outlets.OUTLETS[1:]}
    config.stash[TOLD].append({"used": used, "hits": []})
    session: Any = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    total.pytest_sessionfinish(session)
    assert total.unused() == [outlets.OUTLETS[0].name]
    assert session.exitstatus == pytest.ExitCode.TESTS_FAILED
    option.keyword = "some"
    assert total.unused() == []


def test_no_document_puts_a_session_into_a_commands_words() -> None:
    root = Path(__file__).parents[2]
    for path in (root / "README.md", *(root / "docs").rglob("*.md")):
        for line in path.read_text("utf-8").splitlines():
            for secret in ("$(harvester token", "Bearer $"):
                assert secret not in line or "curl" not in line, f"{path.name}: {line}"


# the whole of it

_LEAKING = """
import logging, subprocess, sys
import pytest
SECRET = "Kn4ry" + "Quill-s-abcdefgh"

def test_clean():
    pass

def test_log():
    logging.getLogger("harvester.x").debug("got %s", SECRET)

def test_print():
    print(SECRET)

def test_error():
    with pytest.raises(ValueError):
        try:
            raise KeyError(SECRET)
        except KeyError:
            raise ValueError("hidden") from None

def test_file(tmp_path):
    with (tmp_path / "left").open("w") as file:
        file.write(SECRET)
"""


def test_a_test_that_leaves_a_secret_fails_and_says_where(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    (tmp_path / "test_leaks.py").write_text(_LEAKING)
    (tmp_path / "conftest.py").write_text(
        "from canary import plugin\ndef pytest_configure(config): plugin.register(config)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "xdist", "-n", "1", "-p", "no:cacheprovider",
         "--rootdir", str(tmp_path), "--basetemp", str(tmp_path / "t"), str(tmp_path)],
        env={
            **os.environ,
            "PYTHONPATH": f"{root / 'tests'}:{root / 'tests/support'}:{root}",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "5 passed, 4 errors" in done.stdout
    for kind in ("log 'harvester.x'", "captured 'stdout of call'", "exception 'ValueError'"):
        assert f"in {kind}" in done.stdout
    assert "canary:" in done.stdout and " 4 hits" in done.stdout
