"""The blocking client: finds the daemon, judges who answers, and never prints half a cookie."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fakedaemon import SESSION, FakeDaemon
from harvester import dial
from harvester.client import Client
from harvester.errors import (
    Bug,
    Busy,
    ConfigUnsafe,
    CredentialsRejected,
    NoDaemon,
    OriginMismatch,
    TimedOut,
)


def client_of(path: Path) -> Client:
    return Client(str(path), environ={})


def test_a_session_is_asked_for_with_what_the_caller_wants(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path / "s") as daemon:
        daemon.set("/v1/session", SESSION)
        text = client_of(daemon.path).session(
            "work-eu", min_valid_s=300, wait_s=5, form="header", origin="http://x.localhost:8080"
        )
    assert text == "as header"
    assert daemon.asked[0].query == {
        "profile": "work-eu",
        "min_valid_s": "300",
        "wait_s": "5",
        "format": "header",
        "origin": "http://x.localhost:8080",
    }


def test_reports_refreshes_and_the_rest_are_posted_as_the_contract_says(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path / "s") as daemon:
        for path in ("/v1/session/report", "/v1/session/refresh", "/v1/logout", "/v1/unlock"):
            daemon.set(path, {"done": True})
        daemon.set("/v1/status", {"profiles": []})
        client = client_of(daemon.path)
        client.report("default", 7, wait_s=3)
        client.refresh("default", hard=True, wait_s=3)
        client.logout("default")
        client.unlock("default", force=True)
        assert client.status() == {"profiles": []}
    assert [(one.method, one.path, one.body) for one in daemon.asked] == [
        ("POST", "/v1/session/report", {"profile": "default", "generation": 7, "wait_s": 3}),
        ("POST", "/v1/session/refresh", {"profile": "default", "hard": True, "wait_s": 3}),
        ("POST", "/v1/logout", {"profile": "default"}),
        ("POST", "/v1/unlock", {"profile": "default", "force": True}),
        ("GET", "/v1/status", None),
    ]


def test_a_printed_session_tells_what_the_format_cannot(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path / "s") as daemon:
        stale = {**SESSION, "stale": True, "error": {"message": "the site is down"}}
        daemon.set("/v1/session", {**stale, "min_valid_met": False})
        text, warnings = client_of(daemon.path).token(form="value")
    assert text == "as value"
    assert len(warnings) == 2
    assert "the site is down" in warnings[0] and "2026-11-23T18:00:00Z" in warnings[1]


def test_the_daemons_error_comes_back_as_the_error_it_was(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path / "s") as daemon:
        daemon.problem("/v1/session", "credentials_rejected", status=409, latched=True)
        with pytest.raises(CredentialsRejected) as told:
            client_of(daemon.path).session()
        assert told.value.latched and told.value.hint == "mend credentials_rejected"
        daemon.problem("/v1/session", "origin_mismatch", status=409)
        with pytest.raises(OriginMismatch):
            client_of(daemon.path).session()


def test_nobody_there_a_dead_socket_and_a_plain_file_are_no_daemon(tmp_path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "dead"))
    dead.close()
    (tmp_path / "file").write_text("")
    for name in ("nothing", "nothing/below", "dead", "file", "file/below"):
        with pytest.raises(NoDaemon) as told:
            client_of(tmp_path / name).status()
        assert "harvester serve" in told.value.hint


def test_the_usual_places_are_tried_in_turn(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "HARVESTER_STORE": str(tmp_path / "st")}
    with FakeDaemon(tmp_path / "st/run/harvester.sock") as below_the_store:
        below_the_store.set("/v1/status", {"at": "store"})
        assert Client(environ=environ).status() == {"at": "store"}
        with FakeDaemon(tmp_path / "run/harvester/harvester.sock") as personal:
            personal.set("/v1/status", {"at": "personal"})
            client = Client(environ=environ)
            assert client.status() == {"at": "personal"}
            assert client.path == personal.path


def test_a_named_socket_is_the_only_one_tried(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path), "HARVESTER_SOCKET": str(tmp_path / "named")}
    with FakeDaemon(tmp_path / "harvester/harvester.sock"), pytest.raises(NoDaemon):
        Client(environ=environ).status()


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense",
        b"HTTP/1.1 200 OK\r\n\r\nno length",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b'HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{"headers":{"Cookie":""',
        b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\noops",
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    ],
)
def test_something_else_that_listens_is_told_and_not_believed(tmp_path: Path, raw: bytes) -> None:
    with FakeDaemon(tmp_path / "s") as daemon:
        daemon.set("/v1/session", raw)
        with pytest.raises(Bug):
            client_of(daemon.path).token()


def test_half_an_answer_is_never_printed(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path / "s") as daemon:
        daemon.set("/v1/session", b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nsid=half")
        with pytest.raises(TimedOut):
            client_of(daemon.path).session(form="cookie")


def test_a_door_closed_without_a_word_is_told_as_such(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path / "s") as daemon:
        daemon.set("/v1/status", b"")
        with pytest.raises(Busy) as told:
            client_of(daemon.path).status()
    assert "HARVESTER_ALLOW_UIDS" in told.value.hint


def test_a_daemon_that_hangs_is_left_when_the_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "_GRACE_S", 0.05)
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / "s"))
        hanging.listen(1)
        with pytest.raises(TimedOut):
            client_of(tmp_path / "s").status()


def test_a_full_queue_of_callers_is_waited_for_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "_CONNECT_S", 0.3)
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(str(tmp_path / "s"))
        busy.listen(0)
        first.connect(str(tmp_path / "s"))
        with pytest.raises(TimedOut, match="does not accept"):
            client_of(tmp_path / "s").status()

        def serve() -> None:
            busy.accept()[0].close()
            with busy.accept()[0] as asked:
                asked.recv(65536)
                asked.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        monkeypatch.setattr(dial, "_CONNECT_S", 5.0)
        serving = threading.Timer(0.1, serve)
        serving.start()
        assert client_of(tmp_path / "s").status() == {}
        serving.join()


def test_an_answer_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "_ANSWER_LIMIT_BYTES", 1000)
    with FakeDaemon(tmp_path / "s") as daemon:
        daemon.set("/v1/status", b"x" * 100_000)
        with pytest.raises(Bug):
            client_of(daemon.path).status()


def test_a_stranger_who_answers_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = os.geteuid() + 4321
    with FakeDaemon(tmp_path / "s") as daemon:
        daemon.set("/v1/status", {})
        monkeypatch.setattr(dial, "peer_uid", lambda _: stranger)
        with pytest.raises(ConfigUnsafe, match=str(stranger)):
            client_of(daemon.path).status()
    assert daemon.asked == []


def test_the_kernel_tells_who_answers(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert dial.peer_uid(ours) == os.geteuid()


def test_importing_the_client_imports_the_standard_library_only(tmp_path: Path) -> None:
    code = "import sys, harvester.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    assert roots - set(sys.stdlib_module_names) - {"__main__", "harvester"} == _of_the_start()


def _of_the_start() -> set[str]:
    """What the interpreter itself loads here before any program (editable installs do that)."""
    code = "import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    return roots - set(sys.stdlib_module_names) - {"__main__", "harvester"}
