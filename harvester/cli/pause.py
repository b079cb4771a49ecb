"""`harvester pause`: hand out nothing, until `harvester resume`."""

from __future__ import annotations

import os

import click

from harvester.cli.call import Call, global_options, pass_call
from harvester.errors import ConfigInvalid, NoDaemon


@click.command("pause")
@global_options
@pass_call
def command(call: Call) -> int:
    """Hand out no session any more: not by the API, the proxy, a kept file or a command.

    Of all profiles, or of the one named by --profile.  The sessions are kept alive meanwhile.
    """
    name = _name(call)
    try:
        told = call.client_anyway().pause(name)
    except NoDaemon:
        told = call.once(lambda once: once.pause(name))
    if call.json:
        return call.put_json(told)
    what = name or "everything"
    call.say(f"{what}: paused" if told.get("changed") else f"{what}: was paused already")
    return 0


def _name(call: Call) -> str | None:
    """None for all.  Where the settings cannot be read, the daemon knows its profiles."""
    try:
        return call.named_profile()
    except ConfigInvalid:
        return call.profile or os.environ.get("HARVESTER_PROFILE") or None
