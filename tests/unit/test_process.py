"""What every process with secrets does to itself, as the kernel tells it of the running process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester import memory
from harvester.descent import descendants

# Root may look into everybody: whether a process lets others in shows of a plain user's only.
UID = 65534 if os.geteuid() == 0 else os.geteuid()
# Whose Python may lie in root's home: reading, and no other right, goes along.
AS_PLAIN_USER = () if os.geteuid() else (
    "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups",
    "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
    "--bounding-set=-all,+dac_read_search",
)  # fmt: skip
HARVESTER = ("-P", "-m", "harvester")
CORE_BLOCKS = 8
# Where a copy of the program with one thing wrong is tried (tests/mutants), it is tried here too.
MUTANT = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
START_S = 30.0


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of the plain user's own; pytest's are for us alone."""
    with tempfile.TemporaryDirectory() as made:
        if os.geteuid() == 0:
            os.chown(made, UID, UID)
        yield Path(made)


def start(place: Path, *words: str, **more: str) -> subprocess.Popen[bytes]:
    """Python with these words: as a plain user, with a wide umask, and core files allowed."""
    shell = f'ulimit -S -c {CORE_BLOCKS}; umask 022; exec "$@"'
    return subprocess.Popen(
        [*AS_PLAIN_USER, "/bin/sh", "-c", shell, "sh", sys.executable, *words],
        env={
            "PATH": os.defpath, "HOME": str(place), "TMPDIR": str(place),
            "XDG_RUNTIME_DIR": str(place), "HARVESTER_STORE": str(place / "store"),
            "HARVESTER_SOCKET": str(place / "run" / "s"), "HARVESTER_PROXY": "off",
            "HARVESTER_ORIGIN": "http://127.0.0.1:1", **MUTANT, **more,
        },
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=place,
    )  # fmt: skip


def facts(pid: int) -> dict[str, Any]:
    """Umask, soft core limit, and whether its user's other programs may look in."""
    proc = Path("/proc", str(pid))
    status = (proc / "status").read_text().splitlines()
    limits = (proc / "limits").read_text().splitlines()
    return {
        "umask": next(line.split()[1] for line in status if line.startswith("Umask:")),
        "core": next(line.split()[4] for line in limits if line.startswith("Max core file")),
        # The kernel gives the files of a process that is not dumpable to root.
        "dumpable": (proc / "environ").stat().st_uid == UID,
    }


HARD = {"umask": "0077", "core": "0", "dumpable": False}


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.communicate(timeout=START_S)


def until(what: Any) -> Any:
    ends_at = time.monotonic() + START_S
    while time.monotonic() < ends_at:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError("it never came")


def test_a_plain_program_has_none_of_it(place: Path) -> None:
    plain = start(place, "-c", "print(flush=True); input()")
    assert plain.stdout is not None
    plain.stdout.readline()
    found = facts(plain.pid)
    stop(plain)
    assert found["umask"] == "0022" and found["dumpable"] and found["core"] != "0"


def test_the_daemon_is_private_leaves_no_core_and_lets_nobody_look_in(place: Path) -> None:
    daemon = start(place, *HARVESTER, "serve")
    until((place / "run" / "s").exists)
    found = facts(daemon.pid)
    stop(daemon)
    assert found == HARD


def test_a_one_shot_command_is_so_before_it_has_its_key(place: Path) -> None:
    asked = place / "asked"
    teller = place / "key-command"
    # What it is told of the process that runs it, and what it has itself.
    teller.write_text(
        "#!/bin/sh\n"
        "{ grep Umask: /proc/$PPID/status; grep 'Max core' /proc/$PPID/limits;\n"
        f"stat -c 'owner %u' /proc/$PPID/environ; ulimit -c; }} >{asked}\nexit 1\n"
    )
    teller.chmod(0o755)
    once = start(
        place, *HARVESTER, "token",
        HARVESTER_KEY_COMMAND=str(teller), HARVESTER_USERNAME="ada", HARVESTER_PASSWORD="none",
        HARVESTER_IDENTITY_ORIGINS="http://localhost:1",
    )  # fmt: skip
    _, said = once.communicate(timeout=START_S)
    assert once.returncode == 78, said
    umask, core, owner, its_own = asked.read_text().splitlines()
    assert umask.split()[1] == "0077"
    assert core.split()[4] == "0"
    assert owner == "owner 0"
    assert its_own == str(CORE_BLOCKS), "the limit of a user's own command is the user's"


def test_the_signer_and_its_worker_are_so_before_they_hear_a_secret(place: Path) -> None:
    signer = start(place, "-P", "-m", "harvester.signin")
    (worker, *_) = until(lambda: descendants(signer.pid))
    found = [facts(signer.pid), facts(worker)]
    stop(signer)
    assert found == [HARD, HARD]


