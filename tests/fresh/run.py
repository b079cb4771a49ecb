"""``scripts/test-fresh``: the image's lines and a clean checkout, each on a machine that is new."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dockerfile
import image
import room
import story

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("image", "checkout")
# What stands in for FROM python:3.13-slim-trixie: the same release, its own Python of that version.
BASE, RELEASE = "python:3.13-slim-trixie", "trixie"
PYTHON = ("python3", "python3-venv", "ca-certificates", "netbase", "tzdata")


def say(text: str) -> None:
    print(text, flush=True)


def _clone(place: Path) -> Path:
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", ROOT, place], check=True)
    return place


def prove_image(bare: room.Room, checkout: Path, place: Path) -> None:
    stages = dockerfile.read(checkout / "Dockerfile")
    assert {stage.base for stage in stages} == {BASE}, f"another base: change {__file__}"
    base = bare.copy("base")
    base.apt_install(*PYTHON)
    (base.root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    say(f"image: {base.run('python', '--version').stdout.strip()}, in the place of {BASE}")
    made = image.build(base, stages, checkout, say)
    # The stand-in's site has a name that only browsers take for this machine.
    with (base.root / "etc/hosts").open("a") as hosts:
        hosts.write("127.0.0.1 knoq.localhost\n")
    story.tell(made, stages[-1], base, checkout, place, say)


def prove_checkout(bare: room.Room, checkout: Path, place: Path) -> None:
    new = bare.copy("new")
    new.apt_install("python3", "ca-certificates")
    new.mounts.append((checkout, "/root/harvester"))
    new.workdir = "/root/harvester"
    for script in ("scripts/setup", "scripts/demo"):
        began = time.monotonic()
        said = new.run(script).stdout
        say(f"checkout: {script}: {time.monotonic() - began:.1f} s")
        for line in said.splitlines():
            # pip, of folders that this machine's settings name and that a new one has not.
            if not line.startswith("WARNING: Location"):
                say(f"  | {line}")


def main(kinds: list[str]) -> None:
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise SystemExit(f"test-fresh: {unknown[0]} is none of {', '.join(KINDS)}")
    # So that the folder goes then too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="harvester-fresh-") as made:
        place = Path(made)
        # Who is not root must get through to what is his.
        place.chmod(0o711)
        checkout = _clone(place / "checkout")
        bare = room.debootstrap(place / "bare", RELEASE)
        say(f"debootstrap {RELEASE}: {time.monotonic() - began:.1f} s")
        for kind in kinds or KINDS:
            {"image": prove_image, "checkout": prove_checkout}[kind](bare, checkout, place)
    say(f"test-fresh: all of it works ({time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    main(sys.argv[1:])
