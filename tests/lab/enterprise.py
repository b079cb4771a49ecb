"""Sign-in pages of the kinds that companies rent: several steps, often in one document."""

from __future__ import annotations

from html import escape

from house import NOT_FOUND, Answer, Ask, told
from kind import Kind, page, posting

_OFF_SCREEN = (
    ".moveOffScreen{position:fixed;bottom:0;right:0;height:0!important;width:0!important;"
    "overflow:hidden;opacity:0;padding:0;border:0}body{font-family:sans-serif}"
    "[role=button]{cursor:pointer}.tile{display:flex;gap:8px;padding:12px;border:1px solid #ccc}"
)


class EntraLike(Kind):
    """Identifier, password, "stay signed in?"; the other step's fields lie off-screen."""

    host = "entra"
    fewest = 4

    def start(self) -> str:
        return f"{self.house.at('entra')}/common/oauth2/v2.0/authorize?client_id=knots&scope=openid"

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/common/oauth2/v2.0/authorize":
                return Answer(self.identifier())
            case "POST", "/common/GetCredentialType":
                return told(exists=self.house.takes_name(ask.json["username"]))
            case "POST", "/common/login":
                if self.house.takes_password(ask.form["login"], ask.form["passwd"]):
                    return Answer(self.stay())
                return Answer(self.password(ask.form["login"], refused=True))
            case "POST", "/kmsi":
                return Answer(posting(self.house.ticket(), code="0.AXoA", session_state="x"))
        return NOT_FOUND

    def identifier(self) -> str:
        return self._document("", hidden="password", refused=False)

    def password(self, name: str, *, refused: bool) -> str:
        return self._document(name, hidden="user", refused=refused)

    def _document(self, name: str, *, hidden: str, refused: bool) -> str:
        user, secret = ("moveOffScreen", "") if hidden == "user" else ("", "moveOffScreen")
        error = (
            '<div id="passwordError" class="alert alert-error">Your account or password is '
            "incorrect. If you don't remember your password, "
            '<a href="/wrong/forgot">reset it now.</a></div>'
            if refused
            else ""
        )
        return page(
            "Sign in to your account",
            f"""<div id="lightbox"><form name="f1" method="post" action="/common/login"><img
            src="data:," alt="Contoso" width="108" height="24"><div id="back"
            {"" if name else "hidden"}><button type="button" aria-label="Back"
            onclick="elsewhere('back')">&larr;</button> <span id="displayName">{escape(name)}
            </span></div><div role="heading" aria-level="1" id="loginHeader">{
                "Enter password" if name else "Sign in"
            }</div><div id="usernameError"></div>{error}
            <input type="email" name="loginfmt" id="i0116" maxlength="113" class="{user}"
            placeholder="Email, phone, or Skype" aria-label="Enter your email, phone, or Skype."
            value="{escape(name)}" {'tabindex="-1" aria-hidden="true"' if user else ""}>
            <input type="hidden" name="login" id="login" value="{escape(name)}">
            <input type="password" name="passwd" id="i0118" autocomplete="off" class="{secret}"
            placeholder="Password" aria-label="Enter the password"
            {'tabindex="-1" aria-hidden="true"' if secret else ""}>
            <div id="links"><a href="/wrong/sign-up">No account? Create one!</a><br>
            <a href="/wrong/forgot" id="cantAccess">Can't access your account?</a></div>
            <input type="submit" id="idSIButton9" value="{"Sign in" if name else "Next"}"></form>
            <div role="button" tabindex="0" onclick="elsewhere('options')" class="tile">
            Sign-in options</div></div><footer><a href="/wrong/terms">Terms of use</a>
            <a href="/wrong/privacy">Privacy &amp; cookies</a></footer>""",
            style=_OFF_SCREEN,
            script="""
            const form = document.forms[0], next = document.getElementById('idSIButton9');
            form.addEventListener('submit', async (event) => {
              if (form.login.value) return;
              event.preventDefault();
              next.disabled = true;
              const answer = await fetch('/common/GetCredentialType', {method: 'POST',
                body: JSON.stringify({username: form.loginfmt.value})});
              const {exists} = await answer.json();
              next.disabled = false;
              if (!exists) {
                document.getElementById('usernameError').textContent =
                  "We couldn't find an account with that username.";
                return;
              }
              form.login.value = form.loginfmt.value;
              document.getElementById('displayName').textContent = form.loginfmt.value;
              document.getElementById('back').hidden = false;
              document.getElementById('loginHeader').textContent = 'Enter password';
              document.getElementById('cantAccess').textContent = 'Forgot my password';
              form.loginfmt.className = 'moveOffScreen';
              form.loginfmt.setAttribute('aria-hidden', 'true');
              form.passwd.className = '';
              form.passwd.removeAttribute('aria-hidden');
              next.value = 'Sign in';
              form.passwd.focus();
            });""",
        )

    def stay(self) -> str:
        return page(
            "Sign in to your account",
            f"""<form method="post" action="/kmsi"><div>{self.house.username}</div>
            <div role="heading" aria-level="1">Stay signed in?</div><p>Do this to reduce the number
            of times you are asked to sign in.</p><label><input type="checkbox"
            name="DontShowAgain" value="true"> Don't show this again</label><input type="button"
            id="idBtn_Back" value="No" onclick="elsewhere('no')"><input type="submit"
            id="idSIButton9" value="Yes"></form>""",
        )


