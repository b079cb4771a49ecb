"""A software authenticator in every window of the browser: it answers for the passkeys it holds.

It is the browser's own (the WebAuthn domain of its debugging protocol), so the browser checks who
asks: a page of another domain gets nothing, and what is signed names the page's true origin.
Playwright's ``context.credentials`` is not used, although it would reach new windows by itself: it
is a script in every page that believes the origin it is told, and any page could have had a
signature for any other by calling it directly (tried, and it was given one).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from playwright.async_api import Page

from harvester.passkeys import Passkey

# Built in, asks no person, and says so in the words of the standard: present and verified.
_OPTIONS = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class Authenticator:
    """``held`` are the passkeys as they are now, by credential id; ``used`` the ids that signed.

    ``on_change`` is told after each use, and of each passkey that a page made where ``makes`` is
    true; elsewhere what a page makes is forgotten with the browser.
    """

    def __init__(self, passkeys: Iterable[Passkey], *, makes: bool = False) -> None:
        self.held = {one.credential_id: one for one in passkeys}
        self.used: set[str] = set()
        self.on_change: Callable[[], None] = lambda: None
        self._makes = makes

    async def join(self, page: Page) -> None:
        """Be there in this window.  Raises Playwright's error."""
        session = await page.context.new_cdp_session(page)
        await session.send("WebAuthn.enable", {"enableUI": False})
        added = await session.send("WebAuthn.addVirtualAuthenticator", {"options": _OPTIONS})
        place = str(added["authenticatorId"])
        now_s = time.time()
        for passkey in self.held.values():
            await session.send(
                "WebAuthn.addCredential",
                {"authenticatorId": place, "credential": _credential(passkey, now_s)},
            )
        session.on("WebAuthn.credentialAdded", self._added)
        session.on("WebAuthn.credentialAsserted", self._asserted)

    def _added(self, told: dict[str, Any]) -> None:
        credential = told["credential"]
        if not self._makes or credential["credentialId"] in self.held:
            return
        made = Passkey(
            name="",
            rp_id=str(credential.get("rpId", "")),
            credential_id=str(credential["credentialId"]),
            private_key=str(credential["privateKey"]),
            created_at=time.time(),
            user_handle=str(credential.get("userHandle", "")),
            user_name=str(credential.get("userName", "")),
            sign_count=int(credential["signCount"]),
            discoverable=bool(credential["isResidentCredential"]),
        )
        self.held[made.credential_id] = made
        self.on_change()

    def _asserted(self, told: dict[str, Any]) -> None:
        credential = told["credential"]
        passkey = self.held.get(str(credential["credentialId"]))
        if passkey is None:
            return
        self.held[passkey.credential_id] = replace(
            passkey, sign_count=int(credential["signCount"]), used_at=time.time()
        )
        self.used.add(passkey.credential_id)
        self.on_change()


def _credential(passkey: Passkey, now_s: float) -> dict[str, Any]:
    told = {
        "credentialId": passkey.credential_id,
        "isResidentCredential": passkey.discoverable,
        "rpId": passkey.rp_id,
        "privateKey": passkey.private_key,
        "signCount": passkey.count_at(now_s),
        "userName": passkey.user_name,
    }
    return {**told, "userHandle": passkey.user_handle} if passkey.user_handle else told
