"""Where a running test is listened to: logs, exceptions, processes, and where secrets are born.

Everything that is told goes to the scope of the test that runs.  The taps change nothing that a
test can see: a record below a logger's level is heard and then dropped, and a process gets the
words and the environment that it was given (but the log's level, below).  They are put in once
for each worker and stay.
"""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from canary.known import Known, fingerprint
from canary.scan import Place

# Texts of one kind grow into one place; what is beyond that of one test is a flood, and like it.
_TEXT_MOST_BYTES = 8 << 20
_SECRET_NAMES = {"PASSWORD": "password", "TOTP_SECRET": "seed", "PASSPHRASE": "password"}


class Scope:
    """What one test has told so far."""

    def __init__(self, test: str) -> None:
        self.test = test
        self.known = Known()
        self.directories: list[Path] = []
        self.own_files: dict[str, bytes] = {}
        """What the test wrote itself, as the user that it plays: path, and digest of its bytes."""
        self.children: dict[int, str] = {}
        self._texts: dict[tuple[str, str], list[bytes]] = {}
        self._sizes: dict[tuple[str, str], int] = {}

    def text(self, kind: str, where: str, text: str | bytes) -> None:
        raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        key = (kind, where[:300])
        size = self._sizes.get(key, 0)
        if raw and size < _TEXT_MOST_BYTES:
            self._sizes[key] = size + len(raw)
            self._texts.setdefault(key, []).append(raw)

    def places(self) -> Iterable[Place]:
        # A stream is joined as it came: a secret may lie across two reads.
        for (kind, where), parts in list(self._texts.items()):
            streamed = kind in ("stdout", "stderr")
            yield Place(kind, where, (b"" if streamed else b"\n").join(parts))


class Taps:
    """``scope`` is the test that runs now; None between tests."""

    def __init__(self) -> None:
        self.scope: Scope | None = None
        self._undo: list[Callable[[], None]] = []

    def put_in(self) -> None:
        self._tap_logs()
        self._tap_exceptions()
        self._tap_processes()
        self._tap_captures()
        self._tap_files()
        self._tap_births()

    def take_out(self) -> None:
        while self._undo:
            self._undo.pop()()

    def _replace(self, owner: Any, name: str, new: Any) -> None:
        old = owner.__dict__[name]
        setattr(owner, name, new)
        self._undo.append(lambda: setattr(owner, name, old))

    # what is said

    def _tap_logs(self) -> None:
        enabled, handle = logging.Logger.isEnabledFor, logging.Logger.handle
        taps = self

        def hears_all(logger: logging.Logger, level: int) -> bool:
            return True

        def heard(logger: logging.Logger, record: logging.LogRecord) -> None:
            if taps.scope is not None:
                taps.scope.text("log", record.name, _record(record))
            if enabled(logger, record.levelno):
                handle(logger, record)

        self._replace(logging.Logger, "isEnabledFor", hears_all)
        self._replace(logging.Logger, "handle", heard)

    def _tap_exceptions(self) -> None:
        from harvester.errors import HarvesterError

        made, taps = HarvesterError.__init__, self

        def told(error: HarvesterError, message: str, **about: Any) -> None:
            if taps.scope is not None:
                taps.scope.text("error", type(error).__name__, f"{message}\n{about}")
            made(error, message, **about)

        self._replace(HarvesterError, "__init__", told)
        raises = type(pytest.raises(ValueError))
        ended = raises.__exit__

        def caught(context: Any, kind: Any, error: BaseException | None, trace: Any) -> Any:
            if error is not None and taps.scope is not None:
                taps.scope.text("exception", type(error).__name__, chain(error))
            return ended(context, kind, error, trace)

        self._replace(raises, "__exit__", caught)

    def _tap_captures(self) -> None:
        read, taps = pytest.CaptureFixture.readouterr, self

        def heard(fixture: Any) -> Any:
            captured = read(fixture)
            if taps.scope is not None:
                taps.scope.text("captured", "stdout", _raw(captured.out))
                taps.scope.text("captured", "stderr", _raw(captured.err))
            return captured

        self._replace(pytest.CaptureFixture, "readouterr", heard)

    # what is started

    def _tap_processes(self) -> None:
        taps = self
        begin, ended = subprocess.Popen.__init__, subprocess.Popen.communicate

        def started(process: Any, args: Any, *rest: Any, **how: Any) -> None:
            scope = taps.scope
            if scope is None:
                begin(process, args, *rest, **how)
                return
            words, ours = words_of(args), _by_the_product()
            how["env"] = taps._started(scope, words, how.get("env"), ours)
            begin(process, args, *rest, **how)
            scope.children[process.pid] = words
            if ours or "marked_standin" in words:
                # A command that harvester asks for a password, and the stand-in that tells its
                # own: their output is a secret's way in.
                return
            process._canary = (scope, words)
            for name in ("stdout", "stderr"):
                stream = getattr(process, name)
                if stream is not None:
                    setattr(process, name, _Heard(stream, scope, name, words))

        def heard(process: Any, *rest: Any, **how: Any) -> Any:
            out, err = ended(process, *rest, **how)
            scope, words = getattr(process, "_canary", (None, ""))
            if scope is not None:
                scope.text("stdout", words, _raw(out))
                scope.text("stderr", words, _raw(err))
            return out, err

        self._replace(subprocess.Popen, "__init__", started)
        self._replace(subprocess.Popen, "communicate", heard)

    def _started(
        self, scope: Scope, words: str, env: Mapping[Any, Any] | None, ours: bool
    ) -> Mapping[Any, Any] | None:
        scope.text("argv", words, words)
        told = os.environ if env is None else env
        if ours:
            scope.text("environ", f"of {words} started by harvester", repr(dict(told)))
        for name, value in told.items():
            kind = next((k for end, k in _SECRET_NAMES.items() if str(name).endswith(end)), None)
            if kind is not None and str(name).startswith("HARVESTER_"):
                scope.known.tell(kind, str(value))
        if env is None or ours or "harvester" not in words or "marked_standin" in words:
            return env
        # As loud as can be; a test that asks for a level of its own has it.
        return {"HARVESTER_LOG_LEVEL": "debug", **env}

    # what is written

    def _tap_files(self) -> None:
        taps = self
        write_text, write_bytes = Path.write_text, Path.write_bytes
        mktemp = pytest.TempPathFactory.mktemp

        def own(path: Path) -> None:
            if taps.scope is not None and not _by_the_product():
                taps.scope.own_files[os.path.realpath(path)] = fingerprint(path.read_bytes())

        def text_written(path: Path, *rest: Any, **how: Any) -> int:
            written = write_text(path, *rest, **how)
            own(path)
            return written

        def bytes_written(path: Path, data: Any) -> int:
            written = write_bytes(path, data)
            own(path)
            return written

        def made(factory: Any, *rest: Any, **how: Any) -> Path:
            path = mktemp(factory, *rest, **how)
            if taps.scope is not None:
                taps.scope.directories.append(path)
            return path

        self._replace(Path, "write_text", text_written)
        self._replace(Path, "write_bytes", bytes_written)
        self._replace(pytest.TempPathFactory, "mktemp", made)

    # where secrets are born

    def _tap_births(self) -> None:
        from harvester.profile import SecretSource
        from harvester.session import Cookie
        from harvester.vault import secret
        from harvester.vault.keys import MasterKey
        from standin import StandInProcess

        taps = self

        def born(owner: Any, tell: Callable[[Scope, Any], None]) -> None:
            made = owner.__init__

            def told(thing: Any, *rest: Any, **how: Any) -> None:
                made(thing, *rest, **how)
                if taps.scope is not None:
                    tell(taps.scope, thing)

            self._replace(owner, "__init__", told)

        born(MasterKey, lambda scope, key: scope.known.tell("key", key.material))
        born(Cookie, lambda scope, cookie: scope.known.tell("cookie", cookie.value))
        born(SecretSource, lambda scope, one: scope.known.tell(_kind(one.name), one.value))
        read = secret._first_line

        def was_read(data: bytes, source: SecretSource) -> str:
            line = read(data, source)
            if taps.scope is not None:
                taps.scope.known.tell(_kind(source.name), line)
            return line

        self._replace(secret, "_first_line", was_read)

        def of_standin(scope: Scope, one: StandInProcess) -> None:
            scope.known.seeds.add(one.totp_secret)
            scope.known.tell("password", one.password)

        born(StandInProcess, of_standin)
        change = StandInProcess.change_password

        def changed(one: StandInProcess, password: str) -> None:
            if taps.scope is not None:
                taps.scope.known.tell("password", password)
            change(one, password)

        self._replace(StandInProcess, "change_password", changed)


