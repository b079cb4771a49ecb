"""Whose session it is: evidence against the settings refuses it, missing evidence does not."""

from dataclasses import replace

import pytest

from harvester.errors import IdentityMismatch, OrganizationMismatch
from harvester.profile import Profile, Site
from harvester.whose import Evidence, Whose, decide, from_claims, from_whoami, pointed
from jars import cookie, jwt

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


@pytest.mark.parametrize("wanted", ["acme", "ACME", "org-1", "ac"])
def test_the_organisation_matches_by_id_slug_or_beginning(wanted):
    profile = replace(PROFILE, organization=wanted)
    owner = decide(profile, [Evidence("ada@x", ("acme", "org-1"))], Evidence())
    assert owner == Whose("ada@x", "acme", organization_proved=True)


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
