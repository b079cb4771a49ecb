"""`harvester token` in its plain forms, with a daemon: read by hand, one round trip, printed.

A shell loop calls it thousands of times, so nothing is imported that a bare interpreter has not
loaded already, not even ``__future__``: no click, no settings, no file is read.  A test holds the
list.  Whatever is unusual is left to the long way, which knows everything that this knows.
"""

import os
import sys

from harvester import dial, places

TYPE_CHECKING = False  # typing's own, without importing typing
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack

# As wire.FORMATS, which would double the time that the command takes.  A test holds them together.
FORMATS = frozenset(
    {"value", "cookie", "header", "json", "env", "curl", "netscape", "storage-state"}
)

_VALUED = {
    "--profile": "profile",
    "--socket": "socket",
    "--origin": "origin",
    "--min-valid": "min_valid",
    "--format": "format",
}
_PLAIN = {"--json": "json", "--quiet": "quiet", "-q": "quiet"}
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}

# As settings' model, which comes with pydantic.  A test holds them together.
VARIABLES = frozenset(
    """
    ALLOW_UIDS APPROVAL_WAIT AUDIT BROWSER BROWSER_HOSTS CA_FILE CLIENT CODE CONFIG CONFIRM
    CONSENT ENV_FILE FILES HINT HTTPS_PROXY IDENTITY_ORIGINS KEY KEY_COMMAND KEY_FILE
    KEY_SOURCE LOG_FORMAT LOG_LEVEL MAX_AGE MESSAGE NOTIFY ON_PERSON_NEEDED OPERATION
    ORGANIZATION ORIGIN PASSPHRASE PASSPHRASE_COMMAND PASSPHRASE_FILE PASSWORD
    PASSWORD_COMMAND PASSWORD_FILE PID PROBE_DENIED_TEXT PROBE_PATH PROFILE PROVIDER PROXY
    PROXY_GOVERNOR REFRESH_EVERY SANDBOX SESSION_COOKIE SIGN_IN_TIMEOUT SIGN_IN_URL
    SIGN_OUT_PATH SOCKET STAY_SIGNED_IN STORE SUBMITS_PER_DAY SUBMITS_PER_HOUR
    SWITCH_ORG_BODY TOTP_SECRET TOTP_SECRET_COMMAND TOTP_SECRET_FILE TRIPWIRE UID USERNAME
    WHOAMI_IDENTITY WHOAMI_ORGANIZATION WHOAMI_PATH
    """.split()  # noqa: SIM905  seventy names are read, and compared, more easily as words
)
_PREFIX = "HARVESTER_"
_INJECTED = ("SERVICE_", "PORT")


def plain_token(args: "Sequence[str]") -> dict[str, str] | None:
    """The options of a plain ``token`` command, or None for anything else.

    Every option takes part at most once, as people write it; all else is the long way's.
    """
    found: dict[str, str] = {}
    command = False
    words = iter(args)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "token" and not command:
            command = True
            continue
        if word in _PLAIN:
            key, value = _PLAIN[word], "yes"
        elif name in _VALUED:
            key = _VALUED[name]
            value = value if equals else next(words, "")
        else:
            return None
        # An option of `token` in front of it is a mistake that the long way explains.
        if key in found or not value or (not command and key in ("min_valid", "format")):
            return None
        found[key] = value
    if not command or found.get("format", "cookie") not in FORMATS:
        return None
    if _seconds(found.get("min_valid", "0s")) is None:
        return None
    return found


def knows(environ: "Mapping[str, str]") -> bool:
    """Whether each of our variables has a name that there is.

    One that has none is an error, and the long way's to tell: with HARVESTER_PROFIL=work this
    would print the session of another account than the caller means.
    """
    for variable in environ:
        if variable.startswith(_PREFIX):
            name = variable[len(_PREFIX) :]
            if name.startswith("PROFILES__"):
                name = name.rpartition("__")[2]
            if name not in VARIABLES and not name.startswith(_INJECTED):
                return False
    return True


