"""Each rule that keeps what a process knows to itself, switched off."""

from __future__ import annotations

from collections.abc import Iterator

from mutant import Mutant

_PROCESS = ("tests/unit/test_process.py",)


def mutants() -> Iterator[Mutant]:
    yield Mutant(
        "what a process with secrets writes is its own",
        "process.py",
        "    os.umask(0o077)\n",
        "    os.umask(0o022)\n",
        _PROCESS,
    )
    yield Mutant(
        "a process with secrets leaves no core file",
        "process.py",
        "resource.setrlimit(resource.RLIMIT_CORE, (0, hard))",
        "pass",
        _PROCESS,
    )
    yield Mutant(
        "nobody looks into a process with secrets",
        "process.py",
        "        prctl(PR_SET_DUMPABLE, 0)\n",
        "        pass\n",
        _PROCESS,
    )
    yield Mutant(
        "a user's own command has the user's core limit",
        "process.py",
        "    _set_core(_core_at_start)\n",
        "    pass\n",
        _PROCESS,
    )
    yield Mutant(
        "what the browser's driver says stays in it",
        "signin/browser/grip.py",
        "return Moved(step, unsure=",
        "return Moved(step + text, unsure=",
        ("tests/unit/test_signin_grip.py",),
    )
    yield Mutant(
        "no picture is being taken when a password is typed",
        "signin/act.py",
        "        await self._browser.camera.still()\n        # Asking",
        "        # Asking",
        ("tests/unit/test_signin_hand.py",),
    )
    yield Mutant(
        "the page is looked at once more before a password is typed",
        "signin/act.py",
        '        await self._check(grip, fields, control, "password")\n        self.stage',
        "        self.stage",
        ("tests/unit/test_signin_hand.py",),
    )
    yield Mutant(
        "our own question follows no redirect",
        "probe.py",
        "allow_redirects=False",
        "allow_redirects=True",
        ("tests/contract/test_probe_way.py",),
    )
    yield Mutant(
        "our own question believes no unknown certificate",
        "probe.py",
        "ssl=trusted(self._ca_file)",
        "ssl=False",
        ("tests/contract/test_probe_way.py",),
    )
    yield Mutant(
        "no line of the log acts on a terminal",
        "log.py",
        "    return clean(str(value), limit=_FIELD_LIMIT)",
        "    return str(value)",
        ("tests/unit/test_log.py",),
    )
    yield Mutant(
        "a stored session stays with its origin",
        "whose.py",
        "    if session.origin != profile.site.origin:\n",
        "    if False:\n",
        ("tests/cli/test_bound_to_origin.py",),
    )
    yield Mutant(
        "nobody writes down the keys of a connection",
        "process.py",
        "if (path := os.environ.pop(KEY_LOG, None)) is not None:",
        "if (path := os.environ.get(KEY_LOG)) is not None:",
        _PROCESS,
    )
