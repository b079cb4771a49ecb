"""What is taken out of a page's words before they are kept: secrets, people, numbers, tokens.

Whatever is taken out leaves a stand-in, the same one for the same thing, so that what was alike
stays alike and a kept page still leads to the same decision.  Knows no page and keeps nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from harvester import redact

_PERSON = "someone"
_DOMAIN = "example.test"
# Where the user name was, until all of it is out: no page has a use for this character.
_HERE = "\ue000"
# A local part of one or two letters stands in too many words to be looked for alone.
_PART_LEAST_CHARS = 3
# A shorter user name is found by chance inside longer codes; only as a word it is taken out.
_NAME_LEAST_CHARS = 6
# Masked addresses too: "a***@acme.example" still tells the company.
_ADDRESS = re.compile(r"[^\s<>()\[\]\"'@,;:/]{1,64}@[\w-]+(?:\.[\w-]+)+")
# Telephone numbers, customer numbers, codes; a year stays, and the port of "host:38147".
_NUMBER = re.compile(r"(?<!\d)(?!(?<=\w:)\d{5}(?![ -]?\d))\d(?:[ -]?\d){4,}")
_RUN = re.compile(r"[A-Za-z0-9_+=-]{16,}")
# Letters and digits change places often in what was drawn by lot, and seldom in names that people
# gave ("ctl00_ContentPlaceHolder1_UserName": three times).
_DRAWN_CHANGES = 5
_CHANGE = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")


class Blanks:
    """``secrets`` are taken out however they are written; ``username`` becomes ``person``."""

    def __init__(self, username: str | None, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secrets)
        self._username = username or ""
        self._part = self._username.partition("@")[0]
        self.person = f"{_PERSON}@{_DOMAIN}" if "@" in self._username else _PERSON
        self._given: dict[tuple[str, str], int] = {}

    def out_of(self, text: str) -> str:
        """``text`` without any of it."""
        if not text:
            return text
        text = self._without_user(self.without_secrets(text))
        text = _ADDRESS.sub(self._address, text)
        text = _RUN.sub(self._token, text)
        return _NUMBER.sub(self._number, text)

    def without_secrets(self, text: str) -> str:
        """Only those are taken out: for a host, whose port and name are to be known."""
        return redact.scrub(text, self._secrets)

    def token(self, text: str) -> str:
        """A stand-in for all of it."""
        return f"opaque-{self._place('whole', text)}" if text else ""

    def _without_user(self, text: str) -> str:
        if not self._username:
            return text
        whole = re.escape(self._username)
        text = re.sub(rf"(?<!\w){whole}(?!\w)", _HERE, text, flags=re.IGNORECASE)
        if len(self._username) >= _NAME_LEAST_CHARS:
            text = re.sub(whole, _HERE, text, flags=re.IGNORECASE)
            text = redact.scrub(text, (self._username, self._username.lower()))
        if self._part != self._username and len(self._part) >= _PART_LEAST_CHARS:
            part = rf"(?<![\w@]){re.escape(self._part)}(?![\w@])"
            text = re.sub(part, _PERSON, text, flags=re.IGNORECASE)
        return text.replace(_HERE, self.person)

    def _address(self, found: re.Match[str]) -> str:
        address = found[0]
        if address == self.person:
            return address
        return f"other-{self._place('address', address.lower())}@{_DOMAIN}"

    def _token(self, found: re.Match[str]) -> str:
        run = found[0]
        drawn = len(_CHANGE.findall(run)) >= _DRAWN_CHANGES
        return f"opaque-{self._place('token', run)}" if drawn else run

    def _number(self, found: re.Match[str]) -> str:
        """As many digits, counted: two different numbers stay different."""
        shown = found[0]
        count = sum(one.isdigit() for one in shown)
        digits = iter(f"{self._place('number', shown):0{count}d}")
        return "".join(next(digits) if one.isdigit() else one for one in shown)

    def _place(self, kind: str, thing: str) -> int:
        number = 1 + sum(of == kind for of, _ in self._given)
        return self._given.setdefault((kind, thing), number)
