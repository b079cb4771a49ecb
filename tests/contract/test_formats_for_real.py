"""Every printable format, read by the programs that it is for: what is sent is what was stored.

The mirror tells which Cookie and Origin a request came with; the stand-in lets in who brings a
session.  wget and Python do not look up names under ``.localhost``, hence the forwarder.
"""

from __future__ import annotations

import http.cookiejar
import json
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import browsers
from fakehouse import a_session
from forwarder import Forwarder
from harvester import wire
from harvester.session import Cookie, Served, cookie_header
from runs import Home
from standin import StandInProcess
from walker import Walker
from walks import sign_in

HOST = "knoq.localhost"
# Whatever a browser stores and a header may carry; a space stands within, as browsers trim.
ODD = '"a\\b"\'=,%2F% $HOME `x` !~*&|<>{}[]^#@:?/+-._c\\'
COOKIES = (
    Cookie("sid", ODD, HOST, http_only=True, secure=True),
    Cookie("__Secure-jwt", "h.p=.s==", "." + HOST, http_only=True),
    Cookie("empty", "", HOST),
)
SHELLS = ("sh", "bash", "dash")


class Mirror(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        told = {"cookie": self.headers["Cookie"], "origin": self.headers["Origin"]}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture(scope="module")
def mirror() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def curl(*words: str) -> str:
    run = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "10", *words],
        env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def wget(proxy: str, *words: str) -> str:
    run = subprocess.run(
        ["wget", "--no-config", "--quiet", "--tries=1", "--timeout=10", "-O-", *words],
        env={"PATH": "/usr/bin:/bin", "http_proxy": proxy}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def python(proxy: str, cookies: Path, url: str) -> str:
    jar = http.cookiejar.MozillaCookieJar(cookies)
    jar.load()
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"http": proxy}), urllib.request.HTTPCookieProcessor(jar)
    )
    with opener.open(url, timeout=10) as answer:
        return answer.read().decode()


def pairs(header: str) -> set[str]:
    """The cookies of a header; which of two comes first is the sender's own affair."""
    return set(header.split("; "))


@pytest.mark.parametrize("cookie", COOKIES, ids=["odd", "jwt", "empty"])
def test_what_each_reader_sends_is_what_the_browser_stored(
    tmp_path: Path, mirror: int, cookie: Cookie
) -> None:
    origin = f"http://{HOST}:{mirror}"
    # Over plain http curl drops a cookie whose name promises TLS; each other form takes it.
    files = not cookie.name.startswith("__Secure-")
    session = replace(a_session(cookies=(cookie,)), origin=origin, proved_at=2e9, user_agent="x")
    served = Served(session)
    wanted = cookie_header((cookie,))
    kept = {form: tmp_path / form for form in wire.FORMATS}
    for form, path in kept.items():
        path.write_text(wire.printable(served, form) + "\n")

    both = {"cookie": wanted, "origin": origin}
    assert json.loads(curl("--config", str(kept["curl"]), origin)) == both
    assert json.loads(curl("--header", f"@{kept['header']}", origin)) == both
    # The text of a file as an argument, as "$(harvester token)" does it.
    said = kept["cookie"].read_text().rstrip("\n")
    assert json.loads(curl("--cookie", said, origin))["cookie"] == wanted
    if files:
        assert json.loads(curl("--cookie", str(kept["netscape"]), origin))["cookie"] == wanted
    with Forwarder(mirror) as forwarder:
        loaded = wget(forwarder.url, f"--load-cookies={kept['netscape']}", origin + "/")
        assert json.loads(loaded)["cookie"] == wanted
        given = python(forwarder.url, kept["netscape"], origin + "/")
        assert json.loads(given)["cookie"] == wanted
    for shell in SHELLS:
        words = [shell, "-c", '. "$1"; printf "%s\\n%s" "$KNOQ_COOKIE" "$KNOQ_ORIGIN"', shell]
        told = subprocess.check_output([*words, str(kept["env"])], text=True)
        assert told == f"{wanted}\n{origin}", shell
    assert kept["value"].read_text() == cookie.value + "\n"
    assert json.loads(kept["json"].read_text())["headers"]["Cookie"] == wanted
    [state] = json.loads(kept["storage-state"].read_text())["cookies"]
    assert (state["name"], state["value"]) == (cookie.name, cookie.value)


