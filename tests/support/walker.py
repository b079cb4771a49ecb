"""A person without a browser: walks the stand-in's pages over plain HTTP, with a cookie jar.

It keeps cookies for each host as a browser does, follows redirects, and reads the forms of a page.
Names under ``.localhost`` are dialled as 127.0.0.1, because Python does not resolve them.
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

REDIRECTS = {301, 302, 303, 307, 308}


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get")))
        elif tag == "a":
            self.links.append(given.get("href", ""))
        elif tag == "input" and self.forms and given.get("name"):
            self.forms[-1].fields[given["name"]] = given.get("value", "")
            self.forms[-1].kinds[given["name"]] = given.get("type", "text")
        elif tag == "button" and self.forms:
            self.forms[-1].buttons.append((given.get("name", ""), given.get("value", "")))


@dataclass
class Page:
    """An answer.  ``set_cookies`` are the Set-Cookie lines of it and of its redirects."""

    url: str
    status: int
    text: str
    headers: dict[str, str]
    set_cookies: list[str]
    hops: list[str]

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    def json(self) -> Any:
        return json.loads(self.text)

    def forms(self) -> list[Form]:
        reader = _Reader()
        reader.feed(self.text)
        return reader.forms

    def links(self) -> list[str]:
        reader = _Reader()
        reader.feed(self.text)
        return reader.links

    def form(self, action: str) -> Form:
        return next(one for one in self.forms() if urlsplit(one.action).path == action)


class Walker:
    """``jars`` maps a host to the cookies that it set: name to value, byte for byte."""

    def __init__(self) -> None:
        self.jars: dict[str, dict[str, str]] = {}
        self.lines: list[str] = []

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        cookie: str | None = None,
        follow: bool = True,
    ) -> Page:
        """One request; ``cookie`` in place of the jar, ``follow`` to go where redirects lead."""
        lines: list[str] = []
        hops: list[str] = []
        for _ in range(15):
            parts = urlsplit(url)
            host = parts.hostname or ""
            jar = self.jars.setdefault(host, {})
            sent = "; ".join(f"{k}={v}" for k, v in jar.items()) if cookie is None else cookie
            wire = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=10)
            try:
                wire.request(
                    method,
                    (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
                    body=body,
                    headers={
                        "Host": parts.netloc,
                        **({"Cookie": sent} if sent else {}),
                        **(headers or {}),
                    },
                )
                answer = wire.getresponse()
                text = answer.read().decode()
            finally:
                wire.close()
            got = answer.headers.get_all("Set-Cookie") or []
            lines += got
            for line in got:
                name, _, value = line.partition("; ")[0].partition("=")
                if "1970" in line:
                    jar.pop(name, None)
                else:
                    jar[name] = value
            hops.append(url)
            if not follow or answer.status not in REDIRECTS:
                return Page(url, answer.status, text, dict(answer.headers), lines, hops)
            url = urljoin(url, answer.headers["Location"])
            method, body, headers = "GET", None, {}
        raise AssertionError(f"too many redirects, the last to {url}")

    def submit(self, page: Page, action: str, *, button: str | None = None, **typed: str) -> Page:
        """Fill a form of this page and press one of its buttons (by value)."""
        form = page.form(action)
        fields = {**form.fields, **typed}
        if button is not None:
            name = next(name for name, value in form.buttons if value == button)
            fields[name] = button
        assert set(typed) <= set(form.fields), f"the form has {sorted(form.fields)}"
        return self.ask(
            urljoin(page.url, form.action),
            method="POST",
            body=urlencode(fields).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )

    def post_json(self, url: str, data: Any, *, origin: str | None, **rest: Any) -> Page:
        headers = {"Content-Type": "application/json", **({"Origin": origin} if origin else {})}
        return self.ask(url, method="POST", body=json.dumps(data).encode(), headers=headers, **rest)
