"""With which words a browser is started: the list is short, and nobody can make it longer."""

from __future__ import annotations

import dataclasses

import pytest

from harvester.errors import ConfigInvalid
from harvester.profile import Profile, Site
from harvester.settings.model import Everything, ProfileFields
from harvester.settings.values import Wrong, hosts
from harvester.signin.dialogue import BrowserChoice, order_of
from harvester.signin.launch import is_reachable, own_arguments

SITE = Site("https://knoq.one", "https://start.knoq.one/login", "/probe")


def test_nothing_is_said_to_a_browser_of_which_nothing_was_asked() -> None:
    everything = BrowserChoice("/usr/bin/chromium", "on", "http://proxy:3128", "/ca.pem")
    assert own_arguments(BrowserChoice()) == own_arguments(everything) == []


def test_no_setting_holds_arguments() -> None:
    known = {*Everything.model_fields, *ProfileFields.model_fields}
    assert not {one for one in known if "arg" in one or "flag" in one or "option" in one}
    fields = {one.name for one in dataclasses.fields(BrowserChoice)}
    assert fields == {"browser", "sandbox", "https_proxy", "ca_file", "hosts"}


def test_hosts_that_may_be_reached_become_one_argument() -> None:
    choice = BrowserChoice(hosts=("knoq.one", "*.login.example"))
    assert own_arguments(choice) == [
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE knoq.one , EXCLUDE *.login.example"
    ]
    assert order_of(choice.line()) == choice
    assert is_reachable("knoq.one", choice) and is_reachable("a.b.Login.example", choice)
    assert not is_reachable("login.example", choice) and not is_reachable("10.0.0.1", choice)
    assert is_reachable("10.0.0.1", BrowserChoice())


def test_beside_a_proxy_it_would_do_nothing_and_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="HTTPS_PROXY"):
        own_arguments(BrowserChoice(https_proxy="http://proxy:3128", hosts=("knoq.one",)))


def test_the_site_and_who_signs_in_are_always_among_them() -> None:
    identity = ("https://login.acme.example:8443",)
    some = Profile("default", SITE, identity_origins=identity, browser_hosts=("cdn.example",))
    assert some.reachable_hosts == (
        "knoq.one", "start.knoq.one", "login.acme.example", "cdn.example",
    )  # fmt: skip
    assert Profile("default", SITE, identity_origins=identity).reachable_hosts == ()


@pytest.mark.parametrize(
    "said",
    [
        "*",
        "*.*",
        "a.*.b",
        "https://a.b",
        "a.b:80",
        "a.b/c",
        "a b",
        "a, EXCLUDE *",
        "[::1]",
        "-a",
        "ä",
    ],
)
def test_what_is_no_host_is_refused(said: str) -> None:
    with pytest.raises(Wrong, match="hosts"):
        hosts(said)


def test_hosts_are_read_in_any_case_and_once() -> None:
    assert hosts("CDN.example, *.Login.example,cdn.example") == ("cdn.example", "*.login.example")
