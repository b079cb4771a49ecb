"""`harvester import`: take in a session that a person has in a browser.

What is pasted is a secret: it comes from a file or from standard input, never as an argument,
which every user of the machine can read; and no message repeats it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from harvester import pasted, wire
from harvester.cli import terminal
from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.renewed import show
from harvester.client import TOKEN_WAIT_S
from harvester.errors import NoDaemon, Usage
from harvester.session import Cookie
from harvester.vault.seal import MAX_RECORD_BYTES

_FATES = {
    "none": "the ledger; there was no session in it",
    "ours": "the ledger; the session here is as late or later, and stays",
    "taken": "the session, which the site accepts, and the ledger",
    "unproved": "the session and the ledger; the site did not say whether the session lives",
    "denied": "the ledger; the site refuses the session in it",
    "unreachable": "the ledger; the site did not answer, and the session here stays",
}


# A cookie or a cURL command as arguments would be repeated in click's own complaint.
@click.command("import", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, metavar="FILE|-")
@click.option(
    "--format", "form", type=click.Choice([*pasted.FORMS, pasted.VALUE]),
    help="What it is; else it is recognised by looking.",
)  # fmt: skip
@click.option("--sealed", is_flag=True, help="It is a bundle of `harvester export --sealed`.")
@global_options
@pass_call
def command(call: Call, words: tuple[str, ...], form: str | None, sealed: bool) -> int:
    """Take in a session from a browser: a Cookie header, "Copy as cURL", cookies.txt, JSON.

    With --sealed: what another store had, of which nothing that is known here is forgotten.
    """
    name = call.profile_name()
    if sealed:
        return _unpack(call, name, _read(call, words, MAX_RECORD_BYTES))
    profile = call.settings().profile(name)
    data = _read(call, words, pasted.LARGEST_BYTES)
    found = pasted.read(data, form, name=profile.session_cookie)
    origin = profile.site.origin
    cookies = found.for_origin(origin)
    _tell_what_was_read(call, found, cookies, origin)
    try:
        with call.waiting("the site is asked"):
            told: Mapping[str, Any] = call.client().bring(
                name,
                [wire.cookie_object(cookie) for cookie in cookies],
                user_agent=found.user_agent,
                origin=origin,
                wait_s=TOKEN_WAIT_S,
            )
    except NoDaemon:
        told = wire.session_object(
            call.once(lambda once: once.bring(name, cookies, user_agent=found.user_agent))
        )
    needed = [str(cookie["name"]) for cookie in told["cookies"]]
    ended = show(call, {**told, "needed": needed}, "took in the session at")
    if not call.json:
        call.say(f"  the site needs {' and '.join(needed)} of them")
        if not told.get("organization_proved"):
            call.say("  nothing proves which organisation it belongs to")
        if not told.get("expires_at"):
            call.say("  when it ends is not known: a Cookie header does not say")
    return ended


def _unpack(call: Call, name: str, record: bytes) -> int:
    told = call.once(lambda once: once.unpack(name, record))
    if call.json:
        return call.put_json(told)
    call.say(f"took in the bundle: {_FATES[told['session']]}")
    return 0


def _read(call: Call, words: tuple[str, ...], most: int) -> bytes:
    """The bytes of the one file that is named; at most one more than ``most``."""
    if len(words) != 1 or (words[0].startswith("-") and words[0] != "-"):
        raise Usage(
            "name one file, or - for standard input; a session is never given as an argument, "
            "which other users can read",
            hint="run: harvester import -   and paste it",
        )
    if words[0] != "-":
        try:
            with open(words[0], "rb") as file:
                return file.read(most + 1)
        except (OSError, ValueError):
            wrong = Usage(
                "there is no such file that can be read",
                hint="to paste a session, run: harvester import -",
            )
        raise wrong
    if sys.stdin.isatty():
        if not call.quiet:
            terminal.tell("Paste the session (it is not shown), then press Enter and Ctrl-D:")
        return terminal.pasted(most + 1)
    return sys.stdin.buffer.read(most + 1)


def _tell_what_was_read(
    call: Call, found: pasted.Pasted, cookies: tuple[Cookie, ...], origin: str
) -> None:
    left_out = len(found.cookies) - len(cookies)
    others = f", {left_out} left out (of other hosts, or not fit to be sent)" if left_out else ""
    what = "cookie" if len(cookies) == 1 else "cookies"
    call.say(f"read as {found.kind}: {len(cookies)} {what} for {origin}{others}")
