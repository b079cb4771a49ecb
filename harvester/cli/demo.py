"""`harvester demo`: the whole story against the built-in stand-in."""

from __future__ import annotations

import click

from harvester.cli.call import Call, global_options, pass_call


@click.command("demo")
@global_options
@pass_call
def command(call: Call) -> int:
    """See it work: a real browser, the built-in stand-in, no account and no network."""
    from harvester.demo import Story

    Story(click.echo).tell()
    return 0
