"""Writing config.toml: what a person had in it stays, or stays beside it.

Owns how a change is merged into a document, how the text is edited so that comments survive, and
when the old file is kept.  An edited text is believed only where it reads as the merged document.
Knows names and their forms, checks no value, and never holds a secret that it puts into this file.
"""

from __future__ import annotations

import copy
import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from harvester.errors import ConfigInvalid
from harvester.paths import read_private_file
from harvester.profile import DEFAULT_PROFILE, PageRule
from harvester.settings.layer import split
from harvester.settings.pages import as_tables
from harvester.vault.durable import Disk

Value = str | list[str]

BEFORE = ".before"
SECRETS_FOLDER = "secrets"
_FILE_MODE = 0o600
_HEADING = (
    "# Written by `harvester init`; yours to change.  Passwords and keys do not belong in here,\n"
    "# only where they are kept.  All settings: harvester config show --all\n\n"
)
# Entries of a room that are tables of their own.
_TABLES = ("profiles", "pages")
_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?")


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry of a table (None is the top) gets a value, or goes (None)."""

    table: str | None
    key: str
    value: Value | None
    present: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The text to write.  ``loses`` names what stands there now and then no longer does: values
    that change, and comments where the text cannot be edited in place."""

    before: str | None
    text: str
    loses: tuple[str, ...]

    @property
    def changes(self) -> bool:
        return self.text != self.before


class ConfigFile:
    """One config.toml.  ``path`` is absolute; where it is a link, the file it leads to is written,
    so that it stays a link into somebody's dotfiles."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._real = Path(os.path.realpath(path))
        self._disk = Disk()

    def check_writable(self) -> None:
        """Make its directory.  Raises ConfigInvalid or StoreError if it could not be written:
        a person hears that before answering questions, not after."""
        for folder in (self.path.parent, self._real.parent):
            self._disk.make_dir(folder)
        owned = not self._real.exists() or self._real.stat().st_uid == os.geteuid()
        if not owned or not os.access(self._real.parent, os.W_OK | os.X_OK):
            raise ConfigInvalid(
                f"this user cannot write {self.path}",
                hint="run as its owner, or name a file of your own: harvester --config FILE init",
            )

    def plan(self, profile: str, changes: Mapping[str, Value]) -> Plan:
        """What the file would be with ``changes`` (names as in config.toml) for this profile."""
        before = self._read()
        document = tomllib.loads(before or "")
        edits = _edits(document, profile, changes)
        merged = _merged(document, edits)
        if before is None:
            return Plan(None, _HEADING + _dumped(merged), ())
        loses = [edit.key for edit in edits if edit.present]
        text = _edited(before, edits)
        if text is None or not _reads_as(text, merged):
            text = _dumped(merged)
            loses.append("its comments and its layout")
        return Plan(before, text, tuple(loses))

    def plan_pages(self, profile: str, rules: Sequence[PageRule]) -> Plan:
        """What the file would be with these rules for this profile's pages."""
        before = self._read()
        document = tomllib.loads(before or "")
        # Beside where the profile's own settings stand.
        at_top = profile == DEFAULT_PROFILE and profile not in document.get("profiles", {})
        merged = copy.deepcopy(document)
        room = merged if at_top else merged.setdefault("profiles", {}).setdefault(profile, {})
        text: str | None = (before or _HEADING).rstrip("\n") + "\n"
        loses = []
        for place, table in as_tables(rules).items():
            known = room.setdefault("pages", {}).setdefault(place, {})
            loses += [
                f"{place}: {one}" for one in table if known.get(one, table[one]) != table[one]
            ]
            known.update(table)
            path = ["pages", place] if at_top else ["profiles", profile, "pages", place]
            text = None if text is None else _with_table(text, path, table)
        if text is None or not _reads_as(text, merged):
            text = _dumped(merged)
            loses += [] if before is None else ["its comments and its layout"]
        return Plan(before, text, tuple(loses))

    def write(self, plan: Plan) -> Path | None:
        """Put the text in place, 0600; returns where the old file is kept, if anything is lost.

        Raises ConfigInvalid if somebody changed the file since ``plan``, and StoreError.
        """
        if self._read() != plan.before:
            raise ConfigInvalid(
                f"{self.path} was changed meanwhile, and was not touched", hint="run it once more"
            )
        kept = None
        if plan.before is not None:
            self._real.chmod(_FILE_MODE)
            if plan.loses:
                kept = self._keep(plan.before.encode())
        self._disk.write_atomic(self._real.parent, self._real.name, plan.text.encode())
        return kept

    def make_secrets_folder(self) -> None:
        """The folder beside the file, ours alone.  Raises StoreError."""
        Disk(private_dirs=True).make_dir(self.path.parent / SECRETS_FOLDER)

    def keep_secret(self, name: str, secret: str) -> str:
        """Write a secret that a person typed, 0600, beside the file (never beside what a link
        leads to: that may be a repository); returns its path as config.toml says it."""
        self.make_secrets_folder()
        disk = Disk(private_dirs=True)
        disk.write_atomic(self.path.parent / SECRETS_FOLDER, name, secret.encode() + b"\n")
        return f"{SECRETS_FOLDER}/{name}"

    def _read(self) -> str | None:
        try:
            return read_private_file(self.path).decode("utf-8-sig")
        except FileNotFoundError:
            return None

    def _keep(self, data: bytes) -> Path:
        """The old file under the first name that is free: an older one kept is not overwritten."""
        name, number = self._real.name + BEFORE, 1
        while not self._disk.create(self._real.parent, name, data):
            number += 1
            name = f"{self._real.name}{BEFORE}-{number}"
        return self._real.parent / name


