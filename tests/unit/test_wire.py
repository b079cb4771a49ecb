"""What others read: every format, byte for byte, and the session object of the contract."""

import json
import subprocess
from dataclasses import replace

import pytest

from harvester.errors import OriginNotAllowed, SiteDown, Usage
from harvester.session import Cookie, Served
from harvester.wire import FORMATS, printable, problem, session_object, session_of
from jars import session

ODD = Cookie("sid", "a\"b'c%2F=d\\e $x", ".knoq.one", http_only=True, secure=True)
SERVED = Served(session(3600.0, cookies=(ODD,), identity="ada@x", organization="acme"))
BOTH = Served(session(None, cookies=(ODD, Cookie("jwt", "x.y.z", "knoq.one"))))


def test_the_session_object_has_the_fields_of_the_contract():
    shown = session_object(SERVED)
    assert list(shown) == [
        "version", "profile", "origin", "generation", "headers", "cookies", "obtained_at",
        "proved_at", "expires_at", "expires_kind", "confidence", "identity", "organization",
        "organization_proved", "user_agent", "stale", "min_valid_met",
    ]  # fmt: skip
    assert shown["headers"] == {"Cookie": f"sid={ODD.value}", "Origin": "https://knoq.one"}
    assert shown["expires_at"] == "1970-01-01T01:00:00Z"
    assert shown["cookies"][0]["domain"] == ".knoq.one"
    assert "theme" not in json.dumps(shown)


def test_a_stale_session_says_why():
    shown = session_object(replace(SERVED, stale=True, error=SiteDown("no answer")))
    assert shown["stale"] is True and shown["error"]["code"] == "site_down"


def test_the_printable_forms():
    assert printable(SERVED, "value") == ODD.value
    assert printable(BOTH, "cookie") == f"sid={ODD.value}; jwt=x.y.z"
    assert printable(SERVED, "header") == f"Cookie: sid={ODD.value}\nOrigin: https://knoq.one"
    assert json.loads(printable(SERVED, "json"))["generation"] == 1


def test_a_shell_reads_the_env_form_back_exactly():
    script = printable(SERVED, "env") + '\nprintf %s "$KNOQ_COOKIE"'
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout == f"sid={ODD.value}"


def test_the_value_of_two_cookies_is_refused_with_the_format_that_works():
    with pytest.raises(Usage) as caught:
        printable(BOTH, "value")
    assert "cookie" in caught.value.hint


@pytest.mark.parametrize("served", [SERVED, BOTH], ids=["one cookie", "two"])
def test_what_is_told_of_a_session_prints_as_the_session_does(served: Served) -> None:
    told = json.loads(json.dumps(session_object(served)))
    again = Served(session_of(told))
    for form in FORMATS:
        if form != "value" or served is SERVED:
            assert printable(again, form) == printable(served, form)


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(Usage) as caught:
        printable(SERVED, "yaml")
    assert all(name in caught.value.hint for name in FORMATS)


def test_cookies_txt_gives_a_session_cookie_an_end():
    line = printable(BOTH, "netscape").splitlines()[1].split("\t")
    assert line[0] == ".knoq.one"
    assert line[1] == "TRUE"
    assert int(line[4]) > 0


def test_a_kept_cookies_txt_outlives_a_session_whose_end_nobody_knows():
    line = printable(BOTH, "netscape").splitlines()[2]
    assert int(line.split("\t")[4]) >= BOTH.session.proved_at + 300 * 86400


def test_a_storage_state_is_playwrights():
    state = json.loads(printable(SERVED, "storage-state"))
    assert state["origins"] == []
    assert state["cookies"][0] == {
        "name": "sid", "value": ODD.value, "domain": ".knoq.one", "path": "/", "expires": -1,
        "httpOnly": True, "secure": True, "sameSite": "Lax",
    }  # fmt: skip


def test_a_problem_is_rfc_9457_and_the_contract():
    told = problem(OriginNotAllowed("login.acme asks", hint="set it"))
    assert told == {
        "type": "urn:harvester:error:origin_not_allowed",
        "title": "origin not allowed",
        "status": 409,
        "code": "origin_not_allowed",
        "detail": "login.acme asks",
        "hint": "set it",
        "retryable": False,
        "retry_after_s": None,
        "latched": False,
    }


def test_no_repr_shows_a_value():
    assert ODD.value not in repr(SERVED)
