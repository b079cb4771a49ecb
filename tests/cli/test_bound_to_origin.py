"""A session goes to the origin that issued it.  No setting of any source moves a stored one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import unix_requests
from fakeonce import Run
from harvester import errors
from harvester.client import Client
from tinysite import Came, Say, TinySite

Out = pytest.CaptureFixture[str]
VALUE = "s3ss10n-of-0urs"
PROBE = "/api/managed-agents/sessions"
START_S = 30.0


@pytest.fixture
def ours() -> Iterator[TinySite]:
    with TinySite(name="ours.localhost", value=VALUE) as site:
        yield site


@pytest.fixture
def theirs() -> Iterator[TinySite]:
    """Takes any session for its own: whoever is sent one could use it."""
    with TinySite(name="theirs.localhost") as site:
        site.routes[PROBE] = lambda came: Say(200 if came.cookies else 401)
        yield site


def leaked(site: TinySite) -> list[Came]:
    return [one for one in site.came if VALUE in str(one)]


@pytest.fixture
def stored(
    home: Path, ours: TinySite, cli: Run, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> Path:
    """A store with a session that lives at ``ours``; no setting names that origin any more."""
    pasted = home / "pasted"
    pasted.write_text(f"Cookie: sid={VALUE}\n")
    monkeypatch.setenv("HARVESTER_STORE", str(home / "store"))
    with monkeypatch.context() as only_now:
        only_now.setenv("HARVESTER_ORIGIN", ours.origin)
        only_now.setenv("HARVESTER_PROBE_PATH", PROBE)
        assert cli("import", str(pasted)) == 0
        capsys.readouterr()
    (home / "config.toml").touch(mode=0o600)
    monkeypatch.setenv("HARVESTER_CONFIG", str(home / "config.toml"))
    return home / "store" / "profiles" / "default" / "session"


def by_environment(home: Path, origin: str, environ: pytest.MonkeyPatch) -> list[str]:
    environ.setenv("HARVESTER_ORIGIN", origin)
    return []


def by_the_profiles_variable(home: Path, origin: str, environ: pytest.MonkeyPatch) -> list[str]:
    environ.setenv("HARVESTER_PROFILES__DEFAULT__ORIGIN", origin)
    return []


def by_flag(home: Path, origin: str, environ: pytest.MonkeyPatch) -> list[str]:
    return ["--origin", origin]


def by_the_top_of_the_file(home: Path, origin: str, environ: pytest.MonkeyPatch) -> list[str]:
    (home / "config.toml").write_text(f'origin = "{origin}"\n')
    return []


def by_a_profile_table(home: Path, origin: str, environ: pytest.MonkeyPatch) -> list[str]:
    (home / "config.toml").write_text(f'[profiles.default]\norigin = "{origin}"\n')
    return []


def by_an_env_file(home: Path, origin: str, environ: pytest.MonkeyPatch) -> list[str]:
    (home / "env").write_text(f"HARVESTER_ORIGIN={origin}\n")
    (home / "env").chmod(0o600)
    return ["--env-file", str(home / "env")]


def by_a_credential(home: Path, origin: str, environ: pytest.MonkeyPatch) -> list[str]:
    (home / "credentials").mkdir(mode=0o700)
    (home / "credentials" / "HARVESTER_ORIGIN").write_text(origin)
    environ.setenv("CREDENTIALS_DIRECTORY", str(home / "credentials"))
    return []


COMMANDS = (
    ("token",), ("token", "--no-sign-in"), ("export",), ("export", "--format", "curl"),
    ("refresh",), ("exec", "--", "true"), ("export", "--sealed", "--output", "bundle"),
)  # fmt: skip


@pytest.mark.parametrize(
    "way",
    [
        by_environment, by_the_profiles_variable, by_flag, by_the_top_of_the_file,
        by_a_profile_table, by_an_env_file, by_a_credential,
    ],
    ids=lambda way: way.__name__,
)  # fmt: skip
def test_no_setting_moves_a_stored_session_to_another_origin(
    home: Path, ours: TinySite, theirs: TinySite, stored: Path, cli: Run, way, capsys: Out,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    before = stored.read_bytes()
    monkeypatch.chdir(home)
    with monkeypatch.context() as environ:
        flags = way(home, theirs.origin, environ)
        for name, *words in COMMANDS:
            code = cli(name, *flags, *words)
            told = capsys.readouterr()
            if "--sealed" in words and code == 0:
                # What is sealed says whose it is, and is taken in for that origin alone.
                assert VALUE.encode() not in (home / "bundle").read_bytes()
                continue
            assert code == errors.OriginMismatch.exit_code, (name, code, told.err)
            assert ours.origin in told.err and VALUE not in told.out + told.err
    assert leaked(theirs) == []
    assert stored.read_bytes() == before
    # And with its own origin again it is there.
    (home / "config.toml").write_text(f'[profiles.default]\norigin = "{ours.origin}"\n')
    assert cli("token", "--no-sign-in") == 0
    assert capsys.readouterr().out == f"sid={VALUE}\n"


def test_a_profile_of_another_origin_in_the_same_store_has_none(
    home: Path, theirs: TinySite, stored: Path, cli: Run, capsys: Out
) -> None:
    (home / "config.toml").write_text(f'[profiles.work]\norigin = "{theirs.origin}"\n')
    for words in (("token",), ("export",)):
        assert cli(*words, "--profile", "work") == 4
    assert VALUE not in str(capsys.readouterr())
    assert leaked(theirs) == []


@pytest.mark.parametrize("name", ["PROBE_PATH", "SIGN_OUT_PATH", "WHOAMI_PATH"])
@pytest.mark.parametrize(
    "shape", ["//{host}/x", "{origin}/x", "@{host}/x", ".{host}/", "\\\\{host}"]
)
def test_no_path_leads_to_another_origin(
    theirs: TinySite, ours: TinySite, stored: Path, cli: Run, name: str, shape: str, capsys: Out,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    host = theirs.origin.partition("://")[2]
    monkeypatch.setenv("HARVESTER_ORIGIN", ours.origin)
    monkeypatch.setenv(f"HARVESTER_{name}", shape.format(host=host, origin=theirs.origin))
    for words in (("token",), ("refresh",), ("logout",)):
        assert cli(*words) == 78
    assert theirs.came == []


def test_a_sign_in_page_elsewhere_gets_no_session(
    theirs: TinySite, ours: TinySite, stored: Path, cli: Run, capsys: Out,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("HARVESTER_ORIGIN", ours.origin)
    monkeypatch.setenv("HARVESTER_SIGN_IN_URL", theirs.origin + "/login")
    assert cli("token", "--no-sign-in") == 0
    assert cli("refresh") in (0, 4)
    assert leaked(theirs) == [] and leaked(ours)


def test_signed_out_under_another_origin_it_is_forgotten_and_sent_nowhere(
    home: Path, theirs: TinySite, stored: Path, cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_ORIGIN", theirs.origin)
    monkeypatch.setenv("HARVESTER_SIGN_OUT_PATH", "/out")
    assert cli("logout") == 0
    assert leaked(theirs) == []
    assert not stored.exists()


@contextlib.contextmanager
def serving(home: Path, origin: str) -> Iterator[Client]:
    run = home / "run"
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "harvester", "serve"],
        env={
            "PATH": os.environ["PATH"], "HOME": str(home), "HARVESTER_STORE": str(home / "store"),
            "HARVESTER_SOCKET": str(run / "harvester.sock"), "HARVESTER_ORIGIN": origin,
            **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
        },
        stderr=subprocess.DEVNULL, cwd=home,
    )  # fmt: skip
    try:
        ends_at = time.monotonic() + START_S
        while not (run / "proxy.sock").exists():
            assert time.monotonic() < ends_at and process.poll() is None
            time.sleep(0.02)
        yield Client(str(run / "harvester.sock"))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_S)


def test_a_daemon_started_under_another_origin_gives_it_to_nobody(
    home: Path, ours: TinySite, theirs: TinySite, stored: Path
) -> None:
    """Neither API nor proxy nor a report; and with its own origin it has it again."""
    with serving(home, theirs.origin) as client:
        for ask in (
            lambda: client.session(wait_s=5),
            lambda: client.refresh("default", wait_s=5),
            lambda: client.report("default", 1, wait_s=5),
        ):
            with pytest.raises(errors.HarvesterError) as failed:
                ask()
            assert VALUE not in str(failed.value)
        with unix_requests.session(home / "run" / "proxy.sock") as through:
            answer = through.get("http://knoq" + PROBE)
        assert answer.status_code == 409 and VALUE not in str(answer.headers) + answer.text
    assert leaked(theirs) == []
    with serving(home, ours.origin) as client:
        assert VALUE in client.session(wait_s=5)
        # Whoever means another origin than the daemon's is told so, and given nothing.
        with pytest.raises(errors.OriginMismatch):
            client.token("default", form="cookie", origin=theirs.origin)
