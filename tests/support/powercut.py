"""What a disk may hold after a power cut: each state that the calls made so far allow.

``Recorded`` makes the calls for real and writes down what they did to files and to directories'
entries.  ``states`` replays every prefix of that.  What a file held when it was synced last is
sure; of what was written since, nothing, a part or all may be there.  What was done to the entries
of a directory since that directory was synced may have happened or not, each by itself.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester.vault.calls import Calls

# What of unsynced bytes may be there: of a file of ``length``, how many.
_PARTS = (lambda length: 0, lambda length: length // 2, lambda length: length)


@dataclass(frozen=True)
class Entry:
    """One change of names: ``gone`` does not name anything any more, ``name`` names ``node``."""

    name: Path | None = None
    node: int | None = None
    gone: Path | None = None

    @property
    def directory(self) -> Path:
        path = self.name or self.gone
        assert path is not None
        return path.parent


@dataclass(frozen=True)
class Wrote:
    node: int
    data: bytes


@dataclass(frozen=True)
class SyncedFile:
    node: int


@dataclass(frozen=True)
class SyncedDirectory:
    path: Path


@dataclass(frozen=True)
class Mark:
    """A promise was given here: what was asked for is durable."""

    text: str


Step = Entry | Wrote | SyncedFile | SyncedDirectory | Mark
DIRECTORY = -1


class Recorded(Calls):
    """``steps`` is what was done.  ``links``: whether the file system has hard links."""

    def __init__(self, *, links: bool = True) -> None:
        self.steps: list[Step] = []
        self._links = links
        self._nodes = itertools.count(1)
        self._names: dict[Path, int] = {}
        self._open: dict[int, tuple[Path, int]] = {}

    def mark(self, text: str) -> None:
        self.steps.append(Mark(text))

    def open(self, path: str | Path, flags: int, mode: int = 0, dir_fd: int | None = None) -> int:
        whole = Path(path) if dir_fd is None else self._open[dir_fd][0] / path
        there = os.path.lexists(whole)
        fd = super().open(path, flags, mode, dir_fd)
        if whole.is_dir():
            self._open[fd] = whole, DIRECTORY
            return fd
        if not there:
            self._name(whole, next(self._nodes))
        self._open[fd] = whole, self._names[whole]
        return fd

    def close(self, fd: int) -> None:
        super().close(fd)
        self._open.pop(fd)

    def write(self, fd: int, data: bytes) -> int:
        # In two parts, so that there is a time between them.
        written = super().write(fd, data[: (len(data) + 1) // 2])
        self.steps.append(Wrote(self._open[fd][1], data[:written]))
        return written

    def fsync(self, fd: int) -> None:
        path, node = self._open[fd]
        self.steps.append(SyncedDirectory(path) if node == DIRECTORY else SyncedFile(node))

    def link(self, source: str, target: str, dir_fd: int) -> None:
        if not self._links:
            raise PermissionError(1, "no hard links here")
        super().link(source, target, dir_fd)
        above = self._open[dir_fd][0]
        self._name(above / target, self._names[above / source])

    def rename(self, source: str, target: str, dir_fd: int) -> None:
        super().rename(source, target, dir_fd)
        above = self._open[dir_fd][0]
        if self._names[above / source] == self._names.get(above / target):
            return  # two names of one file: rename does nothing
        node = self._names.pop(above / source)
        self._names[above / target] = node
        self.steps.append(Entry(above / target, node, above / source))

    def unlink(self, name: str, dir_fd: int) -> None:
        super().unlink(name, dir_fd)
        path = self._open[dir_fd][0] / name
        self._names.pop(path)
        self.steps.append(Entry(gone=path))

    def mkdir(self, path: Path) -> None:
        super().mkdir(path)
        self._name(path, DIRECTORY)

    def _name(self, path: Path, node: int) -> None:
        self._names[path] = node
        self.steps.append(Entry(path, node))


@dataclass(frozen=True)
class State:
    """A disk: what each path holds (None for a directory), and the promise given last."""

    files: frozenset[tuple[Path, bytes | None]]
    promised: str
    begun: int
    """How many steps were made when the power went."""

    def lay_out(self, top: Path, below: Path) -> None:
        """Make it real under ``top``; ``below`` is where it was recorded."""
        for path, data in sorted(self.files, key=lambda one: one[0]):
            where = top / path.relative_to(below)
            if data is None:
                where.mkdir(mode=0o700)
                continue
            where.touch(mode=0o600)
            where.write_bytes(data)


def states(steps: list[Step]) -> Iterator[State]:
    """Every state that a power cut may leave, each once for each promise."""
    seen: set[tuple[Any, ...]] = set()
    for begun in range(len(steps) + 1):
        done = steps[:begun]
        promised = next((one.text for one in reversed(done) if isinstance(one, Mark)), "")
        for files in _after(done):
            if (files, promised) not in seen:
                seen.add((files, promised))
                yield State(files, promised, begun)


def _after(done: list[Step]) -> Iterator[frozenset[tuple[Path, bytes | None]]]:
    data: dict[int, bytes] = {}
    sure: dict[int, int] = {}
    pending: list[Entry] = []
    settled: list[Entry] = []
    for step in done:
        match step:
            case Entry():
                pending.append(step)
            case Wrote(node, more):
                data[node] = data.get(node, b"") + more
            case SyncedFile(node):
                sure[node] = len(data.get(node, b""))
            case SyncedDirectory(path):
                settled += [one for one in pending if one.directory == path]
                pending = [one for one in pending if one.directory != path]
    ever = {
        one.name
        for one in done
        if isinstance(one, Entry) and one.node == DIRECTORY and one.name is not None
    }
    for happened in itertools.product((False, True), repeat=len(pending)):
        entries = [*settled, *(one for one, yes in zip(pending, happened, strict=True) if yes)]
        names = _named(entries, ever)
        unsure = sorted(
            {node for node in names.values() if len(data.get(node, b"")) > sure.get(node, 0)}
        )
        for parts in itertools.product(_PARTS, repeat=len(unsure)):
            held = dict(data)
            for node, part in zip(unsure, parts, strict=True):
                least = sure.get(node, 0)
                held[node] = data[node][: least + part(len(data[node]) - least)]
            yield frozenset(
                (path, None if node == DIRECTORY else held.get(node, b""))
                for path, node in names.items()
            )


def _named(entries: list[Entry], ever: set[Path]) -> dict[Path, int]:
    """``ever``: the directories that were made; those above them are there."""
    names: dict[Path, int] = {}
    for entry in entries:
        if entry.gone is not None:
            names.pop(entry.gone, None)
        if entry.name is not None and entry.node is not None:
            names[entry.name] = entry.node
    # What lies in a directory that is not there is not there either.
    alive: dict[Path, int] = {}
    for path in sorted(names):
        if path.parent not in ever or path.parent in alive:
            alive[path] = names[path]
    return alive
