"""Faults on the wire: what goes wrong between a server and whoever asks it.

A rule says where (which server, which path prefix), what, and how many times.  The first rule
that fits a request is applied.  Control requests are never touched.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from harvester.standin.exchange import Exchange

KINDS = {
    "status": "answer with `status`, and `retry_after` as it is given (seconds or a date)",
    "delay": "answer after `seconds`",
    "hang": "never answer",
    "reset": "reset the connection",
    "redirect_loop": "redirect to the same address for ever",
    "sign_in_page": "200 with a sign-in page",
    "sign_in_redirect": "302 to the site's sign-in page",
    "error_form": "answer with `status`, `retry_after`, and a page that holds a sign-in form",
    "trickle": "a 200 that gives one byte a second",
    "endless": "a 200 that begins well and never ends",
    "broken_off": "a 200 that is reset in the middle of its body",
    "lost_answer": "do what was asked, then reset the connection in place of the answer",
    "rubbish": "answer with bytes that are no HTTP",
    "tls": "redirect to the same address over https, where nobody speaks TLS",
}
BEGUN = b'{"sessions": [], "note": "'
BEGUN_PAGE = b"<!doctype html><html lang='en'><title>Please wait</title><h1>One moment</h1><p>"
_SIGN_IN_PAGE = (
    '<!doctype html><html lang="en"><title>Sign in</title><h1>Sign in</h1><form method="post" '
    'action="/login"><label>E-mail <input type="email" name="email" autocomplete="username">'
    '</label><label>Password <input type="password" name="password"></label>'
    "<button>Sign in</button></form></html>"
)


class UnknownFault(ValueError):
    """The rule asked for makes no sense; the text says why."""


@dataclass(slots=True)
class Fault:
    """One rule.  ``server`` is site, identity or any; ``times`` None means until cleared; of the
    requests that fit, each ``every``-th is met."""

    kind: str
    server: str = "any"
    prefix: str = "/"
    method: str = ""
    status: int = 503
    retry_after: str = ""
    seconds: float = 1.0
    times: int | None = None
    every: int = 1
    met: int = 0

    def fits(self, server: str, method: str, path: str) -> bool:
        return (
            self.times != 0
            and self.server in ("any", server)
            and path.startswith(self.prefix)
            and self.method in ("", method)
        )


def read_fault(data: dict[str, Any]) -> Fault:
    """A rule from JSON.  Raises UnknownFault."""
    types: dict[str, type | tuple[type, ...]] = {
        "kind": str, "server": str, "prefix": str, "method": str, "status": int,
        "retry_after": str, "seconds": (int, float), "times": int,
        "every": int,
    }  # fmt: skip
    for name, value in data.items():
        if name not in types:
            raise UnknownFault(f"a fault has no {name!r}; it has: {', '.join(types)}")
        if not isinstance(value, types[name]) or isinstance(value, bool):
            raise UnknownFault(f"{name} is of another type")
    fault = Fault(**{"kind": "", **data})
    if not 200 <= fault.status <= 599 or not fault.retry_after.isprintable():
        raise UnknownFault("no answer can have that status or that Retry-After")
    if fault.every < 1:
        raise UnknownFault("every is a number from 1")
    if fault.kind not in KINDS:
        raise UnknownFault(f"kind is one of: {', '.join(KINDS)}")
    if fault.server not in ("any", "site", "identity"):
        raise UnknownFault("server is one of: any, site, identity")
    return fault


class Faults:
    """The rules in force, in the order in which they were added."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def take(self, server: str, method: str, path: str) -> Fault | None:
        """The rule for this request, counted."""
        for rule in self.rules:
            if rule.fits(server, method, path):
                rule.met += 1
                if rule.met % rule.every:
                    continue
                if rule.times is not None:
                    rule.times -= 1
                return rule
        return None


async def apply(fault: Fault, visit: Exchange) -> web.StreamResponse | None:
    """Do the fault; None means: go on and answer as usual."""
    extra = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    match fault.kind:
        case "status":
            return visit.json({"error": "fault"}, status=fault.status, headers=extra)
        case "error_form":
            answer = visit.html(_SIGN_IN_PAGE, status=fault.status)
            answer.headers.update(extra)
            return answer
        case "delay":
            await asyncio.sleep(fault.seconds)
            return None
        case "hang":
            await asyncio.Event().wait()
            return None
        case "reset":
            return reset(visit)
        case "redirect_loop":
            return visit.see(str(visit.request.rel_url))
        case "tls":
            return visit.see(f"https://{visit.request.host}{visit.request.rel_url}")
        case "sign_in_page":
            return visit.html(_SIGN_IN_PAGE)
        case "sign_in_redirect":
            return visit.see("/login")
        case "rubbish":
            return _rubbish(visit)
        case "lost_answer":
            return None
        case kind:
            return await _slowly(visit, kind)


def after(fault: Fault, visit: Exchange, answer: web.StreamResponse) -> web.StreamResponse:
    """What becomes of the usual answer."""
    return reset(visit) if fault.kind == "lost_answer" else answer


def reset(visit: Exchange) -> web.Response:
    """Cut the connection with a reset, not a polite end, and answer nobody."""
    transport = visit.request.transport
    if transport is not None:
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return visit.empty()


def _rubbish(visit: Exchange) -> web.Response:
    transport = visit.request.transport
    if transport is not None:
        transport.write(b"220 mail.example ESMTP ready\r\n")
        transport.close()
    return visit.empty()


async def _slowly(visit: Exchange, kind: str) -> web.StreamResponse:
    """A 200 whose body does not come to its end: a page to a browser, JSON from an API."""
    page = not visit.request.path.startswith("/api/")
    answer = web.StreamResponse(
        headers={"Content-Type": "text/html" if page else "application/json"}
    )
    if kind != "endless":
        answer.content_length = 1000
    await answer.prepare(visit.request)
    if kind == "trickle":
        for _ in range(1000):
            await answer.write(b" ")
            await asyncio.sleep(1.0)
        return answer
    await answer.write(BEGUN_PAGE if page else BEGUN)
    if kind == "broken_off":
        return reset(visit)
    while True:
        await answer.write(b"and so on ")
        await asyncio.sleep(0.1)
