"""The porter: in which order he asks, and that what he refuses is written down as well."""

from __future__ import annotations

import pytest

from fakehouse import a_session
from harvester.errors import HarvesterError, NeedsHuman, Paused, SiteDown
from harvester.porter import Porter
from harvester.session import Served
from harvester.visitor import Caller, Visitor
from porters import Asked, Stopped, Told

CALLER = Caller(Visitor(1000, 42), "tool")


class Scene:
    def __init__(self) -> None:
        self.audit, self.pause = Told(), Stopped()
        self.confirm = Asked(self.pause)
        self.porter = Porter(pause=self.pause, confirm=self.confirm, audit=self.audit)
        self.works = 0
        self.fails: HarvesterError | None = None
        self.pauses_meanwhile = False

    async def work(self) -> Served:
        self.works += 1
        self.pause.paused = self.pause.paused or self.pauses_meanwhile
        if self.fails is not None:
            raise self.fails
        return Served(a_session())

    async def hand_out(self) -> Served:
        return await self.porter.hand_out("session", "default", CALLER, self.work)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_what_is_handed_out_is_asked_about_and_written_down(scene: Scene) -> None:
    assert (await scene.hand_out()).session.generation == 7
    assert scene.confirm.questions == 1
    assert scene.audit.lines == [("session", "default", "tool", "given", 7)]


async def test_a_pause_starts_nothing_and_asks_nobody(scene: Scene) -> None:
    scene.pause.paused = True
    with pytest.raises(Paused):
        await scene.hand_out()
    assert (scene.works, scene.confirm.questions) == (0, 0)
    assert scene.audit.lines == [("session", "default", "tool", "paused", None)]


async def test_without_a_persons_yes_nothing_is_started(scene: Scene) -> None:
    scene.confirm.says_no = True
    with pytest.raises(NeedsHuman):
        await scene.hand_out()
    assert scene.works == 0
    assert scene.audit.lines == [("session", "default", "tool", "needs_human", None)]


async def test_who_pauses_while_a_person_is_asked_means_this_one_too(scene: Scene) -> None:
    scene.confirm.pauses = True
    with pytest.raises(Paused):
        await scene.hand_out()
    assert scene.works == 0


async def test_who_pauses_while_a_sign_in_is_waited_for_means_its_session_too(
    scene: Scene,
) -> None:
    scene.pauses_meanwhile = True
    with pytest.raises(Paused):
        await scene.hand_out()
    assert scene.works == 1
    assert scene.audit.lines == [("session", "default", "tool", "paused", None)]


async def test_what_could_not_be_had_is_written_down_with_its_code(scene: Scene) -> None:
    scene.fails = SiteDown("it does not answer")
    with pytest.raises(SiteDown):
        await scene.hand_out()
    assert scene.audit.lines == [("session", "default", "tool", "site_down", None)]


async def test_what_was_given_before_is_given_at_once_only_where_nobody_is_to_be_asked(
    scene: Scene,
) -> None:
    assert not scene.porter.lets_at_once("default")
    scene.confirm.words = ()
    assert scene.porter.lets_at_once("default")
    scene.pause.paused = True
    assert not scene.porter.lets_at_once("default")


async def test_one_without_parts_lets_everybody_through() -> None:
    porter = Porter()
    await porter.admit("default", "lease", CALLER)
    assert porter.lets_at_once("default") and not porter.asks
    porter.check("default")
