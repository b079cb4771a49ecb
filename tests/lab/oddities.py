"""Sign-in pages with one trap each, of those that stand in real pages."""

from __future__ import annotations

from html import escape
from typing import ClassVar

from house import NOT_FOUND, Answer, Ask, go
from kind import Kind, page


class OnePage(Kind):
    """What the pages below share: one form that is posted to ``/login``."""

    user: ClassVar[str] = "user"
    secret: ClassVar[str] = "password"

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/":
                return Answer(self.form(""))
            case "POST", "/login":
                self.looked_at(ask.form)
                if self.house.takes_password(ask.form.get(self.user, ""), ask.form[self.secret]):
                    return self.house.let_in()
                return self.refused()
            case "GET", "/error":
                return Answer(self.form("Login incorrect"))
        return NOT_FOUND

    def looked_at(self, form: dict[str, str]) -> None:
        """A place to count what must not be in the form."""

    def refused(self) -> Answer:
        return Answer(self.form("Login incorrect"))

    def form(self, error: str) -> str:
        raise NotImplementedError


class PlaceholdersOnly(OnePage):
    """No label anywhere, and no names that say anything."""

    host = "placeholders"
    user, secret = "f1", "f2"

    def form(self, error: str) -> str:
        return page(
            "Team space",
            f"""<div class="box"><img src="data:," alt="" width="60" height="60"><form method="post"
            action="/login"><input name="f1" placeholder="Your email"><input name="f2"
            type="password" placeholder="Your password"><button class="btn">Let me in: continue
            </button></form><p>{error}</p></div><form action="/wrong/search"><input name="q"
            placeholder="Search articles"><button>Search</button></form>""",
        )


class DuplicateIds(OnePage):
    """The same form twice with the same ids: the first, for telephones, is not shown."""

    host = "twice"

    def form(self, error: str) -> str:
        form = f"""<form method="post" action="/login"><p id="error">{error}</p><label
            for="email">Email</label><input id="email" name="user" type="email"><label
            for="password">Password</label><input id="password" name="password" type="password">
            <button id="submit">Sign in</button></form>"""
        return page(
            "Sign in",
            f'<div class="mobile">{form.replace("/login", "/wrong/hidden-twin")}</div>'
            f'<div class="desktop">{form}</div>',
            style=".mobile{display:none}",
        )


class HoneyPot(OnePage):
    """Fields that a person does not see or is told to leave empty."""

    host = "honey"

    def looked_at(self, form: dict[str, str]) -> None:
        for trap in ("website", "email", "phone2"):
            if form[trap]:
                self.house.wrong["honeypot-" + trap] += 1

    def form(self, error: str) -> str:
        return page(
            "Members' entrance",
            f"""<h1>Members' entrance</h1><p>{error}</p><form method="post" action="/login"><div
            style="position:absolute;left:-5000px"><label>Email <input name="email" type="email"
            tabindex="-1"></label></div><div style="height:0;overflow:hidden"><label>Website
            <input name="website"></label></div><p><label>Leave this field empty if you are human
            <input name="phone2"></label></p><p><label>User <input name="user"></label></p><p>
            <label>Password <input name="password" type="password"></label></p><button>Log in
            </button></form>""",
        )


class Prefilled(OnePage):
    """The browser's last visitor is filled in: another one, in a field that can be changed."""

    host = "prefilled"

    def form(self, error: str) -> str:
        return page(
            "Intranet",
            f"""<form method="post" action="/login"><fieldset><legend>Intranet login</legend>
            <b>{error}</b><label>User ID <input name="user" value="grace@acme.example"></label>
            <label>Password <input name="password" type="password"></label><input type="reset"
            value="Clear"><input type="submit" value="Login"></fieldset></form>""",
        )


