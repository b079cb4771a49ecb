"""What is compared of a profile without being kept: its settings, and whose account it is."""

from __future__ import annotations

import hashlib

from harvester.profile import Profile


def settings_digest(profile: Profile) -> str:
    """What a person may have changed to mend a sign-in; no secret is part of it."""
    told = (
        profile.site.origin,
        profile.site.sign_in_url,
        profile.site.probe_path,
        profile.site.probe_denied_text,
        profile.site.whoami_path,
        profile.site.whoami_identity,
        profile.site.whoami_organization,
        profile.provider,
        sorted(profile.identity_origins),
        profile.username,
        profile.organization,
        profile.site.switch_org_body,
        [one.as_dict() for one in profile.pages],
        profile.session_cookie,
        None if profile.password is None else profile.password.where(),
        None if profile.totp is None else profile.totp.where(),
        *profile.browser_hosts,
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def account_of(profile: Profile) -> str:
    """The account at the identity provider, as a digest: profiles with the same one share the
    count of what was sent.  Empty where there is no user name."""
    if profile.username is None:
        return ""
    told = (profile.site.origin, profile.username.casefold())
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