def _seconds(text: str) -> float | None:
    """``90s``, ``15m``, ``12h``, ``7d``; None for whatever else may be one."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNIT_S or not (number.isascii() and number.isdecimal()) or len(number) > 9:
        return None
    return float(int(number) * _UNIT_S[unit])


def token(asked: "Mapping[str, str]", environ: "Mapping[str, str]") -> int | None:
    """Print the session of the daemon; returns the exit code, None where no daemon runs, or where
    it finds the request itself wrong: then the long way says so in the words of the command."""
    try:
        answer = _answer(asked, environ)
        if answer is None:
            return None
        text = dial.session_text(answer)
    except Exception as error:
        from harvester.errors import HarvesterError

        if not isinstance(error, HarvesterError):
            raise
        if error.code == "usage":
            return None
        from harvester.cli.telling import tell

        return tell(error, as_json="json" in asked)
    if "quiet" not in asked and not dial.WARNED_BY.isdisjoint(answer.headers):
        _warn(answer)
    return put(text)


def _form(asked: "Mapping[str, str]") -> str:
    return "json" if "json" in asked else asked.get("format", "cookie")


def _answer(asked: "Mapping[str, str]", environ: "Mapping[str, str]") -> dial.Answer | None:
    profile = profile_of(asked, environ)
    following: list[ExitStack] = []
    try:
        found = dial.ask(
            places.socket_candidates(asked.get("socket"), None, environ),
            "GET",
            dial.session_path(
                profile,
                min_valid_s=_seconds(asked.get("min_valid", "0s")) or 0.0,
                wait_s=dial.TOKEN_WAIT_S,
                form=_form(asked),
                origin=_named_origin(profile, asked.get("origin"), environ),
            ),
            named=bool(asked.get("socket") or environ.get("HARVESTER_SOCKET")),
            wait_s=dial.TOKEN_WAIT_S,
            client="harvester-token",
            on_wait=None
            if "quiet" in asked
            else lambda: following.append(_follow(asked.get("socket"), profile)),
        )
    finally:
        for shown in following:
            shown.close()
    return None if found is None else found[0]


def _follow(explicit: str | None, profile: str) -> "ExitStack":
    """The daemon signs in meanwhile: its steps are shown, a number to compare among them."""
    from contextlib import ExitStack

    from harvester.cli.following import Following
    from harvester.cli.progress import Progress
    from harvester.client import Client

    shown = ExitStack()
    shown.enter_context(Following(Client(explicit), profile, Progress(quiet=False)))
    return shown


def _warn(answer: dial.Answer) -> None:
    from harvester.cli.telling import warn
    from harvester.client import warnings_beside

    warn(warnings_beside(answer.headers))


def profile_of(asked: "Mapping[str, str]", environ: "Mapping[str, str]") -> str:
    return asked.get("profile") or environ.get("HARVESTER_PROFILE") or "default"


def _named_origin(profile: str, flag: str | None, environ: "Mapping[str, str]") -> str | None:
    """The origin that the caller's flag or environment names for this profile."""
    variable = "HARVESTER_PROFILES__" + profile.upper().replace("-", "_") + "__ORIGIN"
    named = flag or environ.get(variable)
    if not named and profile == "default":
        named = environ.get("HARVESTER_ORIGIN")
    return named.strip() if named and named.strip() else None


def put(text: str) -> int:
    """The one thing that goes to standard output; returns the exit code."""
    try:
        try:
            sys.stdout.write(text + "\n")
        except UnicodeEncodeError:
            # What we print is UTF-8 wherever the locale cannot say it; JSON always is.
            sys.stdout.buffer.write((text + "\n").encode("utf-8", "backslashreplace"))
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # that reader went away, and knows it
            sys.stderr.write(f"harvester: standard output cannot be written: {error.strerror}\n")
        # Without this the interpreter tries and complains again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    return 0
