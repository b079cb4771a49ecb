"""One request and the answers that can be given to it: a thin skin over aiohttp.

Everything answered carries ``no-store``, a content policy and the stand-in's own ``Date``.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from harvester.standin.cookies import read_cookies


@dataclass(slots=True)
class Exchange:
    """A request with its cookies and its form read; ``to_set`` collects cookies for any answer.

    ``origin`` is that of the host asked; ``form_targets`` are the origins that forms of this
    page (and the redirects that follow them) may lead to.
    """

    request: web.Request
    origin: str
    form_targets: str
    date: str
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    to_set: list[str] = field(default_factory=list, repr=False)
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query

    def html(self, body: str, *, status: int = 200, framed: bool = False) -> web.Response:
        """A page; ``framed`` allows other pages of the same origin to frame it."""
        ancestors = "'self'" if framed else "'none'"
        policy = (
            f"default-src 'none'; style-src 'nonce-{self.nonce}'; script-src 'nonce-{self.nonce}'; "
            f"connect-src 'self'; img-src data:; frame-src 'self'; base-uri 'none'; "
            f"form-action 'self' {self.form_targets}; frame-ancestors {ancestors}"
        )
        extra = {"Content-Security-Policy": policy, "Referrer-Policy": "same-origin"}
        return self._answer(body.encode(), "text/html; charset=utf-8", status, extra)

    def json(
        self, data: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        return self._answer(json.dumps(data).encode(), "application/json", status, headers or {})

    def see(self, location: str) -> web.Response:
        """A redirect that turns into GET."""
        return self._answer(b"", "text/plain", 303, {"Location": location})

    def text(self, body: str, *, status: int = 200) -> web.Response:
        return self._answer(body.encode(), "text/plain; charset=utf-8", status, {})

    def empty(self) -> web.Response:
        return self._answer(b"", "text/plain", 204, {})

    def _answer(
        self, body: bytes, kind: str, status: int, extra: Mapping[str, str]
    ) -> web.Response:
        answer = web.Response(body=body, status=status, headers=extra)
        answer.headers["Content-Type"] = kind
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Date"] = self.date
        for cookie in self.to_set:
            answer.headers.add("Set-Cookie", cookie)
        return answer


Handler = Callable[[Exchange], Awaitable[web.StreamResponse]]
Routes = Mapping[tuple[str, str], Handler]


async def read_exchange(
    request: web.Request, *, origin: str, form_targets: Iterable[str], date: str
) -> Exchange:
    """Read what a handler will want; a form with a field twice keeps the last."""
    form: dict[str, str] = {}
    if request.content_type == "application/x-www-form-urlencoded":
        form = {name: str(value) for name, value in (await request.post()).items()}
    return Exchange(
        request=request,
        origin=origin,
        form_targets=" ".join(form_targets),
        date=date,
        form=form,
        cookies=read_cookies(request.headers.get("Cookie", "")),
    )


async def read_json(request: web.Request) -> dict[str, Any] | None:
    """The body as a JSON object, or None when it is none."""
    try:
        data = json.loads(await request.read() or b"{}")
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
