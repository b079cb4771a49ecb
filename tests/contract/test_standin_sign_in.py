"""The stand-in's sign-in, walked without a browser from the landing page to the app."""

from __future__ import annotations

import pytest

from standin import StandInProcess
from walker import Walker
from walks import api, code, give_password, sign_in, to_the_provider


def test_a_sign_in_on_one_page_ends_in_the_app_with_a_session_that_the_api_takes(
    world: StandInProcess,
) -> None:
    ada = Walker()
    assert api(ada, world).status == 401
    page = sign_in(ada, world)
    assert page.url == f"{world.site}/app"
    assert [hop.partition("?")[0] for hop in page.hops] == [
        f"{world.identity}/signin",
        f"{world.site}/auth/callback",
        f"{world.site}/app",
    ]
    assert api(ada, world).json() == {"sessions": [], "organization": "acme"}
    state = world.state()
    assert (state["sign_ins"], state["silent_sign_ins"], state["password_submits"]) == (1, 0, 1)
    assert state["secrets_at_site"] == 0
    assert state["sessions_live"] == 1
    assert state["wrong_clicks"] == {}


def test_a_live_session_is_taken_from_the_landing_page_to_the_app(world: StandInProcess) -> None:
    ada = Walker()
    sign_in(ada, world)
    assert ada.ask(f"{world.site}/").path == "/app"
    assert ada.ask(f"{world.site}/login").path == "/app"


def test_identifier_first_shows_the_name_read_only_beside_the_password(
    world: StandInProcess,
) -> None:
    world.set(idp_mode="identifier_first")
    ada = Walker()
    page = to_the_provider(ada, world)
    assert "password" in page.form("/signin").fields, "the decoy"
    assert 'type="password" name="password" tabindex="-1" aria-hidden="true"' in page.text
    page = ada.submit(page, "/signin", username=world.username)
    assert page.form("/signin").fields["shown_user"] == world.username
    assert ada.submit(page, "/signin", password=world.password).path == "/app"


def test_every_page_in_between_is_shown_in_its_order(world: StandInProcess) -> None:
    world.set(totp=True, stay_signed_in=True, consent=True, organizations="acme,globex")
    ada = Walker()
    page = sign_in(ada, world)
    assert "Two-step verification" in page.text
    page = ada.submit(page, "/signin", code=code(world), button="go")
    assert "Stay signed in?" in page.text
    page = ada.submit(page, "/signin", button="yes")
    assert "Knoq wants to access your Acme account" in page.text
    page = ada.submit(page, "/signin", button="allow")
    assert page.path == "/auth/organizations"
    assert '<span class="avatar">G</span> <span>Globex Inc</span>' in page.text
    assert api(ada, world).status == 401, "the intermediate token is no session"
    ids = [value for name, value in page.form("/auth/organizations").buttons]
    page = ada.submit(page, "/auth/organizations", button=ids[1])
    assert page.path == "/app"
    assert api(ada, world).json()["organization"] == "globex"


def test_a_remembered_browser_signs_in_with_no_page_and_no_password(world: StandInProcess) -> None:
    world.set(totp=True, consent=True)
    ada = Walker()
    page = ada.submit(sign_in(ada, world), "/signin", code=code(world), button="go")
    ada.submit(page, "/signin", button="allow")
    world.revoke("sessions")
    assert api(ada, world).status == 401
    ada.jars["knoq.localhost"].clear()
    page = ada.ask(f"{world.site}/auth/start?provider=sso")
    assert page.path == "/app"
    state = world.state()
    assert (state["sign_ins"], state["silent_sign_ins"], state["password_submits"]) == (2, 1, 1)
    assert state["consents_given"] == 1, "it was remembered"
    world.revoke("identity")
    ada.jars["knoq.localhost"].clear()
    assert ada.ask(f"{world.site}/auth/start?provider=sso").host == "login.localhost"


def test_more_scopes_than_were_agreed_to_are_asked_for_again(world: StandInProcess) -> None:
    world.set(consent=True)
    ada = Walker()
    ada.submit(sign_in(ada, world), "/signin", button="allow")
    ada.jars["knoq.localhost"].clear()
    world.set(scopes="openid email profile offline_access")
    page = ada.ask(f"{world.site}/auth/start?provider=sso")
    assert "Keep access while you are away" in page.text


def test_no_to_stay_signed_in_leaves_a_cookie_that_ends_with_the_browser(
    world: StandInProcess,
) -> None:
    world.set(stay_signed_in=True)
    for answer, kept in (("no", False), ("yes", True)):
        ada = Walker()
        page = ada.submit(sign_in(ada, world), "/signin", button=answer)
        line = next(one for one in page.set_cookies if one.startswith("acme_idp_session="))
        assert ("Expires=" in line) is kept


