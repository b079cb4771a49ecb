"""Sign-in pages of the kinds that millions of people see: choosers, decoys, offers of passkeys."""

from __future__ import annotations

from typing import ClassVar

from house import NOT_FOUND, Answer, Ask, go, told
from kind import Kind, page


class GoogleLike(Kind):
    """Identifier with a decoy password field, then the password in place, then a consent."""

    host = "accounts"
    fewest = 4

    def start(self) -> str:
        return f"{self.house.at(self.host)}/v3/signin/identifier?client_id=knots&scope=openid"

    def landing(self) -> str:
        return page(
            "Knots",
            "<h1>Knots</h1><button onclick=\"location='/go'\"><span>G</span><span>Continue with"
            ' Google</span></button><a href="/wrong/sign-up">Sign up with Google</a>',
        )

    def answer(self, ask: Ask) -> Answer:
        house = self.house
        match ask.line:
            case "GET", "/v3/signin/identifier":
                return Answer(self.identifier())
            case "POST", "/lookup":
                return told(known=house.takes_name(ask.json["identifier"]))
            case "POST", "/challenge/pwd":
                right = house.takes_password(ask.json["identifier"], ask.json["Passwd"])
                return told(to="/signin/oauth/id?client_id=knots" if right else None)
            case "GET", "/signin/oauth/id":
                return Answer(self.consent())
            case "GET", "/signin/oauth/yes":
                return house.let_in()
        return NOT_FOUND

    _script = """
        const $ = (id) => document.getElementById(id);
        const post = async (path, data) => (await fetch(path,
          {method: 'POST', body: JSON.stringify(data)})).json();
        function password(identifier) {
          history.pushState({}, '', '/v3/signin/challenge/pwd?TL=x');
          $('view').innerHTML = `<h1><span>Welcome</span></h1><div role="link" tabindex="0"
            aria-label="${identifier} selected. Switch account" onclick="elsewhere('switch')">
            ${identifier}</div><form><div><input type="password" name="Passwd"
            autocomplete="current-password" aria-label="Enter your password"></div>
            <div id="err" aria-live="polite"></div><label><input type="checkbox"
            onclick="elsewhere('show')"> Show password</label></form><div><button
            onclick="elsewhere('forgot')">Forgot password?</button><button id="n2">Next</button>
            </div>`;
          const send = async () => {
            const said = await post('/challenge/pwd',
              {identifier, Passwd: document.querySelector('[name=Passwd]').value});
            if (said.to) location = said.to;
            else $('err').textContent =
              'Wrong password. Try again or click Forgot password to reset it.';
          };
          $('n2').onclick = send;
          document.forms[0].onsubmit = (event) => { event.preventDefault(); send(); };
        }"""

    def identifier(self) -> str:
        return page(
            "Sign in - Accounts",
            """<div id="view"><h1><span>Sign in</span></h1><div>to continue to <button
            onclick="elsewhere('about')">Knots</button></div><form><div><input type="email"
            id="identifierId" name="identifier" autocomplete="username webauthn"
            aria-label="Email or phone"></div><div id="err" aria-live="polite"></div><button
            type="button" onclick="elsewhere('forgot')">Forgot email?</button><input
            type="password" name="hiddenPassword" tabindex="-1" aria-hidden="true" style="opacity:0;
            position:absolute;width:180px;height:30px;z-index:-1"></form><div><button
            onclick="elsewhere('create')">Create account</button><button id="n1">Next</button></div>
            </div><footer><select aria-label="Change language" onchange="elsewhere('language')">
            <option>English</select> <a href="/wrong/help">Help</a> <a href="/wrong/privacy">Privacy
            </a></footer>""",
            script=self._script
            + """
            const next = async () => {
              const identifier = $('identifierId').value;
              const said = await post('/lookup', {identifier});
              if (said.known) setTimeout(() => password(identifier), 60);
              else $('err').textContent = "Couldn't find your account";
            };
            $('n1').onclick = next;
            document.forms[0].onsubmit = (event) => { event.preventDefault(); next(); };""",
        )

    def consent(self) -> str:
        return page(
            "Sign in - Accounts",
            """<h1><span>Sign in to Knots</span></h1><div>ada@acme.example</div><p>Accounts will
            allow Knots to access this info about you</p><ul><li>Ada, name and picture</li>
            <li>ada@acme.example, email address</li></ul><p>Review Knots' <a
            href="/wrong/privacy">Privacy Policy</a>.</p><button
            onclick="elsewhere('cancel')">Cancel
            </button><button onclick="location='/signin/oauth/yes'">Continue</button>""",
        )