class ReadOnlyName(OnePage):
    """The name is shown and cannot be changed; only the password is asked for."""

    host = "fixed"

    def form(self, error: str) -> str:
        return page(
            "Confirm it's you",
            f"""<h1>Hi Ada</h1><p class="invalid-feedback">{error}</p><form method="post"
            action="/login"><label>Signed-in name <input name="user" readonly
            value="{self.house.username}"></label><a href="/wrong/not-you">Not Ada?</a><label>
            Password <input name="password" type="password"></label><button>Continue</button></form>
            """,
        )


class SignUpFirst(OnePage):
    """The first form of the page makes a new account; sign-in is the second."""

    host = "signupfirst"

    def form(self, error: str) -> str:
        return page(
            "Join or sign in",
            f"""<section><h2>New here?</h2><form method="post" action="/wrong/sign-up"><label>Name
            <input name="name" autocomplete="name"></label><label>Email <input type="email"
            name="user"></label><label>Password <input type="password" name="password"></label>
            <button>Create account</button></form></section><section><h2>Sign in</h2><div
            role="alert">{error}</div><form method="post" action="/login"><label>Email <input
            type="email" name="user"></label><label>Password <input type="password"
            name="password"></label><button>Sign in</button></form></section>""",
        )


class CrowdedPage(OnePage):
    """Logout, theme and language first and last in the document, some in the form itself."""

    host = "crowded"

    def form(self, error: str) -> str:
        return page(
            "Sign in",
            f"""<form method="post" action="/login"><button formaction="/wrong/logout">Log out of
            other devices</button><button type="button" onclick="elsewhere('theme')">Dark theme
            </button><h1>Sign in</h1><p class="alert">{error}</p><label>Username <input name="user">
            </label><label>Password <input type="password" name="password"></label><button
            type="button" onclick="elsewhere('show')">Show</button><button type="submit">Sign in
            </button><button formaction="/wrong/forgot">Forgot password</button><button
            formaction="/wrong/language" name="lang" value="fr">Fran\u00e7ais</button></form><button
            onclick="elsewhere('theme')">Light mode</button>""",
        )


class CoveredByNews(OnePage):
    """A newsletter dialog lies over the form and has to be closed."""

    host = "news"
    fewest = 3

    def form(self, error: str) -> str:
        dialog = """<div role="dialog" aria-label="Newsletter" class="modal"><h2>Get 10% off!</h2>
            <form action="/wrong/newsletter"><input type="email" name="mail" placeholder="Your
            email"><button>Subscribe</button></form><button type="button"
            onclick="this.parentNode.remove()">No thanks</button></div>"""
        return page(
            "Sign in",
            f"""<h1>Sign in</h1><p>{error}</p><form method="post" action="/login"><label>Email
            <input type="email" name="user"></label><label>Password <input type="password"
            name="password"></label><button>Sign in</button></form>{"" if error else dialog}""",
            style=".modal{position:fixed;inset:0;background:#fffd;padding:120px}",
        )


class RefusedElsewhere(OnePage):
    """A wrong password leads to another address, with the form once more."""

    host = "elsewhere"

    def refused(self) -> Answer:
        return go("/error")

    def form(self, error: str) -> str:
        return page(
            "Application login",
            f"""<table><tr><td colspan="2"><font color="red">{error}</font></td></tr></table><form
            method="post" action="/login"><table><tr><td>Username</td><td><input type="text"
            name="user"></td></tr><tr><td>Password</td><td><input type="password" name="password">
            </td></tr><tr><td></td><td><input type="image" alt="Login" src="data:image/svg+xml,<svg
            xmlns='http://www.w3.org/2000/svg' width='60' height='20'/>" width="60" height="20">
            </td></tr></table></form>""",
        )


