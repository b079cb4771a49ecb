"""The log: events with fields, as lines for a person or as JSON for a machine.

    10:00:03 session.renewed profile=default generation=8 rung=touch
    {"at": "2026-11-23T10:00:03Z", "level": "info", "event": "session.renewed", "profile": ...}

Callers name the event and give fields; no caller builds a sentence, and no caller hands over an
exception: its text may hold a password (see ``docs/security.md``).  Records of the libraries
below us come through the same door, from warnings upwards, without their tracebacks, which may
hold one too.  This file decides nothing and must not know who reads the log.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, TextIO

from harvester.clock import rfc3339
from harvester.redact import clean

Form = Literal["text", "json"]

# An event's name, its level and its fields.
Hear = Callable[[str, int, Mapping[str, Any]], None]

_LOGGER = logging.getLogger("harvester")
_LISTENERS: list[Hear] = []
# One line of a log never grows past what a terminal or a log shipper takes in one piece.
_FIELD_LIMIT = 500
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def event(name: str, /, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log that ``name`` happened, and tell who listens.  Fields that are None are left out."""
    told = {key: value for key, value in fields.items() if value is not None}
    for hear in tuple(_LISTENERS):
        hear(name, level, told)
    if _LOGGER.isEnabledFor(level):
        _LOGGER.log(level, name, extra={"fields": told})


def listen(hear: Hear) -> Callable[[], None]:
    """Have ``hear`` told of every event, whatever the log's level; returns what ends that.

    It may be called from any thread, must be quick, and must not raise.
    """
    _LISTENERS.append(hear)
    return lambda: _LISTENERS.remove(hear)


def configure(
    level: str = "info", form: Form | None = None, *, stream: TextIO | None = None
) -> None:
    """Send the log to ``stream`` (standard error): text for a terminal, else JSON, unless said.

    May be called again; the last call wins.  ``level`` is one of ``LEVELS``.
    """
    target = sys.stderr if stream is None else stream
    if form is None:
        form = "text" if target.isatty() else "json"
    out = logging.StreamHandler(target)
    out.setFormatter(_TextForm() if form == "text" else _JsonForm())
    root = logging.getLogger()
    for old in (*root.handlers, *_LOGGER.handlers):
        if isinstance(old.formatter, _TextForm | _JsonForm):
            logging.getLogger().removeHandler(old)
    root.addHandler(out)
    # What the libraries say below a warning is noise to the people who read this log.
    root.setLevel(logging.WARNING)
    _LOGGER.setLevel(LEVELS[level])


def _told(record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
    """The event's name and fields; a library's record becomes one event with its words."""
    fields = getattr(record, "fields", None)
    if isinstance(fields, dict):
        return record.getMessage(), fields
    told: dict[str, Any] = {"logger": record.name, "said": record.getMessage()}
    if record.exc_info and record.exc_info[0] is not None:
        told["error"] = record.exc_info[0].__name__
    return "library.said", told


def plain(value: Any) -> Any:
    """The value without anything that could move a cursor or forge a line."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    return clean(str(value), limit=_FIELD_LIMIT)


class _TextForm(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        name, fields = _told(record)
        words = [time.strftime("%H:%M:%S", time.localtime(record.created))]
        if record.levelno >= logging.WARNING:
            words.append(record.levelname.lower())
        words.append(clean(name))
        words += [f"{key}={_word(plain(value))}" for key, value in fields.items()]
        return " ".join(words)


def _word(value: Any) -> str:
    """One field's value, quoted where a reader could not see where it ends."""
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, str) and value and not any(mark in value for mark in ' "=\\'):
        return value
    return json.dumps(value, ensure_ascii=False)


class _JsonForm(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        name, fields = _told(record)
        told = {
            "at": rfc3339(record.created),
            "level": record.levelname.lower(),
            "event": clean(name),
        }
        told |= {key: plain(value) for key, value in fields.items() if key not in told}
        return json.dumps(told, ensure_ascii=False, allow_nan=False, default=str)
