"""The session for requests: ``requests.Session().auth = HarvesterAuth()``, or ``auth=`` of one
request.

requests asks an ``Auth`` once, before the first sending; answers come to a hook, those of followed
redirects too, and those requests were sent without ``Cookie``, but with every other header.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from harvester import knoq
from harvester.sdk.absent import absent
from harvester.sdk.binding import carries, cookie_line, origin_at, origin_line
from harvester.sdk.credentials import Credentials
from harvester.sdk.doubt import Hop, is_short_page, target_of
from harvester.sdk.exchange import advance, answered, exchange
from harvester.sdk.session import Session

try:
    import requests
    from requests.auth import AuthBase
except ModuleNotFoundError as missing:
    raise absent("requests", missing) from None

__all__ = ["HarvesterAuth"]


class HarvesterAuth(AuthBase):
    """Sends the session with each request to its origin, and to no other.

    A 401 is reported and the request sent once more with the new session, never twice; for GET and
    HEAD an answer that leads to a sign-in page counts as one.  Raises HarvesterError where no
    session can be had, and NotReplayed where a body cannot be sent again.  ``credentials`` may be
    shared with other clients; the default is that of the profile ``default``.
    """

    def __init__(self, credentials: Credentials | None = None) -> None:
        self.credentials = Credentials() if credentials is None else credentials

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        flow = exchange(self.credentials, r, origin=_origin(r))
        send = advance(flow)
        if send is not None and send.session is not None:
            _attach(r, send.session)
            r.register_hook("response", _Visit(self.credentials, send.session, r).on_answer)
        return r


class _Visit:
    """One request from its preparation to its last answer, redirects included."""

    def __init__(
        self, credentials: Credentials, session: Session, request: requests.PreparedRequest
    ) -> None:
        self._credentials = credentials
        self._session = session
        self._retried = False
        self._body: Any = request.body
        self._begins = _position(self._body)

    def on_answer(self, response: requests.Response, **kwargs: Any) -> requests.Response:
        """The hook: gives the answer itself, or that of the second sending."""
        try:
            hops = [self._hop(response)]
            flow = answered(self._credentials, self._session, hops, retried=self._retried)
            send = advance(flow)
            while send is not None and send.session is not None:
                self._retried |= send.session is not self._session
                self._session = send.session
                response = self._again(response, send.session, kwargs)
                send = advance(flow, [self._hop(response)])
        except BaseException:
            response.close()  # nobody else will
            raise
        _keep_out_of_the_jar(self._session, response)
        _keep_at_home(self._session, response)
        return response

    def _again(
        self, response: requests.Response, session: Session, kwargs: dict[str, Any]
    ) -> requests.Response:
        _ = response.content  # read to its end, so that the connection can be used again
        response.close()
        _keep_out_of_the_jar(session, response)
        request = response.request
        if self._begins is not None:
            self._body.seek(self._begins)
        _attach(request, session)
        began = time.monotonic()
        second: requests.Response = response.connection.send(request, **kwargs)
        second.elapsed = timedelta(seconds=time.monotonic() - began)
        second.history = [*response.history, response]
        return second

    def _hop(self, response: requests.Response) -> Hop:
        request, headers = response.request, response.headers
        page = is_short_page(headers.get("Content-Type", ""), headers.get("Content-Length", ""))
        return Hop(
            request=request,
            method=request.method or "",
            origin=_origin(request),
            path=urlsplit(request.url or "").path or "/",
            status=response.status_code,
            sent=carries(self._session, _text(request.headers.get("Cookie", ""))),
            location=headers.get("Location", ""),
            page=response.text if page else "",
            # A redirect that became a GET has no body any more.
            replayable=self._begins is not None
            or isinstance(request.body, bytes | bytearray | str | None),
        )


def _origin(request: requests.PreparedRequest) -> str | None:
    parts = urlsplit(request.url or "")  # as requests itself finds out where to connect to
    return origin_at(parts.scheme, parts.hostname, parts.port)


def _attach(request: requests.PreparedRequest, session: Session) -> None:
    request.headers["Cookie"] = cookie_line(session, _text(request.headers.get("Cookie", "")))
    origin = origin_line(session, request.method or "")
    if origin is not None:
        request.headers[knoq.ORIGIN_HEADER] = origin


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _position(body: Any) -> int | None:
    """Where a body that can seek begins, None for one that cannot."""
    try:
        begins = int(body.tell())
        body.seek(begins)
    except (AttributeError, OSError, ValueError):
        return None
    return begins


def _keep_at_home(session: Session, response: requests.Response) -> None:
    """Before requests copies the headers for a redirect that leads elsewhere: ours stay here."""
    request = response.request
    leads_to, _ = target_of(request.url or "", response.headers.get("Location", ""))
    if response.is_redirect and leads_to != session.origin:
        ours = session.headers[knoq.ORIGIN_HEADER]
        if request.headers.get(knoq.ORIGIN_HEADER) == ours:
            del request.headers[knoq.ORIGIN_HEADER]


def _keep_out_of_the_jar(session: Session, response: requests.Response) -> None:
    """The session is not the jar's: by a jar's rules it would go to other ports of the host, and
    as a domain cookie to other hosts.  Taken out where requests is about to read it."""
    ours = {cookie.name for cookie in session.cookies}
    for cookie in list(iter(response.cookies)):
        if cookie.name in ours:
            response.cookies.clear(cookie.domain, cookie.path, cookie.name)
    message = getattr(getattr(response.raw, "_original_response", None), "msg", None)
    if message is None:
        return  # no answer of urllib3's: there is nothing that requests would read
    lines = message.get_all("Set-Cookie", [])
    del message["Set-Cookie"]
    for line in lines:
        if line.partition("=")[0].strip() not in ours:
            message["Set-Cookie"] = line
