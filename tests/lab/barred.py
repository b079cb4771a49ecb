"""Pages that only a person can pass, each in the words and the shape of another provider.

Each is shown where such pages are shown: before the password, or after it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from house import NOT_FOUND, Answer, Ask
from kind import Kind, page


class _Barred(Kind):
    """``code`` and ``words`` of the error; ``submits``: passwords sent before it is seen."""

    code: ClassVar[str] = "needs_human"
    words: ClassVar[str] = ""
    submits: ClassVar[int] = 1
    settings: ClassVar[dict[str, Any]] = {}

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/":
                return Answer(self.form() if self.submits else self.bar())
            case "POST", "/in":
                self.house.takes_password(ask.form["user"], ask.form["password"])
                return Answer(self.bar())
        if ask.path in ("/captcha", "/frame"):
            return Answer(page("Verify", "<p>Verify you are human</p><button>o</button>"))
        self.house.wrong["answered"] += 1
        return NOT_FOUND

    def form(self, extra: str = "") -> str:
        return page(
            "Log in",
            f"""<h1>Log in</h1><form method="post" action="/in"><label>User <input name="user">
            </label><label>Password <input name="password"
            type="password"></label>{extra}<button>Log
            in</button></form>""",
        )

    def bar(self) -> str:
        raise NotImplementedError


class Captcha(_Barred):
    """A widget in a frame beside the form: the form can be filled, and must not be."""

    host, code, words, submits = "captcha", "challenge", "a person", 0

    def bar(self) -> str:
        src = f"{self.house.at('challenges')}/captcha"
        return self.form(
            f'<iframe src="{src}" title="Widget containing a security check: captcha" width="304"'
            ' height="78"></iframe>'
        )


class ManagedDevice(_Barred):
    """Conditional access: this device is not one of the company's."""

    host, code, words = "devices", "provider_refuses_automation", "does not let this browser"

    def bar(self) -> str:
        return page(
            "Sign in to your account",
            """<div role="heading" aria-level="1">You can't get there from here</div><p>This
            application contains sensitive information and can only be accessed from devices or
            client applications that meet the company's management compliance policy.</p><button
            onclick="elsewhere('sign-out')">Sign out and sign in with a different account</button>
            <a href="/wrong/details">More details</a>""",
        )


class NotThisBrowser(_Barred):
    """It refuses automation, before any password."""

    host, code, submits = "guarded", "provider_refuses_automation", 0

    def bar(self) -> str:
        return page(
            "Sign in",
            """<h1>Couldn't sign you in</h1><p>This browser or app may not be secure. Try using a
            different browser.</p><button onclick="elsewhere('try-again')">Try again</button>""",
        )


class Locked(_Barred):
    """The account is locked; the form is shown again beside the message."""

    host, code, words = "locked", "account_locked", "locked"

    def bar(self) -> str:
        return self.form(
            '<div role="alert">Your account is temporarily locked to prevent unauthorized use.'
            " Try again later.</div>"
        )


class ExpiredPassword(_Barred):
    """A new password has to be chosen at once."""

    host, words = "expired", "new password"

    def bar(self) -> str:
        return page(
            "Update your password",
            """<h1>Update your password</h1><p>You need to update your password because this is the
            first time you are signing in, or because your password has expired.</p><form
            method="post" action="/new"><input type="password" name="old" placeholder="Current
            password"><input type="password" name="new" placeholder="New password"><input
            type="password" name="again" placeholder="Confirm password"><button>Sign in</button>
            </form>""",
        )


class ForcedEnrolment(_Barred):
    """A second factor has to be set up, and nothing lets it wait."""

    host, words = "enrol", "second factor"

    def bar(self) -> str:
        return page(
            "Mobile Authenticator Setup",
            """<h1>Mobile Authenticator Setup</h1><p>You need to set up Mobile Authenticator to
            activate your account.</p><ol><li>Install one of the following applications</li><li>Scan
            the barcode</li><li>Enter the one-time code provided by the application</li></ol><form
            method="post" action="/enrol"><label>One-time code <input name="totp"></label><label>
            Device Name <input name="userLabel"></label><button>Submit</button></form>""",
        )


class TextedCode(_Barred):
    """A code by SMS, in a box that looks like the one of an authenticator app."""

    host, code, words = "texted", "challenge", "by message"

    def bar(self) -> str:
        return page(
            "Enter code",
            """<h1>Enter code</h1><p>We texted your phone +XX XXXXXXXX23. Please enter the code to
            sign in.</p><form method="post" action="/sms"><input name="otc" type="tel" maxlength="6"
            placeholder="Code" autocomplete="one-time-code"><button>Verify</button></form>
            <a href="/wrong/resend">Resend code</a>""",
        )


class MailboxLink(_Barred):
    """A link was mailed."""

    host, words = "mailed", "e-mail"

    def bar(self) -> str:
        return page(
            "Check your email",
            """<h1>Check your email</h1><p>We emailed a magic link to ada@acme.example. Click the
            link to log in.</p><button onclick="elsewhere('resend')">Resend email</button>""",
        )


class PushApproval(_Barred):
    """A number to type on the telephone."""

    host, code, words = "pushed", "challenge", "number shown is 42"

    def bar(self) -> str:
        return page(
            "Approve sign in request",
            """<div role="heading" aria-level="1">Approve sign in request</div><p>Open your
            Authenticator app, and enter the number shown to sign in.</p><div>42</div><a
            href="/wrong/other">I can't use my Authenticator app right now</a>""",
        )


class NotAssigned(_Barred):
    """A policy: the account is right, and may not use the site."""

    host, words = "policy", "does not let this account in"

    def bar(self) -> str:
        return page(
            "Access denied",
            """<h2>User is not assigned to the client application.</h2><p>Contact your administrator
            for access to Knots.</p><button onclick="elsewhere('back')">Go back</button>""",
        )


class NoSuchOrganization(_Barred):
    """Ours is not in the list."""

    host, code, words = "orgs", "organization_not_found", "Initech"
    settings: ClassVar[dict[str, Any]] = {"organization": "umbrella"}

    def bar(self) -> str:
        return page(
            "Select an organization",
            """<h1>Select an organization to continue</h1><form method="post" action="/org"><button
            name="o" value="1">Acme</button><button name="o" value="2">Initech</button></form>""",
        )


class ConsentOnAStrangersOrigin(_Barred):
    """A consent on an origin that is neither the site's nor an identity origin."""

    host, code, words = "honest", "origin_not_allowed", "stranger"

    def answer(self, ask: Ask) -> Answer:
        if ask.host == "stranger":
            if ask.method == "POST":
                self.house.wrong["agreed"] += 1
            return Answer(
                page(
                    "Authorize Knots",
                    """<h1>Authorize Knots</h1><p>Knots wants to access your account</p><form
                    method="post"><button name="no">Cancel</button><button>Allow</button></form>""",
                )
            )
        return super().answer(ask)

    def bar(self) -> str:
        return page("Next", "", script=f"location = '{self.house.at('stranger')}/consent';")


BARRED: tuple[type[_Barred], ...] = (
    Captcha,
    ManagedDevice,
    NotThisBrowser,
    Locked,
    ExpiredPassword,
    ForcedEnrolment,
    TextedCode,
    MailboxLink,
    PushApproval,
    NotAssigned,
    NoSuchOrganization,
    ConsentOnAStrangersOrigin,
)
