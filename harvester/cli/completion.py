"""`harvester completion bash|zsh|fish`: what a shell sources to complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from harvester.cli.call import global_options
from harvester.cli.telling import put
from harvester.errors import Bug

_SHELLS = ("bash", "zsh", "fish")
# By this name click is asked, when the shell wants to know what may come next.
_VARIABLE = "_HARVESTER_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(_SHELLS))
@global_options
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print the lines that make a shell complete harvester's commands.

    \b
    bash:  eval "$(harvester completion bash)"       in ~/.bashrc
    zsh:   eval "$(harvester completion zsh)"        in ~/.zshrc
    fish:  harvester completion fish | source        in ~/.config/fish/config.fish
    """
    found = get_completion_class(shell)
    if found is None:
        raise Bug(f"there is no completion for {shell}")
    program = ctx.find_root()
    return put(found(program.command, {}, "harvester", _VARIABLE).source().rstrip("\n"))
