"""A passkey at a real, published provider that the engine knows nothing of.  Opt-in, as its
neighbours: the provider verifies what is signed, its sign count too, with a library of its own.

It is the second factor there, after the password: asked for it alone, this release of the provider
forgets its own challenge and refuses every browser.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from makers import canaille
from playwright.async_api import Page, async_playwright

from harvester.errors import NeedsHuman
from harvester.passkeys import Passkey, from_bytes, to_bytes
from harvester.signin.browser import Authenticator
from harvester.signin.dialogue import Job
from harvester.signin.find import find_browser
from harvester.vault import keys
from harvester.vault.seal import Seal
from parent import KEY, Spawned, secret

_LIMIT_MS = 15_000


def _seal() -> Seal:
    ring, _ = keys.load(secret("HARVESTER_KEY", KEY), Path(), may_create=False)
    return Seal(ring)


def _sealed(passkey: Passkey) -> str:
    record = _seal().seal(
        to_bytes((passkey,)), profile="default", purpose="passkey", generation=1, now_s=time.time()
    )
    return record.decode()


async def _by_a_person(page: Page, origin: str) -> None:
    """Signs in with the password, and makes the passkey that the provider then wants."""
    await page.goto(f"{origin}/login")
    await page.fill("[name=login]", canaille.USERNAME)
    await page.press("[name=login]", "Enter")
    await page.fill("[name=password]", canaille.PASSWORD)
    await page.press("[name=password]", "Enter")
    await page.click("#webauthn-register", timeout=_LIMIT_MS)
    await page.wait_for_url("**/profile/**", timeout=_LIMIT_MS)


async def _made(origin: str) -> Passkey:
    browser = find_browser(None)
    async with async_playwright() as driver:
        process = await driver.chromium.launch(executable_path=browser.path)
        page = await process.new_page()
        authenticator = Authenticator((), makes=True)
        await authenticator.join(page)
        await _by_a_person(page, origin)
        await process.close()
    (only,) = authenticator.held.values()
    return replace(only, name="lab-machine")


def _job(origin: str, sealed: str) -> Job:
    return Job(
        rung="scripted",
        profile="default",
        origin=origin,
        sign_in_url=f"{origin}/login",
        probe_path=f"/profile/{canaille.USERNAME}",
        identity_origins=(origin,),
        ring=(KEY,),
        timeout_s=60.0,
        username=canaille.USERNAME,
        password=secret("HARVESTER_PASSWORD", canaille.PASSWORD),
        passkeys=sealed,
    )


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[str]:
    callback = "http://nobody.localhost:1/hub/oauth_callback"
    with canaille.server(tmp_path, factors='["password", "fido2"]', callback=callback) as origin:
        yield origin


def test_a_passkey_made_at_a_published_provider_answers_there_in_the_persons_place(
    provider: str,
) -> None:
    passkey = asyncio.run(_made(provider))
    assert passkey.rp_id == "localhost" and passkey.user_name == canaille.USERNAME
    sealed = _sealed(passkey)
    counts = [passkey.sign_count]
    for _ in range(3):
        outcome = Spawned(_job(provider, sealed)).run()
        assert outcome.result["result"] == "signed_in", (outcome.steps, outcome.error)
        assert "use_passkey" in outcome.steps and len(outcome.submits) == 1
        sealed = outcome.passkeys[-1]
        opened = _seal().open(sealed.encode(), profile="default", purpose="passkey")
        counts.append(from_bytes(opened.plaintext)[0].sign_count)
    assert counts == sorted(set(counts)), "each count above the one that the provider saw last"


def test_a_sign_count_that_went_back_is_refused_there_and_told(provider: str) -> None:
    passkey = asyncio.run(_made(provider))
    ahead = replace(passkey, created_at=time.time() - 3600)
    assert Spawned(_job(provider, _sealed(ahead))).run().result["result"] == "signed_in"
    outcome = Spawned(_job(provider, _sealed(passkey))).run()
    assert isinstance(outcome.error, NeedsHuman), (outcome.steps, outcome.error)
    assert "refused the passkey 'lab-machine'" in outcome.error.message
