"""Sign-in pages of the kinds that stand between: connectors, releases of attributes, offers."""

from __future__ import annotations

from html import escape

from house import NOT_FOUND, Answer, Ask, go
from kind import Kind, page, posting


class DexLike(Kind):
    """A list of connectors on the provider's own origin, a form, an approval page."""

    host = "dex"
    fewest = 4

    def landing(self) -> str:
        return page("Knots", '<nav><a href="/wrong/docs">Docs</a> <a href="/go">Log in</a></nav>')

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/":
                return Answer(self.connectors())
            case "GET", "/auth/local":
                return Answer(self.form(""))
            case "POST", "/auth/local/login":
                if self.house.takes_password(ask.form["login"], ask.form["password"]):
                    return go("/approval?req=x1")
                return Answer(self.form(ask.form["login"]))
            case "GET", "/approval":
                return Answer(self.approval())
            case "POST", "/approval":
                if ask.form["approval"] != "approve":
                    self.house.wrong["deny"] += 1
                return self.house.let_in()
        return NOT_FOUND

    def connectors(self) -> str:
        def connector(name: str, to: str) -> str:
            return f"""<div class="theme-form-row"><a href="{to}" target="_self"><button
            class="dex-btn theme-btn-provider"><span class="dex-btn-icon"></span><span
            class="dex-btn-text">Log in with {name}</span></button></a></div>"""

        return page(
            "dex",
            '<div class="theme-panel"><h2 class="theme-heading">Log in to dex</h2><div>'
            + connector("GitHub", "/wrong/github")
            + connector("Acme LDAP", "/auth/local")
            + connector("Google", "/wrong/google")
            + "</div></div>",
        )

    def form(self, refused: str) -> str:
        error = '<div id="login-error" class="dex-error-box">Invalid Email and password.</div>'
        return page(
            "dex",
            f"""<div class="theme-panel"><h2 class="theme-heading">Log in to Your Account</h2>
            <form method="post" action="/auth/local/login"><div class="theme-form-row"><div
            class="theme-form-label"><label for="userid">Email</label></div><input tabindex="1"
            required id="login" name="login" type="text" class="theme-form-input"
            placeholder="email"
            value="{escape(refused)}"></div><div class="theme-form-row"><div
            class="theme-form-label"><label for="password">Password</label></div><input tabindex="2"
            required id="password" name="password" type="password" placeholder="password"></div>
            {error if refused else ""}<button tabindex="3" id="submit-login" type="submit"
            class="dex-btn theme-btn--primary">Login</button></form><div class="theme-link-back">
            <a class="dex-subtle-text" href="/wrong/back">Select another login method.</a></div>
            </div>""",
        )

    def approval(self) -> str:
        return page(
            "dex",
            """<div class="theme-panel"><h2 class="theme-heading">Grant Access</h2><hr><div
            class="dex-subtle-text">Knots would like to:</div><ul class="dex-list"><li>View basic
            profile information</li><li>View your email address</li></ul><div
            class="theme-form-row">
            <form method="post"><input type="hidden" name="req" value="x1"><input type="hidden"
            name="approval" value="rejected"><button type="submit" class="dex-btn"><span
            class="dex-btn-text">Cancel</span></button></form></div><div class="theme-form-row">
            <form method="post"><input type="hidden" name="req" value="x1"><input type="hidden"
            name="approval" value="approve"><button type="submit" class="dex-btn"><span
            class="dex-btn-text">Grant Access</span></button></form></div></div>""",
        )


