"""Where the daemon's socket and the store lie, as plain text.

Owns the contract's search order.  The fast command runs through here thousands of times a day, so
this imports what a bare interpreter has loaded already, and what an error needs only where there is
one: no pathlib, and not even ``__future__``.  ``paths.py`` is the same for everybody else.
"""

import os
import sys

TYPE_CHECKING = False  # typing's own, without importing typing
if TYPE_CHECKING:
    from collections.abc import Mapping

SOCKET_NAME = "harvester.sock"
# sun_path is 108 bytes on Linux and 104 on macOS and the BSDs, one of them the final zero.
SOCKET_PATH_LIMIT_BYTES = 107 if sys.platform.startswith("linux") else 103


def home(environ: "Mapping[str, str]") -> str:
    """Raises ConfigInvalid for a user who has none."""
    given = environ.get("HOME", "")
    if given.startswith("/"):
        return given
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        pass
    from harvester.errors import ConfigInvalid

    raise ConfigInvalid(
        f"user {os.geteuid()} has no home directory",
        hint="set HARVESTER_STORE to a directory of this user, and HARVESTER_CONFIG if needed",
    )


def absolute(environ: "Mapping[str, str]", name: str) -> str | None:
    """A directory from the environment.  The XDG rules say that a relative one is to be ignored."""
    given = environ.get(name, "")
    return given if given.startswith("/") else None


def default_store(environ: "Mapping[str, str]") -> str:
    """``$XDG_STATE_HOME/harvester``, else the platform's place for state.  Raises ConfigInvalid.

    Written out here, not asked of platformdirs: the fast command looks for a socket in it.
    """
    state = absolute(environ, "XDG_STATE_HOME")
    if state is not None:
        return f"{state}/harvester"
    if sys.platform == "darwin":
        return f"{home(environ)}/Library/Application Support/harvester"
    return f"{home(environ)}/.local/state/harvester"


def named_socket(explicit: str | None, environ: "Mapping[str, str]") -> str | None:
    """The socket that a flag or the environment names.  Raises ConfigInvalid."""
    named = explicit or environ.get("HARVESTER_SOCKET")
    if not named:
        return None
    path = os.path.abspath(os.path.expanduser(named))
    check_length(path)
    return path


def socket_candidates(
    explicit: str | None, store: str | None, environ: "Mapping[str, str]"
) -> list[str]:
    """Where a client looks for the daemon, best first; a named socket is the only one.

    ``store`` None means the one of the environment, else the default one.  A default place whose
    path is too long is left out: nobody can be listening there.
    """
    named = named_socket(explicit, environ)
    if named is not None:
        return [named]
    personal = absolute(environ, "XDG_RUNTIME_DIR")
    places = [] if personal is None else [f"{personal}/harvester"]
    places += [f"/run/user/{os.geteuid()}/harvester", "/run/harvester"]
    if store is None:
        store = _store_of(environ)
    if store is not None:
        places.append(f"{os.path.abspath(store)}/run")
    paths = dict.fromkeys(f"{place}/{SOCKET_NAME}" for place in places)
    return [path for path in paths if fits(path)]


def _store_of(environ: "Mapping[str, str]") -> str | None:
    """The store's directory; None where it is no directory, or nobody can tell which."""
    given = environ.get("HARVESTER_STORE", "")
    if given:
        return None if "://" in given else os.path.expanduser(given)
    try:
        return default_store(environ)
    except Exception as error:
        from harvester.errors import ConfigInvalid

        if not isinstance(error, ConfigInvalid):
            raise
        return None  # no home: the other places may do


def fits(path: str) -> bool:
    return len(os.fsencode(path)) <= SOCKET_PATH_LIMIT_BYTES


def check_length(path: str) -> None:
    """Raises ConfigInvalid if the path is none that a socket address can hold."""
    if "\0" not in path and fits(path):
        return
    from harvester.errors import ConfigInvalid

    if "\0" in path:
        raise ConfigInvalid(
            "HARVESTER_SOCKET holds a zero byte", hint="set it to the path of a socket"
        )
    raise ConfigInvalid(
        f"the socket's path is {len(os.fsencode(path))} bytes long, the system allows "
        f"{SOCKET_PATH_LIMIT_BYTES}: {path}",
        hint="set HARVESTER_SOCKET to a shorter path, such as /run/user/"
        f"{os.geteuid()}/{SOCKET_NAME}",
    )
