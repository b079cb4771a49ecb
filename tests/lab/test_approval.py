"""An approval on a telephone: waited for where the settings say so, with the number in sight."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from barred import PushApproval
from house import Answer, Ask, House, told
from kind import page
from visit import house_of, said, visit

from runs import Home


class ApprovedLater(PushApproval):
    """The page asks its server again and again, and goes on when somebody has said yes."""

    def __init__(self) -> None:
        self.approved = False
        self.asked = 0

    def answer(self, ask: Ask) -> Answer:
        match ask.line:
            case "GET", "/approved":
                self.asked += 1
                return told(yes=self.approved)
            case "GET", "/through":
                return self.house.let_in()
        return super().answer(ask)

    def bar(self) -> str:
        return page(
            "Approve sign in request",
            """<div role="heading" aria-level="1">Approve sign in request</div><p>Open your
            Authenticator app, and enter the number shown to sign in.</p><div>42</div><a
            href="/wrong/other">I can't use my Authenticator app right now</a>""",
            script="""setInterval(async () => {
              if ((await (await fetch('/approved')).json()).yes) location = '/through'; }, 100);""",
        )


class ApprovedSoon(ApprovedLater):
    """Somebody says yes after a moment."""

    def answer(self, ask: Ask) -> Answer:
        self.approved = self.asked >= 5
        return super().answer(ask)


def test_an_approval_is_waited_for_and_the_number_is_told() -> None:
    with house_of(ApprovedSoon) as house:
        outcome = visit(house, approval_wait_s=30.0)
        assert outcome.error is None, said(outcome)
        assert not house.wrong and house.passwords == [house.password]
    assert "wait_for_approval" in outcome.steps
    assert b'"number": "42"' in outcome.raw


def test_one_that_does_not_come_is_told_when_the_wait_is_over() -> None:
    with house_of(ApprovedLater) as house:
        outcome = visit(house, approval_wait_s=1.5)
        assert outcome.error is not None and outcome.error.code == "challenge", said(outcome)
        assert "42" in outcome.error.message and outcome.error.hint
        assert not house.wrong and house.passwords == [house.password]
    assert "wait_for_approval" in outcome.steps


def test_the_number_is_in_the_daemons_status_and_on_the_terminal_of_who_waits(
    tmp_path: Path,
) -> None:
    with house_of(ApprovedLater) as house:
        home = Home(
            tmp_path, _as_world(house), HARVESTER_APPROVAL_WAIT="60s", HARVESTER_PROVIDER=None
        )
        with home.daemon(ready=False) as daemon:
            waiting = subprocess.Popen(
                [sys.executable, "-P", "-m", "harvester", "refresh"],
                env=home.environ(), stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            number, since = None, time.monotonic()
            while number is None and time.monotonic() - since < 60:
                now_at = daemon.client.status()["profiles"][0]["signing_in"]
                number = (now_at or {}).get("number")
            assert number == "42"
            shown = home.run("status").stdout
            assert "the number is 42" in shown
            assert waiting.stderr is not None
            line = ""
            while "42" not in line:
                line = waiting.stderr.readline()
                assert line, "it ended without showing the number"
            house.kind.approved = True  # type: ignore[attr-defined]
            _, rest = waiting.communicate(timeout=60)
            assert waiting.returncode == 0, rest
            status = daemon.client.status()["profiles"][0]
        assert status["ready"] and status["signing_in"] is None
        assert house.passwords == [house.password]


def _as_world(house: House) -> House:
    """What ``runs.Home`` asks of a stand-in."""
    house.provider = None  # type: ignore[attr-defined]
    return house
