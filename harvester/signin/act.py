"""The hand: presses and types, and asks before each secret.

The only place that sees a password and types it.  Every typing is checked against ``guard.py`` with
the browser's own facts, before and after, and goes into the element of the document that was
checked: a locator or the keyboard would wait through a navigation and type into the next page, or
into another frame that took the focus.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace

from harvester.clock import CLOCK_TOLERANCE_S
from harvester.errors import ConfigClock, HarvesterError, NotConfigured, OriginNotAllowed
from harvester.profile import origin_of
from harvester.signin.browser import Browser, Grip, Moved
from harvester.signin.codes import Seed, choose_step
from harvester.signin.decide import host_of
from harvester.signin.dialogue import Job, Stage
from harvester.signin.fields import Fields, find_fields
from harvester.signin.guard import Place, Rules, What, objection
from harvester.signin.observe import Control
from harvester.signin.parent import Parent
from harvester.signin.submit import enter_leads_away

# A page that submits itself does so in the event of the last digit, or a frame or two later; a row
# of boxes nearly always does.  A second submit would send the same code twice.
_SELF_SUBMIT_S = 0.15
_SELF_SUBMIT_BOXES_S = 0.4
_LOOK_S = 0.02
_NAMED = {"identifier": "a user name", "password": "a password", "code": "a code"}


@dataclass(frozen=True, slots=True)
class Secrets:
    password: str = field(repr=False)
    fingerprint: str
    seed: Seed | None = field(default=None, repr=False)
    seed_text: str = field(default="", repr=False)

    def all(self) -> tuple[str, ...]:
        """In the spellings in which a page may echo them; host names are in lower case."""
        return tuple(one for one in (self.password, self.password.lower(), self.seed_text) if one)


class Hand:
    """``stage`` and ``sent`` tell how far it went; ``last_step`` is the last code's step."""

    def __init__(self, job: Job, browser: Browser, parent: Parent, secrets: Secrets | None) -> None:
        self._job = job
        self._browser = browser
        self._parent = parent
        self._secrets = secrets
        self._rules = Rules(job.origin, job.identity_origins)
        self.stage: Stage = "before_submit"
        self.sent = False
        self.typed_user = False
        self.last_step = job.totp_last_step
        self._after_password = False
        self._secret_at = 0.0

    def typed(self) -> tuple[str, ...]:
        """The secrets that were typed, or may have been: of codes the last two."""
        if self._secrets is None:
            return ()
        seed, last = self._secrets.seed, self.last_step
        codes = () if seed is None or last is None else (seed.code(last), seed.code(last - 1))
        return (*self._secrets.all(), *codes)

    def code_wait_s(self) -> float:
        """How long until a code may be typed; 0 where none is needed."""
        if self._secrets is None or self._secrets.seed is None:
            return 0.0
        return choose_step(time.time(), self._secrets.seed.period_s, self.last_step)[1]

    async def press(self, grip: Grip, control: Control, seen: Control) -> None:
        """``seen`` is the same control at the look before."""
        await grip.press(control, seen)

    async def fill(self, grip: Grip, fields: Fields) -> None:
        """Fill all that is asked and send it once.

        Raises Moved where the page changed under the hand and nothing secret was sent,
        OriginNotAllowed where the guard objects, and the parent's own error where it refuses.
        """
        self._after_password, self._secret_at = self.sent, 0.0
        try:
            await self._fill(grip, fields)
        except Moved as moved:
            # Some pages send by themselves, and some hang while they do.  What may have been sent
            # is answered by what the page shows next, and never typed once more.
            if not self._secret_at:
                raise
            if not moved.unsure and not await self._went_out(grip, self._secret_at):
                raise

    async def _fill(self, grip: Grip, fields: Fields) -> None:
        for wanted in fields.wanted:
            if wanted.top is None:
                await grip.show(wanted)
                raise Moved("scroll")
        texts: list[str] = []
        for box in fields.ticks:
            await grip.press(box, box)
        named = ((fields.organization, self._job.organization), (fields.user, self._job.username))
        for control, text in named:
            if control is not None:
                await self._check(grip, fields, control, "identifier")
                await grip.type(control, text or "")
                texts.append(text or "")
        self.typed_user |= fields.user is not None
        grip, fields = await self._anew(grip, fields)
        if fields.password is not None:
            texts.append(await self._password(grip, fields, fields.password))
        elif fields.codes:
            code = await self._code(grip, fields)
            if await self._submitted_itself(grip, fields):
                return
            texts.extend(code if len(fields.codes) > 1 else [code])
        await self._send(*await self._anew(grip, fields), texts)

    async def _anew(self, grip: Grip, fields: Fields) -> tuple[Grip, Fields]:
        """The same form where a page built its fields anew when one was typed into.

        Raises Moved where it now asks for something else.  What may be typed there is asked of
        the guard again, like before.
        """
        if -1 not in await grip.lengths(fields.wanted):
            return grip, fields
        grip = await grip.anew()
        found = find_fields(
            grip.view, username=self._job.username, after_password=self._after_password
        )
        if fields.user is None and found.user is not None:
            found = replace(found, user=None)  # it was there before, and is right
        kinds = [
            [bool(one.organization), bool(one.user), bool(one.password), len(one.codes)]
            for one in (found, fields)
        ]
        if kinds[0] != kinds[1] or found.ambiguous:
            raise Moved("type")
        return grip, found

    async def _send(self, grip: Grip, fields: Fields, texts: list[str]) -> None:
        if await grip.lengths(fields.wanted) != [len(text) for text in texts]:
            # A page that woke up late has cleared what was typed before its scripts ran.
            raise Moved("type")
        if fields.password is not None:
            await self._check(grip, fields, fields.password, "password", typed=True)
        elif fields.codes:
            await self._check(grip, fields, fields.codes[0], "code", typed=True)
        view, controls = await grip.again()
        submit = controls.get(fields.submit.index) if fields.submit is not None else None
        # Many buttons wake up when something was typed.  Where Enter would press another one, a
        # sleeping button is waited for.
        enter = view.forms[submit.form] if submit is not None and submit.form is not None else None
        if (
            fields.submit is not None
            and submit is not None
            and (submit.enabled or (enter is not None and enter_leads_away(enter)))
        ):
            await grip.press(fields.submit, submit)
        else:
            await grip.enter(fields.wanted[-1])

    async def _password(self, grip: Grip, fields: Fields, control: Control) -> str:
        secrets = self._secrets
        if secrets is None:
            raise NotConfigured("no password is configured", hint="set HARVESTER_PASSWORD")
        await self._check(grip, fields, control, "password")
        origin = origin_of(grip.chain[0]) or ""
        # Also where the page did not seem to hear the last one: it may be sending it yet.
        _refuse(await self._parent.may_submit(secrets.fingerprint, origin))
        await self._browser.camera.still()
        # Asking took time: the page may be another one by now.
        await self._check(grip, fields, control, "password")
        self.stage, self.sent = "after_submit", True
        self._secret_at = time.monotonic()
        await grip.type(control, secrets.password)
        return secrets.password

    async def _code(self, grip: Grip, fields: Fields) -> str:
        seed = self._secrets.seed if self._secrets is not None else None
        if seed is None:
            raise NotConfigured("no seed for codes is configured", hint="set HARVESTER_TOTP_SECRET")
        step, wait_s = choose_step(time.time(), seed.period_s, self.last_step)
        if wait_s > 0:
            raise Moved("wait for the next code")
        self._compare_clocks(grip)
        await self._check(grip, fields, fields.codes[0], "code")
        _refuse(await self._parent.may_type_code(step))
        await self._browser.camera.still()
        await self._check(grip, fields, fields.codes[0], "code")
        self.last_step = step
        self.stage, self.sent = "after_submit", True
        self._secret_at = time.monotonic()
        code = seed.code(step)
        if len(fields.codes) == 1:
            await grip.type(fields.codes[0], code)
        else:
            for control, digit in zip(fields.codes, code, strict=False):
                await grip.type(control, digit)
        return code

    def _compare_clocks(self, grip: Grip) -> None:
        """A code of another minute is refused, and counts as a wrong one where it is sent."""
        asks, top = origin_of(grip.chain[0]), origin_of(grip.chain[-1])
        skew_s = self._browser.traffic.clock_skew_s(asks, top)
        if skew_s is None or abs(skew_s) <= CLOCK_TOLERANCE_S:
            return
        if self.sent:
            self.stage = "answered"
        host = host_of(grip.view)
        way = "ahead of" if skew_s > 0 else "behind"
        raise ConfigClock(
            f"{host} asks for a one-time code, and this machine's clock is {abs(skew_s):.0f} s "
            f"{way} its clock: no code was typed",
            hint="set this machine's clock (see: timedatectl); it is then tried again, if need be "
            "after: harvester unlock",
        )

    async def _submitted_itself(self, grip: Grip, fields: Fields) -> bool:
        """Whether the page sent the code at its last digit."""
        since = time.monotonic()
        limit_s = _SELF_SUBMIT_BOXES_S if len(fields.codes) > 1 else _SELF_SUBMIT_S
        before = grip.chain
        while time.monotonic() - since < limit_s:
            if self._browser.traffic.latest_at >= since or grip.chain != before:
                return True
            await asyncio.sleep(_LOOK_S)
        return False

    async def _went_out(self, grip: Grip, since: float) -> bool:
        """Whether something may have been sent since then: the page went, or it asked a server."""
        until = time.monotonic() + _SELF_SUBMIT_S
        while self._browser.traffic.latest_at < since:
            if time.monotonic() > until:
                return False
            try:
                await grip.again()
            except Moved:
                return True
            await asyncio.sleep(_LOOK_S)
        return True

    async def _check(
        self, grip: Grip, fields: Fields, control: Control, what: What, *, typed: bool = False
    ) -> None:
        """Ask the guard about the document as it is now.  Raises Moved or OriginNotAllowed.

        Before typing the field must also be what it was taken for; ``typed`` says that it is
        after: then the page may cover or disable it while it works.
        """
        view, controls = await grip.again()
        now = controls.get(control.index)
        if now is None:
            raise Moved("type")
        found = find_fields(view, username=self._job.username, after_password=self._after_password)
        visible = typed or (now.visible and now.top is not False and await grip.framed_visibly())
        if not typed and (not visible or now not in _of_kind(found, what)):
            raise Moved("type")
        targets = []
        if now.form is not None:
            targets.append(view.forms[now.form].action)
        submit = controls.get(fields.submit.index) if fields.submit is not None else None
        if now.form is not None and (submit is None or not submit.enabled):
            targets += [one for one in (view.forms[now.form].enter_to,) if one]
        if submit is not None and submit.formaction:
            targets.append(submit.formaction)
        place = Place(
            grip.chain,
            view.origin,
            tuple(targets),
            visible,
            found.new_password,
            shows=now.type != "password",
        )
        reason = objection(place, what, self._rules)
        if reason is None:
            return
        if not place.chain or origin_of(place.chain[0]) != origin_of(grip.view.url):
            raise Moved("type")
        raise OriginNotAllowed(
            f"{host_of(grip.view)} asks for {_NAMED[what]}, and it is not typed there: {reason}",
            hint="if that place is yours, add its origin to HARVESTER_IDENTITY_ORIGINS",
        )


def _of_kind(fields: Fields, what: What) -> tuple[Control | None, ...]:
    if what == "identifier":
        return (fields.user, fields.organization)
    return (fields.password,) if what == "password" else fields.codes


def _refuse(refusal: HarvesterError | None) -> None:
    if refusal is not None:
        raise refusal