class EntraTiles(EntraLike):
    """The same with account tiles first: three people use this browser."""

    host = "tiles"

    def start(self) -> str:
        return f"{self.house.at('tiles')}/pick?client_id=knots"

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/pick":
                return Answer(self.tiles())
            case "GET", "/password":
                return Answer(self.password(self.house.username, refused=False))
        return super().answer(ask)

    def tiles(self) -> str:
        def tile(name: str, mail: str, on: str) -> str:
            return f"""<div class="row"><div role="button" tabindex="0" class="tile"
            data-test-id="{mail}" onclick="{on}"><img src="data:," alt="" width="32" height="32">
            <div><div>{name}</div><div><small>{mail}</small></div></div></div><button
            aria-label="Open menu" onclick="elsewhere('menu')">...</button></div>"""

        return page(
            "Sign in to your account",
            '<div role="heading" aria-level="1">Pick an account</div>'
            + tile("Ada Admin", "ada.admin@acme.example", "elsewhere('another-account')")
            + tile("Ada", self.house.username, "location='/password'")
            + tile("Grace", "grace@acme.example", "elsewhere('another-account')")
            + """<div role="button" tabindex="0" class="tile" onclick="elsewhere('other-account')">
            <div>+</div><div>Use another account</div></div><a href="/wrong/back">Back</a>""",
            style=_OFF_SCREEN,
        )


class OktaLike(Kind):
    """One address; each step is put in the place of the last; password and code share a name."""

    host = "okta"
    fewest = 4
    wants_code = True

    def start(self) -> str:
        return f"{self.house.at('okta')}/oauth2/v1/authorize?client_id=0oa1&scope=openid+profile"

    def answer(self, ask: Ask) -> Answer:
        house = self.house
        match ask.line:
            case "GET", "/oauth2/v1/authorize":
                return Answer(self.widget())
            case "POST", "/idp/idx/identify":
                known = house.takes_name(ask.json["value"])
                return told(step="password" if known else "identify", error=not known)
            case "POST", "/idp/idx/challenge/password":
                right = house.takes_password(house.username, ask.json["value"])
                return told(step="code" if right else "password", error=not right)
            case "POST", "/idp/idx/challenge/code":
                if house.takes_code(ask.json["value"]):
                    return told(to=house.ticket())
                return told(step="code", error=True)
        return NOT_FOUND

    def widget(self) -> str:
        return page(
            "Acme - Sign In",
            '<main id="okta-sign-in"><div id="inner"></div></main><footer>Powered by Nobody'
            ' <a href="/wrong/privacy">Privacy Policy</a></footer>',
            script="""
            const steps = {
              identify: ['Sign In', 'Username', 'identifier', 'text', 'Next',
                '<label><input type="checkbox" name="rememberMe"> Keep me signed in</label>',
                '<a href="/wrong/unlock">Unlock account?</a> <a href="/wrong/help">Help</a>'],
              password: ['Verify with your password', 'Password', 'credentials.passcode',
                'password', 'Verify', '', '<a href="/wrong/forgot">Forgot password?</a>' +
                ' <a href="/wrong/other-method">Verify with something else</a>' +
                ' <a href="/wrong/back">Back to sign in</a>'],
              code: ['Verify with Google Authenticator', 'Enter code', 'credentials.passcode',
                'text', 'Verify', '', '<a href="/wrong/other-method">Verify with something else' +
                '</a> <a href="/wrong/back">Back to sign in</a>'],
            };
            function show(step, error) {
              const [title, label, name, type, verb, extra, links] = steps[step];
              document.getElementById('inner').innerHTML =
                `<form novalidate><h2>${title}</h2>` + (error ? `<div class="o-form-error-container"
                 ><div role="alert" class="infobox infobox-error">${{identify:
                 'Unable to sign in', password: 'Password is incorrect', code:
                 'Your code does not match our records. Please try again.'}[step]}</div></div>`
                 : '') + `<label for="in1">${label}</label><div><input id="in1" name="${name}"
                 type="${type}" autocomplete="off" aria-required="true">` +
                 (type === 'password' ? `<button type="button" aria-label="Show password"
                 onclick="elsewhere('show')">o</button>` : '') + `</div>${extra}
                 <input class="button button-primary" type="submit" value="${verb}">
                 </form>${links}`;
              document.querySelector('form').onsubmit = async (event) => {
                event.preventDefault();
                const value = event.target.elements[name].value;
                event.target.querySelector('[type=submit]').value = 'Verifying...';
                const path = step === 'identify' ? step : 'challenge/' + step;
                const answer = await fetch('/idp/idx/' + path,
                  {method: 'POST', body: JSON.stringify({value})});
                const said = await answer.json();
                if (said.to) location = said.to; else show(said.step, said.error);
              };
            }
            setTimeout(() => show('identify', false), 80);""",
        )
