"""The controls of a sign-in, one by one: where each stands, how it is gone, and who misses it.

Most are missed by a hostile page in a real browser; where two stand behind each other they go
together, and the unit tests of the guard miss the inner one alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from mutant import Mutant

_PAGES = "tests/browser/test_hostile_pages.py"
_BENT = "tests/browser/test_signin_hostile.py"
_LAUNCH = "tests/browser/test_browser_launch.py"
_TRUST = "tests/browser/test_browser_trust.py"
_USERS = "tests/browser/test_as_nobody.py"
_GUARD = "tests/unit/test_signin_guard.py"
_UNSEEN = f"{_PAGES}::test_fields_that_nobody_sees_stay_empty"


def _lure(name: str) -> str:
    return f"{_PAGES}::test_not_a_piece_of_the_password_goes_astray[{name}]"


def _bend(name: str) -> str:
    return f"{_BENT}::test_no_byte_of_the_password_goes_astray[{name}]"


def _off(
    name: str, file: str, old: str, new: str, *tests: str, also: tuple[str, str, str] | None = None
) -> Mutant:
    return Mutant(name, file, old, new, tests, () if also is None else (also,))


_NO_ORIGIN = (
    "signin/guard.py",
    "if origin is None or origin not in allowed:",
    "if origin is None:",
)
_NOT_DECIDED = (
    "signin/decide.py",
    "if not harmless and origin not in known.identity_origins:",
    "if False:",
)


def mutants() -> Iterator[Mutant]:
    yield from _where_a_secret_goes()
    yield from _what_is_seen()
    yield from _what_a_browser_may()
    yield from _who_else_is_there()


def _where_a_secret_goes() -> Iterator[Mutant]:
    yield _off(
        "no form sends it elsewhere",
        "signin/guard.py",
        "if _trusted_origin(target, allowed) is None:",
        "if False:",
        _lure("a form in a shadow root that sends elsewhere"),
    )
    yield _off(
        "only origins that are configured get it",
        *_NOT_DECIDED,
        _lure("a redirect"),
        also=_NO_ORIGIN,
    )
    yield _off(
        "a look-alike is not the provider",
        *_NOT_DECIDED,
        _lure("a host with a Greek letter"),
        also=_NO_ORIGIN,
    )
    yield _off("the guard itself knows the origins", *_NO_ORIGIN, _GUARD)
    yield _off(
        "the site itself is no such origin",
        "signin/guard.py",
        """    if what == "identifier":
        allowed""",
        "    allowed",
        _lure("the site's own page"),
        also=_NOT_DECIDED,
    )
    yield _off(
        "a port is part of an origin",
        "profile.py",
        '(f":{port}" if port and port != default else "")',
        '""',
        _GUARD,
    )
    yield _off(
        "http is for loopback only",
        "signin/guard.py",
        'if parts.scheme == "https" or is_loopback(parts.hostname or ""):',
        "if True:",
        _GUARD,
    )
    yield _off(
        "no stranger's frame is around it",
        "signin/guard.py",
        "if _trusted_origin(parent, around) is None:",
        "if False:",
        _lure("a stranger's frame in between"),
    )
    yield _off(
        "a sandbox has no origin",
        "signin/guard.py",
        "if place.script_origin != origin:",
        "if False:",
        _GUARD,
    )
    yield _off(
        "a password goes into no field that shows it",
        "signin/guard.py",
        'if place.shows and what == "password":',
        "if False:",
        _GUARD,
    )
    yield _off(
        "no new password is chosen",
        "signin/guard.py",
        'if place.new_password and what != "identifier":',
        "if False:",
        _GUARD,
    )
    yield _off(
        "a button's own target counts",
        "signin/act.py",
        "            targets.append(submit.formaction)\n",
        "            pass\n",
        _bend("a button that turns away"),
        _lure("a picture as the button"),
    )
    yield _off(
        "what Enter presses counts",
        "signin/act.py",
        "targets += [one for one in (view.forms[now.form].enter_to,) if one]",
        "pass",
        _bend("Enter that presses a hidden button"),
    )


def _what_is_seen() -> Iterator[Mutant]:
    yield _off(
        "a dot is no field",
        "signin/page.js",
        "if (box.width < MIN_SIDE || box.height < MIN_SIDE) return false;",
        "",
        _UNSEEN,
    )
    yield _off(
        "what stands beside the page is no field",
        "signin/page.js",
        "if (x + box.width <= 0 || y + box.height <= 0 || x >= width || y >= height) return false;",
        "",
        _UNSEEN,
    )
    yield _off(
        "what is transparent or hidden is no field",
        "signin/page.js",
        "const visible = el.checkVisibility({ opacityProperty: true, visibilityProperty: true });",
        "const visible = true;",
        _UNSEEN,
    )
    yield _off(
        "what is nearly transparent is no field",
        "signin/page.js",
        'visible: shown(el) && !(role === "textbox" && faint(el)),',
        "visible: shown(el),",
        _UNSEEN,
    )
    yield _off(
        "what is inert is no field",
        "signin/page.js",
        "return visible && !hiddenFrom(el);",
        "return visible;",
        _UNSEEN,
    )


def _what_a_browser_may() -> Iterator[Mutant]:
    context = "                accept_downloads=False,\n            )\n            await"
    yield _off(
        "no error of a certificate is passed over",
        "signin/browser/window.py",
        context,
        context.replace("accept", "ignore_https_errors=True,\n                accept"),
        f"{_TRUST}::test_an_authority_that_nobody_named_is_not_believed",
        f"{_TRUST}::test_an_authority_that_is_named_excuses_no_other_fault",
    )
    yield _off(
        "nothing is downloaded",
        "signin/browser/window.py",
        context,
        context.replace("False", "True"),
        f"{_LAUNCH}::test_a_page_writes_no_file_of_its_choice",
    )
    yield _off(
        "no worker stays",
        "signin/browser/window.py",
        'service_workers="block",',
        'service_workers="allow",',
        f"{_LAUNCH}::test_a_page_leaves_no_worker_behind",
    )
    yield _off(
        "no window opens by itself",
        "signin/browser/window.py",
        "            self._later(page.close)\n",
        "",
        f"{_LAUNCH}::test_a_page_opens_no_window_by_itself",
    )
    yield _off(
        "hosts that are not named are not looked up",
        "signin/launch.py",
        'return [f"--host-resolver-rules=MAP * ~NOTFOUND{excluded}"]',
        "return []",
        f"{_TRUST}::test_hosts_that_are_not_named_are_not_reached_and_are_told",
    )
    yield _off(
        "an authority is believed from a file that nobody else may write",
        "signin/trust.py",
        "read_private_file(ca_file, _BUNDLE_BYTES)",
        "Path(ca_file).read_bytes()",
        f"{_TRUST}::test_a_file_that_others_may_write_is_not_believed",
    )
    yield _off(
        "the browser is told nothing of the environment",
        "signin/confine.py",
        "kept = {name: environ[name] for name in _KEPT if name in environ}",
        "kept = dict(environ)",
        f"{_LAUNCH}::test_no_process_of_a_sign_in_is_given_a_variable_that_spies",
        also=(
            "spawn.py",
            "return {name: environ[name] for name in _INHERITED if name in environ}",
            'return {n: v for n, v in environ.items() if n[:2] not in ("LD", "NO", "CH", "PL")}',
        ),
    )
    yield _off(
        "the keys of our own connections are not written down",
        "process.py",
        "(path := os.environ.pop(KEY_LOG, None))",
        "(path := os.environ.get(KEY_LOG))",
        f"{_LAUNCH}::test_no_process_of_a_sign_in_is_given_a_variable_that_spies",
    )
    yield _off(
        "a browser is driven over a pipe",
        "signin/browser/launching.py",
        "args=own_arguments(choice),",
        'args=[*own_arguments(choice), "--remote-debugging-port=0"],',
        f"{_LAUNCH}::test_no_process_of_a_sign_in_hears_strangers",
    )
    yield _off(
        "whether there is a sandbox is asked of the kernel",
        "signin/browser/sandbox.py",
        "        return False\n    lines",
        "        return True\n    lines",
        f"{_LAUNCH}::test_a_browser_without_its_sandbox_is_known_as_one",
        f"{_LAUNCH}::test_where_a_sandbox_is_demanded_none_goes_without",
    )


def _who_else_is_there() -> Iterator[Mutant]:
    yield _off(
        "the sandbox is on for whoever is not root",
        "signin/launch.py",
        'choice.sandbox == "on" or (choice.sandbox == "auto" and os.geteuid() != 0)',
        "False",
        f"{_USERS}::test_whoever_is_not_root_signs_in_with_the_sandbox_on",
    )
    yield _off(
        "nobody reads the memory of a process that holds secrets",
        "process.py",
        "        prctl(PR_SET_DUMPABLE, 0)",
        "        pass",
        f"{_USERS}::test_another_program_of_the_same_user_reads_no_process_that_holds_secrets",
    )
    yield _off(
        "who may enter is asked of the kernel, not of modes",
        "outlets/peer.py",
        "return uid is not None and (uid == os.geteuid() or uid in allow_uids)",
        "return True",
        f"{_USERS}::test_another_user_gets_nothing_of_a_daemon_of_root",
    )
    yield _off(
        "what a killed sign-in left is ended",
        "daemon.py",
        "    await asyncio.to_thread(_sweep)\n",
        "",
        f"{_LAUNCH}::test_a_daemon_ends_what_a_killed_one_left_and_nothing_that_lives",
    )
    yield _off(
        "what lives is left alone by the sweep",
        "leftovers.py",
        "        if lock is None:\n            continue\n",
        "        lock = -1 if lock is None else lock\n",
        f"{_LAUNCH}::test_a_daemon_ends_what_a_killed_one_left_and_nothing_that_lives",
    )