class GoogleChooser(GoogleLike):
    """Three remembered accounts first; ours is the second."""

    host = "chooser"
    fewest = 4

    def identifier(self) -> str:
        def tile(name: str, mail: str, on: str) -> str:
            return f"""<li><div role="link" tabindex="0" data-identifier="{mail}" onclick="{on}"
            style="cursor:pointer;padding:12px"><div>{name}</div><div>{mail}</div><div>Signed out
            </div></div></li>"""

        mine = self.house.username
        return page(
            "Sign in - Accounts",
            '<div id="view"><h1><span>Choose an account</span></h1><div>to continue to Knots</div>'
            "<ul>"
            + tile("Grace", "grace@acme.example", "elsewhere('another-account')")
            + tile("Ada", mine, f"password('{mine}')")
            + tile("Ada Test", "ada@test.example", "elsewhere('another-account')")
            + """<li><div role="link" tabindex="0" onclick="elsewhere('other-account')"
            style="cursor:pointer;padding:12px"><div>Use another account</div></div></li><li><div
            role="link" tabindex="0" onclick="elsewhere('remove')" style="cursor:pointer">Remove an
            account</div></li></ul></div>""",
            script=self._script,
        )


class Auth0Like(Kind):
    """Several submits with one name; other providers below; a passkey is offered at the end."""

    host = "auth0"
    fewest = 4

    def start(self) -> str:
        return f"{self.house.at('auth0')}/u/login/identifier?state=hKFo"

    def answer(self, ask: Ask) -> Answer:
        house = self.house
        match ask.line:
            case "GET", "/u/login/identifier":
                return Answer(self.identifier(""))
            case "POST", "/u/login/identifier":
                if ask.form.get("action") != "default":
                    house.wrong["action-" + ask.form.get("action", "none")] += 1
                if house.takes_name(ask.form["username"]):
                    return go("/u/login/password?state=hKFo")
                return Answer(self.identifier("No such user."), 400)
            case "GET", "/u/login/password":
                return Answer(self.password(""))
            case "POST", "/u/login/password":
                if house.takes_password(ask.form["username"], ask.form["password"]):
                    return go("/u/passkey-enrollment?state=hKFo")
                return Answer(self.password("Wrong username or password"), 400)
            case "GET", "/u/passkey-enrollment":
                return Answer(self.offer())
            case "POST", "/u/passkey-enrollment":
                if ask.form.get("action") != "abort-passkey-enrollment":
                    house.wrong["passkey"] += 1
                return house.let_in()
        return NOT_FOUND

    def identifier(self, error: str) -> str:
        return page(
            "Log in | Knots",
            f"""<main><section><div><h1>Welcome</h1><p>Log in to Acme to continue to
            Knots.</p></div>
            <div><form method="POST" data-form-primary="true"><input type="hidden" name="state"
            value="hKFo"><div class="input-wrapper"><div class="ulp-field"><input inputmode="email"
            name="username" id="username" type="text" aria-label="Email address"
            autocomplete="username webauthn" autocapitalize="none"><div class="label"
            aria-hidden="true">Email address*</div></div></div><span class="ulp-validator-error">
            {error}</span><button type="submit" name="action" value="default" aria-hidden="true"
            style="height:0;width:0;border:0;padding:0;position:absolute"></button>
            <button type="submit" name="action" value="default" class="primary">Continue</button>
            </form><div>Don't have an account? <a href="/wrong/sign-up">Sign up</a></div><div>
            <span>OR</span></div><form method="post" action="/wrong/other-provider"><button
            type="submit" name="action" value="google">Continue with Google</button></form><form
            method="post"><button type="submit" name="action"
            value="pick-authenticator">Continue with
            a passkey</button></form></div></section></main>""",
        )

    def password(self, error: str) -> str:
        return page(
            "Log in | Knots",
            f"""<main><h1>Enter Your Password</h1><form method="POST"><div><span>
            {self.house.username}</span> <a href="/wrong/edit" aria-label="Edit email address">Edit
            </a></div><input type="text" name="username" value="{self.house.username}" hidden
            readonly autocomplete="username"><input name="password" id="password" type="password"
            autocomplete="current-password" aria-label="Password"><button type="button"
            role="switch" aria-label="Show password" onclick="elsewhere('show')">o</button>
            <span class="ulp-input-error-message">{error}</span><p><a href="/wrong/forgot">Forgot
            password?</a></p><button type="submit" name="action" value="default"
            style="height:0;width:0;border:0;padding:0;position:absolute" aria-hidden="true">
            </button><button type="submit" name="action" value="default">Continue</button></form>
            <div>Don't have an account? <a href="/wrong/sign-up">Sign up</a></div></main>""",
        )

    def offer(self) -> str:
        return page(
            "Create a passkey | Knots",
            """<main><h1>Create a passkey for Knots on this device</h1><p>With passkeys, you don't
            need to remember complex passwords.</p><form method="POST"><button type="submit"
            name="action" value="create-passkey">Create a passkey</button><button type="submit"
            name="action" value="abort-passkey-enrollment">Continue without passkeys</button></form>
            </main>""",
        )


