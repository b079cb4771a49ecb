"""`harvester token`: print a live session, and nothing else on standard output."""

from __future__ import annotations

import json
import os

import click

from harvester import wire
from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.giving import deliver, in_form, session_text
from harvester.cli.telling import put
from harvester.clock import parse_duration
from harvester.errors import Usage


class Duration(click.ParamType[float]):
    """``90s``, ``15m``, ``12h``, ``7d``."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            return parse_duration(str(value))
        except ValueError:
            self.fail("is no duration: write it like 90s, 15m, 12h or 7d", param, ctx)


@click.command("token")
@click.option(
    "--min-valid", type=Duration(), default="0s", metavar="TIME",
    help="Refresh first if it would end sooner than this (90s, 15m, 12h).",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(list(wire.FORMATS)), default=wire.DEFAULT_FORMAT,
    show_default=True, help="How to print it.",
)  # fmt: skip
@click.option("--output", metavar="FILE", help="Write it to this file (0600), whole or not at all.")
@click.option("--no-sign-in", is_flag=True, help="Rather fail than sign in.")
@click.option(
    "--github", is_flag=True,
    help="For a GitHub Actions step: mask the values, write the path of a file to GITHUB_OUTPUT.",
)  # fmt: skip
@global_options
@pass_call
def command(
    call: Call, min_valid: float, form: str, output: str | None, no_sign_in: bool, github: bool
) -> int:
    """Print a live session: from the daemon, else from the store, else by signing in."""
    form = "json" if call.json else form
    if github:
        return _for_github(call, min_valid, form, output, sign_in=not no_sign_in)
    text = session_text(call, form=form, min_valid_s=min_valid, sign_in=not no_sign_in)
    return deliver(text, output)


def _for_github(
    call: Call, min_valid: float, form: str, output: str | None, *, sign_in: bool
) -> int:
    from harvester.cli import github

    if output is not None:
        raise Usage("--github makes a file of its own", hint="leave --output out")
    temp, outputs = github.places(os.environ)
    told = json.loads(session_text(call, form="json", min_valid_s=min_valid, sign_in=sign_in))
    lines = github.masks([(one["name"], one["value"]) for one in told["cookies"]])
    if put("\n".join(lines)):
        return 1  # who does not hear of the masks gets no file either
    github.hand_over(in_form(told, form), temp, outputs)
    return 0
