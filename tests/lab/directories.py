"""Sign-in pages of the kinds that stand before a company's directory, rented or its own."""

from __future__ import annotations

from typing import ClassVar

from house import NOT_FOUND, Answer, Ask, go, told
from kind import Kind, page, posting


class AdfsLike(Kind):
    """One page; the submit is a span, and a cookie banner lies over it."""

    host = "sts"
    fewest = 3

    def start(self) -> str:
        return f"{self.house.at('sts')}/adfs/ls/?wa=wsignin1.0&wtrealm=urn:knots"

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/adfs/ls/":
                return Answer(self.form(refused=False))
            case "POST", "/adfs/ls/":
                if self.house.takes_password(ask.form["UserName"], ask.form["Password"]):
                    return Answer(posting(self.house.ticket(), wa="wsignin1.0", wresult="<t/>"))
                return Answer(self.form(refused=True))
        return NOT_FOUND

    def form(self, *, refused: bool) -> str:
        error = (
            '<div id="error" class="fieldMargin error smallText"><span id="errorText">Incorrect '
            "user ID or password. Type the correct user ID and password, and try again."
            "</span></div>"
        )
        banner = """<div class="banner"><p>This site uses cookies to improve your experience.</p>
            <button onclick="elsewhere('cookie-settings')">Cookie settings</button>
            <button onclick="elsewhere('accept-all')">Accept all</button>
            <button onclick="this.parentNode.remove()">Reject optional</button></div>"""
        return page(
            "Sign In",
            f"""<div id="authArea"><div id="loginMessage">Sign in with your organizational account
            </div><form method="post" id="loginForm" action="/adfs/ls/"
            onkeypress="if (event && event.keyCode == 13) Login.submitLoginRequest();">
            {error if refused else ""}<div id="formsAuthenticationArea">
            <label id="userNameInputLabel" for="userNameInput" hidden>User Account</label>
            <input id="userNameInput" name="UserName" type="email" tabindex="1" class="text"
            spellcheck="false" placeholder="someone@example.com" autocomplete="off">
            <label for="passwordInput" hidden>Password</label><input id="passwordInput"
            name="Password" type="password" tabindex="2" placeholder="Password" autocomplete="off">
            <input id="kmsiInput" type="hidden" name="Kmsi" value="true"></div>
            <div id="submissionArea"><span id="submitButton" class="submit" tabindex="4"
            role="button" onclick="return Login.submitLoginRequest();">Sign in</span></div></form>
            <div id="introduction"><a href="/wrong/update-password">Update password</a></div></div>
            <div id="footerLinks"><a href="/wrong/help">Help desk</a></div>
            {"" if refused else banner}""",
            style=".submit{cursor:pointer;background:#2672ec;color:#fff;padding:8px}"
            ".banner{position:fixed;left:0;right:0;top:60px;height:400px;background:#eee}"
            "#authArea{margin-top:80px}",
            script="""
            const Login = {submitLoginRequest() {
              const user = document.getElementById('userNameInput');
              if (!user.value) { user.focus(); return false; }
              document.forms['loginForm'].submit();
              return false;
            }};""",
        )


class PingLike(Kind):
    """Identifier first; the submit is an ``a`` without an address."""

    host = "ping"
    fewest = 3

    def start(self) -> str:
        return f"{self.house.at('ping')}/as/authorization.oauth2?client_id=knots"

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/as/authorization.oauth2":
                return Answer(self.identifier())
            case "POST", "/as/x1/resume":
                if "pf.pass" not in ask.form:
                    known = self.house.takes_name(ask.form["subject"])
                    return Answer(self.password("") if known else self.identifier())
                if self.house.takes_password(ask.form["pf.username"], ask.form["pf.pass"]):
                    return self.house.let_in()
                return Answer(self.password("We didn't recognize the username or password you "
                                            "entered. Please try again."))  # fmt: skip
        return NOT_FOUND

    def identifier(self) -> str:
        return self._form(
            """<div class="ping-input-label">Username</div><input id="identifierInput" type="text"
            size="36" name="subject" autocorrect="off" autocapitalize="off" autofocus>
            <div class="ping-input-link"><a href="/wrong/forgot">Can't sign in?</a></div>""",
            "Next",
        )

    def password(self, error: str) -> str:
        shown = f'<div class="ping-messages"><div class="ping-error">{error}</div></div>'
        return self._form(
            f"""{shown if error else ""}<div class="ping-input-label">Username</div>
            <input id="username" type="text" name="pf.username" value="{self.house.username}"
            readonly><div class="ping-input-label">Password</div><input id="password"
            type="password" name="pf.pass" onkeypress="return postOnReturn(event)">
            <a onclick="elsewhere('cancel')" class="ping-button">Cancel</a>""",
            "Sign On",
        )

    def _form(self, fields: str, verb: str) -> str:
        return page(
            "Sign On",
            f"""<div class="ping-container"><div class="ping-header">Sign On</div><form
            method="POST"
            action="/as/x1/resume" autocomplete="off">{fields}<div class="ping-buttons">
            <a onclick="postOk();" class="ping-button normal allow" title="{verb}">{verb}</a></div>
            </form></div><div class="ping-footer">Copyright 2003-2026</div>""",
            style=".ping-button{cursor:pointer;display:inline-block;padding:8px;background:#ddd}",
            script="""function postOk() { document.forms[0].submit(); }
            function postOnReturn(event) { if (event.key === 'Enter') { postOk(); return false; } }
            """,
        )


