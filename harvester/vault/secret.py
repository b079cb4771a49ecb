"""A secret from where the user keeps it: the environment, a file, or a command.

Owns the reading and its time limit.  Never shows what it read, nor what a command printed: an
error names the setting and the place.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping

from harvester.errors import ConfigInvalid
from harvester.paths import read_key_file, read_private_file
from harvester.process import core_limit_of_the_user
from harvester.profile import SecretSource

# A password manager may ask for a touch of a key or a fingerprint; nobody waits longer than this.
COMMAND_LIMIT_S = 30.0
# A passphrase is a line.  More is a wrong file, or a command that prints its help.
SECRET_LIMIT_BYTES = 64 * 1024
# How often an ended command is noticed whose child still holds its output open.
_LOOK_EVERY_S = 0.05


def read_secret(
    source: SecretSource,
    *,
    key: bool = False,
    limit_s: float = COMMAND_LIMIT_S,
    environ: Mapping[str, str] | None = None,
) -> str:
    """The first line of the secret, without its line end.  Blocks, for a command up to 30 s.

    ``key`` asks of a file what is asked of key files (nobody else may read it).  A command gets
    ``environ``, ours by default, without what belongs to harvester.
    Raises ConfigInvalid or ConfigUnsafe; never with a part of the secret in it.
    """
    if source.kind == "value":
        data = source.value.encode("utf-8", "surrogateescape")
    elif source.kind == "file":
        data = _from_file(source, key=key)
    else:
        data = _from_command(source, limit_s, os.environ if environ is None else environ)
    return _first_line(data, source)


def _first_line(data: bytes, source: SecretSource) -> str:
    # A bare \r is no line end: a lone one is refused below.
    line = data.partition(b"\n")[0].removesuffix(b"\r")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise _invalid(source, "is not UTF-8 text") from None
    if not text:
        raise _invalid(source, "is empty")
    # Typed into a page these do something else than stand there, and that spends an attempt.
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
        raise _invalid(source, "holds control characters")
    return text


def _from_file(source: SecretSource, *, key: bool) -> bytes:
    read = read_key_file if key else read_private_file
    try:
        return read(os.path.expanduser(source.path), SECRET_LIMIT_BYTES)
    except FileNotFoundError:
        raise _invalid(source, "is not there") from None


def _from_command(source: SecretSource, limit_s: float, environ: Mapping[str, str]) -> bytes:
    if not source.argv:
        raise ConfigInvalid(f"{source.name} names no program", hint="set it to a command")
    try:
        with core_limit_of_the_user():
            process = subprocess.Popen(
                source.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # it may say what it should not
                env=command_environment(environ),
                start_new_session=True,  # so that it can be killed with all its children
            )
    except FileNotFoundError:
        raise _invalid(source, "names a program that is not there") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "bad words"
        raise _invalid(source, f"could not be started ({reason})") from None
    try:
        data = _output(process, time.monotonic() + limit_s)
    finally:
        if process.returncode is None:
            # Not yet waited for, so the number is still its own.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if data is None:
        raise _invalid(source, f"printed too much, or did not end within {limit_s:g} s")
    if process.returncode != 0:
        raise _invalid(source, f"failed with exit code {process.returncode}")
    return data


def _output(process: subprocess.Popen[bytes], until_s: float) -> bytes | None:
    """What the command printed before it ended; None if it was too slow or printed too much.

    Not ``communicate``: that waits for the *pipe* to close, and an agent that the command left
    running in the background (as password managers do) may hold it open for days.
    """
    if process.stdout is None:
        return None
    fd = process.stdout.fileno()
    os.set_blocking(fd, False)
    data = b""
    at_end = False
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while len(data) <= SECRET_LIMIT_BYTES:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return None
            if at_end:
                try:
                    process.wait(left_s)
                except subprocess.TimeoutExpired:
                    return None
                return data
            # Asked before the last read, so that what it printed while ending is still read.
            ended = process.poll() is not None
            selector.select(0 if ended else min(left_s, _LOOK_EVERY_S))
            try:
                chunk = os.read(fd, SECRET_LIMIT_BYTES + 1)
            except BlockingIOError:
                if ended:
                    return data
                continue
            data += chunk
            at_end = not chunk
    return None


def command_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a user's command: all of it, but our own settings and secrets."""
    return {name: value for name, value in environ.items() if not name.startswith("HARVESTER_")}


def _invalid(source: SecretSource, what: str) -> ConfigInvalid:
    hint = {
        "value": f"set {source.name} again",
        "file": "the file's first line must be the secret",
        "command": "run the command by hand: its first line of output must be the secret",
    }[source.kind]
    return ConfigInvalid(f"{source.named()} {what}", hint=hint)
