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
    """Clear a stop (a rejected password, a challenge, a lock) or an alarm, once that is mended."""
    name = call.profile_name()
    try:
        told = call.client().unlock(name, force=force)
    except NoDaemon:
        told = call.once(lambda once: once.unlock(name, force=force))
    if call.json:
        return call.put_json(told)
    if told.get("alarm"):
        call.say(f"{name}: the alarm is over, what was held is handed out again")
    cleared = told.get("cleared")
    if cleared:
        call.say(f"{name}: unlocked (it was {cleared})")
    elif not told.get("alarm"):
        call.say(f"{name}: nothing was stopped")
    return 0
