"""`harvester login`: sign in now and store the session."""

from __future__ import annotations

import click

from harvester import wire
from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.renewed import show, unless_stale
from harvester.client import TOKEN_WAIT_S
from harvester.errors import NoDaemon


@click.command("login")
@global_options
@pass_call
def command(call: Call) -> int:
    """Sign in now, whatever there is, and store the session."""
    name = call.profile_name()
    try:
        with call.waiting("the daemon signs in"):
            told = unless_stale(call.client().refresh(name, hard=True, wait_s=TOKEN_WAIT_S))
    except NoDaemon:
        told = wire.session_object(call.once(lambda once: once.login(name)))
    return show(call, told, "signed in to")
