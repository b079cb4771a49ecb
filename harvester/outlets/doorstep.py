"""Where callers stand until they have said something: accepted, known by their uid, not yet let in.

Ten thousand callers at once kept everybody else from being accepted, and most of them said nothing
whole.  One on the doorstep is a socket that is watched, and costs a third of a connection inside
(26 µs against 80, measured).  Who asks what was asked before is answered here (the fast lane);
whose header is whole, or long, is let in with what he said; who says nothing for too long is sent
away.  Knows nothing of HTTP beyond where a header ends.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Protocol

from harvester.log import event
from harvester.outlets.guests import Guest
from harvester.outlets.lane import Lane
from harvester.outlets.listen import ACCEPTS_A_TURN
from harvester.outlets.peer import Connected, visitor_of
from harvester.visitor import Visitor

# Out of descriptors or memory: the queue is left alone for so long.
_RETRY_S = 1.0
# A header of ours fits; what is longer is judged inside.
_SAID_LIMIT_BYTES = 2048
# A header's end, and what somebody may take for one: inside he is told that it is none.
_ENDS = (b"\r\n\r\n", b"\n\n", b"\n\r\n")


class Room(Protocol):
    """What is behind the door.  ``let_in`` takes a caller over: what he said so far, since when (by
    the loop's time), and what he is still owed of an answer.  ``full``: all have been let in that
    there is room for, and he is to be told so."""

    lane: Lane | None
    inside: set[Guest]
    waiting: dict[Guest, None]

    @property
    def header_s(self) -> float: ...

    @property
    def idle_s(self) -> float: ...

    def lets_in(self, connected: Connected) -> bool: ...

    def make_room(self) -> bool: ...

    async def let_in(
        self, sock: socket.socket, said: bytes, since_s: float, *, owed: bytes, full: bool
    ) -> None: ...


class _Caller:
    """One who stands there.  ``since_s`` is when he came or began to say something, None while he
    rests after an answer; he has until ``ends_s``."""

    __slots__ = ("_step", "ends_s", "said", "since_s", "sock", "visitor")

    def __init__(self, step: Doorstep, sock: socket.socket) -> None:
        self._step = step
        self.sock = sock
        self.since_s: float | None = None
        self.ends_s = 0.0
        self.said = b""
        self.visitor: Visitor | None = None  # looked up when he has said something

    def force_close(self) -> None:
        self._step.leave(self)
        self.sock.close()


class Doorstep:
    """In front of one listening socket; ``stop`` closes that too."""

    def __init__(self, room: Room, sock: socket.socket) -> None:
        self._room = room
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._standing: set[_Caller] = set()
        self._going_in: set[asyncio.Task[None]] = set()
        self._look: asyncio.TimerHandle | None = None
        sock.setblocking(False)
        self._listen()

    async def stop(self) -> None:
        """Accept nobody any more, send away who stands here; who is on his way in gets there."""
        if self._look is not None:
            self._look.cancel()
        self._loop.remove_reader(self._sock)
        self._sock.close()
        for caller in tuple(self._standing):
            caller.force_close()
        await asyncio.gather(*self._going_in)

    def leave(self, caller: _Caller) -> None:
        """He does not stand here any more; his socket is still open."""
        self._loop.remove_reader(caller.sock)
        self._standing.discard(caller)
        self._room.inside.discard(caller)
        self._room.waiting.pop(caller, None)

    def _listen(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.add_reader(self._sock, self._knocked)

    def _knocked(self) -> None:
        for _ in range(ACCEPTS_A_TURN):
            try:
                sock, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                event("socket.cannot_accept", level=logging.ERROR, error=type(error).__name__)
                self._loop.remove_reader(self._sock)
                self._loop.call_later(_RETRY_S, self._listen)
                return
            sock.setblocking(False)
            self._greet(sock)

    def _greet(self, sock: socket.socket) -> None:
        if not self._room.lets_in(sock):
            # Nothing has been read, and nothing is told.
            sock.close()
        elif not self._room.make_room():
            self._let_in(sock, b"", self._loop.time(), full=True)
        else:
            caller = _Caller(self, sock)
            self._standing.add(caller)
            self._room.inside.add(caller)
            self._room.waiting[caller] = None
            self._loop.add_reader(sock, self._speaks, caller)
            self._begins(caller)

    def _begins(self, caller: _Caller) -> float:
        """A header is awaited, or has begun."""
        if caller.since_s is None:
            caller.since_s = self._loop.time()
            caller.ends_s = caller.since_s + self._room.header_s
            self._watch(caller.ends_s)
        return caller.since_s

    def _speaks(self, caller: _Caller) -> None:
        try:
            data = caller.sock.recv(65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            caller.force_close()
            return
        lane = self._room.lane
        answer = None
        if lane is not None and not caller.said:
            visitor = caller.visitor = caller.visitor or visitor_of(caller.sock)
            answer = lane.again(data, visitor)
        if answer is not None:
            self._answer(caller, answer)
            return
        since_s = self._begins(caller)
        caller.said += data
        if len(caller.said) > _SAID_LIMIT_BYTES or any(end in caller.said for end in _ENDS):
            self.leave(caller)
            self._let_in(caller.sock, caller.said, since_s)

    def _answer(self, caller: _Caller, answer: bytes) -> None:
        try:
            sent = caller.sock.send(answer)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            caller.force_close()
            return
        now_s = self._loop.time()
        if sent < len(answer):
            # He does not read what he asks for: inside it is seen to that he asks no more.
            self.leave(caller)
            self._let_in(caller.sock, b"", now_s, owed=answer[sent:])
            return
        caller.since_s = None
        caller.ends_s = now_s + self._room.idle_s
        self._watch(caller.ends_s)
        waiting = self._room.waiting
        del waiting[caller]
        waiting[caller] = None

    def _let_in(
        self, sock: socket.socket, said: bytes, since_s: float, *, owed: bytes = b"",
        full: bool = False,
    ) -> None:  # fmt: skip
        going = self._loop.create_task(self._room.let_in(sock, said, since_s, owed=owed, full=full))
        self._going_in.add(going)
        going.add_done_callback(self._going_in.discard)

    def _watch(self, ends_s: float) -> None:
        """Look at ``ends_s`` who has stood here for too long."""
        if self._look is not None:
            if self._look.when() <= ends_s:
                return
            self._look.cancel()
        self._look = self._loop.call_at(ends_s, self._too_long)

    def _too_long(self) -> None:
        self._look = None
        now_s = self._loop.time()
        for caller in [one for one in self._standing if one.ends_s <= now_s]:
            caller.force_close()
        if self._standing:
            self._watch(min(one.ends_s for one in self._standing))