THEIRS = """
import asyncio, os, sys
from harvester.bell import Bell
from harvester.cli.child import Child
from harvester.errors import NeedsHuman
from harvester.process import harden
from harvester.profile import SecretSource
from harvester.vault.secret import read_secret

harden()
harden()  # the daemon does it twice
sh = "/bin/sh"
source = SecretSource("command", "HARVESTER_PASSWORD", argv=(sh, "-c", "ulimit -c"))
print(read_secret(source), flush=True)
with Child() as child:
    child.run((sh, "-c", "ulimit -c"), {})

async def ring():
    bell = Bell((sh, "-c", f"ulimit -c >{sys.argv[1]}/hook"), notify="off", environ={})
    bell.ring("default", NeedsHuman("x"))
    await asyncio.gather(*bell._tasks)

asyncio.run(ring())
os.system("ulimit -c")
"""


def test_a_users_own_commands_have_the_core_limit_that_the_user_has(place: Path) -> None:
    ours = start(place, "-c", THEIRS, str(place))
    out, said = ours.communicate(timeout=START_S)
    assert ours.returncode == 0, said
    theirs = str(CORE_BLOCKS)
    assert out.decode().split() == [theirs, theirs, "0"], "a password command, exec; and ours"
    assert (place / "hook").read_text().split() == [theirs]


LOGGED = """
import os, sys
from harvester.process import environment_of_the_user, harden
harden()
import aiohttp, ssl
print(ssl.create_default_context().keylog_filename, os.environ.get("SSLKEYLOGFILE"))
print(environment_of_the_user()["SSLKEYLOGFILE"])
"""


def test_no_process_with_the_session_logs_the_keys_of_its_connections(place: Path) -> None:
    log = place / "keys"
    ours = start(place, "-c", LOGGED, SSLKEYLOGFILE=str(log))
    out, said = ours.communicate(timeout=START_S)
    assert out.decode().split() == ["None", "None", str(log)], said
    assert not log.exists()


def test_status_tells_what_keeps_the_memory(place: Path) -> None:
    daemon = start(place, *HARVESTER, "serve")
    until((place / "run" / "s").exists)
    asked = start(place, *HARVESTER, "status", "--json")
    out, _ = asked.communicate(timeout=START_S)
    stop(daemon)
    told = json.loads(out)["memory"]
    assert told["dumpable"] is False and told["core_files"] is False and told["core_bytes"] == 0
    assert told["swap"] in ("none", "off", "possible")


HEADING = "Filename\tType\tSize\tUsed\tPriority\n"


@pytest.mark.parametrize(
    ("swaps", "limits", "expected"),
    [
        (HEADING, {}, "none"),
        (HEADING + "/dev/sda2 partition 1 0 -2\n", {}, "possible"),
        (HEADING + "/dev/sda2 partition 1 0 -2\n", {"a/b": "0"}, "off"),
        (HEADING + "/dev/sda2 partition 1 0 -2\n", {"a": "0", "a/b": "max"}, "off"),
        (HEADING + "/dev/sda2 partition 1 0 -2\n", {"a": "max", "a/b": "4096"}, "possible"),
        (None, {}, "unknown"),
    ],
)
def test_swap_is_told_as_the_kernel_has_it(
    tmp_path: Path, swaps: str | None, limits: dict[str, str], expected: str
) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    (proc / "self").mkdir(parents=True)
    (groups / "a" / "b").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text("1:name=x:/other\n0::/a/b\n")
    if swaps is not None:
        (proc / "swaps").write_text(swaps)
    for name, limit in limits.items():
        (groups / name / "memory.swap.max").write_text(limit + "\n")
    assert memory.swap(proc, groups) == expected


GOOD = {"dumpable": False, "core_files": False, "core_bytes": 0, "swap": "none"}


def test_what_is_not_so_is_said_with_what_helps() -> None:
    assert memory.faults(GOOD) == []
    assert "no swap" in memory.in_words(GOOD)
    for change, fault, helps in (
        ({"dumpable": True}, memory.READABLE, "anew"),
        ({"dumpable": None}, memory.READABLE, "anew"),
        ({"core_files": True}, memory.CORE, "anew"),
        ({"swap": "possible"}, memory.SWAPPED, "MemorySwapMax=0"),
        ({"swap": "unknown"}, memory.UNKNOWN, "MemorySwapMax=0"),
    ):
        told = {**GOOD, **change}
        assert memory.faults(told) == [fault]
        assert memory.in_words(told) == fault
        assert helps in memory.mend(told)
