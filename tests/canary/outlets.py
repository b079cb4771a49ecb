"""Where a secret may be: the places in which it is meant to lie, each with the reason.

As narrow as the place allows.  One that nothing needs any more is an open door: in a whole run it
fails the run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from canary.scan import Hit


@dataclass(frozen=True, slots=True)
class Outlet:
    """``test`` and ``where`` are searched for in the test's id and in where the place was."""

    name: str
    why: str
    places: frozenset[str]
    secrets: frozenset[str]
    where: re.Pattern[str] = field(default_factory=lambda: re.compile(""))
    test: re.Pattern[str] = field(default_factory=lambda: re.compile(""))

    def lets(self, hit: Hit) -> bool:
        return (
            hit.place in self.places
            and hit.secret in self.secrets
            and self.where.search(hit.where) is not None
            and self.test.search(hit.test) is not None
        )


def _outlet(
    name: str, why: str, places: str, secrets: str, where: str = "", *, test: str = ""
) -> Outlet:
    def listed(words: str) -> frozenset[str]:
        return frozenset(word.strip() for word in words.split(","))

    return Outlet(
        name, why, listed(places), listed(secrets), re.compile(where, re.DOTALL), re.compile(test)
    )


_GIVES_OUT = (
    r"^(\S*/)?(python|sh|bash|curl) "
    r".*(harvester( --json)? (token|export|exec|credential-helper)|v1/session)"
)
_SESSION = "session, session JWT, cookie, token"

OUTLETS: tuple[Outlet, ...] = (
    _outlet(
        "the tests of the search itself",
        "they plant canaries to see them found",
        "file, browser file, state, log file, crash dump, opened, argv, cmdline, environ, stdout",
        "session, token, key",
        test=r"tests/canary/test_canary\.py::",
    ),
    _outlet(
        "the store's key file",
        "where no key is given it is made there, 0600 in a directory of 0700; the warning says so",
        "file, state",
        "key",
        r"(^|/)key$",
    ),
    _outlet(
        "a key's other places, as the tests play them",
        "a systemd credential is a file of that name; the keyring of the tests is a file",
        "file",
        "key",
        r"/(creds/HARVESTER_KEY|kept)$|_keeps_the_key[^/]*/kept",
        test=r"/test_key_places\.py::",
    ),
    _outlet(
        "key new",
        "prints a fresh key, for whoever keeps his keys elsewhere",
        "captured",
        "key",
        "^stdout",
        test=r"/test_cli_key\.py::test_a_fresh_key_is_printed",
    ),
    _outlet(
        "what a command gives out",
        "token, export, exec's program and the socket give the session on standard output",
        "stdout",
        _SESSION,
        _GIVES_OUT,
    ),
    _outlet(
        "what a command gives out in its own test",
        "the same, run inside the test's process: standard output, never standard error",
        "captured",
        _SESSION,
        "^stdout",
        test=r"/test_(cli_(token|credential|github)|api_token|bound_to_origin)\.py::",
    ),
    _outlet(
        "the signer's line",
        "its standard output is the one way to its parent, which proves and keeps the session; the"
        " password, the seed and the identity state do not go there unsealed",
        "stdout",
        # Between two organisations the site's jar holds a session that is none yet.
        f"{_SESSION}, intermediate session",
        r"^python -P -m harvester\.signin$",
    ),
    _outlet(
        "kept files",
        "HARVESTER_FILES keeps them written, 0600, for programs that read files",
        "file",
        _SESSION,
        r"/(kept-)?(json|value|netscape|storage-state|header|env|curl|cookie|cookie\.txt|kept|there)$",
        test=r"/test_(files|formats_for_real|hand_outs_for_real|main_job|planted|tripwire_for_real)\.py::",
    ),
    _outlet(
        "token --output",
        "the file that was asked for, 0600",
        "file",
        _SESSION,
        r"/cookie$",
        test=r"/test_cli_token\.py::",
    ),
    _outlet(
        "a storage state that a test of browsers writes down",
        "Playwright takes it as a file; the test plays its user",
        "file",
        _SESSION,
        r"/state\.json$",
        test=r"/test_storage_state\.py::",
    ),
    _outlet(
        "token --github",
        "a private file in the runner's temp directory, for the steps that follow",
        "file",
        _SESSION,
        r"/runner(-temp)?/harvester-[^/]+/session$",
    ),
    _outlet(
        "exec's program",
        "it is started to have the session, in KNOQ_COOKIE",
        "environ",
        _SESSION,
        r" started by python -P -m harvester exec ",
    ),
    _outlet(
        "init's password file",
        "a password typed into the wizard is kept in a file of its own, 0600, and init says where",
        "file",
        "password",
        r"/secrets/default\.password$",
    ),
    _outlet(
        "curl --cookie, by the user",
        "a format's test hands it over in curl's words; harvester itself does so nowhere",
        "argv, cmdline",
        _SESSION,
        r"^curl .*--cookie ",
        test=r"/test_formats_for_real\.py::",
    ),
    _outlet(
        "a later step of a workflow that prints it",
        "the test plays that step, to see that the masks cover each spelling",
        "argv, cmdline, captured",
        _SESSION,
        r"^sh -c set -x; :|^stderr of call$",
        test=r"/test_cli_github\.py::test_in_whatever_spelling",
    ),
    _outlet(
        "a copy of the program",
        "the stand-in's password stands in its own source, and opens nothing",
        "file",
        "password",
        r"/harvester/standin/world\.py$",
        test=r"tests/mutants/",
    ),
    _outlet(
        "a password command's own words",
        "the test's command prints its words: they are the secret by the user's own will",
        "argv, cmdline",
        "password",
        r"^echo ",
        test=r"/test_keys\.py::test_a_command_runs_without_a_shell$",
    ),
)


def outlet_of(hit: Hit) -> Outlet | None:
    return next((one for one in OUTLETS if one.lets(hit)), None)