class ShibbolethLike(Kind):
    """One page with two tempting boxes; an attribute release with radio choices; SAML back."""

    host = "shibboleth"
    fewest = 3

    def start(self) -> str:
        return f"{self.house.at('shibboleth')}/idp/profile/SAML2/Redirect/SSO?execution=e1s1"

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/idp/profile/SAML2/Redirect/SSO":
                return Answer(self.form(refused=False))
            case "POST", "/idp/profile/SAML2/Redirect/SSO":
                return self.posted(ask.form)
        return NOT_FOUND

    def posted(self, form: dict[str, str]) -> Answer:
        if "_eventId_AttributeReleaseRejected" in form:
            self.house.wrong["reject"] += 1
            return NOT_FOUND
        for box in ("donotcache", "_shib_idp_revokeConsent"):
            if box in form:
                self.house.wrong[box] += 1
        if "j_password" not in form:
            if form["_shib_idp_consentOptions"] != "_shib_idp_rememberConsent":
                self.house.wrong["radio"] += 1
            return Answer(posting(self.house.ticket(), SAMLResponse="PHNhbWw+", RelayState="ss:1"))
        if self.house.takes_password(form["j_username"], form["j_password"]):
            return Answer(self.release())
        return Answer(self.form(refused=True))

    def form(self, *, refused: bool) -> str:
        error = (
            '<section><p class="form-element form-error">The password you entered was incorrect.'
            "</p></section>"
        )
        return page(
            "Web Login Service",
            f"""<header><img src="data:," alt="Acme University" width="80" height="30"></header>
            <form action="/idp/profile/SAML2/Redirect/SSO?execution=e1s1" method="post"><legend>
            Login to Knots</legend>{error if refused else ""}<div class="form-element-wrapper">
            <label for="username">Username</label><input class="form-element form-field"
            id="username" name="j_username" type="text" value=""></div><div
            class="form-element-wrapper"><label for="password">Password</label><input
            class="form-element form-field" id="password" name="j_password" type="password"
            value=""></div><div><input type="checkbox" name="donotcache" value="1" id="donotcache">
            <label for="donotcache">Don't Remember Login</label></div><div><input id="revoke"
            type="checkbox" name="_shib_idp_revokeConsent" value="true"><label for="revoke">Clear
            prior granting of permission for release of your information to this service.</label>
            </div><button class="form-element form-button" type="submit" name="_eventId_proceed">
            Login</button></form><ul><li><a href="/wrong/forgot">Forgot your password?</a></li><li>
            <a href="/wrong/help">Need Help?</a></li></ul>""",
        )

    def release(self) -> str:
        return page(
            "Information Release",
            """<form action="/idp/profile/SAML2/Redirect/SSO?execution=e1s2" method="post">
            <p>You are about to access the service: <strong>Knots</strong></p>
            <table><thead><tr><th colspan="2">Information to be Provided to Service</th></tr>
            </thead><tbody><tr><td>displayName</td><td>Ada</td></tr><tr><td>mail</td>
            <td>ada@acme.example</td></tr></tbody></table><p>The information above would be shared
            with the service if you proceed. Do you agree to release this information to the service
            every time you access it?</p><p>Select an information release consent duration:</p>
            <label><input type="radio" name="_shib_idp_consentOptions"
            value="_shib_idp_doNotRememberConsent"> Ask me again at next login</label>
            <label><input type="radio" name="_shib_idp_consentOptions"
            value="_shib_idp_rememberConsent" checked> Ask me again if information to be provided to
            this service changes</label><label><input type="radio" name="_shib_idp_consentOptions"
            value="_shib_idp_globalConsent"> Do not ask me again</label><p><input type="submit"
            name="_eventId_AttributeReleaseRejected" value="Reject"><input type="submit"
            name="_eventId_proceed" value="Accept"></p></form>""",
        )


class ZitadelLike(Kind):
    """Login name, password, then a second factor is offered that may be skipped."""

    host = "zitadel"
    fewest = 4

    def start(self) -> str:
        return f"{self.house.at('zitadel')}/ui/login/loginname?authRequestID=1"

    def answer(self, ask: Ask) -> Answer:
        house = self.house
        match ask.line:
            case "GET", "/ui/login/loginname":
                return Answer(self.name_form(""))
            case "POST", "/ui/login/loginname":
                if house.takes_name(ask.form["loginName"]):
                    return Answer(self.password_form(""))
                return Answer(self.name_form("User could not be found"))
            case "POST", "/ui/login/password":
                if house.takes_password(ask.form["loginName"], ask.form["password"]):
                    return Answer(self.offer())
                return Answer(self.password_form("Username or Password is invalid"))
            case "POST", "/ui/login/mfa/prompt":
                if "skip" not in ask.form:
                    house.wrong["enrol"] += 1
                return house.let_in()
        return NOT_FOUND

    def name_form(self, error: str) -> str:
        return page(
            "Login",
            f"""<div class="lgn-header"></div><div class="head"><h1>Welcome Back!</h1><p>Enter your
            login data.</p></div><form action="/ui/login/loginname" method="POST"><label
            class="lgn-label" for="loginName">Loginname</label><input class="lgn-input" type="text"
            id="loginName" name="loginName" placeholder="username@domain" autocomplete="username">
            <div class="lgn-error">{error}</div><div class="lgn-actions"><button
            class="lgn-stroked-button" formnovalidate formaction="/wrong/register" name="register"
            value="true">Register</button><span class="fill-space"></span><button
            class="lgn-raised-button lgn-primary" id="submit-button" type="submit">Next</button>
            </div></form>""",
        )

    def password_form(self, error: str) -> str:
        return page(
            "Login",
            f"""<div class="head"><h1>Password</h1><div class="lgn-login-profile"><span>Ada</span>
            <span>{self.house.username}</span></div><p>Enter your login data.</p></div><form
            action="/ui/login/password" method="POST"><input type="hidden" name="loginName"
            value="{self.house.username}"><label class="lgn-label" for="password">Password</label>
            <input class="lgn-input" type="password" id="password" name="password"
            autocomplete="current-password"><div class="lgn-error">{error}</div><a
            href="/wrong/forgot">Reset password</a><div class="lgn-actions"><a
            class="lgn-stroked-button" href="/wrong/back">Back</a><button id="submit-button"
            type="submit" class="lgn-raised-button">Next</button></div></form>""",
        )

    def offer(self) -> str:
        return page(
            "Set up 2-Factor",
            """<div class="head"><h1>2-Factor Setup</h1><p>2-factor authentication gives you an
            additional security for your user account.</p></div><form action="/ui/login/mfa/prompt"
            method="POST"><label><input type="radio" name="provider" value="0" checked>Authenticator
            App (e.g. Google Authenticator)</label><label><input type="radio" name="provider"
            value="1">Device-dependent (e.g. FaceID, fingerprint)</label><div class="lgn-actions">
            <button class="lgn-stroked-button" name="skip" value="true" type="submit">Skip</button>
            <button class="lgn-raised-button" type="submit">Next</button></div></form>""",
        )
