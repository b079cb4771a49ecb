"""`harvester logout`: sign out at the site and forget the session here."""

from __future__ import annotations

import click

from harvester.cli.call import Call, global_options, pass_call
from harvester.errors import NoDaemon


@click.command("logout")
@global_options
@pass_call
def command(call: Call) -> int:
    """Sign out at the site if that can be done, and delete session and identity state."""
    name = call.profile_name()
    try:
        with call.waiting("the daemon signs out"):
            told = call.client().logout(name)
    except NoDaemon:
        told = call.once(lambda once: once.logout(name))
    if call.json:
        return call.put_json(told)
    if told.get("had_session") is False:
        call.say(f"{name}: there was no session; nothing is stored now")
    elif told.get("denied"):
        call.say(f"{name}: signed out, and the site refuses the old cookie")
    else:
        call.say(f"{name}: forgotten here, but the site was not seen to refuse the old cookie")
        call.say("  hint: sign out in a browser too, or set HARVESTER_SIGN_OUT_PATH")
    return 0
