"""Whose session is it?  Evidence in, a name and an organisation (or a refusal) out.

Pure.  Evidence, strongest first: the claims of a session JWT, the site's own "who am I" answer,
what was typed or chosen on the pages.  Evidence that contradicts the settings refuses the
session; missing evidence does not, but then nothing is called proved.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeGuard

from harvester.discovery import jwt_claims
from harvester.errors import IdentityMismatch, OrganizationMismatch, OriginMismatch
from harvester.profile import Profile
from harvester.session import Cookie, Session

_IDENTITY_CLAIMS = ("email", "preferred_username", "upn")
_ORGANIZATION_FIELDS = ("slug", "organization_slug", "organization_name", "name", "organization_id")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Who and where.  ``organizations`` are all the names of one organisation, best first."""

    identity: str | None = None
    organizations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Whose:
    identity: str | None
    organization: str | None
    organization_proved: bool
    organization_names: tuple[str, ...] = ()


def from_claims(jar: Iterable[Cookie]) -> Evidence:
    """What the JWTs among the cookies say."""
    for cookie in jar:
        claims = jwt_claims(cookie.value)
        if claims is None:
            continue
        identity = next((claims[n] for n in _IDENTITY_CLAIMS if _is_name(claims.get(n))), None)
        names: list[str] = []
        for key, value in claims.items():
            about = key.rstrip("/").rpartition("/")[2].lower()
            if about not in ("organization", "org", "organization_id", "org_id", "org_slug"):
                continue
            if isinstance(value, dict):
                names += [value[n] for n in _ORGANIZATION_FIELDS if _is_name(value.get(n))]
            elif _is_name(value):
                names.append(value)
        if identity or names:
            return Evidence(identity, tuple(names))
    return Evidence()


def from_whoami(body: str, *, identity: str | None, organization: str | None) -> Evidence:
    """What the site's own answer says, by JSON pointers (RFC 6901)."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return Evidence()
    who = pointed(data, identity) if identity else None
    where = pointed(data, organization) if organization else None
    return Evidence(who if _is_name(who) else None, (where,) if _is_name(where) else ())


def pointed(data: Any, pointer: str) -> Any:
    """The value at a JSON pointer, None where there is none."""
    for part in pointer.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, list) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            return None
    return data


def decide(profile: Profile, strong: Iterable[Evidence], shown: Evidence) -> Whose:
    """Put the evidence together.

    ``strong`` is what the site itself says (claims, whoami), ``shown`` what the pages showed.
    Raises OrganizationMismatch or IdentityMismatch where the site contradicts the settings.
    """
    identity: str | None = None
    organization: str | None = None
    names: tuple[str, ...] = ()
    told = tuple(strong)
    # Who comes first: another organisation may be switched, somebody else's session never.
    for evidence in told:
        if evidence.identity:
            _check_identity(profile, evidence.identity)
            identity = identity or evidence.identity
    for evidence in told:
        if evidence.organizations:
            _check_organization(profile, evidence.organizations)
            organization = organization or evidence.organizations[0]
            names = (*names, *evidence.organizations)
    return Whose(identity or shown.identity, organization or _first(shown), bool(names), names)


def check(profile: Profile, session: Session) -> None:
    """Is a stored session one for these settings?  It may have been made under others.

    Raises OriginMismatch, OrganizationMismatch or IdentityMismatch.
    """
    if session.origin != profile.site.origin:
        raise OriginMismatch(
            f"the stored session belongs to {session.origin}, not to {profile.site.origin}",
            hint="a session never moves to another origin: use another profile, or run: "
            "harvester logout",
        )
    if session.organization_proved and session.organization_names:
        _check_organization(profile, session.organization_names)
    if session.identity is not None:
        _check_identity(profile, session.identity)


def same_organization(wanted: str, names: tuple[str, ...]) -> bool:
    """Whether ``wanted`` is the organisation of these names (id, slug, name), without case.

    Where nothing but a display name is known, its first word will do: ``globex`` is "Globex Inc".
    Beginnings of slugs will not: ``acme`` is not ``acme-staging``.
    """
    asked = wanted.casefold().strip()
    told = [name.casefold().strip() for name in names]
    return asked in told or (len(told) == 1 and told[0].startswith(asked + " "))


def _check_organization(profile: Profile, names: tuple[str, ...]) -> None:
    if profile.organization and not same_organization(profile.organization, names):
        raise OrganizationMismatch(
            f"the session belongs to organisation {names[0]}, not to {profile.organization}",
            hint="correct HARVESTER_ORGANIZATION, or sign in to the other one: harvester login",
        )


def _check_identity(profile: Profile, identity: str) -> None:
    # A user name that is no address ("ada") says nothing about one that is.
    wanted = profile.username or ""
    if "@" in wanted and "@" in identity and wanted.casefold() != identity.casefold():
        raise IdentityMismatch(
            f"the session belongs to {identity}, not to {wanted}",
            hint="correct HARVESTER_USERNAME, or run: harvester logout",
        )


def _first(evidence: Evidence) -> str | None:
    return evidence.organizations[0] if evidence.organizations else None


def _is_name(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= 256 and value.isprintable()
