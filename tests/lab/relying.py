"""A WebAuthn relying party for the lab: an identity provider with passwords and passkeys.

What is signed is verified by a published server library (``fido2``): challenge, origin, domain,
user presence and verification, signature.  The sign count is this provider's own to check, and it
is strict: a count that is not above the last one is a cloned key.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fido2.cose import ES256
from fido2.server import Fido2Server
from fido2.webauthn import (
    Aaguid,
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from house import NOT_FOUND, Answer, Ask, go, told
from kind import Kind, page

from harvester.passkeys import Passkey

_LOGGED_IN = "id_login"
_REQUIRED = UserVerificationRequirement.REQUIRED

_SCRIPT = """
  const ask = async (path, data) => {
    const said = await fetch(path, {method: 'POST', body: JSON.stringify(data || {})});
    return said.json();
  };
  async function make() {
    const options = PublicKeyCredential.parseCreationOptionsFromJSON(
      (await ask('/make/begin')).publicKey);
    const made = await navigator.credentials.create({publicKey: options});
    document.getElementById('said').textContent = (await ask('/make/finish', made.toJSON())).said;
  }
  async function use(name, mediation) {
    const said = document.getElementById('said');
    try {
      const options = PublicKeyCredential.parseRequestOptionsFromJSON(
        (await ask('/use/begin', {name})).publicKey);
      const got = await navigator.credentials.get({publicKey: options, mediation});
      const answer = await ask('/use/finish', got.toJSON());
      if (answer.to) location = answer.to; else said.textContent = answer.said;
    } catch (error) { if (!mediation) said.textContent = 'That did not work. Try again.'; }
  }
  PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable().then(
    (there) => navigator.sendBeacon('/authenticator/' + there));
