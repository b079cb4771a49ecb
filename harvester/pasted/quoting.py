"""A command line cut into its words, as bash does it and as cmd with the C runtime does it.

Both raise ValueError where a quote is not closed.  Variables and globs stay as they stand: a
command that a browser copied has none.  A bare line end counts as a space, since mail and chat
programs take the continuation marks away; the first command of several is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_BASH_ENDS = frozenset(";&|")
_IN_DOUBLE_QUOTES = frozenset('$`"\\\n')
# $'...' of bash, by its manual.
_ANSI_C = re.compile(
    r"\\(?:([abeEfnrtv\\'\"?])|([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})"
    r"|U([0-9a-fA-F]{1,8}))"
)
_ANSI_C_LETTERS = {
    "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
    "v": "\v",
}  # fmt: skip
_LARGEST_CHAR = 0x10FFFF


class _Words:
    """Words in the making; an empty pair of quotes makes a word too."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._parts: list[str] | None = None

    def add(self, part: str) -> None:
        # Joined at the end: adding to a text anew each time takes seconds for a megabyte.
        if self._parts is None:
            self._parts = []
        self._parts.append(part)

    def end(self) -> list[str]:
        if self._parts is not None:
            self._done.append("".join(self._parts))
        self._parts = None
        return self._done


def bash_words(text: str) -> list[str]:
    words = _Words()
    place = 0
    while place < len(text):
        letter = text[place]
        if letter in " \t\n":
            words.end()
            place += 1
        elif letter == "\\":
            following = text[place + 1 : place + 2]
            if following != "\n":
                words.add(following)
            place += 2
        elif letter == "'" or text.startswith("$'", place):
            plain = letter == "'"
            body, place = _until_quote(text, place + (1 if plain else 2), escapes=not plain)
            words.add(body if plain else _ANSI_C.sub(_ansi_c, body))
        elif letter == '"':
            body, place = _double_quoted(text, place + 1)
            words.add(body)
        elif letter in _BASH_ENDS:
            break
        else:
            words.add(letter)
            place += 1
    return words.end()


def _until_quote(text: str, place: int, *, escapes: bool) -> tuple[str, int]:
    start = place
    while place < len(text):
        if escapes and text[place] == "\\":
            place += 2
        elif text[place] == "'":
            return text[start:place], place + 1
        else:
            place += 1
    raise ValueError("quote")


def _double_quoted(text: str, place: int) -> tuple[str, int]:
    body: list[str] = []
    while place < len(text):
        letter = text[place]
        if letter == '"':
            return "".join(body), place + 1
        if letter == "\\" and text[place + 1 : place + 2] in _IN_DOUBLE_QUOTES:
            place += 1
            letter = text[place].replace("\n", "")
        body.append(letter)
        place += 1
    raise ValueError("quote")


def _ansi_c(found: re.Match[str]) -> str:
    if found[1]:
        return _ANSI_C_LETTERS.get(found[1], found[1])
    if found[2]:
        return chr(int(found[2], 8) & 0xFF)
    code = int(found[3] or found[4] or found[5], 16)
    return chr(code) if code <= _LARGEST_CHAR else ""


def cmd_words(text: str) -> list[str]:
    r"""The words that the browser meant: it doubles every backslash, though the C runtime would
    halve only those before a quote, so each ``\\`` is taken for one."""
    words = _Words()
    quoted = False
    letters = list(_without_carets(text))
    place = 0
    while place < len(letters):
        letter = letters[place]
        following = letters[place + 1] if place + 1 < len(letters) else ""
        if (letter == "\\" and following in ("\\", '"')) or (
            letter == '"' and quoted and following == '"'
        ):
            words.add(following)
            place += 1
        elif letter == '"':
            words.add("")
            quoted = not quoted
        elif letter in " \t\n" and not quoted:
            words.end()
        elif letter == "&" and not quoted:
            break
        else:
            words.add(letter)
        place += 1
    if quoted:
        raise ValueError("quote")
    return words.end()


def _without_carets(text: str) -> Iterator[str]:
    """What cmd hands on: outside its quotes a caret makes the next letter plain, or joins lines."""
    quoted = False
    letters = iter(text)
    for letter in letters:
        if letter == "^" and not quoted:
            following = next(letters, "")
            # Of two line ends the first is joined, the second is meant.
            yield next(letters, "") if following == "\n" else following
            continue
        if letter == '"':
            quoted = not quoted
        yield letter
