"""What a person at a window is told on the terminal while he signs in there, and what he is asked
afterwards: whether to write down what he did on pages that were not recognised."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harvester.cli import terminal
from harvester.cli.call import Call
from harvester.paths import config_candidates
from harvester.profile import PageRule
from harvester.redact import clean
from harvester.settings.writing import ConfigFile, page_lines

_HOST_CHARS = 100
_CLOSE = "quit it (Cmd-Q)" if sys.platform == "darwin" else "close it"
_SAID = {
    "your_turn": "your turn, in the window: {host}",
    "automation_refused": "{host} lets no browser in that a program holds",
    "plain_window": "an ordinary browser opens, with nothing in it that looks on: sign in to "
    "{host} there, and " + _CLOSE + " when you are in",
    "make_passkey": "signed in; now add a passkey on the security page of your account",
    "passkey_made": "a passkey for {host} was made, and is sealed; finish there, and close the "
    "window",
    "take_over": "reading what that browser kept for {host}",
}


class Window:
    """Hears the steps of a sign-in by a person."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._rules: list[PageRule] = []

    def step(self, told: Mapping[str, Any]) -> None:
        if told.get("state") == "lesson":
            self._rules.append(PageRule(**told["rule"]))
            return
        words = _SAID.get(str(told.get("state")))
        if words is not None:
            self._call.say(words.format(host=clean(str(told.get("host", "")), _HOST_CHARS)))

    def offer_lessons(self, profile: str) -> None:
        """Show the rules that the sign-in taught, and write them if the person says so."""
        if not self._rules:
            return
        used = self._call.settings().process.config_path
        path = used or Path(config_candidates(self._call.config, os.environ)[0]).absolute()
        self._call.say(f"on some pages I would not have known what to do; for {path}:")
        for line in page_lines(profile, self._rules):
            self._call.say("  " + clean(line))
        asked = terminal.is_there() and not (self._call.quiet or self._call.json)
        if not asked or not terminal.agrees("Write these lines?"):
            return
        file = ConfigFile(path)
        file.check_writable()
        kept = file.write(file.plan_pages(profile, self._rules))
        self._call.say(f"written; the file as it was: {kept}" if kept else "written")