def test_an_account_tile_is_offered_to_a_remembered_browser(world: StandInProcess) -> None:
    ada = Walker()
    sign_in(ada, world)
    ada.jars["knoq.localhost"].clear()
    world.set(account_chooser=True)
    page = ada.ask(f"{world.site}/auth/start?provider=sso")
    assert "Choose an account" in page.text
    assert world.username in page.text
    assert ada.submit(page, "/signin", button="mine").path == "/app"
    ada.jars["knoq.localhost"].clear()
    page = ada.ask(f"{world.site}/auth/start?provider=sso")
    page = ada.submit(page, "/signin", button="other")
    assert page.form("/signin").fields["username"] == ""
    assert world.state()["wrong_clicks"] == {"use_another_account": 1}


@pytest.mark.parametrize(("asks", "typed"), [("email", "ada@acme.example"), ("slug", "acme")])
def test_single_sign_on_may_ask_on_the_site_itself_first(
    world: StandInProcess, asks: str, typed: str
) -> None:
    world.set(sso_asks=asks)
    ada = Walker()
    page = to_the_provider(ada, world)
    assert page.url == f"{world.site}/auth/sso"
    page = ada.submit(page, "/auth/sso", **{asks: "nobody"})
    assert "No single sign-on is set up there." in page.text
    page = ada.submit(page, "/auth/sso", **{asks: typed})
    assert page.host == "login.localhost"
    assert give_password(ada, world, page).path == "/app"


def test_google_asks_for_a_name_and_then_refuses_automation(world: StandInProcess) -> None:
    ada = Walker()
    page = to_the_provider(ada, world, provider="google")
    page = ada.submit(page, "/google/signin/identifier", identifier=world.username)
    assert page.path.endswith("/rejected")
    assert "This browser or app may not be secure" in page.text


def test_the_code_can_come_back_in_a_form_that_posts_itself(world: StandInProcess) -> None:
    world.set(response_mode="form_post")
    ada = Walker()
    page = sign_in(ada, world)
    assert "document.forms[0].submit()" in page.text
    assert ada.submit(page, "/auth/callback").path == "/app"


def test_a_code_works_once_and_only_with_the_state_of_this_browser(world: StandInProcess) -> None:
    ada, eve = Walker(), Walker()
    page = to_the_provider(ada, world)
    page = give_password(ada, world, page)
    callback = next(hop for hop in page.hops if "/auth/callback" in hop)
    assert ada.ask(callback).url == f"{world.site}/app", "signed in already"
    ada.jars["knoq.localhost"].clear()
    assert ada.ask(callback).url == f"{world.site}/login?error=state"
    eve.ask(f"{world.site}/auth/start?provider=sso", follow=False)
    state = eve.jars["knoq.localhost"]["oauth_state"]
    used_code = callback.partition("code=")[2].partition("&")[0]
    replay = f"{world.site}/auth/callback?code={used_code}&state={state}"
    assert eve.ask(replay).url == f"{world.site}/login?error=code"
    assert world.state()["sign_ins"] == 1


def test_only_the_known_application_may_send_people_to_the_provider(world: StandInProcess) -> None:
    elsewhere = "client_id=knoq-web&redirect_uri=http://evil.localhost/cb&state=x"
    assert Walker().ask(f"{world.identity}/authorize?{elsewhere}").status == 400


def test_a_form_without_its_token_is_refused(world: StandInProcess) -> None:
    ada = Walker()
    page = to_the_provider(ada, world)
    page = ada.submit(page, "/signin", csrf="forged", password=world.password)
    assert page.status == 403
    assert world.state()["password_submits"] == 0


def test_what_no_sign_in_should_touch_is_there_and_counted(world: StandInProcess) -> None:
    ada = Walker()
    landing = ada.ask(f"{world.site}/")
    assert 'class="banner"' in landing.text
    ada.submit(landing, "/newsletter", email="x@y.example")
    ada.submit(ada.ask(f"{world.site}/signup"), "/signup", password=world.password)
    ada.ask(f"{world.site}/click?what=theme", method="POST", body=b"")
    state = world.state()
    assert (state["newsletter_posts"], state["signup_posts"]) == (1, 1)
    assert state["secrets_at_site"] == 1
    assert state["wrong_clicks"] == {"signup": 2, "theme": 1}
    world.set(cookie_banner=False)
    assert 'class="banner"' not in ada.ask(f"{world.site}/").text


def test_the_provider_buttons_can_stand_in_a_shadow_root_or_on_the_landing_page(
    world: StandInProcess,
) -> None:
    world.set(providers="vercel", widget="shadow", landing_buttons=True)
    landing = Walker().ask(f"{world.site}/")
    assert '<template shadowrootmode="open">' in landing.text
    assert "Continue with Vercel" in landing.text
    assert "Continue with Google" not in landing.text


def test_every_page_is_its_own_and_nobody_may_store_or_frame_it(world: StandInProcess) -> None:
    ada = Walker()
    for url in (f"{world.site}/", f"{world.site}/login", f"{world.identity}/"):
        page = ada.ask(url)
        assert page.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        assert "https://" not in page.text
