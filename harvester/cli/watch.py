"""`harvester watch`: one line for each new generation and each change of state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.telling import put
from harvester.redact import clean
from harvester.watching import Watching


@click.command("watch")
@click.option("--after", type=click.IntRange(min=0), metavar="GENERATION", help="The one you have.")
@global_options
@pass_call
def command(call: Call, after: int | None) -> int:
    """Tell of each new generation and each change of state, until interrupted or the daemon ends.

    No line holds a cookie: ask `harvester token` for the session when its generation is new.
    """
    for told in Watching(call.client(), call.profile_name()).told(after):
        line = json.dumps(told, ensure_ascii=False) if call.json else _line(told)
        if put(line):
            return 1  # nobody reads any more
    return 0


def _line(told: Mapping[str, Any]) -> str:
    words = [str(told.get("at")), str(told.get("profile")), str(told.get("state"))]
    if told.get("generation") is not None:
        words.append(f"generation {told['generation']}")
    if told.get("expires_at"):
        words.append(f"until {told['expires_at']}")
    if told.get("code"):
        words.append(str(told["code"]))
    return clean(" ".join(words))
