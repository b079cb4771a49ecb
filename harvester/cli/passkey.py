"""`harvester passkey enroll|list|remove`: the software passkeys of this machine."""

from __future__ import annotations

import re
import socket
from typing import Any

import click

from harvester.cli.at_window import Window
from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.telling import put
from harvester.clock import rfc3339
from harvester.errors import Usage
from harvester.passkeys import NAME, Passkey, covers
from harvester.redact import clean

_HEAD = ("NAME", "SITE", "USER", "MADE", "LAST USED")


@click.group("passkey")
@global_options
def command() -> None:
    """Passkeys of this machine: a profile that has one signs in without a password."""


@command.command("enroll")
@click.option("--name", "given", metavar="NAME", help="Its name here; by default this machine's.")
@global_options
@pass_call
def enroll(call: Call, given: str | None) -> int:
    """Make a passkey for this machine, by yourself, in a window that opens."""
    name = call.profile_name()
    passkey_name = _this_machine() if given is None else given
    if not NAME.fullmatch(passkey_name):
        raise Usage(
            "a passkey's name is letters, digits, dots, dashes and underscores, 64 at most",
            hint="give one with --name",
        )
    call.say(
        "in the window that opens: sign in, go to the security page of your account, add a "
        "passkey there, and close the window"
    )
    window = Window(call)
    enrolled = call.once(lambda once: once.enroll(name, passkey_name), window.step)
    passkey = enrolled.passkey
    if call.json:
        return call.put_json(_told(passkey))
    call.say(clean(f"passkey {passkey.name} for {passkey.rp_id} is kept, sealed"))
    if enrolled.trouble is not None:
        call.say(clean(f"there is no new session yet: {enrolled.trouble.message}"))
    profile = call.settings().profile(name)
    origins = (profile.site.origin, *profile.identity_origins)
    if not any(covers(passkey.rp_id, origin) for origin in origins):
        call.say(
            clean(
                f"  hint: it is used only where the profile signs in: add the origin of "
                f"{passkey.rp_id} to HARVESTER_IDENTITY_ORIGINS"
            )
        )
    call.say("  hint: `harvester login` signs in with it, and proves that it works")
    return 0


@command.command("list")
@global_options
@pass_call
def listed(call: Call) -> int:
    """Show the passkeys of this machine for the profile; no key is shown."""
    name = call.profile_name()
    passkeys = call.once(lambda once: once.passkeys(name))
    if call.json:
        return call.put_json([_told(one) for one in passkeys])
    if not passkeys:
        call.say(f"{name}: there is no passkey; make one with: harvester passkey enroll")
        return 0
    rows = [_HEAD, *(_row(one) for one in passkeys)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        put("  ".join(cells).rstrip())
    return 0


@command.command("remove")
@click.argument("passkey_name", metavar="NAME")
@global_options
@pass_call
def remove(call: Call, passkey_name: str) -> int:
    """Forget a passkey here.  The provider forgets it only when you revoke it there."""
    name = call.profile_name()
    gone = call.once(lambda once: once.remove_passkey(name, passkey_name))
    if call.json:
        return call.put_json(_told(gone))
    call.say(clean(f"passkey {gone.name} for {gone.rp_id} is forgotten here"))
    whose = f" of {gone.user_name}" if gone.user_name else ""
    call.say(clean(f"  hint: revoke it too, on the security page{whose} at {gone.rp_id}"))
    return 0


def _this_machine() -> str:
    """The machine's own name, as far as a passkey may be called by it."""
    host = socket.gethostname().partition(".")[0]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", host).strip("._-")[:64] or "this-machine"


def _told(passkey: Passkey) -> dict[str, Any]:
    return {
        "name": passkey.name,
        "site": passkey.rp_id,
        "user": passkey.user_name,
        "created_at": rfc3339(passkey.created_at),
        "used_at": None if passkey.used_at is None else rfc3339(passkey.used_at),
    }


def _row(passkey: Passkey) -> tuple[str, ...]:
    told = _told(passkey)
    used = told["used_at"] or "never"
    return tuple(
        clean(str(one)) for one in (told["name"], told["site"], told["user"] or "-",
                                    told["created_at"], used)
    )  # fmt: skip
