"""The proxy on TCP before a real browser: whatever a page tries, the site hears nothing of it.

The page even knows the token, which no page does.  That each way does reach our port is counted, so
that a browser which sends nothing would not prove anything; a plain program with the token is
let in before and after.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Error, Page, async_playwright

from harvester.signin.find import find_browser
from proxied import CHECKED, Proxied, ProxyHouse, Told, proxying
from rawsite import always, plain, raw_site

PATIENCE_S = 20.0
TARGET = f"{CHECKED}sessions"

# Each is given the address that it is to reach and the token, and answers with what it could read.
# What it can only send is answered by the counting alone.
WAYS = {
    "fetch": "fetch(url).then(a => a.text())",
    "fetch without cors": "fetch(url, {mode: 'no-cors'}).then(a => a.text())",
    "a post without cors": "fetch(url, {mode: 'no-cors', method: 'POST', body: 'x=1'})"
    ".then(a => a.text())",
    "a post of json": "fetch(url, {method: 'POST', body: '{}',"
    " headers: {'Content-Type': 'application/json'}}).then(a => a.text())",
    "the token as Authorization": "fetch(url, {headers: {Authorization: 'Bearer ' + token}})"
    ".then(a => a.text())",
    "the token as Proxy-Authorization": "fetch(url, {headers: {'Proxy-Authorization':"
    " 'Bearer ' + token}}).then(a => a.text())",
    "with credentials": "fetch(url, {credentials: 'include'}).then(a => a.text())",
    "a header of ours": "fetch(url, {headers: {'Harvester-Profile': 'work-eu'}})"
    ".then(a => a.text())",
    "a delete that outlives the page": "fetch(url, {method: 'DELETE', keepalive: true})"
    ".then(a => a.text())",
    "without a referrer": "fetch(url, {referrerPolicy: 'no-referrer'}).then(a => a.text())",
    "a request of old": "new Promise((done, fail) => {const x = new XMLHttpRequest();"
    " x.open('GET', url); x.setRequestHeader('Authorization', 'Bearer ' + token);"
    " x.onload = () => done(x.responseText); x.onerror = fail; x.send()})",
    "a beacon": "navigator.sendBeacon(url, 'x=1')",
    "a picture": "element('img', 'src', url)",
    "a script": "element('script', 'src', url)",
    "a module": "import(url).then(() => 'loaded')",
    "a style": "element('link', 'href', url, {rel: 'stylesheet'})",
    "a film": "element('video', 'src', url)",
    "an object": "element('object', 'data', url)",
    "a frame": "frame(url)",
    "a form that posts": "form('post', url)",
    "a form that gets": "form('get', url)",
    "a form of plain text": "form('post', url, 'text/plain')",
    "events": "new Promise((done, fail) => {const e = new EventSource(url);"
    " e.onmessage = m => done(m.data); e.onerror = () => {e.close(); fail()}})",
    "a web socket": "new Promise((done, fail) => {const w = new WebSocket("
    "url.replace('http', 'ws'), ['bearer', token]); w.onopen = () => done('open');"
    " w.onerror = fail})",
    "a ping": "ping(url)",
    "another window": "window.open(url) && undefined",
    "a preload": "element('link', 'href', url, {rel: 'preload', as: 'fetch'})",
}
# By these the page learns no more than that there was an answer, whatever it was.
_SAYS_NO_MORE = {"a preload"}

PAGE = """<!doctype html><title>evil</title><body><script>
const element = (name, link, url, more) => new Promise((done, fail) => {
  const made = document.createElement(name);
  made.onload = () => done('loaded'); made.onerror = fail;
  Object.assign(made, more || {}, {[link]: url});
  document.body.append(made);
});
const frame = url => new Promise(done => {
  const made = document.createElement('iframe');
  made.onload = () => {
    let read = '';
    try { read = made.contentDocument ? made.contentDocument.body.innerText : ''; } catch {}
    done(read);
  };
  made.src = url;
  document.body.append(made);
});
const form = async (method, url, enctype) => {
  const name = 'f' + Math.random();
  const target = document.createElement('iframe');
  target.name = name;
  document.body.append(target);
  const made = document.createElement('form');
  Object.assign(made, {method, action: url, target: name});
  if (enctype) made.enctype = enctype;
  document.body.append(made);
  made.submit();
};
const ping = url => {
  const made = document.createElement('a');
  Object.assign(made, {ping: url, href: '#x'});
  document.body.append(made);
  made.click();
};
</script>"""


class Count:
    """What our port was asked and refused."""

    def __init__(self, proxied: Proxied) -> None:
        self._proxied = proxied

    def now(self) -> int:
        return sum(self._proxied.tally.proxy_errors().values())

    async def grows(self, before: int) -> bool:
        ends_at = time.monotonic() + PATIENCE_S
        while self.now() <= before:
            if time.monotonic() > ends_at:
                return False
            await asyncio.sleep(0.01)
        return True


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=find_browser(None).path, chromium_sandbox=os.geteuid() != 0
        )
        yield browser
        await browser.close()


async def program(proxied: Proxied) -> int:
    """What a plain program with the token is answered."""
    head = (
        f"GET {TARGET} HTTP/1.1\r\nHost: {proxied.authority}\r\n"
        f"Proxy-Authorization: Bearer {proxied.token}\r\nConnection: close\r\n\r\n"
    )
    return Told.of(await proxied.raw(head.encode(), tcp=True)).status


async def tried(page: Page, way: str, url: str, token: str) -> str:
    """What the page could read, "refused" where it could not."""
    script = f"""async ([url, token]) => {{
        const late = new Promise(done => setTimeout(() => done(undefined), 3000));
        try {{ return String(await Promise.race([{WAYS[way]}, late])); }}
        catch {{ return 'refused'; }}
    }}"""
    return str(await page.evaluate(script, [url, token]))


async def test_whatever_a_page_tries_the_site_hears_nothing(tmp_path: Path) -> None:
    secret = b'{"secret": "of the account"}'
    open_to_all = plain(secret, "200 OK", "Access-Control-Allow-Origin: *")
    page_of_evil = plain(PAGE.encode(), "200 OK", "Content-Type: text/html; charset=utf-8")
    async with (
        raw_site(always(open_to_all)) as site,
        raw_site(always(page_of_evil)) as evil,
        proxying(tmp_path, ProxyHouse(site.origin), listens="127.0.0.1:0") as proxied,
        browsing() as browser,
    ):
        assert await program(proxied) == 200
        assert len(site.seen) == 1
        count = Count(proxied)
        port = proxied.authority.rpartition(":")[2]
        page = await browser.new_page()
        await page.goto(f"http://evil.localhost:{evil.port}/")
        silent = set()
        for way in WAYS:
            before = count.now()
            read = await tried(page, way, f"http://127.0.0.1:{port}{TARGET}", proxied.token)
            nothing = {"refused", "undefined", "true", ""}
            if way in _SAYS_NO_MORE:
                nothing.add("loaded")
            assert read in nothing, (way, read)
            if not await count.grows(before):
                silent.add(way)
            assert len(site.seen) == 1, way
        # The browser itself may refuse one or the other; what it sends is refused by us.
        assert len(silent) <= 3, silent

        # The same port by other names: a name that was rebound carries itself as Host, and its own
        # page is of one origin with it, so that no preflight is asked for and any header goes.
        for name in ("localhost", "rebound.localhost"):
            visitor = await browser.new_page()
            before = count.now()
            await visitor.goto(f"http://{name}:{port}/", wait_until="commit")
            assert await count.grows(before), name
            for headers in ("{}", "{Authorization: 'Bearer ' + token}", "{'X-A': 'b'}"):
                before = count.now()
                read = await visitor.evaluate(
                    f"""async ([url, token]) => {{
                        try {{
                            const answer = await fetch(url, {{headers: {headers}}});
                            return answer.status + (await answer.text());
                        }} catch {{ return 'refused'; }}
                    }}""",
                    [TARGET, proxied.token],
                )
                assert read.startswith("421"), (name, headers, read)
                assert "secret" not in read and proxied.token not in read
                assert count.now() > before
            worker = await visitor.evaluate(
                "navigator.serviceWorker.register('/sw.js').then(() => 'there', () => 'refused')"
            )
            assert worker == "refused", name
            await visitor.close()
            assert len(site.seen) == 1, name

        # By its address a browser gets no page at all: to it, only a proxy may ask for that token.
        visitor = await browser.new_page()
        with pytest.raises(Error, match="ERR_UNEXPECTED_PROXY_AUTH"):
            await visitor.goto(f"http://127.0.0.1:{port}/")
        with pytest.raises(Error, match="ERR_"):
            await visitor.goto(f"http://x:{proxied.token}@127.0.0.1:{port}/")

        assert await program(proxied) == 200
        assert len(site.seen) == 2, "and only the program was heard"