class CodeAmongTemptations(Kind):
    """A code page where "resend" and "another way" stand before the field and the right button."""

    host = "codes"
    fewest = 3
    wants_code = True

    def answer(self, ask: Ask) -> Answer:
        house = self.house
        match ask.line:
            case "GET", "/":
                return Answer(self.login(""))
            case "POST", "/login":
                if house.takes_password(ask.form["username"], ask.form["password"]):
                    return go("/2fa")
                return Answer(self.login('<div class="flash flash-error">Incorrect username or'
                                         " password.</div>"))  # fmt: skip
            case "GET", "/2fa":
                return Answer(self.code(""))
            case "POST", "/2fa":
                if "resend" in ask.form or "another" in ask.form:
                    house.wrong["resend"] += 1
                if house.takes_code(ask.form["app_otp"]):
                    return house.let_in()
                return Answer(self.code("Two-factor authentication failed."))
        return NOT_FOUND

    def login(self, error: str) -> str:
        return page(
            "Sign in to Forge",
            f"""<h1>Sign in to Forge</h1>{error}<form method="post" action="/login"><label>Username
            or email address<input name="username" autocomplete="username"></label><div><label
            for="pw">Password</label><a href="/wrong/forgot">Forgot password?</a><input id="pw"
            name="password" type="password" autocomplete="current-password"></div><input
            type="submit" name="commit" value="Sign in" data-disable-with="Signing in..."></form>
            <button onclick="elsewhere('passkey')">Sign in with a passkey</button><p>New to Forge?
            <a href="/wrong/sign-up">Create an account</a></p>""",
        )

    def code(self, error: str) -> str:
        return page(
            "Two-factor authentication",
            f"""<h1>Two-factor authentication</h1><div>{escape(error)}</div><form method="post"
            action="/2fa"><button name="resend" value="1">Resend the code</button><button
            name="another" value="1">Try another way</button><label for="app_totp">Authentication
            code</label><input id="app_totp" name="app_otp" placeholder="XXXXXX"
            inputmode="numeric"><button type="submit">Verify</button><p>Open your authenticator app
            or browser extension to view your authentication code.</p></form>
            <a href="/wrong/recovery">Use a recovery code</a>""",
        )


class TrustThisBrowser(Kind):
    """A box and a question: whether this browser is to be trusted."""

    host = "duo"
    fewest = 4
    wants_code = True

    def answer(self, ask: Ask) -> Answer:
        house = self.house
        match ask.line:
            case "GET", "/":
                return Answer(self.login(""))
            case "POST", "/login":
                if house.takes_password(ask.form["uid"], ask.form["pwd"]):
                    return Answer(self.code(""))
                return Answer(self.login("Invalid credentials, please try again"))
            case "POST", "/code":
                if not house.takes_code(ask.form["passcode"]):
                    return Answer(self.code("Incorrect passcode. Enter a passcode from your app."))
                if "dampen_choice" not in ask.form:
                    house.wrong["not-remembered"] += 1
                return Answer(self.trust())
            case "POST", "/trust":
                if ask.form["answer"] != "yes":
                    house.wrong["no-trust"] += 1
                return house.let_in()
        return NOT_FOUND

    def login(self, error: str) -> str:
        return page(
            "Company login",
            f"""<form method="post" action="/login"><p>{error}</p>Company ID<br><input name="uid"
            id="uid"><br>Password<br><input name="pwd" type="password"><br><button>Sign in</button>
            </form>""",
        )

    def code(self, error: str) -> str:
        return page(
            "Two-Factor Authentication",
            f"""<h1>Enter your passcode</h1><form method="post" action="/code"><label>Passcode
            <input name="passcode" id="passcode-input" type="text" inputmode="numeric"></label>
            <span class="error">{error}</span><label><input type="checkbox" name="dampen_choice"
            value="1"> Remember me for 30 days</label><button>Verify</button></form><button
            onclick="elsewhere('other-options')">Other options</button>""",
        )

    def trust(self) -> str:
        return page(
            "Two-Factor Authentication",
            """<h1>Is this your device?</h1><p>If you are the only person using this device, trust
            this browser. You will not be asked for a passcode as often.</p><form method="post"
            action="/trust"><button name="answer" value="no">No, other people use this device
            </button><button name="answer" value="yes">Yes, this is my device</button></form>""",
        )
