"""`harvester serve`: the daemon, in the foreground."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import click

from harvester.cli.call import Call, global_options, pass_call


@click.command("serve")
@global_options
@pass_call
def command(call: Call) -> int:
    """Run the daemon in the foreground: schedule, socket, files.  Stops on TERM and INT."""
    from harvester.daemon import serve

    settings = call.settings(serving=True)
    if call.verbose or call.quiet:
        process = replace(settings.process, log_level="debug" if call.verbose else "warning")
        settings = replace(settings, process=process)
    return asyncio.run(serve(settings))
