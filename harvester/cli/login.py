"""`harvester login`: sign in now and store the session."""

from __future__ import annotations

import click

from harvester import wire
from harvester.cli.at_window import Window
from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.renewed import show, unless_stale
from harvester.client import TOKEN_WAIT_S
from harvester.errors import NoDaemon, Usage


@click.command("login")
@click.option("--headed", is_flag=True, help="Open a window, and let you do it.")
@click.option(
    "--no-automation", is_flag=True,
    help="With --headed: an ordinary browser, for providers that refuse any other.",
)  # fmt: skip
@global_options
@pass_call
def command(call: Call, headed: bool, no_automation: bool) -> int:
    """Sign in now, also where a session lives, and store the new one."""
    name = call.profile_name()
    if headed:
        return _in_person(call, name, plain=no_automation)
    if no_automation:
        raise Usage("--no-automation goes with --headed", hint="harvester login --headed")
    try:
        with call.following("the daemon signs in"):
            told = unless_stale(call.client().refresh(name, hard=True, wait_s=TOKEN_WAIT_S))
    except NoDaemon:
        told = wire.session_object(call.once(lambda once: once.login(name)))
    return show(call, told, "signed in to")


def _in_person(call: Call, name: str, *, plain: bool) -> int:
    """Always in this process: a daemon has no screen.  One that runs follows the store."""
    window = Window(call)
    served = call.once(lambda once: once.login_in_person(name, plain=plain), window.step)
    window.offer_lessons(name)
    return show(call, wire.session_object(served), "signed in to")
