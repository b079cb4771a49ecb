"""Ways between site and provider: menus, windows, tabs, chains, forms that post themselves."""

from __future__ import annotations

from typing import ClassVar

from house import COOKIE, NOT_FOUND, Answer, Ask, go
from kind import page, posting
from oddities import OnePage


class _Plain(OnePage):
    """A quiet form: what is special of these kinds is the way, not the form."""

    def form(self, error: str) -> str:
        return page(
            "Acme login",
            f"""<h1>Acme login</h1><form method="post" action="/login"><span class="error">{error}
            </span><label>User name <input name="user" autocomplete="username"></label><label>
            Password <input name="password" type="password" autocomplete="current-password"></label>
            <button>Log in</button></form><a href="/wrong/forgot">Forgot?</a>""",
        )


class BehindAMenu(_Plain):
    """The site's sign-in link appears when a menu button is pressed."""

    host = "menu"
    fewest = 3

    def landing(self) -> str:
        return page(
            "Knots - ropes for teams",
            """<header><a href="/wrong/home">Knots</a><button aria-label="Search"
            onclick="elsewhere('search')">?</button><button aria-label="Open menu"
            aria-expanded="false" aria-controls="m" onclick="document.getElementById('m').hidden =
            false">&#9776;</button></header><nav id="m" hidden><a href="/wrong/pricing">Pricing</a>
            <a href="/wrong/docs">Docs</a><a href="/wrong/sign-up">Start free</a><a href="/go">Sign
            in</a></nav><main><h1>Ropes for teams</h1><a href="/wrong/sign-up">Get started</a><form
            action="/wrong/newsletter"><input type="email" placeholder="Your email"
            aria-label="Email"><button>Subscribe to our news</button></form></main><footer><a
            href="/wrong/imprint">Imprint</a></footer>""",
        )


class InAPopUp(_Plain):
    """The site opens a window, which tells its opener and closes itself."""

    host = "popup"

    def landing(self) -> str:
        return page(
            "Knots",
            f"""<h1>Knots</h1><button onclick="window.open('{self.start()}', 'sso',
            'width=600,height=600')">Log in with Acme</button>""",
            script="""addEventListener('message', (event) => {
              if (typeof event.data === 'string') location = event.data;
            });""",
        )

    def answer(self, ask: Ask) -> Answer:
        answer = super().answer(ask)
        if answer.status != 303:
            return answer
        return Answer(
            page(
                "Done",
                "<p>You can close this window.</p>",
                script=f"""window.opener.postMessage('{self.house.ticket()}', '{self.house.site}');
                window.close();""",
            )
        )


class InANewTab(_Plain):
    """The link opens a tab, and the session is made there."""

    host = "tab"

    def landing(self) -> str:
        return page(
            "Knots",
            '<h1>Knots</h1><a href="/go" target="_blank" rel="noopener">Sign in</a>'
            '<a href="/wrong/sign-up">Create account</a>',
        )


class OverFourHosts(_Plain):
    """A chain of redirects over four hosts, there by status and by script, and back."""

    host = "third"
    hosts: ClassVar[tuple[str, ...]] = ("third",)

    def start(self) -> str:
        return f"{self.house.at('first')}/realm?client_id=knots"

    def answer(self, ask: Ask) -> Answer:
        match ask.host, ask.path:
            case "first", "/realm":
                return go(f"{self.house.at('second')}/discover")
            case "second", "/discover":
                to = self.house.at("third")
                script = f"setTimeout(() => location = '{to}/', 150);"
                return Answer(page("Redirecting", f"<p>Redirecting to {to}...</p>", script=script))
            case "fourth", "/broker":
                return self.house.let_in()
            case "third", _:
                answer = super().answer(ask)
                return go(f"{self.house.at('fourth')}/broker") if answer.status == 303 else answer
        return NOT_FOUND


class CookieBefore(_Plain):
    """The site gives everybody its session cookie at once, and makes it good at the end."""

    host = "early"

    def on_site(self, ask: Ask) -> Answer | None:
        if ask.line == ("GET", "/") and COOKIE not in ask.cookie:
            cookie = f"{COOKIE}=nobody; Path=/; HttpOnly"
            return Answer(self.landing(), headers=(("Set-Cookie", cookie),))
        return None


class SamlBothWays(_Plain):
    """The site posts a request by itself, the provider posts its answer by itself."""

    host = "saml"

    def on_site(self, ask: Ask) -> Answer | None:
        if ask.line == ("GET", "/go"):
            to = f"{self.house.at('saml')}/sso"
            return Answer(posting(to, SAMLRequest="PHJlcXVlc3Q+", RelayState="/app"))
        if ask.line == ("POST", "/acs"):
            return self.house.callback(ask)
        return None

    def answer(self, ask: Ask) -> Answer:
        if ask.line == ("POST", "/sso"):
            return go("/")
        answer = super().answer(ask)
        if answer.status != 303:
            return answer
        ticket = self.house.ticket().rpartition("=")[2]
        return Answer(
            posting(f"{self.house.site}/acs", SAMLResponse="PHJlc3BvbnNlPg==", ticket=ticket)
        )


class ConsentElsewhere(_Plain):
    """After the password a consent on another origin of the provider, which is allowed too."""

    host = "passwords"
    hosts: ClassVar[tuple[str, ...]] = ("passwords", "consents")
    fewest = 3

    def start(self) -> str:
        return f"{self.house.at('passwords')}/?client_id=knots&scope=email"

    def answer(self, ask: Ask) -> Answer:
        match ask.host, ask.path:
            case "consents", "/":
                return Answer(self.consent())
            case "consents", "/decide":
                if "allow" not in ask.form:
                    self.house.wrong["deny"] += 1
                return self.house.let_in()
        answer = super().answer(ask)
        return go(f"{self.house.at('consents')}/") if answer.status == 303 else answer

    def consent(self) -> str:
        return page(
            "Authorize Knots",
            """<h2>Authorize Knots</h2><p><b>Knots</b> wants to access your Acme account</p><ul>
            <li>Read your email address</li></ul><form method="post" action="/decide"><label><input
            type="checkbox" name="news"> Also send me news from Knots</label><button
            name="deny">Cancel</button><button name="allow">Authorize Knots</button></form>""",
        )


class TwoIdentityPages(_Plain):
    """Home realm discovery: the name on one origin, the password on another."""

    host = "realm"
    hosts: ClassVar[tuple[str, ...]] = ("realm", "home")
    fewest = 3

    def answer(self, ask: Ask) -> Answer:
        match ask.host, ask.method, ask.path:
            case "realm", "GET", "/":
                return Answer(self.discover(""))
            case "realm", "POST", "/find":
                if self.house.takes_name(ask.form["email"]):
                    return go(f"{self.house.at('home')}/")
                return Answer(self.discover("We do not know this address."))
            case "home", _, _:
                return super().answer(ask)
        return NOT_FOUND

    def discover(self, error: str) -> str:
        return page(
            "Where do you work?",
            f"""<h1>Sign in with your work account</h1><p>{error}</p><form method="post"
            action="/find"><input type="email" name="email" aria-label="Work email address">
            <button>Next</button></form><a href="/wrong/sign-up">Create a free account</a>""",
        )
