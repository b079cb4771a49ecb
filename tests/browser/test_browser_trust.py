"""Whose certificates the browser of a sign-in believes, and which hosts it looks up."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_signin_hostile import form

from authority import Authority
from harvester.session import Cookie
from harvester.signin.dialogue import BrowserChoice, Job
from hostile import SESSION, Hostile
from parent import Outcome, Spawned, job_for

HOSTS = ("knoq.localhost", "login.localhost")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with Hostile() as running:
        running.pages["login /"] = form()
        yield running


def ask(job: Job, jar: tuple[Cookie, ...]) -> str:
    """What a probe over TLS would say."""
    name, _, value = SESSION.partition("=")
    return "alive" if any((one.name, one.value) == (name, value) for one in jar) else "denied"


def sign_in(hostile: Hostile, **browser: Any) -> Outcome:
    job = job_for(hostile, totp=None, timeout_s=30.0)  # type: ignore[arg-type]
    return Spawned(replace(job, browser=BrowserChoice(**browser))).run(ask=ask)


def over_tls(context: ssl.SSLContext, **browser: Any) -> tuple[Outcome, Hostile]:
    with Hostile(context) as hostile:
        hostile.pages["login /"] = form()
        return sign_in(hostile, **browser), hostile


def test_a_companys_authority_is_believed_where_it_is_named(authority: Authority) -> None:
    outcome, hostile = over_tls(authority.server(*HOSTS), ca_file=str(authority.pem))
    assert outcome.error is None, outcome.result
    assert hostile.identity.startswith("https://") and hostile.held(hostile.password)


def test_an_authority_that_nobody_named_is_not_believed(authority: Authority) -> None:
    outcome, hostile = over_tls(authority.server(*HOSTS))
    assert outcome.error is not None and outcome.error.code == "site_down"
    assert "ERR_CERT_AUTHORITY_INVALID" in outcome.error.message
    assert "HARVESTER_CA_FILE" in outcome.error.hint
    assert hostile.asked == [] and outcome.submits == []


# What is wrong with the certificate: its names, whether it is over; who is said to be down.
BAD = {
    "another name": (("knoq.localhost", "other.localhost"), False, "identity_provider_down"),
    "is over": (HOSTS, True, "site_down"),
}


@pytest.mark.parametrize("what", BAD)
def test_an_authority_that_is_named_excuses_no_other_fault(authority: Authority, what: str) -> None:
    names, expired, code = BAD[what]
    context = authority.server(*names, expired=expired)
    outcome, hostile = over_tls(context, ca_file=str(authority.pem))
    assert outcome.error is not None and outcome.error.code == code, outcome.result
    assert "ERR_CERT_" in outcome.error.message
    assert not hostile.held("c4n4ry") and outcome.submits == []


def test_a_file_that_others_may_write_is_not_believed(authority: Authority, tmp_path: Path) -> None:
    loose = tmp_path / "loose.pem"
    loose.write_bytes(authority.pem.read_bytes())
    loose.chmod(0o666)
    outcome, hostile = over_tls(authority.server(*HOSTS), ca_file=str(loose))
    assert outcome.error is not None and outcome.error.code == "config_unsafe"
    assert "chmod go-w" in outcome.error.hint and hostile.asked == []


def test_hosts_that_are_not_named_are_not_reached_and_are_told(hostile: Hostile) -> None:
    picture = "<img src='{}/look'><script src='{}/run.js'></script>"
    hostile.pages["login /"] = form(more=picture.format(hostile.evil, hostile.evil))
    outcome = sign_in(hostile, hosts=HOSTS)
    assert outcome.error is None, outcome.result
    assert [one for one in hostile.asked if one.host == "evil"] == []
    assert outcome.steps.count("host_blocked") == 1 and b"evil.localhost" in outcome.raw
    # And with nothing said they are reached.
    assert sign_in(hostile).error is None
    assert [one for one in hostile.asked if one.host == "evil"]


def test_a_sign_in_that_leads_to_a_host_that_is_not_named_says_so(hostile: Hostile) -> None:
    hostile.pages["login /"] = hostile.go(f"http://127.0.0.1:{hostile.port}/")
    outcome = sign_in(hostile, hosts=HOSTS)
    assert outcome.error is not None and outcome.error.code == "config_invalid"
    assert "127.0.0.1" in outcome.error.hint and "HARVESTER_BROWSER_HOSTS" in outcome.error.hint
