"""Pages on which a program must not guess: two answers look alike, or the question is unknown."""

from __future__ import annotations

from typing import ClassVar

from house import NOT_FOUND, Answer, Ask
from kind import Kind, page

_SIGN_IN = """<label>User name <input name="user" autocomplete="username"></label><label>Password
    <input name="password" type="password" autocomplete="current-password"></label>"""


class _Unclear(Kind):
    """``submits``: passwords that are rightly sent before the unclear page is reached."""

    submits: ClassVar[int] = 0

    def answer(self, ask: Ask) -> Answer:
        if ask.line == ("GET", "/"):
            return Answer(self.unclear())
        self.house.wrong["sent"] += 1
        return NOT_FOUND

    def unclear(self) -> str:
        raise NotImplementedError


class _AfterPassword(_Unclear):
    submits = 1

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/":
                return Answer(
                    page(
                        "Sign in",
                        f'<h1>Sign in</h1><form method="post" action="/in">{_SIGN_IN}'
                        "<button>Sign in</button></form>",
                    )
                )
            case "POST", "/in":
                self.house.takes_password(ask.form["user"], ask.form["password"])
                return Answer(self.unclear())
        self.house.wrong["answered"] += 1
        return NOT_FOUND


class TwoEqualForms(_Unclear):
    """Staff and customers have a form each, and nothing says which is ours."""

    host = "doors"

    def unclear(self) -> str:
        form = f'<form method="post" action="/%s">{_SIGN_IN}<button>Sign in</button></form>'
        return page(
            "Sign in",
            f"<h2>Customers</h2>{form % 'customers'}<h2>Staff</h2>{form % 'staff'}",
        )


class TwoEqualButtons(_Unclear):
    """One form, two buttons that both go on, to different places."""

    host = "buttons"

    def unclear(self) -> str:
        return page(
            "Sign in",
            f"""<h1>Sign in</h1><form method="post" action="/in">{_SIGN_IN}<button name="to"
            value="classic">Continue</button><button name="to" value="new">Continue</button></form>
            """,
        )


class TwoWaysIn(_Unclear):
    """The site has two sign-in links that lead to different places."""

    host = "nowhere"

    def landing(self) -> str:
        return page(
            "Knots",
            '<h1>Knots</h1><p>For teams: <a href="/wrong/teams">Sign in</a></p>'
            '<p>For partners: <a href="/wrong/partners">Sign in</a></p>',
        )


class ContinueAs(_AfterPassword):
    """Two persons to go on as, without an address of either."""

    host = "persons"

    def unclear(self) -> str:
        return page(
            "Choose an account",
            """<h1>Choose an account</h1><button onclick="elsewhere('one')"><b>A</b><span>Continue
            as Ada</span></button><button onclick="elsewhere('two')"><b>A</b><span>Continue as Ada
            L.</span></button><button onclick="elsewhere('other')">Use another account</button>""",
        )


class SecurityQuestion(_AfterPassword):
    """A question to which only a person knows the answer."""

    host = "questions"

    def unclear(self) -> str:
        return page(
            "One more thing",
            """<h1>One more thing</h1><form method="post" action="/answer"><label>What was the name
            of your first pet?<input name="answer"></label><button>Continue</button></form>""",
        )


class DateOfBirth(_AfterPassword):
    """Three boxes with a few digits each, which are no code."""

    host = "birthdays"

    def unclear(self) -> str:
        return page(
            "Confirm your date of birth",
            """<h1>Confirm your date of birth</h1><form method="post" action="/born"><label>Day
            <input name="d" inputmode="numeric" maxlength="2"></label><label>Month <input name="m"
            inputmode="numeric" maxlength="2"></label><label>Year <input name="y"
            inputmode="numeric" maxlength="4"></label><button>Next</button></form>""",
        )


class ChangedTerms(_AfterPassword):
    """New terms: agreeing to them is not ours to do."""

    host = "terms"

    def unclear(self) -> str:
        return page(
            "We have changed our terms",
            """<h1>We have changed our terms</h1><p>Please read and accept them to go on.</p><form
            method="post" action="/agree"><label><input type="checkbox" name="read"> I have read the
            terms of use</label><button>I accept</button><button formaction="/wrong/decline">I do
            not accept</button></form>""",
        )


class PinOfACard(_AfterPassword):
    """A password box that wants neither the password nor a one-time code."""

    host = "cards"

    def unclear(self) -> str:
        return page(
            "Your card",
            """<h1>Insert your card</h1><form method="post" action="/pin"><label>PIN <input
            name="pin" type="password" inputmode="numeric" maxlength="8"></label><button>OK</button>
            </form>""",
        )


UNCLEAR: tuple[type[_Unclear], ...] = (
    TwoEqualForms,
    TwoEqualButtons,
    TwoWaysIn,
    ContinueAs,
    SecurityQuestion,
    DateOfBirth,
    ChangedTerms,
    PinOfACard,
)
