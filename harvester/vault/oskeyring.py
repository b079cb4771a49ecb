"""The sealing key in the desktop's keyring: asked by a small program of its own.

A keyring may ask a person to unlock it, and that prompt may hang for ever; a program can be ended,
a call within this process cannot.  So ``python -m harvester.vault.oskeyring`` talks to it: the
question on its standard input, one line of JSON on its standard output, and nothing secret in its
words or its environment.

Only keyrings that encrypt and ask are talked to (``ALLOWED``).  A keyring that is not there, or is
none of them, is an error: never another place for the key.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any, Final

from harvester.errors import ConfigInvalid, KeyWrong
from harvester.vault.secret import COMMAND_LIMIT_S, command_environment

__all__ = ["ALLOWED", "COMMAND_LIMIT_S", "SERVICE", "ask"]

SERVICE: Final = "knoq-harvester"
# Backends that seal what they keep with the user's own log-in: of macOS, GNOME and KDE.
ALLOWED: Final = (
    "keyring.backends.macOS.Keyring",
    "keyring.backends.SecretService.Keyring",
    "keyring.backends.libsecret.Keyring",
    "keyring.backends.kwallet.DBusKeyring",
    "keyring.backends.kwallet.DBusKeyringKWallet4",
)
_SETTING = "HARVESTER_KEY_SOURCE=keyring"
_ELSEWHERE = "unlock it, or keep the key elsewhere: HARVESTER_KEY_FILE, HARVESTER_KEY_COMMAND"


def ask(
    entry: str,
    new: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    limit_s: float = COMMAND_LIMIT_S,
) -> str | None:
    """What the keyring holds under ``entry``, None if nothing; with ``new``, put that there.

    Blocks for up to ``limit_s``.  Raises ConfigInvalid where there is no keyring that we use,
    KeyWrong where it does not give or take the key.
    """
    told = _run({"entry": entry, "new": new}, environ, limit_s)
    value = told.get("value")
    match told.get("trouble"):
        case None if value is None or isinstance(value, str):
            return value
        case "not installed":
            raise ConfigInvalid(
                f"{_SETTING} needs the package keyring, which is not installed",
                hint="pip install 'knoq-harvester[keyring]', or set HARVESTER_KEY_FILE",
            )
        case "none":
            raise ConfigInvalid(
                f"{_SETTING} is set, and there is no keyring here (no desktop session?)",
                hint="keep the key elsewhere: HARVESTER_KEY_FILE, HARVESTER_KEY_COMMAND",
            )
        case "not allowed":
            raise ConfigInvalid(
                f"the keyring here is {str(told.get('backend'))[:100]}, which harvester does not "
                "trust with a key",
                hint="use one of: " + ", ".join(name.split(".")[2] for name in ALLOWED),
            )
        case "refused":
            raise KeyWrong(
                f"the keyring did not {'take' if new else 'give'} the sealing key "
                f"({str(told.get('kind'))[:60]})",
                hint=_ELSEWHERE,
            )
        case _:
            raise KeyWrong("the program that asks the keyring failed", hint=_ELSEWHERE)


def _run(
    question: dict[str, Any], environ: Mapping[str, str] | None, limit_s: float
) -> dict[str, Any]:
    environ = os.environ if environ is None else environ
    process = subprocess.Popen(
        # -P: a keyring.py that lies in the working directory is not ours to run.
        [sys.executable, "-P", "-m", "harvester.vault.oskeyring"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a backend may say what it should not
        env=command_environment(environ),
        start_new_session=True,  # so that it can be ended with whatever it started
    )
    late = False
    said = b""
    try:
        said, _ = process.communicate(json.dumps(question).encode(), timeout=limit_s)
    except subprocess.TimeoutExpired:
        late = True
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if late:
        raise KeyWrong(
            f"the keyring did not answer within {limit_s:g} s (is it locked, and asking?)",
            hint=_ELSEWHERE,
        )
    try:
        told = json.loads(said)
    except ValueError:
        return {"trouble": "odd"}
    return told if isinstance(told, dict) else {"trouble": "odd"}


# the program


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    if find_spec("keyring") is None:
        return {"trouble": "not installed"}
    import keyring  # here alone: the daemon never holds what talks to a desktop

    chosen = list(_chosen(keyring.get_keyring()))
    allowed = [one for one in chosen if _named(one) in ALLOWED]
    if not allowed:
        real = [name for name in map(_named, chosen) if ".fail." not in name]
        return {"trouble": "not allowed", "backend": real[0]} if real else {"trouble": "none"}
    backend = allowed[0]
    try:
        if question["new"] is not None:
            backend.set_password(SERVICE, question["entry"], question["new"])
        return {"value": backend.get_password(SERVICE, question["entry"])}
    except Exception as error:  # told by its kind alone: its words may hold anything
        return {"trouble": "refused", "kind": type(error).__name__}


def _chosen(backend: Any) -> Iterator[Any]:
    """The backend, or those that a chain of them would try, the best first."""
    if _named(backend) == "keyring.backends.chainer.ChainerBackend":
        yield from backend.backends
    else:
        yield backend


def _named(backend: Any) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"


def main() -> int:
    print(json.dumps(_answer(json.load(sys.stdin))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