def test_several_cookies_go_together_and_to_their_own_host_only(
    tmp_path: Path, mirror: int
) -> None:
    session = replace(a_session(cookies=COOKIES[::2]), proved_at=2e9)
    session = replace(session, origin=f"http://{HOST}:{mirror}")
    path = tmp_path / "cookies.txt"
    path.write_text(wire.printable(Served(session), "netscape") + "\n")
    wanted = pairs(cookie_header(session.cookies))
    with Forwarder(mirror) as forwarder:
        for host, sent in ((HOST, wanted), (f"evil-{HOST}", None), (f"sub.{HOST}", None)):
            url = f"http://{host}:{mirror}/"
            asked = [
                curl("--cookie", str(path), url),
                wget(forwarder.url, f"--load-cookies={path}", url),
            ]
            if not host.startswith("sub."):  # Python's jar knows no cookie of one host alone
                asked.append(python(forwarder.url, path, url))
            for told in asked:
                cookie = json.loads(told)["cookie"]
                assert (cookie and pairs(cookie)) == sent, url


def test_on_https_a_secure_cookie_stays_so(tmp_path: Path) -> None:
    secure = replace(COOKIES[0], domain="app.example")
    path = tmp_path / "cookies.txt"
    text = wire.printable(Served(replace(a_session(cookies=(secure,)), proved_at=2e9)), "netscape")
    path.write_text(text + "\n")
    jar = http.cookiejar.MozillaCookieJar(path)
    jar.load()
    plain, private = (urllib.request.Request(f"{s}://app.example/") for s in ("http", "https"))
    jar.add_cookie_header(plain)
    jar.add_cookie_header(private)
    assert not plain.has_header("Cookie")
    assert private.get_header("Cookie") == f"sid={ODD}"


def test_with_a_session_each_of_them_is_let_in(tmp_path: Path, standin: StandInProcess) -> None:
    """The stand-in with its odd value, a session made in a browser, and the real command."""
    standin.set(odd_value=True)
    home = Home(tmp_path, standin, HARVESTER_PASSWORD=None)
    person = Walker()
    sign_in(person, standin)
    pasted = tmp_path / "pasted"
    pasted.write_text(browsers.header(person.jars[HOST].items()))
    assert home.run("import", str(pasted)).returncode == 0
    url = f"{standin.site}/api/managed-agents/sessions"
    kept = {form: tmp_path / f"kept-{form}" for form in ("netscape", "curl", "header")}
    with home.daemon():
        for form, path in kept.items():
            assert home.run("export", "--format", form, "--output", str(path)).returncode == 0
        cookie = home.run("token").stdout.strip()
        through = "http://harvester/v1/session?format=curl"
        asked = curl("--unix-socket", str(home.socket), through)
    (tmp_path / "asked").write_text(asked)
    sessions = [
        curl("--cookie", str(kept["netscape"]), url),
        curl("--cookie", cookie, url),
        curl("--config", str(kept["curl"]), url),
        curl("--header", f"@{kept['header']}", url),
        curl("--config", str(tmp_path / "asked"), url),
    ]
    with Forwarder(standin.port) as forwarder:
        sessions.append(wget(forwarder.url, f"--load-cookies={kept['netscape']}", url))
        sessions.append(python(forwarder.url, kept["netscape"], url))
    assert len({json.dumps(json.loads(one)) for one in sessions}) == 1, "200, and the same for each"
    # With a cookie that is none, the same clients are not let in.
    assert home.ask_site("stytch_session=x") == 401


def test_the_programs_are_there() -> None:
    missing = [name for name in ("curl", "wget", *SHELLS) if shutil.which(name) is None]
    assert not missing, "scripts/setup installs them as root on Debian"
