"""`harvester unlock`: a person says that the cause of a stop is mended."""

from __future__ import annotations

import click

from harvester.cli.call import Call, global_options, pass_call
from harvester.errors import NoDaemon


@click.command("unlock")
@click.option("--force", is_flag=True, help="Also an account that was locked less than a day ago.")
@global_options
@pass_call
def command(call: Call, force: bool) -> int:
    """Clear a stop (after a rejected password, a challenge, a lock), once its cause is mended."""
    name = call.profile_name()
    try:
        told = call.client().unlock(name, force=force)
    except NoDaemon:
        told = call.once(lambda once: once.unlock(name, force=force))
    if call.json:
        return call.put_json(told)
    cleared = told.get("cleared")
    call.say(f"{name}: unlocked (it was {cleared})" if cleared else f"{name}: nothing was stopped")
    return 0
