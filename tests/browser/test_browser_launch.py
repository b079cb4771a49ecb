"""What a browser of ours is started with, and what it lets a page do: asked of a real one."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester.descent import descendants, environ_of, words_of
from harvester.leftovers import PREFIX, scratch_root
from harvester.signin.browser import Browser
from harvester.signin.confine import Scratch, allowed_environment
from harvester.signin.dialogue import BrowserChoice
from harvester.signin.find import find_browser
from harvester.signin.traffic import Traffic
from hostile import Answer, Hostile
from parent import Spawned, job_for
from processes import ended
from runs import Home
from standin import StandInProcess

# What each would do: print all that is typed, open a port, load a library, keep TLS keys, ...
TRAPS = {
    "DEBUG": "pw:*",
    "PWDEBUG": "1",
    "NODE_OPTIONS": "--inspect=127.0.0.1:0",
    "SSLKEYLOGFILE": "",  # a file of the test's own
    "LD_PRELOAD": "/nonexistent/spy.so",
    "LD_LIBRARY_PATH": "/nonexistent",
    "SELENIUM_REMOTE_URL": "http://127.0.0.1:9",
    "CHROME_DEVEL_SANDBOX": "/nonexistent",
    "CHROMIUM_FLAGS": "--remote-debugging-port=0",
    "PLAYWRIGHT_CHROMIUM_DEBUG_PORT": "0",
    "https_proxy": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
}
# Words that let others into a browser, take its walls down, or make it believe everything.
OPEN_DOORS = (
    "--remote-debugging-port", "--remote-debugging-address", "--inspect", "--disable-web-security",
    "--ignore-certificate-errors", "--allow-running-insecure-content", "--load-extension",
    "--disable-site-isolation", "--no-zygote ", "--single-process", "--user-agent",
    "--enable-logging", "--log-net-log", "--ssl-key-log-file", "--unsafely-treat-insecure",
)  # fmt: skip
FEATURE_OFF = ("IsolateOrigins", "site-per-process", "SitePerProcess")
LISTENS = "0A"


def until(condition: Any, within_s: float = 20.0) -> Any:
    ends_at = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < ends_at
        time.sleep(0.02)
    return found


def sockets_of(pids: set[int]) -> set[str]:
    """Inodes of the sockets that these processes hold."""
    found = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                to = os.readlink(entry)
            except OSError:
                continue
            if to.startswith("socket:["):
                found.add(to[8:-1])
    return found


def listening(pids: set[int]) -> list[str]:
    """Lines of the kernel's tables for sockets on which these processes hear strangers."""
    held = sockets_of(pids)
    assert held, "the look itself works"
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENS and words[9] in held:
                found.append(line)
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        words = line.split()
        # Bound to a path, and __SO_ACCEPTCON.
        if words[6] in held and int(words[3], 16) & 0x10000:
            found.append(line)
    return found


class Seen:
    """A sign-in of a daemon with traps in its environment, while it waits for a page."""

    def __init__(self, place: Path, world: StandInProcess) -> None:
        world.fault("delay", server="identity", seconds=60)
        self.keys = place / "tls-keys"
        traps = {**TRAPS, "SSLKEYLOGFILE": str(self.keys)}
        home = Home(
            place, world, **traps, HARVESTER_SIGN_IN_TIMEOUT="30s",
            HARVESTER_BROWSER_HOSTS="cdn.acme.example,*.login.example",
        )  # fmt: skip
        with home.daemon(ready=False) as daemon:
            self.daemon = daemon.process.pid
            pids = until(lambda: self._with_a_page(descendants(self.daemon)))
            self.words = words_of(pids)
            self.environ = {pid: environ_of(pid) for pid in pids}
            self.listening = listening(pids)
            self.password = world.password
            [scratch] = {
                one["HOME"] for one in self.environ.values() if PREFIX in one.get("HOME", "")
            }
            self.scratch = Path(scratch)
            self.mode = stat.S_IMODE(self.scratch.stat().st_mode)
            self.on_memory = scratch_root() == self.scratch.parent
        self.left = self.scratch.exists()

    @staticmethod
    def _with_a_page(pids: set[int]) -> set[int]:
        told = words_of(pids).values()
        return pids if any("--type=renderer" in one for one in told) else set()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, _one_standin: StandInProcess) -> Seen:
    _one_standin.reset()
    found = Seen(tmp_path_factory.mktemp("seen"), _one_standin)
    _one_standin.reset()
    return found


def test_no_process_of_a_sign_in_is_given_a_variable_that_spies(seen: Seen) -> None:
    assert len(seen.environ) > 4
    for pid, environ in seen.environ.items():
        assert not TRAPS.keys() & environ.keys(), seen.words[pid]
        assert seen.password not in environ.values()
        assert not [one for one in environ if one.startswith(("HARVESTER_", "LD_", "NODE_OPT"))]
    assert not seen.keys.exists(), "neither the browser nor we ourselves"


