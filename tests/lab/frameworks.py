"""Sign-in pages of the kinds that frameworks make: how a page is built, not who it is."""

from __future__ import annotations

from html import escape

from house import NOT_FOUND, Answer, Ask, go, told
from kind import Kind, page


class DjangoAdmin(Kind):
    """A theme switch first, a table of two fields, an error note on the same page."""

    host = "admin"

    def start(self) -> str:
        return f"{self.house.at('admin')}/admin/login/?next=/admin/"

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/admin/login/":
                return Answer(self.form(""))
            case "POST", "/admin/login/":
                if self.house.takes_password(ask.form["username"], ask.form["password"]):
                    return self.house.let_in()
                return Answer(self.form(ask.form["username"]))
        return NOT_FOUND

    def form(self, refused: str) -> str:
        error = """<p class="errornote">Please enter the correct username and password for a staff
            account. Note that both fields may be case-sensitive.</p>"""
        return page(
            "Log in | Django site admin",
            f"""<a href="#content-start" class="skip-to-content-link">Skip to main content</a>
            <div id="header"><div id="site-name"><a href="/wrong/home">Django administration</a>
            </div><button class="theme-toggle" onclick="elsewhere('theme')"><span>Toggle theme
            (current theme: auto)</span></button></div><main id="content-start">
            {error if refused else ""}<form action="/admin/login/?next=/admin/" method="post"
            id="login-form"><input type="hidden" name="csrfmiddlewaretoken" value="x"><div><label
            class="required" for="id_username">Username:</label> <input type="text" name="username"
            autofocus autocapitalize="none" autocomplete="username" maxlength="150" required
            id="id_username" value="{escape(refused)}"></div><div><label class="required"
            for="id_password">Password:</label> <input type="password" name="password"
            autocomplete="current-password" required id="id_password"><input type="hidden"
            name="next" value="/admin/"></div><div class="submit-row"><input type="submit"
            value="Log in"></div></form></main><footer id="footer"></footer>""",
        )


class DeviseLike(Kind):
    """A sign-in form beside its sign-up twin; remember-me; links that tempt."""

    host = "rails"

    def start(self) -> str:
        return f"{self.house.at('rails')}/users/sign_in"

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/users/sign_in":
                return Answer(self.form(""))
            case "POST", "/users/sign_in":
                form = ask.form
                if self.house.takes_password(form["user[email]"], form["user[password]"]):
                    if form.get("user[remember_me]") != "1":
                        self.house.wrong["not-remembered"] += 1
                    return self.house.let_in()
                return Answer(self.form('<p class="alert">Invalid Email or password.</p>'), 422)
            case "POST", "/users":
                self.house.wrong["sign-up"] += 1
                return Answer("<h1>Welcome! You have signed up.</h1>")
        return NOT_FOUND

    def form(self, alert: str) -> str:
        return page(
            "Knots accounts",
            f"""{alert}<div style="display:flex;gap:40px"><div><h2>Log in</h2><form
            class="new_user" id="new_user" action="/users/sign_in" method="post"><div
            class="field"><label for="user_email">Email</label><br><input autofocus
            autocomplete="email" type="email" name="user[email]" id="user_email"></div><div
            class="field"><label for="user_password">Password</label><br><input
            autocomplete="current-password" type="password" name="user[password]"
            id="user_password"></div><div class="field"><input name="user[remember_me]"
            type="hidden"
            value="0"><input type="checkbox" value="1" name="user[remember_me]"
            id="user_remember_me"> <label for="user_remember_me">Remember me</label></div><div
            class="actions"><input type="submit" name="commit" value="Log in"></div></form>
            <a href="/wrong/sign-up">Sign up</a><br><a href="/wrong/forgot">Forgot your
            password?</a><br><a href="/wrong/resend">Didn't receive confirmation instructions?</a>
            </div><div><h2>Sign up</h2><form action="/users" method="post"><label
            for="new_email">Email</label><input type="email" name="user[email]" id="new_email"
            autocomplete="email"><label for="new_password">Password</label><em>(6 characters
            minimum)</em><input type="password" name="user[password]" id="new_password"
            autocomplete="new-password"><label for="new_confirmation">Password confirmation</label>
            <input type="password" name="user[password_confirmation]" id="new_confirmation"
            autocomplete="new-password"><input type="submit" name="commit" value="Sign up"></form>
            </div></div>""",
        )


