"""What a failed sign-in leaves: a film of its steps, the last page, and nothing of the person."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from films import known
from harvester.evidence import Evidence
from harvester.signin.blanks import Blanks
from harvester.signin.browser import Browser
from harvester.signin.codes import read_seed
from harvester.signin.decide import decide
from harvester.signin.dialogue import BrowserChoice
from harvester.signin.find import find_browser
from harvester.signin.skeleton import known_of, said_of, skeleton_of, view_of
from harvester.signin.traffic import Traffic
from hostile import Answer, Asked, Hostile
from parent import Outcome, Spawned, job_for, secret, sign_in
from standin import StandInProcess
from storekit import SEAL

WRONG = "c4n4ry/Wr0ng pass"
# What the canvas of a browser tells of a picture: how many of its pixels are reddish.
RED = """async ([data, box]) => {
  const image = new Image();
  image.src = "data:image/jpeg;base64," + data;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height), pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  const seen = pen.getImageData(...(box || [0, 0, image.width, image.height])).data;
  let red = 0;
  for (let at = 0; at < seen.length; at += 4)
    if (seen[at] > 150 && seen[at + 1] < 110 && seen[at + 2] < 110) red += 1;
  return red;
}"""


def opened(outcome: Outcome) -> tuple[Evidence, bytes]:
    record = outcome.result["evidence"]
    assert record is not None
    plain = SEAL.open(record.encode(), profile="default", purpose="evidence").plaintext
    return Evidence.from_bytes(plain), plain


def forms(text: str) -> set[bytes]:
    raw = text.encode()
    cores = {base64.b64encode(b"\0" * shift + raw)[4:-4] for shift in range(3)}
    cores = {one for one in cores if len(one) >= 6}  # fewer stand in every picture by chance
    spelled = {text, text.lower(), quote(text), quote(text, safe=""), quote_plus(text),
               json.dumps(text)[1:-1]}  # fmt: skip
    return cores | {one.encode() for one in spelled}


def held(plain: bytes, *canaries: str) -> list[str]:
    """The canaries in it, pictures and all, in any spelling."""
    return [one for one in canaries if any(form in plain for form in forms(one))]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    browser = Browser()
    await browser.start()
    await browser.launch(find_browser(None), BrowserChoice())
    await browser.open([], Traffic("http://site.localhost"))
    yield browser
    assert browser._process is not None and browser._driver is not None
    await browser._process.close()
    await browser._driver.stop()


def test_a_wrong_password_leaves_a_film_with_a_picture_of_each_step() -> None:
    with StandInProcess(idp_mode="identifier_first") as standin:
        outcome = sign_in(standin, password=secret("HARVESTER_PASSWORD", WRONG))
        state = standin.state()
    evidence, plain = opened(outcome)
    assert state["wrong_password_submits"] == 1
    assert (evidence.code, evidence.rung) == ("credentials_rejected", "scripted")
    told = [(one.state, one.action) for one in evidence.steps]
    assert told == [
        ("landing", "press"), ("choose_provider", "press"), ("ask_identifier", "fill"),
        ("ask_password", "fill"), ("refused", "stopped"),
    ]  # fmt: skip
    hosts = [one.host.partition(".")[0] for one in evidence.steps]
    assert hosts == ["knoq", "knoq", "login", "login", "login"]
    assert all(one.took_s > 0 for one in evidence.steps)
    last = evidence.steps[-1].picture
    assert last is not None and last.startswith(b"\xff\xd8")
    # A page may be gone before its picture is taken: then what was there can be drawn.
    assert all(one.picture or one.outline for one in evidence.steps)
    assert sum(one.picture is not None for one in evidence.steps) >= 3
    assert not held(plain, WRONG, standin.username, standin.totp_secret, "ada@")


@pytest.mark.parametrize("page", ["unknown", "enrolment", "sms_code", "number_match"])
def test_the_last_page_is_decided_again_from_its_skeleton(page: str) -> None:
    with StandInProcess(idp_page=page, totp=True) as standin:
        outcome = sign_in(standin)
    evidence, plain = opened(outcome)
    assert evidence.skeleton is not None
    told = evidence.skeleton
    assert told["said"] == said_of(decide(view_of(told), known_of(told)))
    assert told["said"]["state"] == evidence.steps[-1].state == outcome.steps[-1]
    assert not held(plain, standin.password, standin.username, standin.totp_secret)


def test_a_page_that_tells_everything_it_knows_gives_nothing_away() -> None:
    """It shows what was typed and its cookies, everywhere it can."""

    def babbles(asked: Asked) -> str:
        words = quote(asked.body)
        return f"""<title>{words}</title><h1>Nothing known</h1><p>{asked.body} {words}</p>
            <p id=more></p><button data-all="{words}" value="{words}">{words}</button>
            <input value="{words}" placeholder="{words}"><script>
            const said = decodeURIComponent("{words}".replaceAll("+", " "));
            more.textContent = said + btoa(said) + document.cookie + JSON.stringify(said);
            document.title = document.cookie + said;
            history.replaceState(0, "", "/in/" + said + location.search);</script>"""

    cookie = "c00k1e-canary-value"
    with Hostile() as there:
        there.pages["login /"] = Answer(
            "<form method=post action=/in?flow=qu3ry-canary><input name=u autocomplete=username>"
            "<input name=p type=password><button>Sign in</button></form>",
            200, (("Set-Cookie", f"idp={cookie}; Path=/"),),
        )  # fmt: skip
        there.pages["login /in"] = babbles
        outcome = Spawned(
            job_for(there, password=secret("HARVESTER_PASSWORD", WRONG))  # type: ignore[arg-type]
        ).run()
        assert there.held("Wr0ng")
    evidence, plain = opened(outcome)
    assert evidence.code == "page_not_recognised"
    assert not held(plain, WRONG, there.username, there.totp_secret, cookie, "qu3ry-canary")
    # And a page whose text shows a secret is on no picture.
    assert evidence.steps[-1].picture is None and evidence.steps[-1].outline


def test_a_code_is_nowhere_in_it() -> None:
    wrong = "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"
    # The second code is typed one step later: the test waits for half of a short one.
    wrong = f"otpauth://totp/x?secret={wrong}&period=15"
    with StandInProcess(totp=True) as standin:
        outcome = sign_in(standin, totp=secret("HARVESTER_TOTP_SECRET", wrong))
    seed = read_seed(wrong, "HARVESTER_TOTP_SECRET")
    codes = [seed.code(step) for step in outcome.codes]
    assert codes and not held(opened(outcome)[1], wrong, *codes)


def test_a_sign_in_that_arrives_and_one_that_only_asks_leave_none() -> None:
    with StandInProcess() as standin:
        assert "evidence" not in sign_in(standin).result
        asked = Spawned(job_for(standin, rung="silent", passkeys=None)).run()
    assert asked.result["asked"] and asked.result["evidence"] is None


# -- the pictures ---------------------------------------------------------------------------------

RED_TEXT = "color:#e00;font:bold 30px sans-serif;width:300px;background:#fff"
FIELDS = f"""<body style="background:#fff"><style>* {{ border: 0 }}</style>
<p><input value="MMMMMMMM" style="{RED_TEXT}"></p>
<p><input type=password value="MMMMMMMM" style="{RED_TEXT} !important"></p>
<style>#own #told {{ -webkit-text-fill-color: #e00 !important }}</style>
<p id=own><input id=told value="MMMMMMMM" style="{RED_TEXT}"></p>
<p><textarea style="{RED_TEXT}">MMMMMMMM</textarea></p>
<div contenteditable style="{RED_TEXT}"><b>MMMMMMMM</b></div>
<select style="{RED_TEXT}"><option>MMMMMMMM</select>
<my-field></my-field><iframe srcdoc='<input value="MMMMM" style="{RED_TEXT}">'></iframe>
<script>customElements.define("my-field", class extends HTMLElement {{ connectedCallback() {{
  this.attachShadow({{mode: "open"}}).innerHTML =
    '<style>input {{ color: #e00 !important }}</style><input value=MMMMMMMM style="{RED_TEXT}">';
}} }});</script>"""


async def red(browser: Browser, html: str, *hidden: str, sharp: bool = True) -> int:
    """How many red pixels a picture of this page has."""
    await browser.window.set_content(html)
    assert await browser.look() is not None
    picture = await browser.picture(hidden, sharp=sharp)
    assert picture is not None
    data = base64.b64encode(picture).decode()
    found: int = await browser.window.evaluate(RED, [data, None])
    return found


@pytest.mark.parametrize("sharp", [True, False])
async def test_what_stands_in_fields_is_on_no_picture(browser: Browser, sharp: bool) -> None:
    assert await red(browser, f'<p style="{RED_TEXT}">MMMMMMMM</p>', sharp=sharp) > 300
    assert await red(browser, FIELDS, sharp=sharp) == 0


async def test_names_and_addresses_in_the_text_are_covered(browser: Browser) -> None:
    text = f'<p style="{RED_TEXT}">ADA.Lovelace</p><p style="{RED_TEXT}">grace@acme.example</p>'
    assert await red(browser, text, "other") > 300
    assert await red(browser, text, "ada.lovelace") == 0


async def test_the_page_is_afterwards_as_it_was(browser: Browser) -> None:
    await red(browser, FIELDS, "ada")
    await browser.window.wait_for_function(
        "() => document.adoptedStyleSheets.length + CSS.highlights.size === 0", timeout=5000
    )
    color = "() => getComputedStyle(document.querySelector('input')).color"
    assert await browser.window.evaluate(color) == "rgb(238, 0, 0)"


async def test_a_page_that_bends_the_mask_is_on_no_picture(browser: Browser) -> None:
    await browser.window.set_content(
        "<p>hello</p><script>CSSStyleSheet.prototype.replaceSync = () => { throw 1 }</script>"
    )
    assert await browser.look() is not None
    assert await browser.picture(()) is None


async def test_no_picture_is_taken_while_a_secret_is_typed(browser: Browser) -> None:
    """A page that holds its breath: the picture that is not ready in time is given up."""
    await browser.window.set_content("<p>hello</p>")
    assert await browser.look() is not None
    busy = "() => { const until = Date.now() + 900; while (Date.now() < until); }"
    hanging = asyncio.create_task(browser.window.evaluate(busy))
    await asyncio.sleep(0)
    picture = browser.picture(())
    await browser.camera.still()
    assert picture.done() or picture.cancelling()
    await hanging
    assert picture.cancelled()


async def test_a_real_page_makes_a_skeleton_that_decides_the_same(browser: Browser) -> None:
    await browser.window.set_content(FIELDS + "<form><input type=password><button>Sign in</form>")
    view = await browser.look()
    assert view is not None
    told: dict[str, Any] = skeleton_of(view, known(), Blanks("ada@acme.example", ()))
    assert said_of(decide(view, known())) == said_of(decide(view_of(told), known_of(told)))
    assert "MMMM" not in json.dumps([one for one in told["frames"][0]["controls"]
                                     if one["tag"] in ("input", "textarea")])  # fmt: skip
