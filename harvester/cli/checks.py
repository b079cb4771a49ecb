"""What `doctor` looks at.  Each check asks one thing and tells the one command that mends it.

Changes nothing, signs in nowhere, reads no secret.  A fault that is safely mended (a mode) is
handed over as ``fix``; whether to do it is the caller's.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from harvester import memory, paths
from harvester.cli.call import Call
from harvester.clock import SystemClock
from harvester.errors import HarvesterError, NoDaemon, StoreError
from harvester.profile import Profile, SecretSource
from harvester.settings import Settings
from harvester.vault.directory import DirectoryStore
from harvester.vault.ring import ring_of

State = Literal["ok", "warn", "fail"]

# The driver answers --version in a tenth of a second; a cold disk takes a few.
_DRIVER_LIMIT_S = 20.0
_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report; ``mend`` is a command or a setting."""

    check: str
    state: State
    message: str
    mend: str = ""
    fix: Callable[[], None] | None = None


def failed(check: str, error: HarvesterError, state: State = "fail") -> Finding:
    return Finding(check, state, f"{error.code}: {error.message}", error.hint)


def config(call: Call) -> tuple[list[Finding], Settings | None]:
    """Reading all sources is the check; nothing else can be checked without."""
    try:
        settings = call.settings()
        settings.profile(settings.selected)
    except HarvesterError as error:
        return [failed("config", error)], None
    path = settings.process.config_path
    return [Finding("config", "ok", f"read from {path}" if path else "no config file")], settings


def secrets(settings: Settings) -> Iterator[Finding]:
    """Files that secrets come from are there and private; commands can be found.

    A command is not run: it may ask a person for a touch of a key.
    """
    sources = [settings.process.key, settings.process.passphrase]
    for profile in settings.profiles.values():
        sources += [profile.password, profile.totp]
    for source in sources:
        if source is not None and source.kind != "value":
            yield secret(source)


def secret(source: SecretSource) -> Finding:
    """One secret that is kept in a file or printed by a command; the command is not run."""
    if source.kind == "command":
        if shutil.which(source.argv[0]):
            return Finding("secrets", "ok", f"{source.name}: {source.argv[0]} is there (not run)")
        return Finding(
            "secrets", "fail", f"{source.name}: there is no program {source.argv[0]}",
            f"install it, or set {source.name} to another",
        )  # fmt: skip
    try:
        paths.check_private_file(source.path)
    except FileNotFoundError:
        return Finding(
            "secrets", "fail", f"{source.name}: {source.path} does not exist",
            f"write the secret to it, mode 0600, or set {source.name} to another",
        )  # fmt: skip
    except HarvesterError as error:
        return failed("secrets", error)
    if os.stat(source.path).st_mode & 0o077:
        return Finding(
            "secrets", "warn", f"{source.name}: {source.path} can be read by others",
            f"chmod 600 {source.path}",
        )  # fmt: skip
    return Finding("secrets", "ok", f"{source.name}: {source.path}")


def _has_passkey(settings: Settings, name: str) -> bool:
    try:
        return DirectoryStore(settings.process.store).stamp(name, "passkey") is not None
    except StoreError:
        return False  # what is wrong with the store is told by its own check


def accounts(settings: Settings) -> Iterator[Finding]:
    for profile in _used(settings):
        if profile.password is None and _has_passkey(settings, profile.name):
            yield Finding("account", "ok", f"{profile.name}: signs in with a passkey alone")
        elif profile.username is None and profile.password is None:
            yield Finding(
                "account", "warn", f"{profile.name}: no user name and no password are set",
                "set HARVESTER_USERNAME and HARVESTER_PASSWORD_FILE",
            )  # fmt: skip
        elif profile.username is not None and profile.password is None:
            yield Finding(
                "account", "fail", f"{profile.name}: a user name is set, but no password",
                "set HARVESTER_PASSWORD_FILE or HARVESTER_PASSWORD_COMMAND",
            )  # fmt: skip
        if not profile.identity_origins:
            yield Finding(
                "origins", "warn",
                f"{profile.name}: no identity origin is set, so nothing will ever be typed",
                "set HARVESTER_IDENTITY_ORIGINS to the origin of your sign-in page",
            )  # fmt: skip
        elif profile.site.origin in profile.identity_origins:
            yield Finding(
                "origins", "warn",
                f"{profile.name}: the site's own origin may get the password",
                f"take {profile.site.origin} out of HARVESTER_IDENTITY_ORIGINS",
            )  # fmt: skip
        else:
            told = ", ".join(profile.identity_origins)
            yield Finding("origins", "ok", f"{profile.name}: secrets are typed on {told} only")


