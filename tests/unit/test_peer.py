"""Who is at the other end, as the kernel says."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from harvester.outlets.peer import may_enter, visitor_of
from harvester.visitor import Visitor

NOBODY = 65534


class Mute:
    """A connection about which the kernel says nothing, or half of it."""

    def __init__(self, told: bytes | OSError) -> None:
        self._told = told

    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes:
        if isinstance(self._told, OSError):
            raise self._told
        return self._told


def test_we_are_let_in_by_our_own_uid() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        visitor = visitor_of(ours)
        assert (visitor.uid, visitor.pid) == (os.geteuid(), os.getpid())
        assert may_enter(visitor, ())


def test_a_peer_of_whom_the_kernel_says_nothing_is_not_let_in() -> None:
    for told in (OSError(), b"", b"\x00" * 3):
        assert visitor_of(Mute(told)).uid is None
        assert not may_enter(Visitor(None, 1), (0, os.geteuid(), NOBODY))


def test_the_uid_is_the_one_that_connected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The other uid cannot walk down to the test's directory, so it starts in it.
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o711)
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as caller:
        listening.bind(os.fspath(tmp_path / "s"))
        listening.listen()
        # Only root can become another; everybody else connects as himself.
        other = NOBODY if os.geteuid() == 0 else os.geteuid()
        ours = os.geteuid()
        os.chmod(tmp_path / "s", 0o666)
        os.seteuid(other)
        try:
            caller.connect("s")
        finally:
            os.seteuid(ours)
        accepted, _ = listening.accept()
        with accepted:
            visitor = visitor_of(accepted)
            assert (visitor.uid, visitor.pid) == (other, os.getpid())
            assert may_enter(visitor, ()) is (other == ours)
            assert may_enter(visitor, (other,))
