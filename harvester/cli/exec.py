"""`harvester exec`: run a program with the session in its environment and in a file of its own.

The variables are of the moment; the file is written again whenever the daemon has a new
generation, for as long as the program runs.  No password, seed or key is in its environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import click

from harvester import knoq, wire
from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.child import Child
from harvester.cli.giving import in_form, keep, session_text
from harvester.cli.token import Duration
from harvester.client import Client
from harvester.errors import HarvesterError, Usage
from harvester.process import environment_of_the_user
from harvester.redact import clean
from harvester.watching import Watching

# As shells say it.
_NOT_FOUND, _NOT_RUNNABLE = 127, 126
# A daemon that is restarted is back within this time; asked for more often it is no sooner.
_AGAIN_S = 2.0


# Flags after the program's name are its own.
@click.command("exec", context_settings={"allow_interspersed_args": False})
@click.option(
    "--min-valid", type=Duration(), default="0s", metavar="TIME",
    help="Refresh first if the session would end sooner than this (90s, 15m, 12h).",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(list(wire.FORMATS)), default="json", show_default=True,
    help=f"What {knoq.FILE_VARIABLE} holds.",
)  # fmt: skip
@click.option("--no-sign-in", is_flag=True, help="Rather fail than sign in.")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="CMD ...")
@global_options
@pass_call
def command(
    call: Call, min_valid: float, form: str, no_sign_in: bool, words: tuple[str, ...]
) -> int:
    """Run CMD with KNOQ_COOKIE, KNOQ_ORIGIN and KNOQ_SESSION_FILE set; its exit code is ours."""
    # What we shut for ourselves (process.py) is not to be shut for the program.
    umask = os.umask(0o077)
    if not words[0]:
        raise Usage("the program's name is empty", hint="harvester exec -- CMD ...")
    may = not no_sign_in
    told = json.loads(
        session_text(call, form="json", min_valid_s=min_valid, sign_in=may, operation="exec")
    )
    client, name = call.client("exec"), call.profile_name()
    text = in_form(told, form)
    # From here on a signal is the program's, and no end of it leaves the file behind.
    with Child() as child, _private_directory() as directory:
        path = Path(directory) / "session"
        keep(path, text)
        os.umask(umask)
        session = {
            knoq.COOKIE_VARIABLE: told["headers"]["Cookie"],
            knoq.ORIGIN_VARIABLE: told["origin"],
            knoq.FILE_VARIABLE: str(path),
        }
        with _Kept(client, name, form, path, told["generation"]):
            try:
                return child.run(words, {**environment_of_the_user(), **session, **_proxy(client)})
            except OSError as error:
                sys.stderr.write(f"harvester: {clean(words[0])}: {error.strerror}\n")
                return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_RUNNABLE


def _private_directory() -> tempfile.TemporaryDirectory[str]:
    """0700, in memory where the system has such a place; gone at the end."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    place = runtime if runtime and os.access(runtime, os.W_OK) else None
    return tempfile.TemporaryDirectory(
        prefix="harvester-exec-", dir=place, ignore_cleanup_errors=True
    )


def _proxy(client: Client) -> dict[str, str]:
    """Where the daemon's proxy listens, if a daemon runs and has one."""
    try:
        proxy = client.status().get("proxy")
    except HarvesterError:
        proxy = None
    if not isinstance(proxy, Mapping):
        return {}
    told = {knoq.PROXY_VARIABLE: proxy.get("unix"), knoq.PROXY_TOKEN_VARIABLE: proxy.get("token")}
    if proxy.get("tcp"):
        told[knoq.PROXY_URL_VARIABLE] = f"http://{proxy['tcp']}"
    return {name: value for name, value in told.items() if value}


class _Kept:
    """Writes the file again for each new generation, in a thread; a context manager.

    Without a daemon there is none to come; one that starts meanwhile is found.
    """

    def __init__(self, client: Client, name: str, form: str, path: Path, generation: int) -> None:
        self._client = client
        self._name = name
        self._form = form
        self._path = path
        self._generation = generation
        self._watching = Watching(client, name)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._over.set()
        self._watching.close()
        self._thread.join()

    def _follow(self) -> None:
        while not self._over.is_set():
            # What cannot be had or written now is tried again; the file before it stays.
            with contextlib.suppress(HarvesterError):
                for told in self._watching.told(self._generation):
                    self._take(told.get("generation"))
            self._over.wait(_AGAIN_S)

    def _take(self, generation: int | None) -> None:
        if generation is None or generation == self._generation:
            return
        text, _ = self._client.token(self._name, form=self._form, sign_in=False)
        keep(self._path, text)
        self._generation = generation
