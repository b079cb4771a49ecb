"""The way from the start page to a session: look, decide, act once, wait for a change, again.

Success is never an address or a cookie's name: the parent asks the site with the cookies at hand,
and its verdict ends the walk.  Knows no provider and no site.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from urllib.parse import urlsplit

from harvester import redact
from harvester.errors import BrowserFailed, CodeRejected, HarvesterError, TimedOut
from harvester.profile import origin_of
from harvester.signin.act import Hand, Secrets
from harvester.signin.arrival import Arrival, Arrived, Asked
from harvester.signin.browser import Browser, Moved
from harvester.signin.by_passkey import STATE as USE_PASSKEY
from harvester.signin.carried import Carried
from harvester.signin.consents import Consents, not_given
from harvester.signin.decide import Decision, Fill, Known, Press, Stop, decide, host_of
from harvester.signin.dialogue import Job
from harvester.signin.fields import Fields
from harvester.signin.film import Film
from harvester.signin.observe import View
from harvester.signin.parent import Parent
from harvester.signin.refusal import Answered, new_words, refused, said_by, unrecognised
from harvester.signin.stillness import Stillness

MAX_ACTIONS = 20
MAX_WALK_S = 90.0
# Looking costs about 5 ms of both processes; a person's page change takes 100 ms and more.
_LOOK_EVERY_S = 0.02
# A page that is still the same this long after an action, with nothing on its way, will stay so.
_NO_REACTION_S = 10.0
# A document that answers no look for this long will answer none.
_DEAF_S = 12.0
# The same button is pressed again in one document only when all has been still for a second.
_AGAIN_S = 1.0
# A page that shows nothing we know may still be building itself.
_UNKNOWN_S = 4.0
_SAME_ACTION_LIMIT = 3


class Walk:
    """One walk.  ``hand.stage`` tells how far it had come when it raised."""

    def __init__(
        self,
        job: Job,
        browser: Browser,
        parent: Parent,
        hand: Hand,
        *,
        secrets: Secrets | None,
        consents: Consents,
        carried: Carried,
        film: Film,
    ) -> None:
        self._job = job
        self._browser = browser
        self._traffic = browser.traffic
        self._parent = parent
        self._secrets = secrets
        self._consents = consents
        self._carried = carried
        self._film = film
        self._hand = hand
        self._arrival = Arrival(job, browser, parent)
        self._answered = Answered()
        self._code_retried = False
        self._organization: str | None = None
        self._identity: str | None = None
        self._before: View | None = None
        self._last_key: tuple[str, ...] = ()
        self._acted_at = self._asked_at = 0.0
        self._actions: list[tuple[str, ...]] = []
        self._stillness = Stillness(self._traffic)
        self._known_at = self._began_at = self._seen_at = time.monotonic()
        self._told: tuple[str, str, str | None] = ("", "", None)
        self._approval_since: float | None = None
        self.let_in = False
        """The provider was content with what was sent: the site itself asks which organisation."""

    async def sign_in(self) -> Arrived:
        await self._browser.go(self._job.sign_in_url, self._job.origin)
        while True:
            if time.monotonic() - self._began_at > MAX_WALK_S + self._job.approval_wait_s:
                raise TimedOut(f"the sign-in was not through after {MAX_WALK_S:.0f} s", hint=_SLOW)
            view = await self._browser.look()
            # After the look: what is seen may be the page of an error, and ask for a password too.
            self._traffic.raise_trouble()
            # A sign count that no disk takes is no reason to stop: see ``Passkey.count_at``.
            await self._carried.keep()
            self._notice(view)
            if view is None:
                self._bear_silence()
            else:
                self._seen_at = time.monotonic()
                arrived = await self._candidate(view)
                if arrived is not None:
                    return arrived
                before = self._acted_at
                await self._turn(view)
                if self._acted_at != before:
                    continue  # an action returns when the next page begins to come
            await asyncio.sleep(_LOOK_EVERY_S)

    # -- looking --------------------------------------------------------------------------------

    def _bear_silence(self) -> None:
        """A page that answers no look: a script that never ends, or a dialog that opened while
        it was left (Chromium then lets nobody close it)."""
        if time.monotonic() - self._seen_at > _DEAF_S and not self._traffic.navigating:
            host = urlsplit((self._traffic.visited or [self._job.origin])[-1]).netloc
            raise BrowserFailed(
                f"the page of {host} hangs in the browser",
                hint="it is tried again later by itself; see: harvester doctor",
            )

    def _notice(self, view: View | None) -> None:
        self._film.see(view)
        self._stillness.notice(view)

    # -- success --------------------------------------------------------------------------------

    async def _candidate(self, view: View) -> Arrived | None:
        """Back on the site with other cookies than last time: ask whether they are a session."""
        if origin_of(view.main.url) != self._job.origin:
            return None
        if not (self._traffic.left_site or self._hand.sent or self._carried.signed):
            return None  # nobody has been asked for a session yet
        reacted = self._before is not None and view.look != self._before.look
        anew = reacted and self._acted_at > self._asked_at and self._stillness.still(view)
        if anew:
            self._asked_at = self._acted_at
        arrived = await self._arrival.proved(
            lambda: self._tell("candidate", host_of(view.main)), anew=anew
        )
        if arrived is None:
            return None
        return replace(arrived, organization=self._organization, identity=self._identity)

    # -- one turn -------------------------------------------------------------------------------

    async def _turn(self, view: View) -> None:
        if self._traffic.navigating or view.main.ready == "loading":
            return
        if self._before is not None and view.look == self._before.look:
            if self._unheard(view):
                return
            answering = self._traffic.answering(self._acted_at)
            if time.monotonic() - self._acted_at > _NO_REACTION_S and not answering:
                raise self._unrecognised(view, "does not react")
            # A second refusal in the words of the first changes nothing that is shown.
            refused_again = self._answered.seen is self._before and view.alerts
            if answering or not refused_again or not self._traffic.heard(self._acted_at):
                return
        decision = decide(view, self.known())
        action = decision.action
        host = host_of(view.frames[decision.frame])
        if decision.state != "unknown":
            self._known_at = time.monotonic()
        if isinstance(action, Stop):
            if action.approval and self._waits_for_approval(host, action.number):
                return
            if self._stillness.still(view):
                self._tell(decision.state, host)
                if self._hand.sent:
                    self._hand.stage = "answered"
                    here = origin_of(view.main.url) == self._job.origin
                    self.let_in = here and decision.state == "choose_organization"
                if not action.asked:
                    raise action.error
                raise self._carried.refused_by(view.frames[decision.frame]) or Asked(action.error)
        elif isinstance(action, Press | Fill):
            if decision.sure or self._stillness.still(view):
                await self._act(view, decision)
        elif decision.state != "unknown":
            self._tell(decision.state, host)
        elif not (view.settled or self._stillness.still(view)):
            return
        elif time.monotonic() - max(self._known_at, self._acted_at) > _UNKNOWN_S:
            self._tell("unknown", host)
            if self._hand.sent:
                self._hand.stage = "answered"
            raise self._unrecognised(view, "is not one we know")

    def _waits_for_approval(self, host: str, number: str | None) -> bool:
        """Whether somebody may still say yes on a telephone, where the settings let us wait."""
        now = time.monotonic()
        if self._approval_since is None:
            self._approval_since = now
        if now - self._approval_since >= self._job.approval_wait_s:
            return False
        self._tell("wait_for_approval", host, number)
        return True

    def known(self) -> Known:
        job = self._job
        return Known(
            rung=job.rung,
            site_origin=job.origin,
            identity_origins=job.identity_origins,
            provider=job.provider,
            username=job.username,
            organization=job.organization,
            has_code_seed=self._secrets is not None and self._secrets.seed is not None,
            after_password=self._hand.sent,
            stay_signed_in=job.stay_signed_in,
            consent=job.consent,
            passkey_domains=self._carried.domains,
        )

    async def _act(self, view: View, decision: Decision) -> None:
        frame = view.frames[decision.frame]
        action = decision.action
        key = (decision.state, origin_of(frame.url) or "", frame.path, _named(decision))
        if decision.state == USE_PASSKEY:
            refusal = self._carried.refusal(frame, key)
            if refusal is not None:
                if self._stillness.still(view) and not self._traffic.answering(self._acted_at):
                    self._tell("refused", host_of(frame))
                    raise refusal
                return
        elif isinstance(action, Fill):
            if self._answered.covers(origin_of(frame.url), action.fields):
                self._same_step_again(view, decision, action.fields)
                return
            wait_s = self._hand.code_wait_s() if action.fields.codes else 0.0
            if wait_s > 0:
                self._tell("wait_for_code", host_of(frame))
                await asyncio.sleep(wait_s)
                return
        same_page = self._before is not None and self._before.documents == view.documents
        calm = self._stillness.still(view) and self._stillness.quiet_s >= _AGAIN_S
        if key == self._last_key and same_page and not calm:
            return
        try:
            grip = await self._browser.hold(decision.frame)
            self._traffic.raise_trouble()
            held = View(
                tuple(
                    grip.view if place == decision.frame else one
                    for place, one in enumerate(view.frames)
                )
            )
            # Seen twice, a frame apart: a page that is still building is not acted on.
            again = decide(held, self.known())
            if (again.state, again.frame) != (decision.state, decision.frame):
                return
            if type(again.action) is not type(decision.action):
                return
            self._count(key, held)
            self._tell(decision.state, host_of(frame))
            self._before, self._last_key = held, key
            self._acted_at = time.monotonic()
            self._film.act(decision.state, held, frame, type(again.action).__name__.lower())
            if isinstance(again.action, Press):
                self._choose(again, origin_of(frame.url) or "", host_of(frame))
                assert isinstance(action, Press)  # noqa: S101  compared above
                await self._hand.press(grip, again.action.control, action.control)
            elif isinstance(again.action, Fill):
                await self._hand.fill(grip, again.action.fields)
                self._answered.add(origin_of(frame.url), again.action.fields, held)
                if again.action.fields.user or again.action.fields.told:
                    self._identity = self._job.username
            if decision.state == USE_PASSKEY:
                self._carried.asked[key] += 1
        except Moved:
            self._before = None

    def _count(self, key: tuple[str, ...], view: View) -> None:
        self._actions.append(key)
        if len(self._actions) > MAX_ACTIONS:
            raise self._unrecognised(view, f"leads nowhere after {MAX_ACTIONS} steps")
        if self._actions.count(key) > _SAME_ACTION_LIMIT:
            raise self._unrecognised(view, "comes back again and again")

    def _choose(self, decision: Decision, origin: str, host: str) -> None:
        """What is remembered of a choice, and whether a consent may be given."""
        assert isinstance(decision.action, Press)  # noqa: S101  only called for one
        if decision.state == "choose_organization":
            self._organization = decision.action.chosen
        elif decision.state == "choose_account" and decision.action.chosen is not None:
            self._identity = self._job.username
        elif decision.state == "consent":
            answer = self._consents.answer(origin, self._traffic.asked)
            person = not_given(host)
            if answer == "first_time" and self._job.rung != "scripted":
                raise Asked(person)
            if answer == "ask_a_person":
                raise person
            self._consents.agree(origin, self._traffic.asked)

    def _unheard(self, view: View) -> bool:
        """Whether the page was still waking up and did not hear us: then it is done once more."""
        same = self._before is not None and self._before.documents == view.documents
        if not same or not self._stillness.still(view):
            return False
        if not self._traffic.missed(self._last_key, self._acted_at):
            return False
        self._answered.forget_latest()
        self._before, self._last_key = None, ()
        return True

    # -- refusals -------------------------------------------------------------------------------

    def _same_step_again(self, view: View, decision: Decision, fields: Fields) -> None:
        """Our answer was sent, and the same is asked again: that is how pages say no."""
        frame = view.frames[decision.frame]
        fresh = new_words(self._answered.shown, frame)
        if not self._stillness.still(view) or self._unheard(view):
            return
        same = self._answered.documents == view.documents
        if same and self._traffic.answering(self._acted_at):
            return  # the answer may be on its way, whatever the page says meanwhile
        if same and not (fresh or frame.alerts):
            if time.monotonic() - self._acted_at > _NO_REACTION_S:
                raise self._unrecognised(view, "does not react")
            return
        self._hand.stage = "answered"
        self._tell("refused", host_of(frame))
        skew_s = self._traffic.clock_skew_s(origin_of(frame.url)) or 0.0
        words = said_by(frame, fresh, self._secrets.all() if self._secrets else ())
        error = refused(host_of(frame), words, code=bool(fields.codes), skew_s=skew_s)
        if isinstance(error, CodeRejected) and not self._code_retried:
            # It may have ended on the way; the next one tells.
            self._code_retried = True
            self._answered.forget_codes()
            # When the next one's time has come, the page may look again as if nothing had been.
            self._before, self._last_key = None, ()
            return
        raise error

    def _unrecognised(self, view: View, what: str) -> HarvesterError:
        passkey = self._carried.refusal(view.main, self._last_key)
        if passkey is not None:
            return passkey
        if self._arrival.candidates and origin_of(view.main.url) == self._job.origin:
            what += " and the site does not accept the cookies it gave"
        return unrecognised(view, what)

    def _tell(self, state: str, host: str, number: str | None = None) -> None:
        host = redact.scrub(host, self._secrets.all() if self._secrets else ())
        if (state, host, number) != self._told:
            self._told = (state, host, number)
            self._film.note(state)
            self._parent.step(state, host, number)


_SLOW = "raise HARVESTER_SIGN_IN_TIMEOUT if the pages are slow; see: harvester doctor"


def _named(decision: Decision) -> str:
    action = decision.action
    return action.control.label if isinstance(action, Press) else ""
