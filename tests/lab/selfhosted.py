"""Sign-in pages of the kinds that people run themselves."""

from __future__ import annotations

from html import escape

from house import NOT_FOUND, Answer, Ask, go, told
from kind import Kind, page


class KeycloakOnePage(Kind):
    """One page; a language menu stands first, a registration link last; refused by a reload."""

    host = "keycloak"

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/":
                return go("/realms/acme/protocol/openid-connect/auth?client_id=knots&scope=openid")
            case "GET", "/realms/acme/protocol/openid-connect/auth":
                return Answer(self.form(""))
            case "POST", "/realms/acme/login-actions/authenticate":
                if self.house.takes_password(ask.form["username"], ask.form["password"]):
                    return self.house.let_in()
                return Answer(self.form(ask.form["username"]))
        return NOT_FOUND

    def form(self, refused: str) -> str:
        error = '<span id="input-error" aria-live="polite">Invalid username or password.</span>'
        return page(
            "Sign in to acme",
            f"""<div id="kc-header">ACME</div><div id="kc-locale"><button tabindex="1"
            id="kc-current-locale-link" aria-haspopup="true" onclick="elsewhere('language')">English
            </button></div><h1 id="kc-page-title">Sign in to your account</h1>
            <form id="kc-form-login" action="/realms/acme/login-actions/authenticate"
            method="post"><label for="username">Username or email</label><input tabindex="2"
            id="username" name="username" value="{escape(refused)}" type="text" autofocus
            autocomplete="username">{error if refused else ""}<label for="password">Password</label>
            <input tabindex="3" id="password" name="password" type="password"
            autocomplete="current-password"><button type="button" aria-label="Show password"
            onclick="elsewhere('show')">o</button><label><input tabindex="5" id="rememberMe"
            name="rememberMe" type="checkbox"> Remember me</label><a tabindex="6"
            href="/wrong/forgot">Forgot Password?</a><input type="hidden" name="credentialId">
            <input tabindex="7" name="login" id="kc-login" type="submit" value="Sign In"></form>
            <div id="kc-registration">New user? <a href="/wrong/register">Register</a></div>""",
        )


class KeycloakThreeSteps(Kind):
    """Identifier first, then password, then a one-time code that is required."""

    host = "keycloak-otp"
    fewest = 4
    wants_code = True

    def answer(self, ask: Ask) -> Answer:
        house = self.house
        match ask.line:
            case "GET", "/":
                return Answer(self.step("username", ""))
            case "POST", "/authenticate":
                form = ask.form
                if "tryAnotherWay" in form:
                    house.wrong["another-way"] += 1
                    return NOT_FOUND
                if "otp" in form:
                    if house.takes_code(form["otp"]):
                        return house.let_in()
                    return Answer(self.step("otp", "Invalid authenticator code."))
                if "password" in form:
                    right = house.takes_password(house.username, form["password"])
                    error = "" if right else "Invalid password."
                    return Answer(self.step("otp" if right else "password", error))
                known = house.takes_name(form["username"])
                error = "" if known else "Invalid username or email."
                return Answer(self.step("password" if known else "username", error))
        return NOT_FOUND

    def step(self, what: str, error: str) -> str:
        label, kind, token = {
            "username": ("Username or email", "text", "username"),
            "password": ("Password", "password", "current-password"),
            "otp": ("One-time code", "text", "one-time-code"),
        }[what]
        attempted = f"""<div id="kc-username"><label id="kc-attempted-username">
            {self.house.username}</label><a id="reset-login" href="/wrong/restart"
            aria-label="Restart login">&#8634;</a></div>"""
        another = """<form id="kc-select-try-another-way-form" action="/authenticate"
            method="post"><input type="hidden" name="tryAnotherWay" value="on"><a href="#"
            onclick="document.forms['kc-select-try-another-way-form'].requestSubmit();return false;"
            >Try Another Way</a></form>"""
        told_error = f'<span id="input-error" aria-live="polite">{error}</span>'
        return page(
            "Sign in to acme",
            f"""{"" if what == "username" else attempted}{another if what == "otp" else ""}
            <h1 id="kc-page-title">Sign in to your account</h1><form action="/authenticate"
            method="post"><label for="{what}">{label}</label><input id="{what}" name="{what}"
            type="{kind}" autocomplete="{token}">{told_error if error else ""}<input type="submit"
            name="login" value="Sign In"></form>""",
        )