class PollingSpa(Kind):
    """It asks its server something without end, and refuses in place."""

    host = "spa"

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/":
                return Answer(self.app())
            case "GET", "/api/health":
                return told(ok=True)
            case "POST", "/api/login":
                if self.house.takes_password(ask.json["login"], ask.json["password"]):
                    return told(to=self.house.ticket())
                return told(message="These credentials are not right.")
        return NOT_FOUND

    def app(self) -> str:
        return page(
            "Console",
            """<div id="app"><h3>Console</h3><div class="login"><span>Account</span><input
            name="login" aria-label="Account"><span>Password</span><input name="password"
            type="password" aria-label="Password"><p id="message"></p><button id="enter">Enter the
            console: log in</button></div></div>""",
            script="""
            const poll = async () => { await fetch('/api/health'); setTimeout(poll, 5); };
            poll();
            const value = (name) => document.querySelector(`[name=${name}]`).value;
            document.getElementById('enter').onclick = async () => {
              const answer = await fetch('/api/login', {method: 'POST',
                body: JSON.stringify({login: value('login'), password: value('password')})});
              const said = await answer.json();
              if (said.to) location = said.to;
              else document.getElementById('message').textContent = said.message;
            };""",
        )


class SleepingButton(Kind):
    """The submit wakes up after input; the refusal is a toast that goes away."""

    host = "sleeper"

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/":
                return Answer(self.form())
            case "POST", "/session":
                if self.house.takes_password(ask.json["email"], ask.json["password"]):
                    return told(to=self.house.ticket())
                return told(to=None)
        return NOT_FOUND

    def form(self) -> str:
        return page(
            "Sign in",
            """<div id="toasts" style="position:fixed;bottom:20px;left:20px"></div><form id="f"
            autocomplete="on"><h2>Sign in</h2><label for="e">Work email</label><input id="e"
            type="email" name="email" autocomplete="username"><label for="p">Password</label><input
            id="p" type="password" name="password"><button type="button"
            onclick="elsewhere('forgot')">Trouble signing in?</button><button id="s" type="submit"
            disabled>Sign in</button></form>""",
            script="""
            const form = document.getElementById('f'), send = document.getElementById('s');
            form.oninput = () => setTimeout(() => {
              send.disabled = !(form.email.value.includes('@') && form.password.value.length > 3);
            }, 50);
            form.onsubmit = async (event) => {
              event.preventDefault();
              send.disabled = true;
              const answer = await fetch('/session', {method: 'POST', body: JSON.stringify(
                {email: form.email.value, password: form.password.value})});
              const said = await answer.json();
              if (said.to) { location = said.to; return; }
              const toast = document.createElement('div');
              toast.textContent = 'Wrong email or password';
              document.getElementById('toasts').append(toast);
              setTimeout(() => toast.remove(), 1500);
              form.password.value = '';
            };""",
        )


class LateForm(Kind):
    """A spinner, then a skeleton, then the form; scripts take their time."""

    host = "late"

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/":
                return Answer(self.shell())
            case "POST", "/in":
                if self.house.takes_password(ask.form["user"], ask.form["pass"]):
                    return self.house.let_in()
                return go("/?failed=1")
        return NOT_FOUND

    def shell(self) -> str:
        return page(
            "Portal",
            '<div id="root"><div role="progressbar" style="width:40px;height:40px">...</div></div>',
            script="""
            const root = document.getElementById('root');
            setTimeout(() => { root.innerHTML = '<h1>Portal</h1><div class="skeleton"></div>';
            }, 250);
            setTimeout(() => {
              root.innerHTML = `<h1>Portal</h1>${location.search ? '<p>Sign-in failed</p>' : ''}
                <form action="/in" method="post"></form>`;
              const form = document.forms[0];
              const add = (html) => form.insertAdjacentHTML('beforeend', html);
              add('<label>Login <input name="user" autocomplete="username"></label>');
              const secret = '<input type="password" name="pass">';
              setTimeout(() => add(`<label>Password ${secret}</label>`), 60);
              setTimeout(() => add('<button>Log in</button>'), 90);
            }, 700);""",
        )