class _Heard:
    """A stream of a process, read by a test and heard by us."""

    def __init__(self, stream: Any, scope: Scope, kind: str, words: str) -> None:
        self._stream, self._tell = stream, lambda text: scope.text(kind, words, _raw(text))

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._stream, name)
        if name not in ("read", "read1", "readline", "readlines"):
            return found

        def heard(*rest: Any) -> Any:
            got = found(*rest)
            for one in got if isinstance(got, list) else [got]:
                self._tell(one)
            return got

        return heard

    def __iter__(self) -> Any:
        for line in self._stream:
            self._tell(line)
            yield line

    def __enter__(self) -> _Heard:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def _kind(name: str) -> str:
    return next((kind for end, kind in _SECRET_NAMES.items() if name.endswith(end)), "key")


def _raw(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text or "").encode("utf-8", "surrogatepass")


def words_of(args: Any) -> str:
    """A command as one line, the interpreter by its name alone."""
    if isinstance(args, str | bytes | os.PathLike):
        return os.fsdecode(args)
    words = [os.fsdecode(word) for word in args]
    return " ".join(["python" if words[0] == sys.executable else words[0], *words[1:]])


def _by_the_product() -> bool:
    """Whether the nearest caller that is neither the library's nor ours is harvester."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.startswith("harvester"):
            return not name.startswith("harvester.standin")
        if name.partition(".")[0] not in (
            "subprocess",
            "asyncio",
            "pathlib",
            "contextlib",
            "canary",
        ):
            return False
        frame = frame.f_back
    return False


def _record(record: logging.LogRecord) -> str:
    told = [record.levelname, record.getMessage(), repr(record.args)]
    told += [repr(value) for name, value in record.__dict__.items() if name not in _USUAL]
    if record.exc_info and record.exc_info[1] is not None:
        told.append(chain(record.exc_info[1]))
    return " ".join(told)


_USUAL = frozenset(logging.makeLogRecord({}).__dict__)


def chain(error: BaseException) -> str:
    """An exception with all behind it: causes, contexts even where hidden, notes, groups."""
    told, seen, left = io.StringIO(), set[int](), [error]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        # Without the lines of source: those of a test say its secrets.
        told.write("".join(traceback.format_exception_only(one)))
        told.write(f"{one!r} {one.args!r} {getattr(one, '__notes__', '')}\n")
        left += [behind for behind in (one.__cause__, one.__context__) if behind is not None]
        if isinstance(one, BaseExceptionGroup):
            left += one.exceptions
    return told.getvalue()
