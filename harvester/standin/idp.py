"""The identity provider: from ``/authorize`` through its pages back to the site with a code.

A flow is what one browser is in the middle of.  ``_stage`` alone says which page is due, from the
facts of the flow and the switches; a post that does not belong to that page is sent to it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from aiohttp import web

from harvester.standin import idp_obstacles, idp_pages, totp
from harvester.standin.cookies import set_cookie
from harvester.standin.exchange import Exchange, Routes
from harvester.standin.world import Grant, World

SESSION_COOKIE = "acme_idp_session"
FLOW_COOKIE = "acme_idp_flow"
CODE_LIFE_S = 60.0
FLOWS_MAX = 1000
# Pages in the way that the person can leave behind, and what the button that does so is called.
PASSABLE = {"passkey_offer": "later", "choose_method": "app"}


@dataclass(slots=True)
class Flow:
    """One walk through the pages.  ``user`` is what was typed, known to us or not."""

    redirect_uri: str
    state: str
    scope: str
    client_id: str
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    user: str = ""
    remembered: bool = False
    human: bool = False
    typed_password: bool = False
    password_ok: bool = False
    code_ok: bool = False
    passed: bool = False
    stay: bool | None = None
    other_account: bool = False
    error: str = ""


class IdentityProvider:
    """Handlers of the identity provider's pages."""

    def __init__(self, world: World, *, redirect_uri: str) -> None:
        self._world = world
        self._redirect_uri = redirect_uri
        self._flows: dict[str, Flow] = {}

    def routes(self) -> Routes:
        return {
            ("GET", "/"): self.home,
            ("GET", "/authorize"): self.authorize,
            ("GET", "/signin"): self.show,
            ("POST", "/signin"): self.take,
            ("GET", "/signin/waiting"): self.waiting,
            ("GET", "/help"): self.help,
            ("GET", "/captcha/widget"): self.captcha_widget,
            ("POST", "/captcha/click"): self.captcha_click,
            ("GET", "/google/signin/identifier"): self.google,
            ("POST", "/google/signin/identifier"): self.google_next,
            ("GET", "/google/signin/rejected"): self.google_rejected,
        }

    # the flow

    async def authorize(self, visit: Exchange) -> web.StreamResponse:
        query = visit.query
        if query.get("client_id") != "knoq-web" or query.get("redirect_uri") != self._redirect_uri:
            page = idp_pages.notice(visit, "Unknown application", "Ask who sent you here.")
            return visit.html(page, status=400)
        flow = Flow(
            redirect_uri=self._redirect_uri,
            state=query.get("state", ""),
            scope=query.get("scope", "openid"),
            client_id="knoq-web",
            user=query.get("login_hint", ""),
        )
        ends_at = self._world.identity_sessions.get(visit.cookies.get(SESSION_COOKIE, ""), 0.0)
        if ends_at > self._world.clock.now():
            flow.remembered, flow.user = True, self._world.account.email
        flow_id = secrets.token_urlsafe(16)
        self._flows[flow_id] = flow
        if len(self._flows) > FLOWS_MAX:
            self._flows.pop(next(iter(self._flows)))
        visit.to_set.append(set_cookie(FLOW_COOKIE, flow_id, http_only=True))
        if flow.remembered and self._stage(flow) == "done":
            return self._finish(visit, flow)
        return visit.see("/signin")

    def _stage(self, flow: Flow) -> str:
        """Which page is due."""
        switches = self._world.switches
        if flow.remembered and not flow.other_account:
            if switches.account_chooser and not flow.passed:
                return "accounts"
            return "consent" if self._must_consent(flow) else "done"
        if not flow.password_ok:
            if self._world.is_locked() and (flow.typed_password or flow.user):
                return "locked"
            identified = bool(flow.user) or switches.idp_mode == "one_page"
            if not identified:
                return "identifier"
            if switches.idp_page == "captcha" and not flow.human:
                return "captcha"
            return "login" if switches.idp_mode == "one_page" else "password"
        if switches.idp_page not in ("none", "captcha") and not flow.passed:
            return switches.idp_page
        if switches.totp and not flow.code_ok:
            return "code"
        if switches.stay_signed_in and flow.stay is None:
            return "stay"
        return "consent" if self._must_consent(flow) else "done"

    def _must_consent(self, flow: Flow) -> bool:
        given = (flow.client_id, flow.scope)
        return self._world.switches.consent and given not in self._world.account.consents

    def _flow(self, visit: Exchange) -> Flow | None:
        return self._flows.get(visit.cookies.get(FLOW_COOKIE, ""))

    def _expired(self, visit: Exchange) -> web.Response:
        page = idp_pages.notice(
            visit, "This sign-in has expired", "Go back to the application and start again."
        )
        return visit.html(page, status=400)

    async def show(self, visit: Exchange) -> web.StreamResponse:
        flow = self._flow(visit)
        if flow is None:
            return self._expired(visit)
        stage = self._stage(flow)
        if stage == "done":
            return self._finish(visit, flow)
        self._world.counts["page_loads"] += 1
        body = idp_pages.stage(
            visit,
            stage,
            switches=self._world.switches,
            account=self._world.account,
            csrf=flow.csrf,
            user=flow.user,
            error=flow.error,
            scope=flow.scope,
            number=self._number(flow),
        )
        flow.error = ""
        return visit.html(body, status={"locked": 423, "error_500": 500}.get(stage, 200))

    @staticmethod
    def _number(flow: Flow) -> int:
        """The two digits that the person compares; the same at each look."""
        return 10 + sum(flow.csrf.encode()) % 90

    async def take(self, visit: Exchange) -> web.StreamResponse:
        """A page's answer; as real forms do, the page that is due answers the post itself."""
        flow = self._flow(visit)
        if flow is None:
            return self._expired(visit)
        if not hmac.compare_digest(visit.form.get("csrf", ""), flow.csrf):
            return visit.text("Your form has expired.", status=403)
        stage = self._stage(flow)
        if visit.form.get("stage") != stage:
            return await self.show(visit)
        wrong = visit.form.get("action", "")
        if wrong in idp_pages.WRONG_ACTIONS:
            self._world.wrong_clicks[wrong] += 1
            if wrong == "not_you":
                flow.user = ""
            return await self.show(visit)
        if visit.form.get("website"):
            self._world.counts["honeypot_filled"] += 1
        answers: dict[str, Callable[[Exchange, Flow], None]] = {
            "accounts": self._take_account,
            "identifier": self._take_identifier,
            "captcha": self._take_captcha,
            "login": self._take_password,
            "password": self._take_password,
            "code": self._take_code,
            "sms_code": self._take_foreign_code,
            "email_code": self._take_foreign_code,
            "stay": self._take_stay,
            "consent": self._take_consent,
        }
        if stage in PASSABLE and visit.form.get("action") == PASSABLE[stage]:
            flow.passed = True
        elif stage in answers:
            answers[stage](visit, flow)
        else:
            self._world.wrong_clicks[stage] += 1
        if self._stage(flow) == "done":
            return self._finish(visit, flow)
        return await self.show(visit)

    # the answers

    def _take_account(self, visit: Exchange, flow: Flow) -> None:
        if visit.form.get("action") == "other":
            self._world.wrong_clicks["use_another_account"] += 1
            flow.other_account, flow.user = True, ""
        else:
            flow.passed = True

    def _take_identifier(self, visit: Exchange, flow: Flow) -> None:
        typed = visit.form.get("username", "").strip()
        if visit.form.get("password"):
            self._world.counts["decoy_filled"] += 1
        known = self._world.account.is_called(typed)
        if not typed:
            flow.error = "Enter your user name."
        elif not known and self._world.switches.unknown_user == "at_identifier":
            flow.error = "We could not find an account with that name."
        else:
            flow.user = typed

    def _take_captcha(self, visit: Exchange, flow: Flow) -> None:
        # The box in the frame is never enough: only `approve` says that a person was here.
        flow.human = self._world.approved
        self._world.wrong_clicks["captcha"] += not flow.human

    def _take_password(self, visit: Exchange, flow: Flow) -> None:
        if self._world.switches.idp_mode == "one_page":
            flow.user = visit.form.get("username", "").strip()
        password = visit.form.get("password", "")
        if not flow.user or not password:
            flow.error = "Enter your user name and your password."
            return
        flow.typed_password = True
        flow.password_ok = self._world.opens(flow.user, password)
        if flow.password_ok:
            return
        flow.error = "The user name or the password is not right."

    def _take_code(self, visit: Exchange, flow: Flow) -> None:
        world, account = self._world, self._world.account
        world.counts["code_submits"] += 1
        boxes = "".join(visit.form.get(f"digit{n}", "") for n in range(1, 7))
        typed = (visit.form.get("code") or boxes).replace(" ", "")
        step = totp.step_of(account.totp_secret, typed, at=world.clock.wall())
        if step is None:
            world.counts["wrong_code_submits"] += 1
            flow.error = "That code is not right. Check the clock of your phone and try again."
        elif step <= account.totp_last_step:
            world.counts["replayed_code_submits"] += 1
            flow.error = "That code was used before. Wait for the next one."
        else:
            account.totp_last_step, flow.code_ok = step, True

    def _take_foreign_code(self, visit: Exchange, flow: Flow) -> None:
        self._world.counts["code_submits"] += 1
        self._world.counts["wrong_code_submits"] += 1
        flow.error = "That is not the code we sent."

    def _take_stay(self, visit: Exchange, flow: Flow) -> None:
        flow.stay = visit.form.get("action") == "yes"

    def _take_consent(self, visit: Exchange, flow: Flow) -> None:
        if visit.form.get("action") == "allow":
            self._world.counts["consents_given"] += 1
            self._world.account.consents.add((flow.client_id, flow.scope))
        else:
            self._world.wrong_clicks["deny_consent"] += 1

    # back to the site

    def _finish(self, visit: Exchange, flow: Flow) -> web.Response:
        world = self._world
        now = world.clock.now()
        if flow.password_ok:
            token = secrets.token_urlsafe(32)
            ends_at = now + world.switches.idp_session_life_s
            world.identity_sessions[token] = ends_at
            keep = flow.stay if world.switches.stay_signed_in else True
            visit.to_set.append(
                set_cookie(
                    SESSION_COOKIE,
                    token,
                    expires=world.clock.http_date(ends_at) if keep else None,
                    http_only=True,
                )
            )
        self._flows.pop(visit.cookies.get(FLOW_COOKIE, ""), None)
        code = secrets.token_urlsafe(24)
        world.grants[code] = Grant(
            flow.client_id, flow.redirect_uri, now + CODE_LIFE_S, silent=not flow.password_ok
        )
        if world.switches.response_mode == "form_post":
            return visit.html(
                idp_pages.form_post(visit, flow.redirect_uri, code=code, state=flow.state)
            )
        return visit.see(f"{flow.redirect_uri}?{urlencode({'code': code, 'state': flow.state})}")

    # beside the flow

    async def home(self, visit: Exchange) -> web.StreamResponse:
        return visit.html(
            idp_pages.notice(visit, "Acme ID", "Open the application that you want to use.")
        )

    async def help(self, visit: Exchange) -> web.StreamResponse:
        what = visit.query.get("about", "?")[:40]
        self._world.wrong_clicks[what] += 1
        return visit.html(idp_pages.notice(visit, "Help", "Call the help desk, extension 4357."))

    async def waiting(self, visit: Exchange) -> web.StreamResponse:
        """What the number-match page asks again and again."""
        flow = self._flow(visit)
        if flow is not None and self._world.approved and self._stage(flow) == "number_match":
            flow.passed = True
        return visit.json({"approved": bool(flow and flow.passed)})

    async def captcha_widget(self, visit: Exchange) -> web.StreamResponse:
        return visit.html(idp_obstacles.captcha_widget(visit), framed=True)

    async def captcha_click(self, visit: Exchange) -> web.StreamResponse:
        self._world.wrong_clicks["captcha"] += 1
        return visit.empty()

    async def google(self, visit: Exchange) -> web.StreamResponse:
        self._world.counts["page_loads"] += 1
        return visit.html(idp_obstacles.google(visit))

    async def google_next(self, visit: Exchange) -> web.StreamResponse:
        if visit.form.get("hiddenPassword"):
            self._world.counts["decoy_filled"] += 1
        return visit.see("/google/signin/rejected?flow=signin")

    async def google_rejected(self, visit: Exchange) -> web.StreamResponse:
        self._world.counts["page_loads"] += 1
        return visit.html(idp_obstacles.google_rejected(visit))
