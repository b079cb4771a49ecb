"""`harvester credential-helper get`: the protocol of Bazel and others, on stdin and stdout.

The plain call with a daemon never comes here (see ``harvester/credential.py``).
"""

from __future__ import annotations

import sys
import time

import click

from harvester import credential, wire
from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.telling import put
from harvester.errors import NoDaemon, OriginMismatch


@click.group("credential-helper")
@global_options
def command() -> None:
    """Give a session's headers to a tool that speaks the credential-helper protocol."""


@command.command("get")
@global_options
@pass_call
def get(call: Call) -> int:
    """Read {"uri": ...}, print {"expires": ..., "headers": ...}; for the profile's origin only.

    Never signs in without a daemon: a tool that loses its patience would kill the sign-in.
    """
    name = call.profile_name()
    origin = credential.origin_asked(sys.stdin.buffer)
    try:
        return put(credential.from_daemon(call.client(credential.OPERATION), name, origin))
    except NoDaemon:
        held = call.settings().profile(name).site.origin
    if origin != held:
        raise OriginMismatch(
            f"the profile {name} is for {held}, not for {origin}",
            hint="name this helper for the site's host only",
        )
    served = call.once(
        lambda once: once.token(name, min_valid_s=0.0, sign_in=False),
        operation=credential.OPERATION,
    )
    return put(credential.answer(wire.session_object(served), time.time()))
