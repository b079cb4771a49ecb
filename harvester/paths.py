"""Where things lie on this machine, and whether a file there may be believed.

Owns the search order of config, store and socket (the contract's), and the opening of files that
a person wrote: config, env files, secrets.  Standard library only, because the fast command
imports it.  Knows no setting's meaning and nothing of what is in a file.
"""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from harvester.errors import ConfigInvalid, ConfigUnsafe

SOCKET_NAME = "harvester.sock"
CONFIG_NAME = "config.toml"
# sun_path is 108 bytes on Linux and 104 on macOS and the BSDs, one of them the final zero.
SOCKET_PATH_LIMIT_BYTES = 107 if sys.platform.startswith("linux") else 103
# A config file of a megabyte is no config file; the limit keeps /dev/zero from filling memory.
FILE_LIMIT_BYTES = 1024 * 1024

_GROUP_OTHER_WRITE = stat.S_IWGRP | stat.S_IWOTH
_GROUP_OTHER_ANY = stat.S_IRWXG | stat.S_IRWXO


def _home(environ: Mapping[str, str]) -> Path:
    given = environ.get("HOME", "")
    if given.startswith("/"):
        return Path(given)
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        raise ConfigInvalid(
            f"user {os.geteuid()} has no home directory",
            hint="set HARVESTER_STORE to a directory of this user, and HARVESTER_CONFIG if needed",
        ) from None


def _absolute(environ: Mapping[str, str], name: str) -> Path | None:
    """A directory from the environment.  The XDG rules say that a relative one is to be ignored."""
    given = environ.get(name, "")
    return Path(given) if given.startswith("/") else None


def default_store(environ: Mapping[str, str] | None = None) -> Path:
    """``$XDG_STATE_HOME/harvester``, else the platform's place for state.

    Written out here, not asked of platformdirs: the fast command looks for a socket in it.
    """
    environ = os.environ if environ is None else environ
    state = _absolute(environ, "XDG_STATE_HOME")
    if state is not None:
        return state / "harvester"
    if sys.platform == "darwin":
        return _home(environ) / "Library" / "Application Support" / "harvester"
    return _home(environ) / ".local" / "state" / "harvester"


def config_candidates(flag: str | None, environ: Mapping[str, str]) -> list[Path]:
    """Where the config file may be, best first.

    One that was named (flag, then ``HARVESTER_CONFIG``) is the only candidate: if it is missing
    that is an error, and no other file is to be read in its place.
    """
    named = flag or environ.get("HARVESTER_CONFIG")
    if named:
        return [Path(named).expanduser()]
    config = _absolute(environ, "XDG_CONFIG_HOME")
    if config is None:
        with suppress(ConfigInvalid):  # no home is no error here: there is /etc
            config = _home(environ) / ".config"
    personal = [] if config is None else [config / "harvester" / CONFIG_NAME]
    return [*personal, Path("/etc/harvester") / CONFIG_NAME]


def _named_socket(explicit: str | None, environ: Mapping[str, str]) -> Path | None:
    named = explicit or environ.get("HARVESTER_SOCKET")
    if not named:
        return None
    path = Path(os.path.abspath(Path(named).expanduser()))
    _check_length(path)
    return path


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= SOCKET_PATH_LIMIT_BYTES


def _check_length(path: Path) -> None:
    if "\0" in str(path):
        raise ConfigInvalid(
            "HARVESTER_SOCKET holds a zero byte", hint="set it to the path of a socket"
        )
    if not _fits(path):
        raise ConfigInvalid(
            f"the socket's path is {len(os.fsencode(path))} bytes long, the system allows "
            f"{SOCKET_PATH_LIMIT_BYTES}: {path}",
            hint="set HARVESTER_SOCKET to a shorter path, such as /run/user/"
            f"{os.geteuid()}/{SOCKET_NAME}",
        )


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
    named = _named_socket(explicit, environ)
    if named is not None:
        return named
    # systemd gives several runtime directories as one list.
    first = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    personal = _absolute(environ, "XDG_RUNTIME_DIR")
    login = Path(f"/run/user/{os.geteuid()}")
    if first.startswith("/"):
        path = Path(first) / SOCKET_NAME
    elif personal is not None:
        path = personal / "harvester" / SOCKET_NAME
    elif _is_our_directory(login):
        path = login / "harvester" / SOCKET_NAME
    else:
        path = Path(os.path.abspath(store)) / "run" / SOCKET_NAME
    _check_length(path)
    return path


def socket_candidates(
    explicit: str | None, store: Path | None, environ: Mapping[str, str]
) -> list[Path]:
    """Where a client looks for the daemon, best first; a named socket is the only one.

    ``store`` None means the one of the environment, else the default one.  A default place whose
    path is too long is left out: nobody can be listening there.
    """
    named = _named_socket(explicit, environ)
    if named is not None:
        return [named]
    personal = _absolute(environ, "XDG_RUNTIME_DIR")
    places = [] if personal is None else [personal / "harvester"]
    places += [Path(f"/run/user/{os.geteuid()}/harvester"), Path("/run/harvester")]
    if store is None:
        given = environ.get("HARVESTER_STORE", "")
        if given and "://" not in given:
            store = Path(given).expanduser()
        elif not given:
            with suppress(ConfigInvalid):  # no home: the other places may do
                store = default_store(environ)
    if store is not None:
        places.append(Path(os.path.abspath(store)) / "run")
    paths = dict.fromkeys(place / SOCKET_NAME for place in places)
    return [path for path in paths if _fits(path)]


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
