"""`harvester serve`: the daemon, in the foreground."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import click

from harvester.cli.call import Call, global_options, pass_call
from harvester.settings import Settings


@click.command("serve")
@global_options
@pass_call
def command(call: Call) -> int:
    """Run the daemon in the foreground: schedule, socket, files.

    Stops on TERM and INT; reads its settings again on HUP.
    """

    def said(settings: Settings) -> Settings:
        if not call.verbose and not call.quiet:
            return settings
        process = replace(settings.process, log_level="debug" if call.verbose else "warning")
        return replace(settings, process=process)

    first = said(call.settings(serving=True))
    # Not before this process is hardened: aiohttp makes its TLS ready as it is imported.
    from harvester.daemon import serve

    return asyncio.run(serve(first, lambda: said(call.read_again(serving=True))))
