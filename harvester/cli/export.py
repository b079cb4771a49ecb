"""`harvester export`: give out the session that there is; never signs in."""

from __future__ import annotations

import click

from harvester import wire
from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.giving import deliver, session_text
from harvester.errors import SignInForbidden


@click.command("export")
@click.option(
    "--format", "form", type=click.Choice(list(wire.FORMATS)), default=wire.DEFAULT_FORMAT,
    show_default=True, help="As what.",
)  # fmt: skip
@click.option("--output", metavar="FILE", help="Write it to this file (0600), whole or not at all.")
@click.option(
    "--sealed", is_flag=True, help="A sealed bundle with the whole state, for a CI cache."
)
@global_options
@pass_call
def command(call: Call, form: str, output: str | None, sealed: bool) -> int:
    """Give out the session of the daemon or of the store, for another tool to take in.

    With --sealed: session, identity state and ledger, which open with the store's key alone.
    """
    if sealed:
        name = call.profile_name()
        record = call.once(lambda once: once.pack(name))
        return deliver(record.decode("ascii").rstrip("\n"), output)
    form = "json" if call.json else form
    try:
        text = session_text(call, form=form, sign_in=False, operation="export")
    except SignInForbidden as error:
        error.hint = "run: harvester login"  # nobody forbade it; this command just does not
        raise
    return deliver(text, output)
