"""`harvester resume`: hand out sessions again after `harvester pause`."""

from __future__ import annotations

import click

from harvester.cli.call import Call, global_options, pass_call
from harvester.errors import NoDaemon


@click.command("resume")
@global_options
@pass_call
def command(call: Call) -> int:
    """End a pause: of everything, or of the one profile named by --profile."""
    name = call.named_profile()
    try:
        told = call.client().resume(name)
    except NoDaemon:
        told = call.once(lambda once: once.resume(name))
    if call.json:
        return call.put_json(told)
    what = name or "everything"
    call.say(f"{what}: resumed" if told.get("changed") else f"{what}: was not paused")
    left = told.get("profiles") or {}
    if left:
        call.say(f"still paused: {', '.join(sorted(left))}")
    return 0
