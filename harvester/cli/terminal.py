"""Asking a person at a terminal.  Prompts go to standard error, as all that is no value.

Owns lines, choices and hidden input.  Knows no setting.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Sequence

import click

from harvester.redact import clean

# In termios' list; and what Ctrl-D sends where the terminal does not heed it.
_LOCAL_MODES = 3
_END = b"\x04"
_CHUNK_BYTES = 65536


def is_there() -> bool:
    """Somebody can read what is asked, and type."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def tell(text: str = "") -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def ask(what: str, default: str = "") -> str:
    """One line; ``default`` if it is empty.  Raises Abort at the end of input."""
    shown = f" [{clean(default)}]" if default else ""
    while True:
        sys.stderr.write(f"{what}{shown}: ")
        sys.stderr.flush()
        try:
            line = sys.stdin.readline()
        except UnicodeDecodeError:
            tell("  That is no text.")
            continue
        if not line:
            tell()
            raise click.Abort
        return line.strip() or default


def hidden(what: str) -> str:
    """A line that is not shown and not empty, exactly as typed."""
    while True:
        try:
            text = getpass.getpass(f"{what} (not shown): ", stream=sys.stderr)
        except UnicodeDecodeError:
            text = ""
        except EOFError:
            tell()
            raise click.Abort from None
        # An arrow key, as one presses to mend a line, would stand in the password.
        if text and not any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in text):
            return text
        tell("  Nothing that can be used; once more.")


def pasted(most_bytes: int) -> bytes:
    """What is pasted until Ctrl-D, not shown.

    Not line by line: in its usual mode a terminal hands on 4,095 bytes of a line and drops the
    rest without a word, and a Cookie header is often longer.
    """
    import termios

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    quiet = termios.tcgetattr(terminal)
    quiet[_LOCAL_MODES] &= ~(termios.ICANON | termios.ECHO)
    data = bytearray()
    try:
        termios.tcsetattr(terminal, termios.TCSADRAIN, quiet)
        while len(data) < most_bytes and _END not in data[-_CHUNK_BYTES:]:
            chunk = os.read(terminal, _CHUNK_BYTES)
            if not chunk:
                break
            data += chunk
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
    return bytes(data.partition(_END)[0])


def choose(what: str, entries: Sequence[str], default: int = 0) -> int:
    """The index of the entry that was chosen."""
    tell(what)
    for number, entry in enumerate(entries, 1):
        tell(f"  {number}  {entry}")
    while True:
        said = ask("Which", str(default + 1))
        if said.isdecimal() and 1 <= int(said) <= len(entries):
            return int(said) - 1
        tell(f"  A number from 1 to {len(entries)}.")


def agrees(what: str, *, default: bool = False) -> bool:
    """Yes or no."""
    while True:
        said = ask(f"{what} [{'Y/n' if default else 'y/N'}]").lower()
        if said in ("", "y", "yes", "n", "no"):
            return said.startswith("y") if said else default
        tell("  y or n.")
