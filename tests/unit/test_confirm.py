"""A person's yes: who is asked, in which order, and what is no yes."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from harvester import confirm as confirm_module
from harvester.confirm import AT_ONCE, Confirm
from harvester.errors import Busy, NeedsHuman, Paused
from harvester.porter import Porter
from harvester.visitor import Caller, Visitor
from porters import Stopped

ENVIRON = {
    "PATH": os.environ["PATH"],
    "HARVESTER_PASSWORD": "canary-p4ss",
    "AWS_SECRET": "canary-2",
}


def script(place: Path, text: str) -> tuple[str, ...]:
    program = place / "ask"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o700)
    return (str(program), "a word")


def asking(place: Path, text: str, limit_s: float = 30.0) -> Confirm:
    return Confirm(script(place, text), environ=ENVIRON, limit_s=limit_s)


def caller(pid: int = 42, client: str | None = None, **more: object) -> Caller:
    return Caller(Visitor(1000, pid), client, **more)  # type: ignore[arg-type]


async def test_nought_is_yes_and_the_command_knows_who_asks_and_nothing_else(
    tmp_path: Path,
) -> None:
    one = asking(tmp_path, f'env > {tmp_path}/told; test "$1" = "a word"')
    await one.ask("work-eu", "session", caller(client="my-tool;$(id)"))
    told = (tmp_path / "told").read_text()
    for line in (
        "HARVESTER_PROFILE=work-eu", "HARVESTER_OPERATION=session", "HARVESTER_PID=42",
        "HARVESTER_UID=1000", "HARVESTER_CLIENT=my-tool;$(id)",
    ):  # fmt: skip
        assert line in told.splitlines()
    assert "canary" not in told


@pytest.mark.parametrize("text", ["exit 1", "exit 255", "kill -9 $$", "sleep 60"])
async def test_all_else_is_no(tmp_path: Path, text: str) -> None:
    began = time.monotonic()
    with pytest.raises(NeedsHuman, match="not confirmed"):
        await asking(tmp_path, text, limit_s=2 if "sleep" in text else 30).ask(
            "default", "session", caller()
        )
    assert time.monotonic() - began < 20


async def test_a_command_that_is_not_there_is_no(tmp_path: Path) -> None:
    gone = Confirm((str(tmp_path / "gone"),), environ=ENVIRON)
    with pytest.raises(NeedsHuman, match="could not be started"):
        await gone.ask("default", "session", caller())


async def test_without_a_command_nobody_is_asked() -> None:
    await Confirm((), environ=ENVIRON).ask("default", "session", caller())


def watched(place: Path) -> str:
    """Says how many of it run at once, in a file of its own."""
    count = "touch in.$$; ls | grep -c '^in' >> most; sleep 0.05; rm in.$$"
    return f"cd {place}; {count}"


async def test_one_client_is_asked_about_once_at_a_time_however_many_processes_it_is(
    tmp_path: Path,
) -> None:
    one = asking(tmp_path, watched(tmp_path))
    await asyncio.gather(*(one.ask("default", "session", caller(n, "tool")) for n in range(8)))
    assert (tmp_path / "most").read_text().split() == ["1"] * 8


async def test_a_hundred_clients_open_few_windows_and_the_rest_are_told_to_come_again(
    tmp_path: Path,
) -> None:
    one = asking(tmp_path, watched(tmp_path))
    ended = await asyncio.gather(
        *(one.ask("default", "session", caller(n)) for n in range(100)), return_exceptions=True
    )
    busy = [error for error in ended if isinstance(error, Busy)]
    assert len(busy) == 100 - confirm_module.WAITING_MOST
    assert all(error.retry_after_s for error in busy)
    counts = [int(word) for word in (tmp_path / "most").read_text().split()]
    assert len(counts) == confirm_module.WAITING_MOST and max(counts) <= AT_ONCE
    assert one._turns == {}, "nobody is remembered"


async def test_nobody_is_asked_about_a_caller_who_has_gone_away(tmp_path: Path) -> None:
    one = asking(tmp_path, f"echo x >> {tmp_path}/asked; sleep 0.1")
    gone = False

    async def leaves() -> None:
        with pytest.raises(ConnectionError):
            await one.ask("default", "session", caller(2, "tool", is_gone=lambda: gone))

    first = asyncio.create_task(one.ask("default", "session", caller(1, "tool")))
    await asyncio.sleep(0)
    second = asyncio.create_task(leaves())
    await asyncio.sleep(0)
    gone = True
    await asyncio.gather(first, second)
    assert (tmp_path / "asked").read_text() == "x\n"


async def test_nobody_is_asked_about_what_was_paused_while_it_waited(tmp_path: Path) -> None:
    """As the porter uses it: the person who shut the door is left in peace."""
    pause = Stopped()
    one = asking(tmp_path, f"echo 1 >> {tmp_path}/asked; sleep 0.3")
    porter = Porter(pause=pause, confirm=one)
    asked = [
        asyncio.create_task(porter.admit("default", "session", caller(1, "tool"))) for _ in range(4)
    ]
    await asyncio.to_thread(_written, tmp_path / "asked")
    pause.paused = True
    ended = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(error, Paused) for error in ended)
    assert (tmp_path / "asked").read_text() == "1\n"


async def test_who_is_cancelled_ends_the_question_with_all_that_it_started(tmp_path: Path) -> None:
    one = asking(tmp_path, f"sleep 100 & echo $! > {tmp_path}/child; wait")
    asked = asyncio.create_task(one.ask("default", "session", caller()))
    child = await asyncio.to_thread(_written, tmp_path / "child")
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await asyncio.to_thread(_ended, child)


def _written(path: Path) -> int:
    while not path.exists() or not path.read_text().strip():
        time.sleep(0.01)
    return int(path.read_text())


def _ended(pid: int) -> bool:
    ends_at = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < ends_at:
        time.sleep(0.01)
    return not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