class OneLoginLike(Kind):
    """Identifier, then password on another path, then a SAML answer that posts itself."""

    host = "onelogin"
    fewest = 3

    def start(self) -> str:
        return f"{self.house.at('onelogin')}/trust/saml2/http-redirect/sso/1"

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/trust/saml2/http-redirect/sso/1":
                return go("/login2/")
            case "GET", "/login2/":
                return Answer(self.form("Username", "username", "text", "username", "Continue"))
            case "POST", "/access/auth":
                known = self.house.takes_name(ask.json["username"])
                return told(next="/login2/password" if known else "/login2/?e=1")
            case "GET", "/login2/password":
                return Answer(
                    self.form("Password", "password", "password", "current-password", "Log in")
                )
            case "POST", "/access/password":
                if self.house.takes_password(self.house.username, ask.json["password"]):
                    return told(next="/trust/done")
                return told(error="Invalid username or password")
            case "GET", "/trust/done":
                return Answer(posting(self.house.ticket(), SAMLResponse="PHNhbWw+", RelayState="/"))
        return NOT_FOUND

    def form(self, label: str, name: str, type_: str, token: str, verb: str) -> str:
        remember = (
            '<div><label><input type="checkbox" name="remember"> Remember username</label></div>'
            if name == "username"
            else '<a href="/wrong/not-you">Not you?</a>'
        )
        return page(
            "OneLogin",
            f"""<div id="root"><header><select aria-label="Language" onchange="elsewhere('lang')">
            <option>English<option>Deutsch</select></header><div class="card"><h1>Connecting to
            Knots</h1><form><div id="error" role="alert" aria-live="polite"></div>
            <label for="{name}">{label}</label><input id="{name}" name="{name}" type="{type_}"
            autocomplete="{token}" required>{remember}<button type="submit"><span>{verb}</span>
            </button></form><a href="/wrong/forgot">Forgot password?</a>
            <a href="/wrong/sign-up">New here? Sign up</a></div></div>""",
            script="""
            document.forms[0].onsubmit = async (event) => {
              event.preventDefault();
              const data = Object.fromEntries(new FormData(event.target));
              const path = 'password' in data ? '/access/password' : '/access/auth';
              const answer = await fetch(path, {method: 'POST', body: JSON.stringify(data)});
              const said = await answer.json();
              if (said.next) location = said.next;
              else document.getElementById('error').textContent = said.error;
            };""",
        )


class JumpCloudLike(Kind):
    """Two doors on one page (ours is for users), then six boxes with a button."""

    host = "jumpcloud"
    fewest = 4
    wants_code = True
    hosts: ClassVar[tuple[str, ...]] = ("jumpcloud",)

    def start(self) -> str:
        return f"{self.house.at('jumpcloud')}/login"

    def answer(self, ask: Ask) -> Answer:
        house = self.house
        match ask.line:
            case "GET", "/login":
                return Answer(self.card("User Portal Login", self._mail))
            case "POST", "/login":
                if not house.takes_name(ask.form["email"]):
                    return go("/login?error=4014")
                return Answer(self.card("User Portal Login", self._password))
            case "POST", "/auth":
                if house.takes_password(ask.form["email"], ask.form["password"]):
                    return Answer(self.card("Multi-factor Authentication", self._boxes))
                return go("/login/failed")
            case "GET", "/login/failed":
                error = '<p class="error-banner">Authentication failed.</p>'
                return Answer(self.card("User Portal Login", error + self._password))
            case "POST", "/auth/totp":
                if house.takes_code("".join(value for _, value in sorted(ask.form.items()))):
                    return house.let_in()
                error = '<p class="error-banner">Invalid code. Try again.</p>'
                return Answer(self.card("Multi-factor Authentication", error + self._boxes))
        return NOT_FOUND

    _mail = """<form method="post" action="/login"><input name="email" type="email"
        placeholder="Company Email" aria-label="Company Email"><label><input type="checkbox"
        name="rememberEmail"> Remember my email</label><button data-automation="loginButton">
        Continue</button></form>"""

    @property
    def _password(self) -> str:
        return f"""<form method="post" action="/auth"><input name="email" type="email"
        aria-label="Company Email" value="{self.house.username}"><input name="password"
        type="password" placeholder="Password" aria-label="Password"><a href="/wrong/forgot">Reset
        User Password</a><button data-automation="loginButton">SSO Login</button></form>"""

    @property
    def _boxes(self) -> str:
        row = "".join(
            f'<input name="d{n}" maxlength="1" inputmode="numeric" aria-label="Digit {n + 1}"'
            ' style="width:40px">'
            for n in range(6)
        )
        return f"""<p>Enter the six-digit code from your authenticator app.</p><form method="post"
        action="/auth/totp">{row}<button type="button" onclick="elsewhere('other-method')">Other
        Options</button><button>Verify</button></form>"""

    def card(self, title: str, body: str) -> str:
        return page(
            "JumpCloud",
            f"""<nav><a href="/wrong/admin-login">Admin Portal Login</a></nav><h1>{title}</h1>
            {body}<p>New to this? <a href="/wrong/sign-up">Sign up for free</a></p>""",
        )
