"""The site: its landing page, its way into a sign-in and out of it, and the app behind it.

It has no password of its own.  A sign-in leaves for the identity provider and comes back to
``/auth/callback`` with a code; a choice of organisation may follow; then there is a session.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import replace
from hashlib import sha256
from urllib.parse import urlencode

from aiohttp import web

from harvester.standin import site_pages
from harvester.standin.cookies import clear_cookie, set_cookie
from harvester.standin.exchange import Exchange, Routes
from harvester.standin.gate import INTERMEDIATE, Gate
from harvester.standin.pages import BANNER_COOKIE, alert
from harvester.standin.world import Grant, Organization, World

CLIENT_ID = "knoq-web"
STATE_COOKIE = "oauth_state"
# How long the intermediate token between authentication and the organisation's choice is good.
INTERMEDIATE_S = 600.0


class Site:
    """Handlers of the site's pages; the API is another room."""

    def __init__(self, world: World, gate: Gate, *, origin: str, identity: str) -> None:
        self._world = world
        self._gate = gate
        self._origin = origin
        self._identity = identity
        self._key = secrets.token_bytes(16)

    def routes(self) -> Routes:
        return {
            ("GET", "/"): self.landing,
            ("GET", "/login"): self.login,
            ("GET", "/auth/start"): self.start,
            ("GET", "/auth/sso"): self.ask_sso,
            ("POST", "/auth/sso"): self.take_sso,
            ("GET", "/auth/callback"): self.callback,
            ("POST", "/auth/callback"): self.callback,
            ("GET", "/auth/organizations"): self.choose_organization,
            ("POST", "/auth/organizations"): self.take_organization,
            ("GET", "/app"): self.app,
            ("POST", "/sdk/authenticate"): self.renew,
            ("POST", "/newsletter"): self.newsletter,
            ("GET", "/signup"): self.signup,
            ("POST", "/signup"): self.take_signup,
            ("POST", "/click"): self.click,
            ("GET", "/docs"): self.prose,
            ("GET", "/pricing"): self.prose,
        }

    # a token against forged posts, bound to the browser by its device cookie

    def _csrf(self, visit: Exchange) -> str:
        device = visit.cookies.get("device_id", visit.nonce)
        return hmac.new(self._key, device.encode(), sha256).hexdigest()[:32]

    def _forged(self, visit: Exchange) -> bool:
        return not hmac.compare_digest(visit.form.get("csrf", ""), self._csrf(visit))

    def _page(
        self, visit: Exchange, title: str, body: str, *, script: str = "", signed_in: bool = False
    ) -> web.Response:
        self._world.counts["page_loads"] += 1
        self._gate.noise(visit)
        return visit.html(
            site_pages.frame(
                visit,
                title,
                body,
                csrf=self._csrf(visit),
                banner=self._world.switches.cookie_banner and BANNER_COOKIE not in visit.cookies,
                signed_in=signed_in,
                script=script,
            )
        )

    # outside

    async def landing(self, visit: Exchange) -> web.StreamResponse:
        session = self._gate.visitor(visit)
        if session is not None:
            self._gate.used(visit, session)
            return visit.see("/app")
        buttons = self._buttons(visit) if self._world.switches.landing_buttons else ""
        names = (self._gate.opaque_name, self._gate.jwt_name)
        # The identity layer's script runs here too, where there is a session cookie to look after.
        dead = any(not visit.cookies.get(n, "anonymous").startswith("anonymous") for n in names)
        script = f"{site_pages.sdk_script(names)}renew()" if dead else ""
        return self._page(
            visit, "Knoq - agents on call", site_pages.landing(buttons), script=script
        )

    async def login(self, visit: Exchange) -> web.StreamResponse:
        if self._gate.visitor(visit) is not None:
            return visit.see("/app")
        error = alert("We could not sign you in. Please try again.") if visit.query else ""
        return self._page(visit, "Sign in - Knoq", site_pages.login(self._buttons(visit), error))

    def _buttons(self, visit: Exchange) -> str:
        names = self._world.switches.providers.split(",")
        shadow = self._world.switches.widget == "shadow"
        return site_pages.providers(names, shadow=shadow, nonce=visit.nonce)

    async def signup(self, visit: Exchange) -> web.StreamResponse:
        self._world.counts["signup_clicks"] += 1
        self._world.wrong_clicks["signup"] += 1
        return self._page(visit, "Create your account - Knoq", site_pages.signup(self._csrf(visit)))

    async def take_signup(self, visit: Exchange) -> web.StreamResponse:
        self._world.counts["signup_posts"] += 1
        return visit.see("/signup")

    async def newsletter(self, visit: Exchange) -> web.StreamResponse:
        self._world.counts["newsletter_posts"] += 1
        return visit.see("/")

    async def click(self, visit: Exchange) -> web.StreamResponse:
        self._world.wrong_clicks[visit.query.get("what", "?")[:40]] += 1
        return visit.empty()

    async def prose(self, visit: Exchange) -> web.StreamResponse:
        return self._page(visit, "Knoq", site_pages.prose(visit.request.path.strip("/")))

    # away to the identity provider

    async def start(self, visit: Exchange) -> web.StreamResponse:
        provider = visit.query.get("provider", "")
        if provider == "google":
            return visit.see(f"{self._identity}/google/signin/identifier")
        if provider == "email":
            self._world.wrong_clicks["email"] += 1
            return self._page(visit, "Check your mailbox - Knoq", site_pages.prose("mailbox"))
        if provider == "sso" and self._world.switches.sso_asks != "nothing":
            return visit.see("/auth/sso")
        return self._leave(visit)

    def _leave(self, visit: Exchange, *, login_hint: str = "") -> web.Response:
        state = secrets.token_urlsafe(16)
        # A form that comes back from another site brings Lax cookies no more.
        crossing = self._world.switches.response_mode == "form_post"
        visit.to_set.append(
            set_cookie(
                STATE_COOKIE,
                state,
                http_only=True,
                secure=crossing,
                same_site="None" if crossing else "Lax",
            )
        )
        query = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": f"{self._origin}/auth/callback",
            "scope": self._world.switches.scopes,
            "state": state,
        }
        if login_hint:
            query["login_hint"] = login_hint
        return visit.see(f"{self._identity}/authorize?{urlencode(query)}")

    async def ask_sso(self, visit: Exchange) -> web.StreamResponse:
        asks = self._world.switches.sso_asks
        return self._page(
            visit, "Single sign-on - Knoq", site_pages.ask_sso(asks, self._csrf(visit), "")
        )

    async def take_sso(self, visit: Exchange) -> web.StreamResponse:
        if self._forged(visit):
            return visit.text("This form has expired. Go back and try again.", status=403)
        typed = visit.form.get("email") or visit.form.get("slug") or ""
        asks = self._world.switches.sso_asks
        fits = (
            self._world.account.is_called(typed)
            if asks == "email"
            else self._world.organization(typed.strip().lower()) is not None
        )
        if not fits:
            page = site_pages.ask_sso(asks, self._csrf(visit), "No single sign-on is set up there.")
            return self._page(visit, "Single sign-on - Knoq", page)
        return self._leave(visit, login_hint=typed if asks == "email" else "")

    # and back

    async def callback(self, visit: Exchange) -> web.StreamResponse:
        given = visit.form if visit.request.method == "POST" else visit.query
        state = visit.cookies.get(STATE_COOKIE, "")
        visit.to_set.append(clear_cookie(STATE_COOKIE))
        if not state or not hmac.compare_digest(given.get("state", ""), state):
            return visit.see("/login?error=state")
        grant = self._world.grants.pop(given.get("code", ""), None)
        if (
            grant is None
            or grant.client_id != CLIENT_ID
            or grant.redirect_uri != f"{self._origin}/auth/callback"
            or grant.ends_at < self._world.clock.now()
        ):
            return visit.see("/login?error=code")
        organizations = self._world.organizations()
        last = self._world.organization(self._world.switches.lands_in)
        if last is not None or len(organizations) == 1:
            return self._signed_in(visit, last or organizations[0], silent=grant.silent)
        token = secrets.token_urlsafe(24)
        ends_at = self._world.clock.now() + INTERMEDIATE_S
        self._world.intermediate[token] = replace(grant, ends_at=ends_at)
        visit.to_set.append(set_cookie(INTERMEDIATE, token, http_only=True))
        return visit.see("/auth/organizations")

    def _may_choose(self, visit: Exchange) -> Grant | None:
        grant = self._world.intermediate.get(visit.cookies.get(INTERMEDIATE, ""))
        return grant if grant and grant.ends_at > self._world.clock.now() else None

    async def choose_organization(self, visit: Exchange) -> web.StreamResponse:
        if self._may_choose(visit) is None:
            return visit.see("/login?error=organization")
        body = site_pages.organizations(self._world.organizations(), self._csrf(visit))
        return self._page(visit, "Choose an organization - Knoq", body)

    async def take_organization(self, visit: Exchange) -> web.StreamResponse:
        if self._forged(visit):
            return visit.text("This form has expired. Go back and try again.", status=403)
        grant = self._may_choose(visit)
        if grant is None:
            return visit.see("/login?error=organization")
        chosen = self._world.organization(visit.form.get("organization", ""))
        if chosen is None:
            self._world.wrong_clicks["create_organization"] += 1
            return visit.see("/auth/organizations")
        self._world.intermediate.pop(visit.cookies.get(INTERMEDIATE, ""), None)
        return self._signed_in(visit, chosen, silent=grant.silent)

    def _signed_in(
        self, visit: Exchange, organization: Organization, *, silent: bool
    ) -> web.Response:
        session = self._world.start_session(organization)
        self._world.counts["sign_ins"] += 1
        self._world.counts["silent_sign_ins"] += silent
        visit.to_set.append(clear_cookie(INTERMEDIATE))
        self._gate.hand_out(visit, session, jwt=self._world.mint_jwt(session))
        return visit.see("/app")

    # inside

    async def app(self, visit: Exchange) -> web.StreamResponse:
        """The shell of a single-page app: who has a cookie gets it, its script finds out more."""
        if not any(visit.cookies.get(n) for n in (self._gate.opaque_name, self._gate.jwt_name)):
            return visit.see("/login")
        session = self._gate.visitor(visit)
        if session is not None:
            self._gate.used(visit, session)
        script = site_pages.app_script(
            every_s=self._world.switches.sdk_every_s,
            names=(self._gate.opaque_name, self._gate.jwt_name),
        )
        return self._page(visit, "Sessions - Knoq", site_pages.app(), script=script, signed_in=True)

    async def renew(self, visit: Exchange) -> web.StreamResponse:
        """What the page's own script asks for: a new JWT for a session that still lives."""
        if visit.request.headers.get("Origin") != self._origin:
            return visit.json({"error": "origin"}, status=403)
        session = self._gate.visitor(visit)
        if session is None:
            self._gate.take_back(visit)
            return visit.json({"error": "session_not_found"}, status=401)
        switches, clock = self._world.switches, self._world.clock
        if switches.renew_lengthens:
            session.ends_at = clock.now() + switches.session_life_s
        self._world.counts["jwt_renewals"] += 1
        self._gate.hand_out(visit, session, jwt=self._world.mint_jwt(session))
        account = self._world.account
        return visit.json(
            {
                "email": account.email,
                "name": account.name,
                "organization": session.organization.name,
            }
        )
