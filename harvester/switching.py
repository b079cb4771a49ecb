"""From a session in the wrong organisation to one in the right one, by the site's own switch.

A switch exchanges the session for another: its token is new, and the old one may be dead.  So it
is asked for only where the site itself said that the session is of another organisation, it is
written in the ledger before, never sent twice, and what comes back is proved like any candidate:
alive by the probe, and shown to be of the right organisation.  Stores no session.
"""

from __future__ import annotations

import json
from dataclasses import replace

from harvester import whose
from harvester.budgets import refuses_switch
from harvester.clock import Clock
from harvester.errors import HarvesterError, OrganizationMismatch, RateLimited, SiteDown
from harvester.ledger import Ledger
from harvester.locking import to_the_end
from harvester.log import event
from harvester.profile import Profile
from harvester.records import Records
from harvester.session import Cookie, Session
from harvester.setcookie import take_in
from harvester.signin.dialogue import SignedIn
from harvester.staging import Staging
from harvester.verdict import Answer, Verdict

_SIGN_IN_ANEW = (
    "that organisation may want a sign-in of its own: set HARVESTER_PROVIDER and "
    "HARVESTER_IDENTITY_ORIGINS for it and run `harvester unlock`, or sign in yourself with "
    "`harvester login --headed`"
)
_NAMED_WRONG = (
    "correct HARVESTER_ORGANIZATION, or, if the site's switch reads another field, "
    "HARVESTER_SWITCH_ORG_BODY; then run `harvester unlock`"
)
# The site knows no such organisation, or not that body: a sign-in of its own would not help.
_NOT_UNDERSTOOD = frozenset({400, 404, 422})


class Switching:
    """Stages the candidates of one profile, in its organisation.  The caller holds the lock."""

    def __init__(
        self, profile: Profile, *, staging: Staging, records: Records, clock: Clock
    ) -> None:
        self._profile = profile
        self._staging = staging
        self._records = records
        self._clock = clock

    async def stage(
        self,
        signed: SignedIn,
        current: Session | None,
        ledger: Ledger,
        *,
        last_generation: int,
        renewed: bool = False,
    ) -> tuple[Session | HarvesterError, Ledger]:
        """A proved session, or why there is none; and the ledger after it (a switch is stored).

        A ``renewed`` session is never switched: it was of the right organisation before.
        """
        try:
            session = await self._staging.stage(
                signed, current, renewed=renewed, last_generation=last_generation
            )
        except OrganizationMismatch as error:
            mismatch = error
        except HarvesterError as error:
            return error, ledger
        else:
            return session, ledger
        if renewed or self._profile.organization is None or not self._profile.site.switch_org_path:
            return mismatch, ledger
        now = self._clock.wall_s()
        refusal = refuses_switch(ledger, now)
        if refusal is not None:
            # Another sign-in would end here too: let none be made before a switch is free.
            return refusal, ledger.with_backoff(now, refusal, fraction=0.0)
        ledger = ledger.with_switch(now)
        try:
            # Written down before it is done: what cannot be written is not done.
            await to_the_end(self._records.keep_ledger, ledger)
            jar = await self._switched(signed.cookies, self._profile.organization, mismatch)
            session = await self._staging.stage(
                replace(signed, cookies=jar, organization=None),
                current,
                renewed=False,
                last_generation=last_generation,
            )
            if not session.organization_proved:
                raise self._unproved()
        except OrganizationMismatch as error:
            error.hint = _NAMED_WRONG if error.hint == _NAMED_WRONG else _SIGN_IN_ANEW
            return error, ledger
        except HarvesterError as error:
            return error, ledger
        event(
            "organization.switched", profile=self._profile.name, organization=session.organization
        )
        return session, ledger

    async def _switched(
        self, jar: tuple[Cookie, ...], organization: str, mismatch: OrganizationMismatch
    ) -> tuple[Cookie, ...]:
        """The jar after the switch, accepted by the probe."""
        origin = self._profile.site.origin
        answer = await self._staging.switch(
            jar, body_for(self._profile.site.switch_org_body, organization)
        )
        _raise_unless_done(answer, origin, mismatch)
        after = self._without_the_old(
            jar, take_in(jar, answer.set_cookies, now_s=self._clock.wall_s())
        )
        verdict = await self._staging.candidate(after)
        if verdict is Verdict.UNREACHABLE:
            raise self._staging.explains(
                SiteDown(
                    f"{origin} switched the organisation, and then stopped answering",
                    hint="try again in a moment",
                )
            )
        if verdict is Verdict.DENIED:
            raise OrganizationMismatch(f"{mismatch.message}; after the switch {origin} refuses it")
        return after

    def _without_the_old(
        self, before: tuple[Cookie, ...], after: tuple[Cookie, ...]
    ) -> tuple[Cookie, ...]:
        """A JWT that the answer left as it was still speaks of the old organisation, and for
        some minutes may even be accepted: it is no part of the new session."""
        wanted = self._profile.organization or ""

        def is_old(cookie: Cookie) -> bool:
            names = whose.from_claims([cookie]).organizations
            return bool(names) and not whose.same_organization(wanted, names)

        return tuple(one for one in after if one not in before or not is_old(one))

    def _unproved(self) -> OrganizationMismatch:
        return OrganizationMismatch(
            "the session was switched, and nothing proves to which organisation"
        )


def body_for(template: str, organization: str) -> bytes:
    """The switch request's body: the organisation as part of a JSON string, whatever it holds."""
    return template.replace("$organization", json.dumps(organization)[1:-1]).encode()


def _raise_unless_done(answer: Answer, origin: str, mismatch: OrganizationMismatch) -> None:
    """Only a 2xx is a switch.  A time-out or a 5xx may have been one too: it is not sent again,
    and what is left of the session is nobody's."""
    if 200 <= answer.status < 300:
        return
    if answer.status == 429:
        raise RateLimited(
            f"{origin} limits how often the organisation is switched",
            hint="wait; switches made in a browser count too",
            retry_after_s=answer.retry_after_s,
        )
    said = f': "{answer.words}"' if answer.words else ""
    if answer.status == 0 or answer.status >= 500:
        trouble = f"status {answer.status}{said}" if answer.status else answer.trouble
        raise SiteDown(
            f"{origin} did not say whether it switched the organisation ({trouble})",
            hint="try again later",
            retry_after_s=answer.retry_after_s,
        )
    raise OrganizationMismatch(
        f"{mismatch.message}, and {origin} did not switch it (status {answer.status}{said})",
        hint=_NAMED_WRONG if answer.status in _NOT_UNDERSTOOD else _SIGN_IN_ANEW,
    )
