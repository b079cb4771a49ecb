"""The ladder: facts and the time in; the next rung, a wait, or a person out.

Pure.  Rungs from cheapest to dearest:

    touch     a plain request; some sites roll or lengthen the session on use
    renew     a page load with the session's own cookies; the page's script mints a new token
    silent    a new sign-in in which the identity provider remembers, or a passkey of this machine
              answers; no secret is typed
    scripted  a new sign-in with the secrets
    headed    a person signs in, in a window: only where a person asked for it
    (person)  nobody else can help

(Rereading the store comes before all of them and is the keeper's.)  An error on a rung ends the
climb: it is never a reason for a heavier action.  Only a clean "that did not help" leads on.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from harvester.errors import HarvesterError, NeedsHuman, NotConfigured, RateLimited
from harvester.ledger import Ledger
from harvester.prices import PRICES, Cheap

Rung = Literal["touch", "renew", "silent", "scripted", "headed"]
# Why a climb began.  ``none``: no session; ``stale``, ``spent``: by the windows; ``denied``: the
# site refused it, proved twice; ``asked``: a person or a program asked for a refresh;
# ``hard``: they asked for a new sign-in; ``headed``: a person is there and does it.
Why = Literal["none", "stale", "spent", "denied", "asked", "hard", "headed"]

# A live session may be touched or renewed; a refused or missing one cannot.
_SESSION_LIVES: tuple[Why, ...] = ("stale", "spent", "asked")
# Here a cheap rung is tried although it did not lengthen a session lately: whoever asks is owed a
# look at the site, and a refused token may be minted anew all the same.
_ANYHOW: tuple[Why, ...] = ("asked", "denied")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the next step depends on.

    ``renewable``: the jar holds something that a page load may mint anew (a JWT among the needed
    cookies, beside another cookie).  ``remembers``: there is identity state; ``passkey``: there is
    a passkey of this machine.  ``username`` and ``password``: they are configured.
    ``submit_refusal``: why no secret may be sent now.
    ``life_s``: the session's known life.  ``tried``: rungs of this climb that did not help.
    ``settings``: the digest of the settings in force.  ``held``: why nothing is done at all.
    """

    why: Why
    ledger: Ledger
    settings: str
    renewable: bool = False
    remembers: bool = False
    passkey: bool = False
    username: bool = False
    password: bool = False
    submit_refusal: HarvesterError | None = None
    life_s: float | None = None
    tried: tuple[Rung, ...] = ()
    held: HarvesterError | None = None


@dataclass(frozen=True, slots=True)
class Climb:
    rung: Rung


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing more can be done now; the error says what would help, and when."""

    error: HarvesterError


@dataclass(frozen=True, slots=True)
class Enough:
    """The session lives, and nothing but the secrets could make a newer one: leave it at that."""


def next_step(facts: Facts, now: float) -> Climb | Stop | Enough:
    """The cheapest rung that may still help."""
    ledger = facts.ledger
    if facts.held is not None:
        return Stop(facts.held)  # no secret is typed because of a stranger
    if facts.why == "headed":
        return Climb("headed")
    if ledger.retry_error is not None and ledger.retry_error.get("kind") == "site":
        # The site itself asked to be left alone: nothing of it is asked, the cheapest neither.
        alone = ledger.waits(now)
        if alone is not None:
            return Stop(alone)
    for rung in _cheap(facts):
        if rung not in facts.tried and (ledger.worth(rung, now) or facts.why in _ANYHOW):
            # A bucket that is empty is no reason for a heavier action either.
            wait_s = ledger.wait_s(rung, now, facts.life_s)
            return Climb(rung) if wait_s <= 0 else Stop(_spent(rung, wait_s))
    waits = ledger.waits(now)
    if waits is not None:
        return Stop(waits)
    silent_stop: HarvesterError | None = None
    may_be_silent = facts.remembers or facts.passkey
    if may_be_silent and "silent" not in facts.tried and ledger.worth("silent", now):
        silent_stop = ledger.stops("silent", facts.settings)
        if silent_stop is None:
            wait_s = ledger.wait_s("silent", now, facts.life_s)
            if wait_s <= 0:
                return Climb("silent")
            # What was refused stays refused: an empty bucket is no news beside it.
            return Stop(ledger.refusal() or _spent("silent", wait_s))
    if facts.why == "asked":
        return Enough()
    scripted_stop = ledger.stops("scripted", facts.settings)
    if scripted_stop is not None:
        return Stop(scripted_stop)
    if facts.username and facts.password:
        if facts.submit_refusal is not None:
            return Stop(facts.submit_refusal)
        if "scripted" not in facts.tried:
            return Climb("scripted")
        return Stop(
            NeedsHuman(
                "the sign-in ended without a session",
                hint="sign in yourself in a browser to see what the pages ask",
            )
        )
    return Stop(silent_stop or _nothing_to_type(facts))


def _cheap(facts: Facts) -> tuple[Cheap, ...]:
    """The rungs that keep the session, the cheapest first."""
    possible: set[Cheap] = set()
    if facts.why in _SESSION_LIVES:
        possible.add("touch")
    if facts.renewable and facts.why in (*_SESSION_LIVES, "denied"):
        possible.add("renew")
    return tuple(sorted(possible, key=lambda rung: PRICES[rung].cost_s))


_MANY = MappingProxyType(
    {"touch": "touches", "renew": "renewals in a browser", "silent": "silent sign-ins"}
)


def _spent(rung: Rung, wait_s: float) -> HarvesterError:
    return RateLimited(
        f"too many {_MANY[rung]} in a short time",
        hint="something ends the session early; see: harvester status",
        retry_after_s=wait_s,
    )


def _nothing_to_type(facts: Facts) -> HarvesterError:
    if facts.passkey and not facts.password:
        return NeedsHuman(
            "the sign-in pages asked for more than the passkey of this machine",
            hint="see: harvester passkey list; make it anew with: harvester passkey enroll; "
            "or set HARVESTER_USERNAME and HARVESTER_PASSWORD_FILE",
        )
    if not facts.username and not facts.remembers:
        return NotConfigured(
            "there is no user name, no stored session and no identity state to sign in with",
            hint="run: harvester init; or set HARVESTER_USERNAME, HARVESTER_PASSWORD_FILE and "
            "HARVESTER_IDENTITY_ORIGINS",
        )
    if not facts.username:
        return NeedsHuman(
            "the identity provider asks for a sign-in again, and no user name is configured",
            hint="set HARVESTER_USERNAME and HARVESTER_PASSWORD_FILE",
        )
    return NotConfigured(
        "no password is configured, and nothing else can sign in",
        hint="set HARVESTER_PASSWORD_FILE or HARVESTER_PASSWORD_COMMAND",
    )