class RenderedAnew(Kind):
    """Every key builds all inputs anew, as a careless framework does."""

    host = "rerender"

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/":
                return Answer(self.app())
            case "POST", "/api/session":
                if self.house.takes_password(ask.json["user"], ask.json["secret"]):
                    return told(to=self.house.ticket())
                return told(error="Login failed")
        return NOT_FOUND

    def app(self) -> str:
        return page(
            "Members",
            '<div id="root"></div>',
            script="""
            const state = {user: '', secret: '', error: ''};
            const root = document.getElementById('root');
            function render() {
              const had = document.activeElement && document.activeElement.name;
              root.innerHTML = `<section><h1>Members</h1><form><div class="error">${state.error}
                </div><input name="user" placeholder="Username" autocomplete="username"><input
                name="secret" type="password" placeholder="Password"><button>Log in</button></form>
                <button onclick="elsewhere('guest')">Browse as guest</button></section>`;
              for (const name of ['user', 'secret']) {
                const input = root.querySelector(`[name=${name}]`);
                input.value = state[name];
                input.oninput = () => { state[name] = input.value; render(); };
                if (name === had) input.focus();
              }
              root.querySelector('form').onsubmit = async (event) => {
                event.preventDefault();
                const answer = await fetch('/api/session',
                  {method: 'POST', body: JSON.stringify(state)});
                const said = await answer.json();
                if (said.to) location = said.to;
                else { state.error = said.error; state.secret = ''; render(); }
              };
            }
            render();""",
        )


class OwnInputs(Kind):
    """Form-associated custom elements, each with its input in a shadow root of its own."""

    host = "elements"

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/":
                return Answer(self.form(""))
            case "POST", "/login":
                if self.house.takes_password(ask.form["username"], ask.form["password"]):
                    return self.house.let_in()
                return Answer(self.form("The user name or the password is not right."))
        return NOT_FOUND

    def form(self, error: str) -> str:
        return page(
            "Sign in",
            f"""<form action="/login" method="post"><h1>Sign in</h1><x-alert>{error}</x-alert>
            <x-input name="username" label="User name"></x-input><x-input name="password"
            label="Password" type="password"></x-input><x-submit>Sign in</x-submit></form>
            <form action="/wrong/newsletter"><x-input name="mail" label="Your email, for news">
            </x-input><x-submit>Subscribe</x-submit></form>""",
            script="""
            customElements.define('x-input', class extends HTMLElement {
              static formAssociated = true;
              connectedCallback() {
                const inside = this.attachInternals();
                const root = this.attachShadow({mode: 'open'});
                root.innerHTML = `<label>${this.getAttribute('label')} <input
                  type="${this.getAttribute('type') || 'text'}"></label>`;
                const input = root.querySelector('input');
                input.oninput = () => inside.setFormValue(input.value);
              }
            });
            customElements.define('x-submit', class extends HTMLElement {
              static formAssociated = true;
              connectedCallback() {
                const inside = this.attachInternals();
                const root = this.attachShadow({mode: 'open'});
                root.innerHTML = '<button type="button"><slot></slot></button>';
                root.querySelector('button').onclick = () => inside.form.requestSubmit();
              }
            });""",
        )


class InAFrame(Kind):
    """The form stands in a frame of the identity origin, in a dialog of the site."""

    host = "framed"

    def landing(self) -> str:
        return page(
            "Knots",
            f"""<h1>Knots</h1><button onclick="document.getElementById('d').showModal()">Sign in
            </button><dialog id="d" aria-label="Sign in"><button aria-label="Close"
            onclick="elsewhere('close')">x</button><iframe src="{self.start()}" width="500"
            height="400" title="Sign in"></iframe></dialog>""",
        )

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/":
                return Answer(self.form(""))
            case "POST", "/":
                if self.house.takes_password(ask.form["user"], ask.form["password"]):
                    to = self.house.ticket()
                    return Answer(page("Done", "", script=f"top.location = '{to}';"))
                return Answer(self.form("Sorry, that did not work."))
        return NOT_FOUND

    def form(self, error: str) -> str:
        return page(
            "Sign in",
            f"""<form method="post"><div class="field-error">{error}</div><label>E-mail or user name
            <input name="user" autocomplete="username"></label><label>Password <input
            type="password" name="password" autocomplete="current-password"></label><button>Sign in
            </button></form>""",
        )