def test_pages_of_different_sites_stay_in_different_processes(seen: Seen) -> None:
    off = [w for words in seen.words.values() for w in words if w.startswith("--disable-features=")]
    assert off and not [one for words in off for one in FEATURE_OFF if one in words.split("=")[1]]


def test_hosts_of_the_settings_come_to_the_browser_with_those_that_are_needed(seen: Seen) -> None:
    [rules] = {w for words in seen.words.values() for w in words if "host-resolver" in w}
    for host in ("knoq.localhost", "login.localhost", "cdn.acme.example", "*.login.example"):
        assert f" , EXCLUDE {host}" in rules


def test_no_word_of_a_command_line_is_a_secret(seen: Seen) -> None:
    assert seen.password not in " ".join(w for words in seen.words.values() for w in words)


def test_what_a_browser_writes_is_ours_alone_and_gone_afterwards(seen: Seen) -> None:
    assert seen.mode == 0o700 and seen.on_memory and not seen.left
    [profile] = {
        word.partition("=")[2]
        for words in seen.words.values()
        for word in words
        if word.startswith("--user-data-dir=")
    }
    assert Path(profile).is_relative_to(seen.scratch), "no profile of anybody's own"


PAGE = """<!doctype html><title>x</title><a id=a href=/file download>file</a><script>
const told = {};
const note = (name, call) => Promise.resolve().then(call).then(
  (value) => { told[name] = value }, (error) => { told[name] = "refused: " + error.name });
const deadline = (promise) => Promise.race([
  promise, new Promise((_, no) => setTimeout(() => no(new Error("late")), 1500))]);
window.looked = Promise.all([
  note("alert", () => [alert("a"), confirm("b"), prompt("c", "d")]),
  note("popup", () => { window.open("/popup"); return "tried"; }),
  note("worker", () => deadline(navigator.serviceWorker.register("/worker.js"))),
  note("workers", async () => (await deadline(navigator.serviceWorker.getRegistrations())).length),
  note("position", () => deadline(new Promise((yes, no) =>
    navigator.geolocation.getCurrentPosition(yes, (e) => no({ name: "code " + e.code }))))),
  note("camera", () => deadline(navigator.mediaDevices.getUserMedia({ video: true, audio: true }))),
  note("clipboard", () => deadline(navigator.clipboard.readText())),
  ...["notifications", "geolocation", "camera", "microphone", "clipboard-read", "midi"].map(
    (name) => note("may " + name, async () => (await navigator.permissions.query({ name })).state)),
]).then(() => told);
addEventListener("load", () => a.click());
</script>"""


class Allowed:
    """What a page got that asked for everything."""

    def __init__(self) -> None:
        with Hostile() as hostile:
            hostile.pages["login /"] = PAGE
            hostile.pages["login /popup"] = "<h1>popup</h1>"
            hostile.pages["login /worker.js"] = Answer("", 200, (("X-Kind", "worker"),))
            hostile.pages["login /file"] = Answer(
                "DOWNLOADED", 200, (("Content-Disposition", "attachment; filename=x.bin"),)
            )
            asyncio.run(self._look(hostile))
            self.paths = [one.path for one in hostile.asked]

    async def _look(self, hostile: Hostile) -> None:
        scratch = Scratch()
        before = dict(os.environ)
        kept = allowed_environment(before, scratch.path)
        os.environ.clear()
        os.environ.update(kept)
        try:
            browser = Browser()
            await browser.start()
            await browser.launch(find_browser(before.get("HARVESTER_BROWSER")), BrowserChoice())
            await browser.open([], Traffic(hostile.site))
            self.sandboxed = browser.sandboxed
            below = descendants(os.getpid())
            pids = {one for one in below if environ_of(one).get("HOME") == str(scratch.path)}
            self.words, self.listening = words_of(pids), listening(pids)
            await browser.go(hostile.identity + "/", hostile.identity)
            async with asyncio.timeout(15):
                self.told: dict[str, Any] = await browser.window.evaluate("window.looked")
            await asyncio.sleep(0.3)
            self.windows = len(browser._context.pages)
            self.files = [
                path
                for path in scratch.path.rglob("*")
                if path.is_file() and b"DOWNLOADED" in path.read_bytes()
            ]
            await browser.window.evaluate("document.cookie = 'kept=1'")
            await browser.close()
            await browser.launch(find_browser(before.get("HARVESTER_BROWSER")), BrowserChoice())
            await browser.open([], Traffic(hostile.site))
            await browser.go(hostile.identity + "/popup", hostile.identity)
            self.cookies = await browser.cookies()
            await browser.close()
            assert browser._driver is not None
            await browser._driver.stop()
        finally:
            os.environ.clear()
            os.environ.update(before)
            scratch.remove()


