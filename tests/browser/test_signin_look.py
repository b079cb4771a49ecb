"""What the script sees in real documents: hidden things, covers, shadow roots, bent pages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from harvester.errors import OriginNotAllowed
from harvester.signin.act import Hand, Secrets
from harvester.signin.browser import Browser, Moved
from harvester.signin.dialogue import BrowserChoice
from harvester.signin.fields import Fields, find_fields
from harvester.signin.find import find_browser
from harvester.signin.observe import FrameView
from harvester.signin.traffic import Traffic
from parent import job_for
from standin import StandInProcess

FORM = """<form><label>User <input name=u autocomplete=username></label>
<label>Password <input name=p type=password></label><button>Sign in</button></form>"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    opened = Browser()
    await opened.start()
    await opened.launch(find_browser(None), BrowserChoice())
    await opened.open([], Traffic("http://knoq.localhost"))
    yield opened
    assert opened._driver is not None
    await opened._context.close()
    await opened._driver.stop()


async def seen(browser: Browser, html: str) -> FrameView:
    await browser.window.set_content(html)
    view = await browser.look()
    assert view is not None
    return view.main


def of(frame: FrameView) -> Fields:
    return find_fields(frame, username="ada", after_password=False)


async def test_a_plain_form_is_seen_with_its_labels(browser: Browser) -> None:
    fields = of(await seen(browser, FORM))
    assert fields.user and fields.password and fields.submit
    assert (fields.user.name, fields.password.name) == ("User", "Password")
    assert fields.submit.name == "Sign in"


@pytest.mark.parametrize(
    "style",
    ["display:none", "visibility:hidden", "opacity:0", "position:absolute;left:-9999px",
     "position:absolute;top:-9999px", "width:1px;height:1px;border:0;padding:0"],
)  # fmt: skip
async def test_what_a_person_cannot_see_is_not_there(browser: Browser, style: str) -> None:
    fields = of(await seen(browser, FORM.replace("name=p", f'name=p style="{style}"')))
    assert fields.user is not None and fields.password is None


@pytest.mark.parametrize("hidden", ["aria-hidden=true", "inert", "style=opacity:0"])
async def test_what_stands_in_something_hidden_is_not_there(browser: Browser, hidden: str) -> None:
    assert not of(await seen(browser, f"<div {hidden}>{FORM}</div>")).any


async def test_a_disabled_field_is_not_filled_and_a_read_only_one_is_told(
    browser: Browser,
) -> None:
    assert of(await seen(browser, FORM.replace("name=p", "name=p disabled"))).password is None
    fields = of(await seen(browser, FORM.replace("name=u", "name=u readonly value=ada")))
    assert fields.user is None and fields.password is not None
    assert fields.told is not None and fields.told.value == "ada"


async def test_what_is_covered_says_so_and_a_label_is_no_cover(browser: Browser) -> None:
    cover = '<div style="position:fixed;inset:0;background:#fff">We use cookies</div>'
    fields = of(await seen(browser, FORM + cover))
    assert fields.password is not None and fields.password.top is False
    floating = """<form style="position:relative"><input id=p type=password autocomplete=
    "current-password" style="width:200px;height:40px"><label for=p style="position:absolute;
    left:0;top:0;width:200px;height:40px">Password</label><button>Sign in</button></form>"""
    password = of(await seen(browser, floating)).password
    assert password is not None and password.top is True


async def test_nested_shadow_roots_are_looked_into(browser: Browser) -> None:
    html = f"""<x-outer><template shadowrootmode=open><x-inner><template shadowrootmode=open>
    <h1>Sign in here</h1>{FORM}</template></x-inner></template></x-outer>"""
    await browser.window.goto("about:blank")
    await browser.window.evaluate("html => document.body.setHTMLUnsafe(html)", html)
    view = await browser.look()
    assert view is not None
    fields = of(view.main)
    assert fields.user and fields.password and fields.password.top is True
    assert "sign in here" in view.main.words


async def test_a_form_whose_fields_have_odd_names_is_still_seen(browser: Browser) -> None:
    names = ("children", "elements", "method", "action", "id", "tagName2", "parentNode")
    odd = "".join(f"<input type=hidden name={one}>" for one in names)
    fields = of(await seen(browser, FORM.replace("<form>", f"<form>{odd}")))
    assert fields.user and fields.password


async def test_a_page_that_lies_is_no_view(browser: Browser) -> None:
    await browser.window.set_content(FORM)
    for lie in ("JSON.stringify = () => 'no json'", "JSON.stringify = () => 'x'.repeat(3e6)"):
        await browser.window.evaluate(f"() => {{ {lie} }}")
        assert await browser.look() is None


async def test_an_element_of_a_page_that_went_away_is_not_typed_into(browser: Browser) -> None:
    frame = await seen(browser, FORM)
    grip = await browser.hold(0)
    password = of(frame).password
    assert password is not None
    await browser.window.set_content(FORM)
    with pytest.raises(Moved) as caught:
        await grip.type(password, "hunter2")
    assert caught.value.__context__ is None and caught.value.__cause__ is None
    assert "hunter2" not in repr(caught.value)
    assert await browser.window.evaluate("document.querySelector('[name=p]').value") == ""


async def test_what_takes_the_focus_as_it_is_given_gets_nothing(browser: Browser) -> None:
    thief = "<input name=q><script>document.querySelector('[name=p]').onfocus = () => "
    thief += "document.querySelector('[name=q]').focus()</script>"
    frame = await seen(browser, FORM + thief)
    grip = await browser.hold(0)
    password = of(frame).password
    assert password is not None
    with pytest.raises(Moved):
        await grip.type(password, "hunter2")
    assert await browser.window.evaluate("document.querySelector('[name=q]').value") == ""


class SilentParent:
    """Grants nothing, because nothing may be asked."""

    async def may_submit(self, fingerprint: str, origin: str) -> None:
        raise AssertionError("asked to submit")


async def test_a_form_that_sends_elsewhere_gets_no_password(
    browser: Browser, standin: StandInProcess
) -> None:
    job = job_for(standin)
    await browser.window.goto(f"{standin.identity}/help?about=x")
    html = FORM.replace("<form>", '<form action="http://evil.localhost/take" method=post>')
    await browser.window.evaluate("html => { document.body.innerHTML = html }", html)
    view = await browser.look()
    assert view is not None
    hand = Hand(job, browser, SilentParent(), Secrets("hunter2", "f"))  # type: ignore[arg-type]
    grip = await browser.hold(0)
    with pytest.raises(OriginNotAllowed) as caught:
        await hand.fill(grip, of(grip.view))
    assert "evil.localhost" in caught.value.message
    typed = await browser.window.evaluate("[...document.querySelectorAll('input')].map(i=>i.value)")
    assert typed == ["", ""]
    assert hand.stage == "before_submit"
