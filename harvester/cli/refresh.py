"""`harvester refresh`: get a fresh session now."""

from __future__ import annotations

import click

from harvester import wire
from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.renewed import show, unless_stale
from harvester.client import TOKEN_WAIT_S
from harvester.errors import NoDaemon


@click.command("refresh")
@click.option("--hard", is_flag=True, help="A whole new sign-in.")
@global_options
@pass_call
def command(call: Call, hard: bool) -> int:
    """Refresh now: the cheapest way that works, or with --hard a new sign-in."""
    name = call.profile_name()
    try:
        with call.following("the daemon refreshes"):
            told = unless_stale(call.client().refresh(name, hard=hard, wait_s=TOKEN_WAIT_S))
    except NoDaemon:
        told = wire.session_object(call.once(lambda once: once.refresh(name, hard=hard)))
    return show(call, told, "refreshed the session at")