def store(settings: Settings) -> Iterator[Finding]:
    """Owner and modes of everything in the store."""
    root = settings.process.store
    if not os.path.lexists(root):
        yield Finding("store", "ok", f"{root} does not exist yet; it is made at the first use")
        return
    wrong = [found for path in _all_below(root) if (found := _mode(path))]
    yield from wrong
    if not wrong:
        yield Finding("store", "ok", f"{root} is ours, and private")


def _all_below(root: Path) -> Iterator[Path]:
    yield root
    for folder, folders, files in os.walk(root):
        yield from (Path(folder, name) for name in (*folders, *files))


def _mode(path: Path) -> Finding | None:
    try:
        seen = path.lstat()
    except OSError:
        return None  # gone meanwhile: a writer's temp file
    name = shlex.quote(str(path))
    if stat.S_ISLNK(seen.st_mode):
        return Finding("store", "fail", f"{path} is a symbolic link", f"look at it: ls -l {name}")
    if seen.st_uid != os.geteuid():
        return Finding(
            "store", "fail", f"{path} belongs to user {seen.st_uid}",
            f"chown {os.geteuid()} {name}",
        )  # fmt: skip
    right = _DIRECTORY_MODE if stat.S_ISDIR(seen.st_mode) else _FILE_MODE
    # The directory of a socket for several users is 0711, and that socket 0666, on purpose.
    if stat.S_ISSOCK(seen.st_mode) or path.name == "run" or not seen.st_mode & 0o077:
        return None
    return Finding(
        "store", "fail", f"{path} is open to others (mode {stat.S_IMODE(seen.st_mode):04o})",
        f"chmod {right:o} {name}", lambda: path.chmod(right),
    )  # fmt: skip


def key(settings: Settings) -> Finding:
    """The sealing key can be read, and all are done with the one before; a command that gives it
    is not run."""
    process = settings.process
    for source in (process.key, process.passphrase):
        if source is not None and source.kind == "command":
            return Finding("key", "ok", f"comes from {source.where()} (not run)")
    ring = ring_of(process.sealing, process.store)
    try:
        has_records = DirectoryStore(process.store).has_records()
        if not has_records and not ring.has_key():
            return Finding("key", "ok", "none yet; one is made at the first sign-in")
        ring.open(may_create=False)
        seals = ring.current().primary.kid
    except HarvesterError as error:
        return failed("key", error)
    shown = ring.shown()
    told = f"{seals}, from {ring.where()}"
    if shown["rotating"]:
        return Finding("key", "warn", f"{told}; not everything is sealed with it yet",
                       "harvester key rotate")  # fmt: skip
    return Finding("key", "ok", told)


def browser(settings: Settings) -> Finding:
    from harvester.signin.find import find_browser  # late, as below

    try:
        found = find_browser(settings.process.browser.browser)
    except HarvesterError as error:
        return failed("browser", error)
    return Finding("browser", "ok", f"{found.path} ({found.kind})")


def sandbox(call: Call, settings: Settings) -> Finding:
    """What is asked for, and what the last browser of a daemon that answers came to."""
    choice = settings.process.browser.sandbox
    if choice == "off" or (choice == "auto" and os.geteuid() == 0):
        why = "switched off" if choice == "off" else "off, because we are root"
        return Finding(
            "sandbox", "warn", f"the browser's sandbox is {why}",
            "run as a user of your own, with HARVESTER_SANDBOX=auto",
        )  # fmt: skip
    seen = _sandboxed(call, settings)
    if seen is False:
        return Finding(
            "sandbox", "warn", f"{choice}, but the last browser of the daemon ran without it",
            "allow unprivileged user namespaces, and let no launcher script say --no-sandbox",
        )  # fmt: skip
    told = "no browser has run yet" if seen is None else "the last browser was in it"
    return Finding("sandbox", "ok", f"{choice} ({told})")


def _sandboxed(call: Call, settings: Settings) -> bool | None:
    try:
        profiles = call.client().status().get("profiles", [])
    except HarvesterError:
        return None
    seen = {one.get("sandboxed") for one in profiles}
    return None if seen <= {None} else False not in seen