def _edits(document: Mapping[str, Any], profile: str, changes: Mapping[str, Value]) -> list[Edit]:
    own = document.get("profiles", {}).get(profile)
    rooms: dict[str | None, Mapping[str, Any]] = {profile: own or {}}
    if profile == DEFAULT_PROFILE:
        # Its settings may stand at the top too, and do in a file that has no table for it.
        rooms = {None: document, **rooms} if own is None else {**rooms, None: document}
    edits = []
    for key, value in changes.items():
        stem = split(key)[0]
        forms = (stem, stem + "_file", stem + "_command")
        holding = (table for table, room in rooms.items() if any(form in room for form in forms))
        table = next(holding, next(iter(rooms)))
        room = rooms[table]
        edits += [Edit(table, one, None, True) for one in forms if one in room and one != key]
        if room.get(key) != value:
            edits.append(Edit(table, key, value, key in room))
    return edits


def _merged(document: Mapping[str, Any], edits: Iterable[Edit]) -> dict[str, Any]:
    merged = copy.deepcopy(dict(document))
    for edit in edits:
        room = merged
        if edit.table is not None:
            room = merged.setdefault("profiles", {}).setdefault(edit.table, {})
        if edit.value is None:
            del room[edit.key]
        else:
            room[edit.key] = edit.value
    return merged


