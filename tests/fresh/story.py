"""What the image must do once it is there, as a container with ``docker/compose.yaml``'s settings:
its user and no rights, docker/seccomp.json, a root that cannot be written, secrets as files, and
the socket in a folder that a consumer shares."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import machine
from dockerfile import Stage
from image import Say
from room import PATH, Room

_OF_A_BUILD = machine.environment()
_START_S = 30.0
# The volume that a consumer has too, and cannot write.
_SHARED = "/run/harvester"
# What Docker waits after TERM before it kills.
_STOP_S = 10.0
_API = "/api/managed-agents/sessions"
# The rules of the profile that the browser's sandbox needs, by how their comments begin.
_FOR_THE_SANDBOX = "The browser's sandbox"


class Container:
    """The image with its volumes, and the words that it is started with."""

    def __init__(self, image: Room, stage: Stage, checkout: Path, place: Path) -> None:
        self.stage = stage
        self.place = place
        self.uid = int(stage.last("USER").text.partition(":")[0])
        self.env = {"HOME": "/home/harvester"}
        self.volumes = [self._volume(image.root, name) for name in stage.last("VOLUME").words]
        self.filters = place / "filters"
        self.filters.mkdir()
        shutil.copy(checkout / "tests/support/seccomp.py", self.filters)
        profile = json.loads((checkout / "docker/seccomp.json").read_text(encoding="utf-8"))
        (self.filters / "with.json").write_text(json.dumps(profile))
        rules = profile["syscalls"]
        profile["syscalls"] = [
            rule for rule in rules if not rule["comment"].startswith(_FOR_THE_SANDBOX)
        ]
        assert len(profile["syscalls"]) == len(rules) - 2
        (self.filters / "without.json").write_text(json.dumps(profile))
        self.secrets = place / "secrets"
        self.secrets.mkdir()
        self.image = image
        self.room = self._confined(image, "/opt/harvester/bin/python", self.uid, "with.json")
        self.room.mounts += [*self.volumes, (self.secrets, "/run/secrets")]

    def _volume(self, root: Path, name: str) -> tuple[Path, str]:
        """As Docker makes a new volume: owner and mode are those of the image's folder."""
        made, facts = self.place / "volumes" / name[1:].replace("/", "-"), (root / name[1:]).stat()
        made.mkdir(parents=True)
        os.chown(made, facts.st_uid, facts.st_gid)
        made.chmod(facts.st_mode & 0o777)
        return made, name

    def _confined(self, room: Room, python: str, uid: int, profile: str) -> Room:
        under = [python, "/run/filters/seccomp.py", f"/run/filters/{profile}", str(uid)]
        # What a build needs to reach its packages is nothing that runs.
        built = {name: value for name, value in room.env.items() if name not in _OF_A_BUILD}
        env = {**built, **self.env}
        mounts = [(self.filters, "/run/filters")]
        return Room(room.root, env, "/", mounts, read_only=True, under=under)

    def secret(self, name: str, value: str) -> None:
        path = self.secrets / name
        path.write_text(value)
        os.chown(path, self.uid, self.uid)
        path.chmod(0o400)

    def consumer(self, bare: Room, example: Path, uid: int) -> Room:
        """Another container with the socket's volume."""
        room = self._confined(bare, "/usr/bin/python3", uid, "with.json")
        room.env = {"PATH": PATH, "HARVESTER_SOCKET": self.image.env["HARVESTER_SOCKET"]}
        shutil.copy(example, self.filters / "example.py")
        room.mounts += [(source, f"{at}:ro") for source, at in self.volumes if at == _SHARED]
        return room

    def without_the_rules(self) -> Room:
        room = self._confined(self.image, "/opt/harvester/bin/python", self.uid, "without.json")
        room.mounts.append((self.secrets, "/run/secrets"))
        return room

    def healthy(self) -> bool:
        return self.room.run(*self.stage.health, check=False).returncode == 0


