"""The table of commands, and what becomes of everything that a command can end with.

One command = one file beside this one; flags are read there, the work is elsewhere.
"""

from __future__ import annotations

import difflib
import importlib
import keyword
import sys
from collections.abc import Sequence

import click

from harvester import __version__
from harvester.cli.call import Call, global_options
from harvester.cli.telling import bug, put, tell
from harvester.errors import HarvesterError, Usage

# Each is a module of this package with an object called `command`; one whose name is a word of
# the language has an underscore after it.
COMMANDS = (
    "demo",
    "init",
    "login",
    "token",
    "serve",
    "status",
    "refresh",
    "watch",
    "exec",
    "credential-helper",
    "import",
    "export",
    "logout",
    "unlock",
    "pause",
    "resume",
    "passkey",
    "key",
    "lease",
    "history",
    "doctor",
    "config",
    "completion",
)
# The protocol's name for itself, which is no name for a file.
_ELSEWHERE = {"credential-helper": "credential"}
_INTERRUPTED = 130


class Commands(click.Group):
    """Loads a command's file when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = _ELSEWHERE.get(cmd_name, cmd_name + "_" * keyword.iskeyword(cmd_name))
        found = importlib.import_module(f"harvester.cli.{module}").command
        return found if isinstance(found, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean `harvester {close[0]}`?" if close else "see `harvester --help`"
            raise Usage("there is no such command", hint=hint)
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.exit(put(f"harvester {__version__}"))


@click.command("harvester", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@global_options
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version,
    help="Print the version.",
)  # fmt: skip
def harvester() -> None:
    """Signs in to knoq.one with your own account and keeps the session alive for your tools."""


def run(args: Sequence[str], call: Call | None = None) -> int:
    """Run one command line; returns the exit code and raises nothing."""
    call = Call() if call is None else call
    # Where the command line itself is wrong, the flags have not been read.
    as_json = "--json" in args
    try:
        ended = harvester.main(
            args=list(args), prog_name="harvester", standalone_mode=False, obj=call
        )
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(error.format_message() + "\n")
        return Usage.exit_code
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        hint = f"see `{where or 'harvester'} --help`"
        return tell(Usage(error.format_message(), hint=hint), as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except HarvesterError as error:
        return tell(error, as_json=as_json or call.json)
    except BrokenPipeError:
        return 1
    except Exception as error:  # the last door: told as what it is, never swallowed
        return bug(error, as_json=as_json or call.json, with_frames=call.verbose >= 2)
    return ended if isinstance(ended, int) else 0
