"""Sign-ins at real, published programs of other makers, that the engine knows nothing of.

Opt-in: ``scripts/test programs``.  Each program is installed into a folder of its own (see
``installing.py``), started on a free port, and ended by its pid; the second run installs nothing.
"""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from makers import canaille
from running import Account

from harvester.session import Cookie, cookie_header
from harvester.signin.dialogue import Job
from parent import KEY, Outcome, Spawned, secret
from runs import Home
from standin import StandInProcess

# What each shows besides a user name and a password, and the states that it must lead through.
PROGRAMS: dict[str, tuple[str, ...]] = {
    # a single-page application; a message that lies over "Log in"; a code
    "glewlwyd": ("landing", "ask_both", "ask_code"),
    # a page each for name, password and code; consent; all on another origin than the site's
    "canaille": ("choose_provider", "ask_identifier", "ask_password", "ask_code", "consent"),
    # web components with shadow roots, that wake up late, on another origin; a code
    "homeassistant": ("choose_provider", "ask_both", "ask_code"),
    # a page full of other links and forms; a code
    "mediawiki": ("landing", "ask_both", "ask_code"),
    # a single-page application; the name first, and a button that sleeps until it is there
    "kolibri": ("ask_identifier", "ask_password"),
    # a form that a script sends
    "octoprint": ("ask_both",),
    "esphome": ("ask_both",),
    # a password and nobody's name
    "jupyter": ("ask_password",),
}
WITH_CODE = [name for name, states in PROGRAMS.items() if "ask_code" in states]
WRONG = "wrong horse 8 battery"
OTHER_SEED = "MFRGGZDFMZTWQ2LKNNWG23TPOA======"


@dataclass(frozen=True)
class Program:
    name: str
    account: Account

    def sign_in(self, *, password: str | None = None, totp: str | None = None) -> Outcome:
        job = job_for(self.account)
        if password is not None:
            job = replace(job, password=secret("HARVESTER_PASSWORD", password))
        if totp is not None:
            job = replace(job, totp=secret("HARVESTER_TOTP_SECRET", totp))
        return Spawned(job).run(ask=self.verdict)

    def verdict(self, job: Job, jar: tuple[Cookie, ...]) -> str:
        """What ``harvester`` makes of the answer, where a program answers nobody with 200 too."""
        account = self.account
        host = account.origin.partition("://")[2]
        sent = tuple(one for one in jar if one.goes_to(host.partition(":")[0], job.probe_path))
        link = http.client.HTTPConnection("127.0.0.1", account.port, timeout=30)
        with contextlib.closing(link):
            headers = {"Host": host, "Cookie": cookie_header(sent)}
            link.request("GET", account.probe_path, headers=headers)
            answer = link.getresponse()
            body = answer.read().decode(errors="replace")
        denied = account.denied_text is not None and account.denied_text in body
        return "alive" if answer.status == 200 and not denied else "denied"


def job_for(account: Account) -> Job:
    return Job(
        rung="scripted",
        profile="default",
        origin=account.origin,
        sign_in_url=account.sign_in_url or account.origin,
        probe_path=account.probe_path,
        identity_origins=account.identity_origins,
        ring=(KEY,),
        timeout_s=90.0,
        username=account.username,
        password=secret("HARVESTER_PASSWORD", account.password),
        totp=None if account.totp is None else secret("HARVESTER_TOTP_SECRET", account.totp),
    )


@pytest.fixture(scope="module", params=PROGRAMS)
def program(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Program]:
    name: str = request.param
    with import_module(f"makers.{name}").running(tmp_path_factory.mktemp(name)) as account:
        yield Program(name, account)


def told(outcome: Outcome, program: Program) -> str:
    """The figures, for the report of a run, and for a failure."""
    steps = " → ".join(outcome.steps)
    line = f"{program.name}: {outcome.took_s:.1f} s, {len(outcome.submits)} submit(s): {steps}"
    print(line)
    return f"{line}\n{json.dumps(outcome.result.get('error'), indent=1)}"


def test_it_is_signed_in(program: Program) -> None:
    posted = program.account.posted()
    outcome = program.sign_in()
    said = told(outcome, program)
    assert outcome.error is None, said
    assert program.verdict(job_for(program.account), outcome.jar) == "alive"
    assert program.verdict(job_for(program.account), ()) == "denied"
    assert len(outcome.submits) == 1, said
    assert len(outcome.codes) == (program.account.totp is not None), said
    assert set(PROGRAMS[program.name]) <= set(outcome.steps), said
    if posted is not None:
        assert program.account.posted() == posted + 1 + len(outcome.codes), said


def test_a_wrong_password_is_sent_once_and_recognised(program: Program) -> None:
    posted = program.account.posted()
    outcome = program.sign_in(password=WRONG)
    said = told(outcome, program)
    assert outcome.error is not None
    assert outcome.error.code == "credentials_rejected", said
    assert len(outcome.submits) == 1 and not outcome.codes, said
    assert WRONG not in said
    if posted is not None:
        assert program.account.posted() == posted + 1, said


@pytest.mark.parametrize("program", WITH_CODE, indirect=True)
def test_a_wrong_code_is_recognised(program: Program) -> None:
    outcome = program.sign_in(totp=OTHER_SEED)
    said = told(outcome, program)
    assert outcome.error is not None
    assert outcome.error.code == "code_rejected", said
    assert len(outcome.submits) == 1 and len(outcome.codes) == 2, said


def test_a_second_factor_that_has_to_be_set_up_gets_no_code_of_ours(tmp_path: Path) -> None:
    with canaille.running(tmp_path, enrolled=False) as account:
        program = Program("canaille", account)
        outcome = program.sign_in()
        said = told(outcome, program)
    assert outcome.error is not None
    assert outcome.error.code == "needs_human" and "enrolment" in outcome.steps, said
    assert len(outcome.submits) == 1 and not outcome.codes, said


def test_the_whole_command_prints_a_session_that_the_program_accepts(tmp_path: Path) -> None:
    """``harvester token`` with an empty store: provider and consent on another origin, a code."""
    with canaille.running(tmp_path) as account:
        world = SimpleNamespace(
            site=account.origin,
            identity=",".join(account.identity_origins),
            provider=None,
            username=account.username,
            password=account.password,
            port=account.port,
        )
        home = Home(
            tmp_path / "home",
            cast(StandInProcess, world),
            HARVESTER_TOTP_SECRET=account.totp,
            HARVESTER_PROBE_PATH=account.probe_path,
        )
        ended = home.run("token")
        assert ended.returncode == 0, ended.stderr
        assert home.ask_site(ended.stdout.strip(), account.probe_path) == 200
        again = home.run("token", "--no-sign-in")
        assert again.stdout == ended.stdout, again.stderr
        assert not home.in_clear(account.password, account.totp or "")