@contextmanager
def standin(image: Room, log: Path) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """A site and an identity provider, from the image itself."""
    with image.running("python", "-m", "harvester.standin", log=log) as running:
        ends_at = time.monotonic() + _START_S
        while not (told := log.read_text()).endswith("}\n"):
            assert time.monotonic() < ends_at, told
            time.sleep(0.05)
        yield json.loads(told.splitlines()[-1]), running


def _revoke(world: dict[str, Any]) -> None:
    request = urllib.request.Request(f"{world['control']}/revoke", data=b'{"what": "sessions"}')
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request):
        pass


def _ask_site(world: dict[str, Any], cookie: str) -> int:
    host = world["site"].removeprefix("http://")
    connection = http.client.HTTPConnection("127.0.0.1", int(host.rpartition(":")[2]), timeout=10)
    connection.request("GET", _API, headers={"Host": host, "Cookie": cookie})
    return connection.getresponse().status


def tell(image: Room, stage: Stage, bare: Room, checkout: Path, place: Path, say: Say) -> None:
    container = Container(image, stage, checkout, place)
    say("  harvester --version: " + container.room.run("harvester", "--version").stdout.strip())
    with standin(image, place / "standin.log") as (world, site):
        container.env.update(
            HARVESTER_ORIGIN=world["site"],
            HARVESTER_IDENTITY_ORIGINS=world["identity"],
            HARVESTER_PROVIDER=world["provider"],
            HARVESTER_USERNAME=world["username"],
        )
        container.room.env.update(container.env)
        container.secret("password", world["password"])
        _without_the_rules(container, say)
        assert not container.healthy(), "the health check says yes to nothing"
        words = [*stage.last("ENTRYPOINT").words, *stage.last("CMD").words]
        with container.room.running(*words, log=place / "serve.log") as serving:
            try:
                _serves(container, bare, checkout, world, say)
            except BaseException:
                print((place / "serve.log").read_text()[-4000:])
                raise
            site.kill()
            site.wait()
            assert container.healthy(), "the health check depends on the site"
            say("  the site gone: healthy all the same")
            _stops(serving, container, say)


def _without_the_rules(container: Container, say: Say) -> None:
    room = container.without_the_rules()
    room.env["HARVESTER_STORE"] = "/tmp/store"
    refused = room.run("harvester", "token", check=False)
    assert refused.returncode == 75 and "sandbox" in refused.stdout, refused.stdout
    say("  without the sandbox's rules of the profile: exit 75, " + refused.stdout.splitlines()[-2])


def _serves(
    container: Container, bare: Room, checkout: Path, world: dict[str, Any], say: Say
) -> None:
    began = time.monotonic()
    while not container.healthy():
        assert time.monotonic() < began + _START_S, "never healthy"
    say(f"  tini -- harvester serve: healthy after {time.monotonic() - began:.1f} s")
    token = container.room.run("harvester", "token").stdout
    assert _ask_site(world, token.strip().splitlines()[-1]) == 200
    status = json.loads(container.room.run("harvester", "--json", "status").stdout)
    assert status["profiles"][0]["sandboxed"] is True, status
    say(f"  harvester token: signed in after {time.monotonic() - began:.1f} s, browser sandboxed")

    _revoke(world)
    example = checkout / "docs/examples/python/knoq.py"
    consumer = container.consumer(bare, example, container.uid)
    words = ("python3", "/run/filters/example.py", _API)
    said = consumer.run(*words).stdout
    assert '"sessions"' in said, said
    say("  a consumer with the daemon's uid, its session revoked: " + said.strip()[:60])
    stranger = container.consumer(bare, example, container.uid + 1).run(*words, check=False)
    assert stranger.returncode, stranger.stdout
    say("  a consumer with another uid: refused")


def _stops(serving: subprocess.Popen[str], container: Container, say: Say) -> None:
    children = Path(f"/proc/{serving.pid}/task/{serving.pid}/children").read_text().split()
    began = time.monotonic()
    os.kill(int(children[0]), signal.SIGTERM)
    assert serving.wait(_STOP_S) == 0
    assert not container.healthy()
    say(f"  TERM: ended with 0 after {time.monotonic() - began:.1f} s")
