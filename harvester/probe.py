"""The only door to the site over plain HTTP: probes, touches, sign-outs.

It asks and reports; what an answer means is ``verdict.py``'s, what to do about it the keeper's.
The cookie goes to the bound origin only, redirects are never followed with it, and nothing here
ever raises for trouble on the network: an answer with status 0 is an answer too.
"""

from __future__ import annotations

import json
import socket
import ssl
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from harvester import __version__, knoq
from harvester.clock import Ahead, Clock
from harvester.errors import ConfigInvalid
from harvester.profile import Site, is_loopback
from harvester.redact import clean
from harvester.session import Cookie, cookie_header
from harvester.setcookie import parse_set_cookie
from harvester.verdict import Answer, absolute

# A live site answers its cheapest request in well under a second; ten leave room for a bad line
# and still end before a caller's default patience of 60 s.
REQUEST_TIMEOUT_S = 10.0
# Enough of a body to find a denial's text or a sign-in form in it.
BODY_BYTES = 64 * 1024
# A number of seconds with more digits than this is no time but an attack on the reader.
LONGEST_NUMBER = 12
USER_AGENT = f"knoq-harvester/{__version__}"


class LoopbackNames(AbstractResolver):
    """Names under ``.localhost`` are this machine (RFC 6761); everything else by the system.

    Browsers know that, resolvers mostly do not.
    """

    def __init__(self) -> None:
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if not is_loopback(host):
            return await self._system.resolve(host, port, family)
        address = loopback_address(host)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
        ]

    async def close(self) -> None:
        await self._system.close()


def loopback_address(host: str) -> str:
    """Where a name is that never leaves the machine (see ``is_loopback``)."""
    return host if host == "::1" or host.startswith("127.") else "127.0.0.1"


def trusted(ca_file: str | None) -> ssl.SSLContext | bool:
    """Whose certificates are believed: the system's, and those of ``ca_file``.

    Raises ConfigInvalid."""
    if ca_file is None:
        return True
    try:
        tls = ssl.create_default_context()
        tls.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError):
        raise ConfigInvalid(
            f"HARVESTER_CA_FILE: {ca_file} holds no certificates", hint="name a PEM file"
        ) from None
    return tls


class SiteClient:
    """Requests to one site.  Keeps connections, keeps no cookies."""

    def __init__(
        self, site: Site, *, clock: Clock, https_proxy: str | None, ca_file: str | None
    ) -> None:
        self._site = site
        self._clock = clock
        self._proxy = https_proxy
        self._ca_file = ca_file
        self._http: aiohttp.ClientSession | None = None
        self._ahead = Ahead()

    async def probe(self, cookies: tuple[Cookie, ...]) -> Answer:
        """The read-only request that tells a live session from a dead one."""
        return await self.get(self._site.probe_path, cookies)

    async def get(self, path: str, cookies: tuple[Cookie, ...]) -> Answer:
        """GET ``path`` on the site with exactly these cookies."""
        return await self._ask("GET", path, cookies)

    async def post(self, path: str, cookies: tuple[Cookie, ...], body: bytes) -> Answer:
        """POST this JSON to ``path`` (signing out, switching the organisation); once, ever."""
        return await self._ask("POST", path, cookies, body)

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=LoopbackNames(), ssl=trusted(self._ca_file)
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
                headers={"User-Agent": USER_AGENT, "Accept": "application/json, text/html;q=0.5"},
                trust_env=False,
            )
        return self._http

    async def _ask(
        self, method: str, path: str, cookies: tuple[Cookie, ...], body: bytes | None = None
    ) -> Answer:
        url = self._site.origin + path
        headers = {knoq.ORIGIN_HEADER: self._site.origin}
        if cookies:
            headers["Cookie"] = cookie_header(cookies)
        if body is not None:
            headers["Content-Type"] = "application/json"
        trouble = ""
        try:
            async with self._client().request(
                method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                proxy=None if is_loopback(self._site.host) else self._proxy,
            ) as response:
                return self._answer(response, await _head(response), path)
        except TimeoutError:
            trouble = f"no answer in {REQUEST_TIMEOUT_S:.0f} s"
        except (aiohttp.ClientError, OSError) as error:
            trouble = in_words(error)
        return Answer(trouble=trouble)

    def _answer(self, response: aiohttp.ClientResponse, body: bytes, path: str) -> Answer:
        text = body.decode("utf-8", "replace")
        location = response.headers.get("Location")
        now_s = self._clock.wall_s()
        said_at = _http_date(response.headers.get("Date"))
        if said_at is not None:
            # A cache on the way gives an old date, and says how old.
            age = response.headers.get("Age", "")
            kept_s = retry_after_s(age, now_s) if age.isascii() and age.isdigit() else None
            said_at += kept_s or 0.0
            self._ahead.told(now_s, said_at)
        ahead_s = self._ahead.s or 0.0
        fresh = []
        for header in response.headers.getall("Set-Cookie", []):
            cookie = parse_set_cookie(
                header, host=self._site.host, path=path, now_s=now_s, ahead_s=ahead_s
            )
            if cookie is not None:
                fresh.append(cookie)
        return Answer(
            status=response.status,
            location=absolute(self._site.origin + path, location),
            body=text,
            content_type=response.content_type,
            words=_words(text),
            # A date to come back at is meant by the site's own clock, which may be a day off.
            retry_after_s=retry_after_s(
                response.headers.get("Retry-After"), now_s if said_at is None else said_at
            ),
            set_cookies=tuple(fresh),
            ahead_s=self._ahead.s,
        )


def in_words(error: aiohttp.ClientError | OSError) -> str:
    """What went wrong between us and the site: its class, never a URL."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not trusted"
        case aiohttp.ClientSSLError():
            return "TLS failed"
        case aiohttp.ClientConnectorError():
            return clean(error.os_error.strerror or "no connection")
    return f"the connection broke ({type(error).__name__})"


async def _head(response: aiohttp.ClientResponse) -> bytes:
    """The first ``BODY_BYTES`` of the body (one ``read`` gives only what has arrived)."""
    body = b""
    while len(body) < BODY_BYTES:
        part = await response.content.read(BODY_BYTES - len(body))
        if not part:
            break
        body += part
    return body


def retry_after_s(text: str | None, now_s: float) -> float | None:
    """``Retry-After`` in seconds from now: a number or a date (RFC 9110, 10.2.3)."""
    if text is None:
        return None
    if text.isascii() and text.strip().isdigit() and len(text) < LONGEST_NUMBER:
        return float(text)
    at = _http_date(text)
    return None if at is None else max(0.0, at - now_s)


def _http_date(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _words(text: str) -> str:
    """The site's own sentence in an error answer (``{"error": "..."}``)."""
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    told = data.get("error") if isinstance(data, dict) else None
    return clean(told) if isinstance(told, str) else ""