def _reads_as(text: str, document: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == document
    except tomllib.TOMLDecodeError:
        return False


def _edited(text: str, edits: Iterable[Edit]) -> str | None:
    """The text with the edits made line by line; None where that would lose a comment.

    It reads lines, not TOML, and may be wrong (a list over several lines, a quoted key): the
    caller compares what the outcome says.
    """
    lines = text.split("\n")
    for edit in edits:
        line = [] if edit.value is None else [_entry(edit.key, edit.value)]
        span = _span(lines, edit.table)
        if edit.present:
            begins = re.compile(rf"\s*{edit.key}\s*=")
            at = [] if span is None else [i for i in range(*span) if begins.match(lines[i])]
            if len(at) != 1 or "#" in lines[at[0]]:
                return None
            lines[at[0] : at[0] + 1] = line
        elif span is None:
            while lines and not lines[-1].strip():
                lines.pop()
            lines += [*([""] if lines else []), f"[profiles.{edit.table}]", *line, ""]
        else:
            at_line = _place(lines, *span)
            apart = at_line < len(lines) and lines[at_line].lstrip()[:1] in ("[", "#")
            lines[at_line:at_line] = [*line, ""] if apart else line
    return "\n".join(lines)


def _span(lines: list[str], table: str | None) -> tuple[int, int] | None:
    """The lines of a table, without its header."""
    headers = [i for i, line in enumerate(lines) if line.lstrip().startswith("[")]
    if table is None:
        return 0, headers[0] if headers else len(lines)
    for i, end in pairwise([*headers, len(lines)]):
        found = _HEADER.fullmatch(lines[i])
        if found and re.sub(r"[\s\"']", "", found[1]) == f"profiles.{table}":
            return i + 1, end
    return None


def _place(lines: list[str], start: int, end: int) -> int:
    """Where a new entry goes: after the last one, else below the comment that opens the file."""
    entries = [i for i in range(start, end) if lines[i].strip() and lines[i].lstrip()[0] != "#"]
    if entries:
        return entries[-1] + 1
    blank = next((i for i in range(start, end) if not lines[i].strip()), None)
    return start if start > 0 or blank is None else min(blank + 1, end)


def _with_table(text: str, path: Sequence[str], table: Mapping[str, Any]) -> str:
    """The text with these entries in the table of that name, and their former ones gone."""
    lines = text.split("\n")
    span = next((at for at in _tables(lines) if _path_of(lines[at[0] - 1]) == list(path)), None)
    entries = [_entry(key, value) for key, value in table.items()]
    if span is None:
        return text + "\n".join(["", _header(path), *entries, ""])
    begins = re.compile(rf"\s*({'|'.join(table)})\s*=")
    kept = [line for line in lines[span[0] : span[1]] if not begins.match(line)]
    after = max(
        (i + 1 for i, one in enumerate(kept) if one.strip()[:1] not in ("", "#")), default=0
    )
    kept[after:after] = entries
    lines[span[0] : span[1]] = kept
    return "\n".join(lines)


def _tables(lines: list[str]) -> list[tuple[int, int]]:
    headers = [i for i, line in enumerate(lines) if line.lstrip().startswith("[")]
    return [(i + 1, end) for i, end in pairwise([*headers, len(lines)])]


def _path_of(header: str) -> list[str]:
    """The keys of a table's header."""
    path, at = [], None
    try:
        at = tomllib.loads(header)
    except tomllib.TOMLDecodeError:
        return []
    while at:
        key, at = next(iter(at.items()))
        path.append(key)
    return path


def _header(path: Sequence[str]) -> str:
    bare = (one if re.fullmatch(r"[A-Za-z0-9_-]+", one) else _toml(one) for one in path)
    return f"[{'.'.join(bare)}]"


def page_lines(profile: str, rules: Sequence[PageRule]) -> list[str]:
    """The rules as a person would write them."""
    top = ["pages"] if profile == DEFAULT_PROFILE else ["profiles", profile, "pages"]
    lines = []
    for place, table in as_tables(rules).items():
        lines += [_header([*top, place]), *(_entry(key, value) for key, value in table.items())]
    return lines


def _dumped(document: Mapping[str, Any]) -> str:
    rooms = {(): document} | {("profiles", k): v for k, v in document.get("profiles", {}).items()}
    parts = []
    for path, room in rooms.items():
        own = "".join(_entry(k, v) + "\n" for k, v in room.items() if k not in _TABLES)
        parts.append(f"{_header(path)}\n{own}" if path else own)
        for place, table in room.get("pages", {}).items():
            header = _header([*path, "pages", place])
            parts.append(header + "\n" + "".join(_entry(k, v) + "\n" for k, v in table.items()))
    return "\n".join(part for part in parts if part)


def _entry(key: str, value: Any) -> str:
    return f"{key} = {_toml(value)}"


def _toml(value: Any) -> str:
    """A value of the kinds that settings have."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        # JSON's escapes are TOML's too; but TOML wants one more.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    raise TypeError(f"no setting is a {type(value).__name__}")