@pytest.fixture(scope="module")
def allowed() -> Allowed:
    return Allowed()


def test_no_process_of_a_sign_in_hears_strangers(seen: Seen, allowed: Allowed) -> None:
    for one in (seen, allowed):
        assert one.listening == []
        lines = [" ".join(words) + " " for words in one.words.values()]
        assert any("--remote-debugging-pipe" in line for line in lines)
        for line in lines:
            assert not [door for door in OPEN_DOORS if door in line], line


def test_a_page_gets_no_answer_by_a_dialog(allowed: Allowed) -> None:
    assert allowed.told["alert"] == [None, False, None]


def test_a_page_opens_no_window_by_itself(allowed: Allowed) -> None:
    assert allowed.told["popup"] == "tried" and allowed.windows == 1


def test_a_page_leaves_no_worker_behind(allowed: Allowed) -> None:
    assert "/worker.js" not in allowed.paths
    assert allowed.told["workers"] in (0, "refused: Error")


def test_a_page_writes_no_file_of_its_choice(allowed: Allowed) -> None:
    assert "/file" in allowed.paths and allowed.files == []


def test_a_page_is_granted_nothing(allowed: Allowed) -> None:
    asked = {name: said for name, said in allowed.told.items() if name.startswith("may ")}
    assert len(asked) == 6 and "granted" not in asked.values(), asked
    for name in ("position", "camera", "clipboard"):
        assert str(allowed.told[name]).startswith("refused: "), allowed.told


def test_one_sign_in_leaves_nothing_to_the_next(allowed: Allowed) -> None:
    assert [one for one in allowed.cookies if one["name"] == "kept"] == []


def test_a_browser_without_its_sandbox_is_known_as_one(allowed: Allowed) -> None:
    # As another user it has one: see test_as_nobody.py.
    assert allowed.sandboxed is (os.geteuid() != 0)


def test_where_a_sandbox_is_demanded_none_goes_without(standin: StandInProcess) -> None:
    choice = BrowserChoice(sandbox="on")
    outcome = Spawned(job_for(standin, browser=choice)).run()
    if os.geteuid() == 0:
        assert outcome.error is not None and outcome.error.code == "browser_failed"
        assert "sandbox" in outcome.error.message and outcome.submits == []
    else:
        assert outcome.error is None and outcome.result["sandboxed"] is True


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


@pytest.fixture
def private() -> Iterator[Path]:
    """A short one: sockets lie below it."""
    with tempfile.TemporaryDirectory(prefix="hv-") as place:
        yield Path(place)


def test_a_daemon_ends_what_a_killed_one_left_and_nothing_that_lives(
    hostile: Hostile, tmp_path: Path, world: StandInProcess, private: Path
) -> None:
    hostile.pages["login /"] = lambda asked: (time.sleep(30), "")[1]
    job = job_for(hostile, totp=None, timeout_s=60.0)  # type: ignore[arg-type]
    # A root of its own: any other sign-in of this user would sweep what is left here, as it should.
    own = {"XDG_RUNTIME_DIR": str(private)}
    killed, living = Spawned(job, own), Spawned(job, own)
    trees = {}
    for one in (killed, living):
        pids = until(lambda one=one: Seen._with_a_page(descendants(one.process.pid)))
        homes = {pid: environ_of(pid).get("HOME", "") for pid in pids}
        trees[one] = {pid: home for pid, home in homes.items() if PREFIX in home}
    [scratch] = {Path(home) for home in trees[killed].values()}
    signers = descendants(killed.process.pid) - trees[killed].keys()
    for pid in trees[killed]:
        os.kill(pid, signal.SIGSTOP)  # it hangs, and will not see that nobody drives it
    for pid in (killed.process.pid, *(one for one in signers if _is_signer(one))):
        os.kill(pid, signal.SIGKILL)
    killed.end()
    assert scratch.exists() and not all(ended(pid, 0.2) for pid in trees[killed])
    idle = Home(tmp_path, world, HARVESTER_USERNAME=None, HARVESTER_PASSWORD=None, **own)
    with idle.daemon(ready=False) as daemon:
        told = daemon.wait_for("browser.leftovers")
        assert told["directories"] == 1 and told["processes"] >= 2
        assert all(ended(pid) for pid in trees[killed]) and not scratch.exists()
        assert not any(ended(pid, 0) for pid in trees[living])
    living.end()
    assert all(ended(pid) for pid in trees[living])


def _is_signer(pid: int) -> bool:
    return "harvester.signin" in words_of({pid}).get(pid, [])