class StytchLike(Kind):
    """A custom element in an open shadow root on the site; at the end a list of organisations."""

    host = "acme-sso"
    fewest = 3
    organization: ClassVar[str | None] = "globex"

    _style = "<style>button{display:block;width:300px;margin:4px;padding:10px}</style>"

    def landing(self) -> str:
        return self._element(
            """<h1>Sign up or log in</h1><button id="b1">Continue with Acme SSO</button>
            <div>or</div><form id="mail"><input type="email" id="email-input"
            placeholder="example@email.com" autocomplete="email"><button type="submit">Continue with
            email</button></form>""",
            "root.getElementById('b1').onclick = () => { location = '/go'; };"
            "root.getElementById('mail').onsubmit = (event) =>"
            " { event.preventDefault(); elsewhere('magic-link'); };",
        )

    def _element(self, html: str, script: str) -> str:
        return page(
            "Knots",
            "<stytch-b2b-ui></stytch-b2b-ui>",
            script=f"""customElements.define('stytch-b2b-ui', class extends HTMLElement {{
              connectedCallback() {{
                const root = this.attachShadow({{mode: 'open'}});
                root.innerHTML = `{self._style}<div id="container">{html}</div>`;
                {script}
              }}
            }});""",
        )

    def on_site(self, ask: Ask) -> Answer | None:
        match ask.line:
            case "GET", "/authenticate":
                return Answer(self.organizations())
            case "POST", "/exchange":
                if ask.json["organization"] != "Globex":
                    self.house.wrong["organisation"] += 1
                return Answer("{}", headers=(self.house.session(),), kind="application/json")
        return None

    def organizations(self) -> str:
        rows = "".join(
            f'<button class="org" data-name="{name}"><div><div>{name[0]}</div><span>{name}</span>'
            "<svg width='8' height='8'></svg></div></button>"
            for name in ("Acme", "Globex", "Gamma Works", "Initech")
        )
        return self._element(
            f"""<h1>Select an Organization to continue</h1><div>{rows}</div><button
            id="new">Create an
            organization</button>""",
            """root.getElementById('new').onclick = () => elsewhere('create');
            for (const one of root.querySelectorAll('.org')) one.onclick = async () => {
              await fetch('/exchange', {method: 'POST',
                body: JSON.stringify({organization: one.dataset.name})});
              location = '/app';
            };""",
        )

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/":
                return Answer(self.form(""))
            case "POST", "/":
                if self.house.takes_password(ask.form["email"], ask.form["secret"]):
                    return go(f"{self.house.site}/authenticate?token=dfe1")
                return go("/again")
            case "GET", "/again":
                return Answer(self.form("<p>E-mail and password do not match.</p>"))
        return NOT_FOUND

    def form(self, error: str) -> str:
        return page(
            "Acme SSO",
            f"""<h2>Acme single sign-on</h2>{error}<form method="post" action="/"><p><label>E-mail
            <input name="email" type="email"></label></p><p><label>Password <input name="secret"
            type="password"></label></p><p><button>Log on</button></p></form>""",
        )
