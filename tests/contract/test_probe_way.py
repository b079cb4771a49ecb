"""Our own question takes the session to the bound origin alone, and to no server that lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from authority import Authority
from harvester.clock import SystemClock
from harvester.probe import SiteClient
from harvester.profile import Site
from harvester.session import Cookie
from rawsite import always, plain, raw_site


def asking(origin: str, ca_file: str | None = None) -> SiteClient:
    site = Site(origin, origin, "/probe")
    return SiteClient(site, clock=SystemClock(), https_proxy=None, ca_file=ca_file)


COOKIES = (Cookie("sid", "canary-1", "localhost"), Cookie("sid", "canary-1", "127.0.0.1"))


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_redirect_is_followed_with_the_session(method: str) -> None:
    async with raw_site(always(plain(b"{}"))) as other:
        moved = plain(b"", "307 Temporary Redirect", f"Location: {other.origin}/take")
        async with raw_site(always(moved)) as site:
            client = asking(site.origin)
            answer = await (
                client.get("/probe", COOKIES)
                if method == "GET"
                else client.post("/probe", COOKIES, b"{}")
            )
            await client.close()
            assert b"canary-1" in site.seen[0].head
    assert (answer.status, answer.location) == (307, f"{other.origin}/take")
    assert other.seen == [] and len(site.seen) == 1


async def test_a_certificate_that_nobody_vouches_for_gets_no_session(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with raw_site(always(plain(b"{}")), tls=authority.server("localhost")) as site:
        origin = f"https://localhost:{site.port}"
        answers = []
        for ca_file in (None, str(authority.pem)):
            client = asking(origin, ca_file)
            answers.append(await client.probe(COOKIES))
            await client.close()
    assert [one.status for one in answers] == [0, 200]
    assert "certificate" in answers[0].trouble
    assert len(site.seen) == 1
