"""`harvester pause`: hand out nothing, until `harvester resume`."""

from __future__ import annotations

import click

from harvester.cli.call import Call, global_options, pass_call
from harvester.errors import NoDaemon


@click.command("pause")
@global_options
@pass_call
def command(call: Call) -> int:
    """Hand out no session any more: not by the API, the proxy, a kept file or a command.

    Of all profiles, or of the one named by --profile.  The sessions are kept alive meanwhile.
    """
    name = call.named_profile()
    try:
        told = call.client().pause(name)
    except NoDaemon:
        told = call.once(lambda once: once.pause(name))
    if call.json:
        return call.put_json(told)
    what = name or "everything"
    call.say(f"{what}: paused" if told.get("changed") else f"{what}: was paused already")
    return 0
