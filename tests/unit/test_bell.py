"""The bell runs a program for a person: with little of ours, for a short time, leaving nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from harvester import log
from harvester.bell import AT_ONCE, Bell
from harvester.errors import Challenge
from harvester.settings import load
from processes import ended

TROUBLE = Challenge("a captcha\n\x1b[2Jstands there", hint="run: harvester login --headed")


class Heard:
    """The events of the bell, and a way to wait for the next of one name."""

    def __init__(self) -> None:
        self.all: list[tuple[str, dict[str, Any]]] = []
        self._came = asyncio.Event()

    def hear(self, name: str, level: int, fields: Any) -> None:
        self.all.append((name, dict(fields)))
        self._came.set()

    async def wait(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        async with asyncio.timeout(20):
            while len(found := [fields for one, fields in self.all if one == name]) < count:
                self._came.clear()
                await self._came.wait()
        return found


@pytest.fixture
async def heard():
    listening = Heard()
    deaf = log.listen(listening.hear)
    yield listening
    deaf()


@pytest.fixture
async def make():
    made: list[Bell] = []

    def bell(*words: str, environ: dict[str, str] | None = None, **more: Any) -> Bell:
        given = {"PATH": os.environ["PATH"], **(environ or {})}
        made.append(Bell(words, **{"notify": "off", "environ": given, **more}))
        return made[-1]

    yield bell
    for one in made:
        await one.close()


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o700)
    return path


TELLS = """
import json, os, sys
told = {"argv": sys.argv[1:], "env": dict(os.environ), "stdin": sys.stdin.read(),
        "group": os.getpgrp() == os.getpid()}
print("x" * 1_000_000)
with open(sys.argv[1] + ".part", "w") as out:
    json.dump(told, out)
os.rename(sys.argv[1] + ".part", sys.argv[1])
"""


async def test_a_program_is_told_who_and_why_and_inherits_no_secret(make, heard, tmp_path):
    program = script(tmp_path / "tell", TELLS)
    environ = {
        "HARVESTER_PASSWORD": "canary-p4ssword",
        "HARVESTER_KEY": "canary-key",
        "HTTPS_PROXY": "http://canary-user:pw@proxy",
        "LD_PRELOAD": "",
        "AWS_SECRET_ACCESS_KEY": "canary-aws",
        "LANG": "C.UTF-8",
    }
    out = tmp_path / "out"
    make(str(program), str(out), "$(id); * ~", environ=environ).ring("work-eu", TROUBLE)
    [ran] = await heard.wait("hook.ran")
    assert ran["profile"] == "work-eu"
    told = json.loads(out.read_text())
    assert told["argv"] == [str(out), "$(id); * ~"], "no shell reads the words"
    assert told["stdin"] == "" and told["group"]
    assert "canary" not in json.dumps(told["env"])
    ours = {name: value for name, value in told["env"].items() if name.startswith("HARVESTER_")}
    assert ours == {
        "HARVESTER_PROFILE": "work-eu",
        "HARVESTER_CODE": "challenge",
        "HARVESTER_MESSAGE": "a captcha stands there",
        "HARVESTER_HINT": "run: harvester login --headed",
    }
    # A hook that calls harvester itself must not stumble over what it was told.
    assert load(environ={"HOME": str(tmp_path), **ours}).selected == "work-eu"


async def test_a_program_that_hangs_is_ended_with_all_that_it_started(make, heard, tmp_path):
    text = """
import os, sys, time
child = os.fork()
if child:
    with open(sys.argv[1], "w") as out:
        out.write(f"{os.getpid()} {child}")
