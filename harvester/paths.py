"""Where things lie on this machine, and whether a file there may be believed.

Owns the search order of the config file, and the opening of files that a person wrote: config,
env files, secrets.  Where socket and store lie is told by ``places.py``, here as paths.  Knows no
setting's meaning and nothing of what is in a file.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from harvester import places
from harvester.errors import ConfigInvalid, ConfigUnsafe
from harvester.places import SOCKET_NAME

CONFIG_NAME = "config.toml"
# A config file of a megabyte is no config file; the limit keeps /dev/zero from filling memory.
FILE_LIMIT_BYTES = 1024 * 1024

_GROUP_OTHER_WRITE = stat.S_IWGRP | stat.S_IWOTH
_GROUP_OTHER_ANY = stat.S_IRWXG | stat.S_IRWXO


def default_store(environ: Mapping[str, str] | None = None) -> Path:
    """``$XDG_STATE_HOME/harvester``, else the platform's place for state."""
    return Path(places.default_store(os.environ if environ is None else environ))


def config_candidates(flag: str | None, environ: Mapping[str, str]) -> list[Path]:
    """Where the config file may be, best first.

    One that was named (flag, then ``HARVESTER_CONFIG``) is the only candidate: if it is missing
    that is an error, and no other file is to be read in its place.
    """
    named = flag or environ.get("HARVESTER_CONFIG")
    if named:
        return [Path(named).expanduser()]
    config = places.absolute(environ, "XDG_CONFIG_HOME")
    if config is None:
        with suppress(ConfigInvalid):  # no home is no error here: there is /etc
            config = f"{places.home(environ)}/.config"
    personal = [] if config is None else [Path(config) / "harvester" / CONFIG_NAME]
    return [*personal, Path("/etc/harvester") / CONFIG_NAME]


def _is_our_directory(path: Path) -> bool:
    try:
        seen = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.geteuid()


def socket_to_bind(explicit: str | None, store: Path, environ: Mapping[str, str]) -> Path:
    """The socket that ``serve`` binds.  ``explicit`` is the flag; the directory may not exist yet.

    Raises ConfigInvalid if the path is longer than a socket address can be.
    """
    named = places.named_socket(explicit, environ)
    if named is not None:
        return Path(named)
    # systemd gives several runtime directories as one list.
    first = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    personal = places.absolute(environ, "XDG_RUNTIME_DIR")
    login = Path(f"/run/user/{os.geteuid()}")
    if first.startswith("/"):
        path = Path(first) / SOCKET_NAME
    elif personal is not None:
        path = Path(personal) / "harvester" / SOCKET_NAME
    elif _is_our_directory(login):
        path = login / "harvester" / SOCKET_NAME
    else:
        path = Path(os.path.abspath(store)) / "run" / SOCKET_NAME
    places.check_length(str(path))
    return path


def socket_candidates(
    explicit: str | None, store: Path | None, environ: Mapping[str, str]
) -> list[Path]:
    """Where a client looks for the daemon, best first (see ``places.py``)."""
    lying = None if store is None else str(store)
    return [Path(one) for one in places.socket_candidates(explicit, lying, environ)]


def check_private_file(path: str | os.PathLike[str]) -> None:
    """Raises as ``read_private_file`` does, and reads nothing."""
    os.close(_open_checked(Path(path), keep_from_others=False))


def read_private_file(path: str | os.PathLike[str], limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
    """The bytes of a config, env or secret file.

    It must be a regular file, ours or root's, which group and others may not write.  A symlink
    is followed and its target judged: Kubernetes mounts every secret and config as one.
    Raises FileNotFoundError if there is none (only the caller knows whether that is an error),
    ConfigUnsafe with the command that mends it, ConfigInvalid if it is too large or unreadable.
    """
    return _read(Path(path), limit_bytes, keep_from_others=False)


def read_key_file(path: str | os.PathLike[str], limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
    """The bytes of a key file: as above, and nobody else may even read it, and it is no symlink.

    On a read-only mount both are forgiven: secrets that Docker, Kubernetes and systemd mount have
    modes and links that nobody inside can change, and nobody can plant anything there either.
    """
    return _read(Path(path), limit_bytes, keep_from_others=True)


def _read(path: Path, limit_bytes: int, *, keep_from_others: bool) -> bytes:
    fd = _open_checked(path, keep_from_others=keep_from_others)
    try:
        with os.fdopen(fd, "rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > limit_bytes:
        raise ConfigInvalid(
            f"{path} is larger than {limit_bytes} bytes", hint="is it the right file?"
        )
    return data


def _open_checked(path: Path, *, keep_from_others: bool) -> int:
    """Open first and judge what was opened: a file judged by name may be another when opened.

    O_NONBLOCK because opening a FIFO would wait for a writer for ever.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    linked = False
    try:
        fd = os.open(path, flags | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except OSError as error:
        # ELOOP is Linux's and macOS's word for "it is a symlink", EMLINK FreeBSD's.
        if error.errno not in (errno.ELOOP, errno.EMLINK):
            raise _unreadable(path, error) from None
        linked = True
    except ValueError:
        raise ConfigInvalid("a path holds a zero byte") from None
    if linked:
        try:
            fd = os.open(path, flags)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _unreadable(path, error) from None
    try:
        _judge(fd, path, linked=linked, keep_from_others=keep_from_others)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _judge(fd: int, path: Path, *, linked: bool, keep_from_others: bool) -> None:
    seen = os.fstat(fd)
    name = shlex.quote(str(path))
    if not stat.S_ISREG(seen.st_mode):
        raise ConfigUnsafe(f"{path} is not a regular file", hint=f"look at it: ls -ld {name}")
    if seen.st_uid not in (os.geteuid(), 0):
        raise ConfigUnsafe(
            f"{path} belongs to user {seen.st_uid}, who could change it under us",
            hint=f"run: chown {os.geteuid()} {name}",
        )
    if seen.st_mode & _GROUP_OTHER_WRITE:
        raise ConfigUnsafe(
            f"{path} can be written by others (mode {stat.S_IMODE(seen.st_mode):04o})",
            hint=f"run: chmod go-w {name}",
        )
    if not keep_from_others or os.fstatvfs(fd).f_flag & os.ST_RDONLY:
        return
    if linked:
        raise ConfigUnsafe(
            f"{path} is a symbolic link, and a key file must not be one",
            hint=f"name the file itself: {shlex.quote(os.path.realpath(path))}",
        )
    if seen.st_mode & _GROUP_OTHER_ANY:
        raise ConfigUnsafe(
            f"{path} can be read by others (mode {stat.S_IMODE(seen.st_mode):04o})",
            hint=f"run: chmod 600 {name}",
        )


def _unreadable(path: Path, error: OSError) -> ConfigInvalid:
    return ConfigInvalid(
        f"{path} cannot be opened: {error.strerror}",
        hint=f"look at it as this user: ls -ld {shlex.quote(str(path))}",
    )
