"""The timeline on a terminal: what happened, why, and what came next; a line for each.

    2026-11-23T10:00:03Z  climb.rung silent: the session nears its end
    2026-11-23T10:00:09Z  session.new generation 8: silent: ...  → refresh at 2026-11-23T17:55:00Z

Owns where it is read (the daemon, else the store; no key is needed) and how a line looks.  Knows
no event: whatever an event tells is shown in the same way.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harvester.cli.call import Call
from harvester.cli.telling import put
from harvester.clock import SystemClock
from harvester.errors import NoDaemon
from harvester.redact import clean

_EVENT_CHARS = 18
# Told in their own places, or of no use to a person.
_PLACED = frozenset(
    {"at", "event", "level", "why", "next", "next_at", "rung", "generation", "verdict", "profile",
     "evidence", "code", "cause"}
)  # fmt: skip
# No warning in the log, where whoever waits is told anyway; but what the eye looks for here.
_BAD_NEWS = (".failed", ".stopped", ".refused", ".refused_early", "latch.set")
_WHY_CHARS = 400
_FIELD_CHARS = 200


def entries(call: Call, profile: str, limit: int) -> list[dict[str, Any]]:
    """The last things that happened: from the daemon if one runs, else from the store, which is
    only looked at.  Raises StoreError, and what a daemon tells."""
    try:
        told = call.client().history(profile, limit=limit).get("entries", [])
        return [one for one in told if isinstance(one, dict)]
    except NoDaemon:
        pass
    from harvester.timeline import Timeline  # as the engine: only where it is needed
    from harvester.vault.directory import DirectoryStore

    store = call.settings().process.store
    if not os.path.lexists(store):
        return []
    return Timeline(DirectoryStore(store), SystemClock()).entries(profile, limit)


def show(told: Sequence[Mapping[str, Any]]) -> int:
    """Print them: plain lines for a program, days and dim times for a person."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return put("\n".join(f"{_at(one)}  {_told(one)}" for one in told))
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    day = ""
    for one in told:
        date, _, time = _at(one).partition("T")
        if date != day:
            console.print(Text(date, style="bold"))
            day = date
        line = Text(f"  {time.removesuffix('Z')}  ", style="dim")
        line.append(_what(one).ljust(_EVENT_CHARS), style=_style(one))
        line.append(f"  {_why(one)}", style="default")
        line.append(_next(one), style="cyan")
        # So that a long reason stands under its own beginning.
        line.append(_rest(one), style="dim")
        console.print(line, soft_wrap=True)
    return 0


def _told(one: Mapping[str, Any]) -> str:
    level = _word(one, "level")
    warned = f"{level}: " if level in ("warning", "error") else ""
    return f"{warned}{_what(one)}  {_why(one)}{_next(one)}{_rest(one)}".rstrip()


def _style(one: Mapping[str, Any]) -> str:
    level = _word(one, "level")
    if level in ("warning", "error"):
        return "yellow" if level == "warning" else "red"
    name = _word(one, "event")
    if name.endswith(_BAD_NEWS):
        return "yellow"
    return "green" if name.startswith("session.") else "default"


def _at(one: Mapping[str, Any]) -> str:
    return _word(one, "at")


def _what(one: Mapping[str, Any]) -> str:
    """The event with the one word that tells it from its like."""
    words = [_word(one, "event")]
    words += [_word(one, name) for name in ("rung", "verdict") if one.get(name) is not None]
    if one.get("generation") is not None:
        words.append(f"generation {_word(one, 'generation')}")
    return " ".join(words)


def _why(one: Mapping[str, Any]) -> str:
    why = clean(str(one.get("why") or ""), _WHY_CHARS)
    code = _word(one, "code")
    return f"{code}: {why}" if code and code not in why else why


def _next(one: Mapping[str, Any]) -> str:
    if not one.get("next"):
        return ""
    at = f" at {_word(one, 'next_at')}" if one.get("next_at") else ""
    return f"  → {clean(str(one['next']), _FIELD_CHARS)}{at}"


def _rest(one: Mapping[str, Any]) -> str:
    """The other fields, and under which name it is kept what was seen."""
    fields = [f"{clean(name)}={value}" for name, value in _fields(one)]
    kept = [f"see {_word(one, 'evidence')}"] if one.get("evidence") else []
    told = "; ".join(kept + fields)
    return f"  ({told})" if told else ""


def _fields(one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in one.items():
        if name in _PLACED or value is None:
            continue
        if isinstance(value, list):
            value = ", ".join(map(str, value))
        yield str(name), clean(str(value), _FIELD_CHARS)


def _word(one: Mapping[str, Any], name: str) -> str:
    value = one.get(name)
    return "" if value is None else clean(str(value), _FIELD_CHARS)
