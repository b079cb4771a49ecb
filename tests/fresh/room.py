"""A folder with a Debian in it, and programs that run there as in a container (see ``enter``)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import machine

ENTER = Path(__file__).with_name("enter")
# debootstrap mounts things too: they and it end with us.
_ALONE = (
    "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child",
    "--mount-proc", "--propagation", "private", "--",
)  # fmt: skip
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_STOP_S = 20.0


@dataclass(slots=True)
class Room:
    root: Path
    env: dict[str, str] = field(
        default_factory=lambda: {"PATH": PATH, "HOME": "/root", **machine.environment()}
    )
    workdir: str = "/"
    # (from, to): what else is seen inside, as volumes and secrets are.
    mounts: list[tuple[Path, str]] = field(default_factory=list)
    read_only: bool = False
    # The words before each program: a user and a filter.
    under: list[str] = field(default_factory=list)

    def copy(self, name: str) -> Room:
        """Another one that is so far the same."""
        root = self.root.with_name(name)
        subprocess.run(["cp", "-a", "--reflink=auto", self.root, root], check=True)
        return Room(root)

    def words(self, *program: str) -> list[str]:
        line = [str(ENTER), str(self.root)]
        line += ["--read-only"] if self.read_only else []
        for source, target in self.mounts:
            line += ["--mount", str(source), target]
        return [*line, "--", *self.under, "env", "-C", self.workdir, *program]

    def run(
        self, *program: str, check: bool = True, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """To its end; what it said is shown only if it should have gone well and did not."""
        done = subprocess.run(
            self.words(*program), env={**self.env, **env}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        if check and done.returncode:
            sys.stderr.write(done.stdout)
            raise SystemExit(f"test-fresh: {' '.join(program)!r} ended with {done.returncode}")
        return done

    @contextmanager
    def running(self, *program: str, log: Path, **env: str) -> Iterator[subprocess.Popen[str]]:
        """One that stays; ended with all that it started."""
        with log.open("w") as said:
            process = subprocess.Popen(
                self.words(*program), env={**self.env, **env}, stdin=subprocess.DEVNULL,
                stdout=said, stderr=said, text=True,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait(_STOP_S)

    def apt_install(self, *names: str) -> None:
        self.run("apt-get", "update", "-qq")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        self.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *names, **quiet)


def debootstrap(root: Path, release: str) -> Room:
    mirror, _ = machine.mirrors()
    made = subprocess.run(
        [*_ALONE, "debootstrap", "--variant=minbase", release, root, mirror],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        raise SystemExit(f"test-fresh: debootstrap failed:\n{made.stdout[-3000:]}")
    machine.tell(root, release)
    return Room(root)
