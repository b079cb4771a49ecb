"""Whose session it is: evidence against the settings refuses it, missing evidence does not."""

from dataclasses import replace

import pytest

from harvester.errors import IdentityMismatch, OrganizationMismatch
from harvester.profile import Profile, Site
from harvester.whose import Evidence, Whose, check, decide, from_claims, from_whoami, pointed
from jars import cookie, jwt, session

PROFILE = Profile("default", Site("https://knoq.one", "https://knoq.one", "/api"), username="ada@x")
CLAIMS = {
    "email": "ada@x",
    "https://stytch.com/organization": {"organization_id": "org-1", "slug": "acme"},
}


def test_a_session_jwt_tells_who_and_where():
    found = from_claims([cookie("noise"), cookie("jwt", jwt(**CLAIMS))])
    assert found == Evidence("ada@x", ("acme", "org-1"))


def test_a_who_am_i_answer_is_read_by_json_pointers():
    body = '{"user": {"mail": "ada@x"}, "orgs": [{"sl/ug": "acme"}]}'
    found = from_whoami(body, identity="/user/mail", organization="/orgs/0/sl~1ug")
    assert found == Evidence("ada@x", ("acme",))


@pytest.mark.parametrize(
    "body", ["", "[]", "nonsense", '{"user": 5}', '{"user": {"mail": "\\u001b"}}']
)
def test_an_odd_answer_is_no_evidence(body):
    assert from_whoami(body, identity="/user/mail", organization=None) == Evidence()


def test_a_pointer_that_leads_nowhere_gives_nothing():
    assert pointed({"a": [1]}, "/a/7") is None
    assert pointed({"a": [1]}, "/b") is None


@pytest.mark.parametrize("wanted", ["acme", "ACME", "org-1"])
def test_the_organisation_matches_by_id_or_slug(wanted):
    profile = replace(PROFILE, organization=wanted)
    owner = decide(profile, [Evidence("ada@x", ("acme", "org-1"))], Evidence())
    assert owner == Whose("ada@x", "acme", True, ("acme", "org-1"))


def test_another_organisation_refuses_the_session():
    with pytest.raises(OrganizationMismatch):
        decide(replace(PROFILE, organization="globex"), [Evidence(None, ("acme",))], Evidence())


def test_another_address_refuses_the_session_but_a_bare_user_name_says_nothing():
    with pytest.raises(IdentityMismatch):
        decide(PROFILE, [Evidence("eve@x")], Evidence())
    bare = replace(PROFILE, username="ada")
    assert decide(bare, [Evidence("ada@x")], Evidence()).identity == "ada@x"


def test_without_evidence_the_pages_are_believed_but_nothing_is_called_proved():
    profile = replace(PROFILE, organization="acme")
    owner = decide(profile, [Evidence()], Evidence("ada@x", ("Acme Inc",)))
    assert owner == Whose("ada@x", "Acme Inc", organization_proved=False)


@pytest.mark.parametrize("names", [("acme-staging",), ("acme-staging", "Acme Staging")])
def test_the_beginning_of_another_organisations_name_is_not_it(names):
    with pytest.raises(OrganizationMismatch):
        decide(replace(PROFILE, organization="acme"), [Evidence(None, names)], Evidence())


def test_the_first_word_of_a_display_name_will_do():
    profile = replace(PROFILE, organization="globex")
    assert decide(profile, [Evidence(None, ("Globex Inc",))], Evidence()).organization_proved


def test_a_stored_session_of_another_user_or_organisation_is_not_taken_up():
    kept = session(identity="ada@x", organization_proved=True, organization_names=("acme", "org-1"))
    check(replace(PROFILE, organization="org-1"), kept)
    with pytest.raises(OrganizationMismatch):
        check(replace(PROFILE, organization="globex"), kept)
    with pytest.raises(IdentityMismatch):
        check(replace(PROFILE, username="bob@x"), kept)