time.sleep(3600)
"""
    pids = tmp_path / "pids"
    make(str(script(tmp_path / "hang", text)), str(pids), limit_s=2.0).ring("work", TROUBLE)
    [failed] = await heard.wait("hook.failed")
    assert "more than 2 s" in failed["why"]
    for pid in pids.read_text().split():
        assert ended(int(pid))


async def test_the_end_of_the_daemon_ends_a_program_that_still_runs(make, heard, tmp_path):
    text = "import os, sys, time\nopen(sys.argv[1], 'w').write(str(os.getpid()))\ntime.sleep(3600)"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    bell = make(str(script(tmp_path / "hang", text)), str(fifo))
    bell.ring("work", TROUBLE)
    pid = int(await asyncio.to_thread(fifo.read_text))
    await bell.close()
    assert ended(pid)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("/nowhere/at/all",), "could not be started: no such file"),
        (("false",), "ended with 1"),
        (("sh", "-c", "kill -9 $$"), "ended with -9"),
    ],
)
async def test_what_goes_wrong_with_it_is_said_and_no_more(make, heard, words, why):
    make(*words).ring("work", TROUBLE)
    [failed] = await heard.wait("hook.failed")
    assert why in failed["why"]


async def test_of_many_profiles_only_a_few_programs_run_at_once(make, heard, tmp_path):
    text = """
import os, sys, time
mine = os.path.join(sys.argv[1], str(os.getpid()))
open(mine, "w").close()
with open(os.path.join(sys.argv[1], "most"), "a") as out:
    out.write(f"{len(os.listdir(sys.argv[1])) - 1}\\n")
time.sleep(0.1)
os.unlink(mine)
"""
    room = tmp_path / "room"
    room.mkdir()
    (room / "most").touch()
    bell = make(str(script(tmp_path / "count", text)), str(room))
    for number in range(3 * AT_ONCE):
        bell.ring(f"p{number}", TROUBLE)
    await heard.wait("hook.ran", 3 * AT_ONCE)
    assert max(int(line) for line in (room / "most").read_text().split()) <= AT_ONCE


DESKTOP = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}


async def test_the_desktop_shows_it_where_there_is_one(make, heard, tmp_path):
    out = tmp_path / "shown"
    script(
        tmp_path / "bin" / "notify-send",
        f"import json, sys\nopen({str(out)!r}, 'w').write(json.dumps(sys.argv[1:]))",
    )
    environ = {"PATH": str(tmp_path / "bin"), **DESKTOP}
    odd = Challenge("<b>-x</b> & more", hint="look")
    make(notify="auto", environ=environ, platform="linux").ring("work", odd)
    await heard.wait("notification.ran")
    assert json.loads(out.read_text()) == [
        "--app-name=harvester",
        "--",
        "harvester needs you: work",
        "&lt;b&gt;-x&lt;/b&gt; &amp; more. look",
    ]


async def test_on_a_mac_the_text_is_an_argument_and_no_script(make, heard, tmp_path):
    out = tmp_path / "shown"
    script(
        tmp_path / "bin" / "osascript",
        f"import json, sys\nopen({str(out)!r}, 'w').write(json.dumps(sys.argv[1:]))",
    )
    bell = make(notify="auto", environ={"PATH": str(tmp_path / "bin")}, platform="darwin")
    bell.ring("work", Challenge('say "x" & do shell script "id"'))
    await heard.wait("notification.ran")
    *words, title, text = json.loads(out.read_text())
    assert (title, text) == ("harvester needs you: work", 'say "x" & do shell script "id"')
    assert "id" not in " ".join(words)


@pytest.mark.parametrize(
    ("notify", "environ", "installed"),
    [("off", DESKTOP, True), ("auto", {}, True), ("auto", DESKTOP, False)],
)
async def test_where_nobody_would_see_it_nothing_runs(
    make, heard, tmp_path, notify, environ, installed
):
    out = tmp_path / "shown"
    (tmp_path / "bin").mkdir()
    if installed:
        script(tmp_path / "bin" / "notify-send", f"open({str(out)!r}, 'w')")
    mark = script(tmp_path / "bin" / "mark", "")
    path = {"PATH": str(tmp_path / "bin")}
    bell = make(str(mark), notify=notify, environ={**environ, **path}, platform="linux")
    bell.ring("work", TROUBLE)
    await heard.wait("hook.ran")
    assert not out.exists()
    assert [name for name, _ in heard.all if name.startswith("notification")] == []


async def test_other_settings_hold_from_the_next_time_on(make, heard, tmp_path):
    bell = make("false")
    bell.change((str(script(tmp_path / "fine", "")),), notify="off")
    bell.ring("work", TROUBLE)
    await heard.wait("hook.ran")
    bell.change((), notify="off")
    bell.ring("work", TROUBLE)
    await bell.close()
    assert [name for name, _ in heard.all] == ["hook.ran"]
