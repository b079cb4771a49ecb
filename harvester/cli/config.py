"""`harvester config show|path|check`: the effective settings, and where each comes from."""

from __future__ import annotations

import os

import click

from harvester.cli import checks
from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.telling import put
from harvester.errors import ConfigInvalid
from harvester.paths import config_candidates
from harvester.redact import clean


@click.group("config")
@global_options
def command() -> None:
    """Effective settings with where each came from; secrets are never shown."""


@command.command("show")
@click.option("--all", "everything", is_flag=True, help="Also what nobody has set.")
@global_options
@pass_call
def show(call: Call, everything: bool) -> int:
    """Show what is set, and from where; --all shows the defaults too."""
    sources = call.settings().sources
    if call.json:
        return call.put_json(
            [{"name": one.name, "value": one.value, "where": one.where} for one in sources]
        )
    shown = [one for one in sources if everything or one.where != "default"]
    width = max((len(one.name) for one in shown), default=0)
    for one in shown:
        put(f"{one.name:<{width}}  {clean(one.value)}  ({clean(one.where)})")
    if not everything:
        call.say(f"{len(sources) - len(shown)} settings are at their defaults; --all shows them")
    return 0


@command.command("path")
@global_options
@pass_call
def path(call: Call) -> int:
    """Print the config file that is read, or the one that would be."""
    used = call.settings().process.config_path
    if used is None:
        call.say("no config file exists; this one would be read first")
        used = config_candidates(call.config, os.environ)[0]
    return put(str(used))


@command.command("check")
@global_options
@pass_call
def check(call: Call) -> int:
    """Read all settings, and look whether the secrets' files and commands are there."""
    settings = call.settings()
    settings.profile(settings.selected)
    wrong = [one for one in checks.secrets(settings) if one.state == "fail"]
    if wrong:
        raise ConfigInvalid(
            "; ".join(one.message for one in wrong), hint="; ".join(one.mend for one in wrong)
        )
    if call.json:
        return call.put_json({"ok": True, "profiles": list(settings.profiles)})
    call.say("all settings are right; profiles: " + ", ".join(settings.profiles))
    return 0
