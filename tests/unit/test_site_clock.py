"""What the site's own ``Date`` tells, through real answers."""

import time
from contextlib import asynccontextmanager
from email.utils import formatdate

import pytest
from aiohttp import web

from engine import Engine, FakeClock, World
from harvester import log
from harvester.clock import CLOCK_TOLERANCE_S, SystemClock
from harvester.probe import SiteClient
from harvester.profile import Site
from harvester.status import profile_status
from harvester.verdict import Answer

DAY_S = 86400.0


@asynccontextmanager
async def site(headers):
    """A site that answers with what ``headers()`` says."""

    async def answer(request):
        return web.json_response([], headers=headers())

    app = web.Application()
    app.router.add_get("/api", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    place = web.TCPSite(runner, "127.0.0.1", 0)
    await place.start()
    port = place._server.sockets[0].getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    client = SiteClient(
        Site(origin, origin, "/api"), clock=SystemClock(), https_proxy=None, ca_file=None
    )
    yield client
    await client.close()
    await runner.cleanup()


def http_date(ours_ahead_s, later_s=0.0):
    return formatdate(time.time() - ours_ahead_s + later_s, usegmt=True)


@pytest.mark.parametrize("ahead_s", [DAY_S, -DAY_S, 0.0])
async def test_an_hour_is_an_hour_whatever_the_site_takes_for_the_time(ahead_s):
    def headers():
        ends = http_date(ahead_s, later_s=3600)
        return {"Date": http_date(ahead_s), "Set-Cookie": f"sid=x; Path=/; Expires={ends}"}

    async with site(headers) as client:
        answer = await client.probe(())
    assert answer.ahead_s == pytest.approx(ahead_s, abs=3)
    assert answer.set_cookies[0].expires_at == pytest.approx(time.time() + 3600, abs=5)


async def test_an_answer_that_a_cache_kept_says_how_old_its_date_is():
    def headers():
        return {"Date": http_date(3600.0), "Age": "3600"}

    async with site(headers) as client:
        assert (await client.probe(())).ahead_s == 0.0


async def test_the_same_end_told_twice_is_the_same_end():
    """Else each answer would look as if it had rolled the cookie."""
    ends = http_date(DAY_S, later_s=3600)
    told = iter((DAY_S, DAY_S - 1.5))

    def headers():
        return {"Date": http_date(next(told)), "Set-Cookie": f"sid=x; Path=/; Expires={ends}"}

    async with site(headers) as client:
        assert (await client.probe(())).set_cookies == (await client.probe(())).set_cookies


@pytest.fixture
def told():
    heard = []
    end = log.listen(lambda name, level, fields: heard.append((name, fields)))
    yield heard
    end()


async def test_a_skewed_clock_is_told_once_while_it_lasts_and_shown(tmp_path, told):
    world = World(FakeClock())
    engine = Engine(tmp_path / "store", world)
    await engine.keeper.start()
    skew_s: float | None = None
    ask = world.probe

    async def probe(cookies):
        answer: Answer = await ask(cookies)
        return Answer(answer.status, body=answer.body, ahead_s=skew_s)

    world.probe = probe
    await engine.keeper.get()
    shown = []
    for skew_s in (None, CLOCK_TOLERANCE_S, 21.0, 22.0, 0.0, -21.0):  # noqa: B007  probe reads it
        await engine.keeper.prove(within_s=0)
        shown.append(profile_status(engine.keeper, world.clock.wall_s())["clock_skew_s"])
    await engine.keeper.close()
    assert shown == [None, 20.0, 21.0, 22.0, 0.0, -21.0]
    assert [fields["by_s"] for name, fields in told if name == "clock.skewed"] == [21.0, -21.0]