class AuthentikLike(Kind):
    """Custom elements in nested shadow roots, one flow that answers to fetch."""

    host = "authentik"
    fewest = 4
    wants_code = True
    _steps = ("identification", "password", "validate")

    def start(self) -> str:
        return f"{self.house.at('authentik')}/if/flow/default-authentication-flow/?next=%2F"

    def answer(self, ask: Ask) -> Answer:
        house = self.house
        match ask.line:
            case "GET", "/if/flow/default-authentication-flow/":
                return Answer(self.flow())
            case "GET", "/api/v3/flows/executor/default/":
                return told(component="identification")
            case "POST", "/api/v3/flows/executor/default/":
                given = ask.json
                if "uid_field" in given:
                    known = house.takes_name(given["uid_field"])
                    return told(component="password" if known else "identification",
                                error="" if known else "Failed to authenticate.")  # fmt: skip
                if "password" in given:
                    right = house.takes_password(house.username, given["password"])
                    return told(component="validate" if right else "password",
                                error="" if right else "Invalid password")  # fmt: skip
                if house.takes_code(given["code"]):
                    return told(to=house.ticket())
                return told(component="validate", error="Invalid Token")
        return NOT_FOUND

    def flow(self) -> str:
        return page(
            "authentik",
            "<ak-flow-executor></ak-flow-executor>",
            script="""
            const stages = {
              identification: ['Welcome to authentik!', 'Email or Username', 'uid_field', 'text',
                'username', 'Log in'],
              password: ['Welcome to authentik!', 'Password', 'password', 'password',
                'current-password', 'Continue'],
              validate: ['Welcome to authentik!', 'Authentication code', 'code', 'text',
                'one-time-code', 'Continue'],
            };
            customElements.define('ak-button', class extends HTMLElement {
              connectedCallback() {
                this.tabIndex = 0;
                this.attachShadow({mode: 'open'}).innerHTML =
                  '<style>:host{display:inline-block;cursor:pointer;padding:8px;background:#fd4b2d}'
                  + '</style><slot></slot>';
              }
            });
            customElements.define('ak-stage', class extends HTMLElement {
              show({component, error}) {
                const [title, label, name, type, token, verb] = stages[component];
                const root = this.shadowRoot || this.attachShadow({mode: 'open'});
                root.innerHTML = `<header><h1>${title}</h1></header><div class="body"><form>
                  <label for="f">${label}</label><input id="f" name="${name}" type="${type}"
                  autocomplete="${token}" placeholder="${label}">` +
                  (error ? `<p class="pf-c-form__helper-text pf-m-error">${error}</p>` : '') +
                  `<ak-button class="go">${verb}</ak-button></form>
                  <ak-button onclick="elsewhere('passkey')">Use a security key</ak-button></div>`;
                const send = () => this.getRootNode().host.send(
                  {[name]: root.querySelector('input').value});
                root.querySelector('.go').onclick = send;
                root.querySelector('form').onsubmit = (event) => { event.preventDefault();
                send(); };
              }
            });
            customElements.define('ak-flow-executor', class extends HTMLElement {
              connectedCallback() {
                this.attachShadow({mode: 'open'}).innerHTML = '<div><ak-stage></ak-stage></div>';
                this.ask('GET');
              }
              send(data) { this.ask('POST', JSON.stringify(data)); }
              async ask(method, body) {
                const answer = await fetch('/api/v3/flows/executor/default/', {method, body});
                const said = await answer.json();
                if (said.to) location = said.to;
                else this.shadowRoot.querySelector('ak-stage').show(said);
              }
            });""",
        )


