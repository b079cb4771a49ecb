"""`harvester init`: first run.  Asks, tests with one real sign-in, writes config.toml.

Owns the order: nothing is written before the test passed or a person said so.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import click

from harvester import wire
from harvester.cli import terminal
from harvester.cli.call import Call, Once, OnStep, global_options, pass_call
from harvester.cli.draft import Draft
from harvester.cli.questions import Questions
from harvester.cli.renewed import SECRET_FIELDS, show
from harvester.cli.telling import tell, warn
from harvester.errors import ConfigInvalid, HarvesterError, NoDaemon, OriginNotAllowed, Usage
from harvester.profile import DEFAULT_PROFILE
from harvester.session import Served
from harvester.settings import Settings
from harvester.settings.writing import Plan

_PASSWORD_PAGES = frozenset({"ask_password", "ask_both"})


@click.command("init")
@click.option("--username", metavar="NAME", help="At the identity provider.")
@click.option("--password-file", metavar="FILE", help="Its first line is the password.")
@click.option("--password-command", metavar="CMD", help="Prints the password.")
@click.option("--totp-secret-file", metavar="FILE", help="The authenticator's seed.")
@click.option("--totp-secret-command", metavar="CMD", help="Prints the seed.")
@click.option(
    "--identity-origins", metavar="URLS", help="Where password and code may be typed; commas."
)
@click.option("--provider", metavar="TEXT", help='Which "Continue with ..." to take.')
@click.option("--organization", metavar="NAME", help="The one the session must belong to.")
@click.option("--no-test", is_flag=True, help="Write without a sign-in.")
@click.option("--non-interactive", is_flag=True, help="Ask nothing; flags say it all.")
@click.option("--force", is_flag=True, help="Change what the file says now; the old one is kept.")
@global_options
@pass_call
def command(
    call: Call, /, no_test: bool, non_interactive: bool, force: bool, **flags: str | None
) -> int:
    """Set up an account: asks, tests with one real sign-in, writes config.toml.

    Every question is also a flag.  Secrets are never written into config.toml.
    """
    answers = {name: said for name, said in {**flags, "origin": call.origin}.items() if said}
    draft = Draft(call, answers)
    draft.file.check_writable()
    questions = None
    if terminal.is_there() and not non_interactive:
        questions = Questions(draft)
        questions.ask_all()
    draft.adopt()
    if missing := draft.missing():
        raise Usage(f"missing: {', '.join(missing)}", hint="see `harvester init --help`")
    if questions is None and not force:
        _refuse_losses(draft, draft.plan())
    served = None
    if not no_test:
        served, declined = _tested(call, draft, questions)
        if declined is not None:
            return declined
    plan = draft.plan()
    if questions is not None and plan.loses and not force:
        told = ", ".join(plan.loses)
        if not terminal.agrees(f"This changes in {draft.file.path}: {told}.  Go on", default=True):
            call.say("nothing was written")
            return 1
    _write(call, draft, plan)
    if call.json:
        return call.put_json(
            {
                "profile": draft.profile.name,
                "config": str(draft.file.path),
                "tested": served is not None,
                "session": served and {
                    name: value
                    for name, value in wire.session_object(served).items()
                    if name not in SECRET_FIELDS
                },
            }
        )  # fmt: skip
    _next(call, draft.settings)
    return 0


def _refuse_losses(draft: Draft, plan: Plan) -> None:
    if plan.loses:
        raise ConfigInvalid(
            f"{draft.file.path} says otherwise already; this would change: {', '.join(plan.loses)}",
            hint="add --force (the file as it is now is kept beside it), or use another --profile",
        )


def _tested(
    call: Call, draft: Draft, questions: Questions | None
) -> tuple[Served | None, int | None]:
    """One real sign-in, and again for as long as answers change; then the session, or None where
    a person writes all the same.  The second is the exit code of one who does not."""
    while True:
        call.say("testing with one sign-in")
        try:
            return _sign_in(call, draft), None
        except HarvesterError as error:
            stopped = error
        if questions is None:
            raise _with_flag(stopped)
        if questions.mend(stopped):
            continue
        if call.json:
            raise stopped
        tell(stopped, as_json=False)
        if not terminal.agrees("The test did not pass.  Write the settings all the same"):
            call.say("nothing was written")
            return None, stopped.exit_code
        return None, None


def _sign_in(call: Call, draft: Draft) -> Served:
    pages: set[str] = set()

    def watched(settings: Settings, on_step: OnStep) -> AbstractAsyncContextManager[Once]:
        def noted(step: Mapping[str, Any]) -> None:
            pages.add(str(step.get("state")))
            on_step(step)

        return call.once_maker(settings, noted)

    tested = replace(call.with_settings(draft.settings), once_maker=watched)
    served = tested.once(lambda once: once.login(draft.profile.name))
    if not call.json:
        show(call, wire.session_object(served), "signed in to")
    if not pages & _PASSWORD_PAGES and not call.quiet:
        warn(["the identity provider asked for no password, so the password is not tested"])
    return served


def _with_flag(error: HarvesterError) -> HarvesterError:
    """Where nobody can be asked, the hint names the flag."""
    if not isinstance(error, OriginNotAllowed):
        return error
    hint = error.hint.replace("set HARVESTER_IDENTITY_ORIGINS=", "add --identity-origins ")
    return OriginNotAllowed(error.message, hint=hint, latched=error.latched)


def _write(call: Call, draft: Draft, plan: Plan) -> None:
    kept = draft.write(plan)
    call.say(f"{'wrote' if plan.changes else 'nothing to change in'} {draft.file.path}")
    if kept is not None:
        call.say(f"the file as it was is now {kept}")
    if not call.quiet:
        warn(
            f"{name} is also set by {where}, which is stronger than config.toml"
            for name, where in draft.outdone()
        )
    try:
        pid = call.with_settings(draft.settings).client().status().get("pid")
    except NoDaemon:
        return
    except HarvesterError as error:
        warn([error.message])
        return
    call.say(f"a daemon (pid {pid}) still works with the settings of before: restart it")


def _next(call: Call, settings: Settings) -> None:
    common = ["harvester", *(["--config", call.config] if call.config else [])]
    chosen = [] if settings.selected == DEFAULT_PROFILE else ["--profile", settings.selected]
    call.say(f"next: `{shlex.join([*common, *chosen, 'token'])}` prints the session")
    call.say(f"      `{shlex.join([*common, 'serve'])}` keeps it alive for your tools")