"""


@dataclass
class Key:
    """A passkey as the provider knows it; ``counts`` are the sign counts that it saw."""

    data: AttestedCredentialData
    counts: list[int] = field(default_factory=list)


class Relying(Kind):
    """``keys`` are those that may sign in; ``refused`` says why others could not.

    ``person``: the pages do by themselves what a person would do in the window.
    """

    host = "id"
    resident: ClassVar[ResidentKeyRequirement] = ResidentKeyRequirement.REQUIRED
    person = False

    def __init__(self) -> None:
        self.keys: dict[bytes, Key] = {}
        self.refused: list[str] = []
        self._state: Any = None
        self._logins: set[str] = set()

    def issued(self, name: str = "lab-machine", *, age_s: float = 0.0) -> Passkey:
        """A passkey that this provider knows, as if it had been made in a window."""
        private, credential_id = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16)
        public = ES256.from_cryptography_key(private.public_key())
        data = AttestedCredentialData.create(Aaguid(bytes(16)), credential_id, public)
        self.keys[credential_id] = Key(data, [1])
        pkcs8 = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return Passkey(
            name=name,
            rp_id=f"{self.host}.localhost",
            credential_id=base64.b64encode(credential_id).decode(),
            private_key=base64.b64encode(pkcs8).decode(),
            created_at=time.time() - age_s,
            user_handle=base64.b64encode(b"user-1").decode(),
            user_name=self.house.username,
            sign_count=1,
            discoverable=self.resident is ResidentKeyRequirement.REQUIRED,
        )

    # -- the pages -------------------------------------------------------------------------------

    def sign_in_page(self) -> str:
        press = "document.getElementById('pw').form.submit()" if self.person else ""
        word = self.house.password if self.person else ""
        name = self.house.username if self.person else ""
        return page(
            "Sign in",
            f'<h1>Sign in</h1><p id="said" role="alert"></p><form method="post" action="/password">'
            f'<label>User name <input name="name" autocomplete="username" value="{name}"></label>'
            f'<label>Password <input id="pw" type="password" name="password" value="{word}"'
            ' autocomplete="current-password"></label><button>Sign in</button></form>'
            "<button onclick=\"use('')\">Sign in with a passkey</button>"
            '<a href="/wrong/sign-up">Create a passkey account</a>',
            script=_SCRIPT + press,
        )

    def security_page(self) -> str:
        return page(
            "Security",
            '<h1>Your passkeys</h1><p id="said"></p>'
            '<button onclick="make()">Add a passkey</button>',
            script=_SCRIPT + ("make()" if self.person else ""),
        )

    def home(self) -> str:
        # A person looks at the page for a moment.
        onwards = f"setTimeout(() => {{ location = '{self.house.at(self.host)}/security' }}, 800)"
        return page("Knots", "<h1>Welcome back</h1>", script=onwards if self.person else "")

    def landing(self) -> str:
        return super().landing().replace("</body>", self._walks("'/go'") + "</body>")

    def _walks(self, to: str) -> str:
        return f"<script>location = {to}</script>" if self.person else ""

    # -- the answers -----------------------------------------------------------------------------

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/":
                return Answer(self.sign_in_page())
            case "POST", "/password":
                if not self.house.takes_password(ask.form["name"], ask.form["password"]):
                    return go("/")
                return go(self.house.ticket(), self._logged_in())
            case "GET", "/security" if self._knows(ask):
                return Answer(self.security_page())
            case "POST", "/make/begin" if self._knows(ask):
                return self._make_begin()
            case "POST", "/make/finish" if self._knows(ask):
                return self._make_finish(ask)
            case "POST", "/use/begin":
                return self._use_begin(ask)
            case "POST", "/use/finish":
                return self._use_finish(ask)
        return NOT_FOUND

    def _logged_in(self) -> tuple[str, str]:
        token = f"l{time.monotonic_ns()}"
        self._logins.add(token)
        return ("Set-Cookie", f"{_LOGGED_IN}={token}; Path=/; HttpOnly; SameSite=Lax")

    def _knows(self, ask: Ask) -> bool:
        return any(f"{_LOGGED_IN}={one}" in ask.cookie for one in self._logins)

    @property
    def _server(self) -> Fido2Server:
        return Fido2Server(
            PublicKeyCredentialRpEntity(name="Lab", id=f"{self.host}.localhost"),
            verify_origin=lambda origin: origin == self.house.at(self.host),
        )

    def _make_begin(self) -> Answer:
        name = self.house.username
        options, self._state = self._server.register_begin(
            PublicKeyCredentialUserEntity(id=b"user-1", name=name, display_name="Ada"),
            credentials=[one.data for one in self.keys.values()],
            resident_key_requirement=self.resident,
            user_verification=_REQUIRED,
        )
        return told(**dict(options))

    def _make_finish(self, ask: Ask) -> Answer:
        made = self._server.register_complete(self._state, ask.json)
        assert made.credential_data is not None
        key = Key(made.credential_data, [made.counter])
        self.keys[key.data.credential_id] = key
        return told(said="The passkey was added.")

    def _use_begin(self, ask: Ask) -> Answer:
        options, self._state = self._server.authenticate_begin(user_verification=_REQUIRED)
        return told(**dict(options))

    def _use_finish(self, ask: Ask) -> Answer:
        known = [one.data for one in self.keys.values()]
        response = AuthenticationResponse.from_dict(ask.json)
        key = self.keys.get(response.raw_id)
        if key is None:
            return self._refuse("This passkey is not known here.")
        self._server.authenticate_complete(self._state, known, response)
        count = response.response.authenticator_data.counter
        if count <= key.counts[-1]:
            return self._refuse("This passkey was copied.")
        key.counts.append(count)
        return told(to=self.house.ticket())

    def _refuse(self, why: str) -> Answer:
        self.refused.append(why)
        return told(said=why)


class Named(Relying):
    """User name first; then the provider looks up its passkeys, which are not discoverable."""

    resident = ResidentKeyRequirement.DISCOURAGED

    def sign_in_page(self) -> str:
        if self.person:
            return super().sign_in_page()
        return page(
            "Sign in",
            '<h1>Sign in</h1><form action="/next"><label>E-mail <input type="email" name="name"'
            ' autocomplete="username"></label><button>Next</button></form>',
        )

    def answer(self, ask: Ask) -> Answer:
        if ask.line == ("GET", "/next"):
            self.house.takes_name(ask.query["name"])
            name = json.dumps(ask.query["name"])
            return Answer(
                page(
                    "Welcome",
                    '<h1>Enter your password</h1><p id="said" role="alert"></p><form method="post"'
                    ' action="/password"><input type="password" name="password" aria-label='
                    '"Password" autocomplete="current-password"><button>Sign in</button></form>'
                    "<button id=key>Use your security key instead</button>",
                    script=_SCRIPT + f"document.getElementById('key').onclick = () => use({name})",
                )
            )
        return super().answer(ask)

    def _use_begin(self, ask: Ask) -> Answer:
        mine = ask.json["name"] == self.house.username
        options, self._state = self._server.authenticate_begin(
            [one.data for one in self.keys.values()] if mine else [], user_verification=_REQUIRED
        )
        return told(**dict(options))


class Conditional(Relying):
    """No button: the passkey is offered in the list that fills in the user name."""

    def sign_in_page(self) -> str:
        if self.person:
            return super().sign_in_page()
        return page(
            "Sign in",
            '<h1>Sign in</h1><p id="said" role="alert"></p><form method="post" action="/password">'
            '<label>User name <input name="name" autocomplete="username webauthn"></label>'
            '<label>Password <input type="password" name="password"'
            ' autocomplete="current-password"></label><button>Sign in</button></form>',
            script=_SCRIPT + "use('', 'conditional')",
        )


class Thief(Relying):
    """The site's own page, on another domain, tries to have something signed for the provider."""

    def landing(self) -> str:
        script = f"""<script>
          const told = (what, got) => fetch('/got/' + what, {{method: 'POST', body: got}});
          const asked = {{challenge: new Uint8Array(32), rpId: '{self.host}.localhost'}};
          navigator.credentials.get({{publicKey: asked}}).then(
            (got) => told('signature', JSON.stringify(got.toJSON())),
            (error) => told('nothing', error.name));
          const doors = Object.getOwnPropertyNames(window).filter((one) => /webauthn/i.test(one)
            && one.startsWith('_'));
          if (doors.length) told('door', doors.join());
        </script>"""
        return super().landing().replace("</body>", script + "</body>")

    def on_site(self, ask: Ask) -> Answer | None:
        return told() if ask.path.startswith("/got/") else None


class Popped(Relying):
    """The provider's page opens in a window of its own."""

    def landing(self) -> str:
        return page(
            "Knots",
            "<h1>Knots</h1><button onclick=\"window.open('/go', 'sso', 'width=900,height=900')\">"
            "Continue with Acme</button>",
        )