class AutheliaLike(Kind):
    """One page, six boxes that send themselves, errors in a toast, a consent with scopes."""

    host = "authelia"
    fewest = 4
    wants_code = True

    def start(self) -> str:
        return f"{self.house.at('authelia')}/?rd=consent&client_id=knots&scope=openid+email"

    def answer(self, ask: Ask) -> Answer:
        house = self.house
        match ask.line:
            case "GET", "/":
                return Answer(self.portal())
            case "POST", "/api/firstfactor":
                right = house.takes_password(ask.json["username"], ask.json["password"])
                return told(status="OK" if right else "KO")
            case "POST", "/api/secondfactor/totp":
                return told(status="OK" if house.takes_code(ask.json["token"]) else "KO")
            case "GET", "/consent/openid/decision":
                return Answer(self.consent())
            case "POST", "/api/oidc/consent":
                return told(to=house.ticket())
        return NOT_FOUND

    _style = (
        ".toast{position:fixed;top:10px;right:10px;background:#d32f2f;color:#fff;padding:12px}"
        ".digits input{width:40px;height:48px;text-align:center}"
    )

    def portal(self) -> str:
        return page(
            "Login - Authelia",
            '<div id="root"></div>',
            style=self._style,
            script="""
            const root = document.getElementById('root');
            function toast(text) {
              const box = document.createElement('div');
              box.className = 'toast'; box.textContent = text;
              document.body.append(box);
              setTimeout(() => box.remove(), 3000);
            }
            async function ask(path, data) {
              const answer = await fetch(path, {method: 'POST', body: JSON.stringify(data)});
              return (await answer.json()).status === 'OK';
            }
            function first() {
              root.innerHTML = `<button aria-label="Language" onclick="elsewhere('language')">EN
                </button><h5>Sign in</h5><form><div><label id="l1" for="username-textfield">
                Username *</label><input id="username-textfield" autocapitalize="none"
                autocomplete="username" type="text"></div><div><label for="password-textfield">
                Password *</label><input id="password-textfield" type="password"
                autocomplete="current-password"></div><label><input type="checkbox"
                id="remember-checkbox" value="rememberMe"> Remember me</label>
                <a href="/wrong/forgot" id="reset-password-button">Reset password?</a>
                <button id="sign-in-button" type="submit">Sign in</button></form>`;
              root.querySelector('form').onsubmit = async (event) => {
                event.preventDefault();
                const user = document.getElementById('username-textfield');
                const secret = document.getElementById('password-textfield');
                if (await ask('/api/firstfactor', {username: user.value, password: secret.value}))
                  second();
                else { toast('Incorrect username or password.'); secret.value = ''; }
              };
            }
            function second() {
              const row = Array.from({length: 6}, (_, n) => `<input type="tel" maxlength="1"
                autocomplete="off" aria-label="${n ? '' : 'Please enter verification code. '}Digit
                ${n + 1}">`).join('');
              root.innerHTML = `<div><button onclick="elsewhere('logout')">Logout</button> |
                <button onclick="elsewhere('methods')">Methods</button></div><h5>Hi Ada</h5>
                <p>Enter one-time password</p><div class="digits" id="otp-input">${row}</div>
                <a href="/wrong/register-device">Register device</a>`;
              const all = [...root.querySelectorAll('.digits input')];
              all.forEach((one, n) => one.addEventListener('input', async () => {
                if (one.value && all[n + 1]) all[n + 1].focus();
                const token = all.map((each) => each.value).join('');
                if (token.length !== 6) return;
                if (await ask('/api/secondfactor/totp', {token}))
                  location = '/consent/openid/decision?flow=1';
                else {
                  toast('The One-Time Password might be wrong');
                  all.forEach((each) => { each.value = ''; });
                }
              }));
            }
            first();""",
        )

    def consent(self) -> str:
        return page(
            "Consent - Authelia",
            """<div><button onclick="elsewhere('logout')">Logout</button></div><h5>Consent Request
            </h5><p>The above application is requesting the following permissions:</p><h6>Knots</h6>
            <ul><li>Use OpenID to verify your identity</li><li>Access your email addresses</li></ul>
            <label><input type="checkbox" id="pre-configure"> Remember Consent</label>
            <button id="deny-button" onclick="elsewhere('deny')">Deny</button>
            <button id="accept-button" onclick="fetch('/api/oidc/consent', {method: 'POST'}).then(
            (one) => one.json()).then((said) => { location = said.to; })">Accept</button>""",
            style=self._style,
        )
