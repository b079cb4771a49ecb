"""The site's session cookies: handing them out, and telling a live session from a dead one.

The pages ask whether anybody is signed in; the API asks exactly what ``needed`` says.  Both count
as use, which is what a sliding life and a rotating token react to.
"""

from __future__ import annotations

from harvester.standin.cookies import clear_cookie, set_cookie
from harvester.standin.exchange import Exchange
from harvester.standin.world import SiteSession, World

INTERMEDIATE = "stytch_intermediate_session_token"


class Gate:
    """The session check of the site."""

    def __init__(self, world: World, *, host: str) -> None:
        self._world = world
        self._host = host

    @property
    def opaque_name(self) -> str:
        return self._full(self._world.switches.opaque_name)

    @property
    def jwt_name(self) -> str:
        return self._full(self._world.switches.jwt_name)

    def _full(self, name: str) -> str:
        return f"__Host-{name}" if self._world.switches.host_prefix else name

    def visitor(self, visit: Exchange) -> SiteSession | None:
        """Who is signed in, as the pages see it: an aged JWT does for a session that lives."""
        return self._world.by_token(visit.cookies.get(self.opaque_name)) or self._world.by_jwt(
            visit.cookies.get(self.jwt_name), fresh=False
        )

    def caller(self, visit: Exchange) -> SiteSession | None:
        """Who is signed in, as the API sees it: the cookies that it needs, fresh."""
        world = self._world
        opaque = world.by_token(visit.cookies.get(self.opaque_name))
        jwt = world.by_jwt(visit.cookies.get(self.jwt_name), fresh=True)
        match world.switches.needed:
            case "opaque":
                return opaque
            case "jwt":
                return jwt
            case _:
                return opaque if opaque is jwt else None

    def used(self, visit: Exchange, session: SiteSession) -> None:
        """What a request with a live session does to it."""
        world, switches, now = self._world, self._world.switches, self._world.clock.now()
        moved = False
        if switches.sliding:
            session.ends_at = now + switches.session_life_s
            moved = switches.roll_cookies and switches.declare_expiry
        if switches.rotate and visit.cookies.get(self.opaque_name) == session.token:
            session.retired[session.token] = now + switches.rotate_grace_s
            session.token = world.new_token()
            moved = True
        if moved:
            self.hand_out(visit, session, jwt=None)

    def hand_out(self, visit: Exchange, session: SiteSession, *, jwt: str | None) -> None:
        """Set the session's cookies; the JWT one only when there is a new JWT or its end moved."""
        switches, clock = self._world.switches, self._world.clock
        end = clock.http_date(session.ends_at) if switches.declare_expiry else None
        values = {}
        if switches.cookies != "jwt":
            values[self.opaque_name] = session.token
        if switches.cookies != "opaque":
            old = visit.cookies.get(self.jwt_name)
            values[self.jwt_name] = jwt or old or self._world.mint_jwt(session)
        for name, value in values.items():
            visit.to_set.append(
                set_cookie(
                    name,
                    value,
                    expires=end,
                    http_only=switches.http_only,
                    secure=switches.secure or switches.host_prefix,
                    domain=self._domain(),
                )
            )

    def take_back(self, visit: Exchange) -> None:
        """Delete the session's cookies in the browser that asks."""
        secure = self._world.switches.secure or self._world.switches.host_prefix
        for name in (self.opaque_name, self.jwt_name):
            visit.to_set.append(clear_cookie(name, secure=secure, domain=self._domain()))

    def noise(self, visit: Exchange) -> None:
        """The cookies of every site that say nothing about who is signed in."""
        clock = self._world.clock
        far = clock.http_date(clock.now() + 390 * 86400)
        stamp = int(clock.wall())
        for name, value in (
            ("_ga", f"GA1.1.{1_000_000_000 + stamp % 999_999_937}.{stamp}"),
            ("theme", "light"),
            ("device_id", visit.nonce),
        ):
            if name not in visit.cookies:
                visit.to_set.append(set_cookie(name, value, expires=far))
        if self._world.switches.cookie_before_sign_in and self.opaque_name not in visit.cookies:
            secure = self._world.switches.secure or self._world.switches.host_prefix
            visit.to_set.append(
                set_cookie(self.opaque_name, f"anonymous-{visit.nonce}", secure=secure)
            )

    def _domain(self) -> str | None:
        wants = self._world.switches.domain_cookie and not self._world.switches.host_prefix
        return self._host if wants else None