def driver() -> Finding:
    """The program that drives the browser starts (slim images lack a library that it needs)."""
    spec = find_spec("playwright")
    places = list(spec.submodule_search_locations or ()) if spec else []
    node = Path(places[0], "driver", "node") if places else None
    if node is None or not node.exists():
        return Finding("driver", "fail", "the browser's driver is not installed", "scripts/setup")
    try:
        done = subprocess.run(
            [node, "--version"],
            capture_output=True,
            timeout=_DRIVER_LIMIT_S,
            env={"PATH": os.defpath},
            check=False,
        )
        said = done.stdout.decode("utf-8", "replace").strip()
        if done.returncode == 0:
            return Finding("driver", "ok", f"node {said}")
        missing = b"libatomic" in done.stderr
        why = "libatomic is missing" if missing else f"it ended with {done.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        missing, why = False, type(error).__name__
    mend = "apt-get install libatomic1" if missing else "scripts/setup"
    return Finding("driver", "fail", f"the browser's driver does not start: {why}", mend)


def socket(call: Call, settings: Settings) -> Finding:
    """A daemon answers, or one could bind its socket."""
    process = settings.process
    try:
        client = call.client()
        told = client.status()
    except NoDaemon:
        pass
    except HarvesterError as error:
        return failed("socket", error)
    else:
        return Finding("socket", "ok", f"daemon {told.get('pid')} answers at {client.path}")
    try:
        path = paths.socket_to_bind(process.socket, process.store, os.environ)
    except HarvesterError as error:
        return failed("socket", error)
    folder = path.parent
    if folder.is_dir() and folder.stat().st_uid != os.geteuid():
        return Finding(
            "socket", "fail", f"{folder} belongs to user {folder.stat().st_uid}",
            "set HARVESTER_SOCKET to a path in a directory of your own",
        )  # fmt: skip
    others = len(process.allow_uids) > 1
    if folder.is_dir() and stat.S_IMODE(folder.stat().st_mode) & (0o066 if others else 0o077):
        right = 0o711 if others else _DIRECTORY_MODE
        return Finding(
            "socket", "fail", f"{folder} is open to others",
            f"chmod {right:o} {shlex.quote(str(folder))}", lambda: folder.chmod(right),
        )  # fmt: skip
    return Finding("socket", "ok", f"no daemon runs; it would listen at {path}")


def memory_kept(call: Call) -> Finding:
    """What keeps the daemon's memory to itself; where none runs, what would keep ours."""
    try:
        told = call.client().status().get("memory")
    except HarvesterError:
        told = None
    whose = "the daemon" if isinstance(told, dict) else "a command of this release"
    kept = told if isinstance(told, dict) else memory.kept()
    words = f"{whose}: {memory.in_words(kept)}"
    if memory.faults(kept):
        return Finding("memory", "warn", words, memory.mend(kept))
    return Finding("memory", "ok", words)


async def site(settings: Settings) -> list[Finding]:
    """Each site answers the probe without a cookie, and denies."""
    return [await _site(settings, profile) for profile in _used(settings)]


async def _site(settings: Settings, profile: Profile) -> Finding:
    from harvester.probe import SiteClient  # aiohttp: late, or every `--help` would wait for it

    process = settings.process
    client = SiteClient(
        profile.site,
        clock=SystemClock(),
        https_proxy=process.https_proxy,
        ca_file=process.ca_file,
    )
    try:
        answer = await client.probe(())
    finally:
        await client.close()
    where = f"{profile.name}: {profile.site.origin}"
    if answer.status == 0:
        return Finding(
            "site", "fail", f"{where} does not answer ({answer.trouble})",
            "check the network, HARVESTER_ORIGIN, HARVESTER_HTTPS_PROXY and HARVESTER_CA_FILE",
        )  # fmt: skip
    if answer.status == 429 or answer.status >= 500:
        return Finding("site", "warn", f"{where} answers {answer.status}", "try again later")
    if 200 <= answer.status < 300 and profile.site.probe_denied_text is None:
        return Finding(
            "site", "warn", f"{where} answers {answer.status} without any cookie",
            "set HARVESTER_PROBE_PATH to a request that needs a session",
        )  # fmt: skip
    return Finding("site", "ok", f"{where} answers, {answer.status} without a cookie")


def _used(settings: Settings) -> list[Profile]:
    """Profiles of which something is set, and the chosen one."""
    return [
        profile
        for name, profile in settings.profiles.items()
        if name == settings.selected or profile.username or profile.identity_origins
    ]


def machine() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", "ok", f"{version} on {sys.platform}")
