"""`harvester status`: who, where, valid until, next refresh, last result, why."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from harvester import memory
from harvester.budgets import SWITCHES_PER_HOUR
from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.progress import in_words
from harvester.cli.telling import put
from harvester.clock import as_duration, parse_rfc3339
from harvester.errors import NoDaemon
from harvester.prices import PRICES
from harvester.redact import clean

_LIVE, _NOT_LIVE = 0, 4
# Ages are shown to the second; a sign-in's step takes about this long.
_AGAIN_S = 2.0
_COLOUR = {"live": "green", "stale": "yellow", "refreshing": "cyan"}
# Budgets beside the passwords', told when they are not full.
_OTHERS = (
    ("touches_left", "touches", PRICES["touch"].burst),
    ("renewals_left", "renewals", PRICES["renew"].burst),
    ("silent_left", "silent sign-ins", PRICES["silent"].burst),
    ("switches_left_hour", "switches of the organisation", SWITCHES_PER_HOUR),
)


@click.command("status")
@click.option("--watch", is_flag=True, help="Show it again as it changes, until interrupted.")
@global_options
@pass_call
def command(call: Call, watch: bool) -> int:
    """Show every profile, or the one named by --profile.  Exit 0 with a live session, else 4."""
    while True:
        told = _told(call)
        if call.json:
            # As lines, where there is more than one to tell apart.
            gone = put(json.dumps(told, ensure_ascii=False)) if watch else call.put_json(told)
            if gone:
                return gone
        elif not call.quiet:
            if watch and sys.stdout.isatty():
                click.clear()
            gone = put(_shown(told, str(call.settings().process.store)))
            if gone:
                return gone
        if not watch:
            return _LIVE if any(one.get("ready") for one in told["profiles"]) else _NOT_LIVE
        time.sleep(_AGAIN_S)


def _told(call: Call) -> dict[str, Any]:
    """How everything stands, or the one profile that was named."""
    try:
        told = call.client().status()
    except NoDaemon:
        told = call.once(lambda once: once.status())
    profiles = [one for one in told.get("profiles", []) if isinstance(one, dict)]
    if call.profile or os.environ.get("HARVESTER_PROFILE"):
        name = call.profile_name()
        profiles = [one for one in profiles if one.get("profile") == name]
    return {**told, "profiles": profiles}


def _shown(told: Mapping[str, Any], store: str) -> str:
    """For a person; in colour where there is a terminal."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    head = f"no daemon runs; from the store {store}"
    if told.get("pid"):
        head = f"daemon {told['pid']} at {told.get('socket')}, since {told.get('started_at')}"
    with console.capture() as shown:
        console.print(Text(clean(head)))
        for line in _proxy(told.get("proxy") or {}):
            console.print(Text(clean(line)))
        if told.get("memory"):
            console.print(Text(clean(f"memory: {memory.in_words(told['memory'])}")))
        for line in _key(told.get("key") or {}):
            console.print(Text(clean(line)))
        if told.get("durable") is False:
            console.print(
                Text("degraded: the store cannot be written, nothing new survives a restart")
            )
        for path, why in (told.get("file_troubles") or {}).items():
            console.print(Text(clean(f"kept file {path} is not written: {why}", 1000)))
        for line in _hand_outs(told):
            console.print(Text(clean(line)))
        for profile in told["profiles"]:
            state = str(profile.get("state"))
            title = Text(f"\n{clean(str(profile.get('profile')))}  ", style="bold")
            title.append(clean(state.replace("_", " ")), style=_COLOUR.get(state, "red"))
            console.print(title)
            for label, value in _lines(profile, datetime.now(UTC).timestamp()):
                console.print(Text(f"  {label:<14}  {clean(value)}"))
    return shown.get().rstrip("\n")


def _proxy(told: Mapping[str, Any]) -> Iterator[str]:
    if told.get("unix"):
        yield f"proxy at {told['unix']}"
    if told.get("tcp"):
        yield f"proxy at http://{told['tcp']}, for who has the token in {told.get('token')}"


def _key(told: Mapping[str, Any]) -> Iterator[str]:
    if told.get("where"):
        kid = told.get("kid") or "none may seal; see: harvester key list"
        yield f"sealing key {kid}, from {told['where']}"
    if told.get("rotating"):
        yield "a change of the sealing key is not done: harvester key rotate"


def _hand_outs(told: Mapping[str, Any]) -> Iterator[str]:
    if (told.get("paused") or {}).get("all_since"):
        yield f"paused: nothing is handed out since {told['paused']['all_since']}; harvester resume"
    if told.get("confirms"):
        yield "a person is asked before each hand-out (HARVESTER_CONFIRM)"
    audit = told.get("audit") or {}
    if audit.get("trouble"):
        yield f"the audit cannot be written: {audit['trouble']}"
    if audit.get("lost"):
        yield f"hand-outs that are not in the audit: {audit['lost']}"


def _lines(profile: Mapping[str, Any], now: float) -> Iterator[tuple[str, str]]:
    yield "site", str(profile.get("origin"))
    if profile.get("paused_since"):
        yield "paused", f"{_ago(profile['paused_since'], now)}: nothing is handed out"
        yield "what helps", "harvester resume"
    now_at = profile.get("signing_in")
    if now_at:
        yield "now", in_words(now_at)
    if profile.get("generation") is not None:
        who = profile.get("identity") or "somebody (the site did not tell)"
        team = profile.get("organization")
        proved = "proved" if profile.get("organization_proved") else "not proved"
        yield "who", f"{who} in {team} ({proved})" if team else str(who)
        yield "generation", f"{profile['generation']}, obtained {profile.get('obtained_at')}"
        yield "cookies", ", ".join(map(str, profile.get("cookies") or ())) or "-"
        yield "proved", _ago(profile.get("proved_at"), now)
        yield "valid until", _until(profile, now)
    elif profile.get("why_not"):
        yield "why", str(profile["why_not"])
    yield from _life(profile, now)
    if profile.get("next_refresh_at"):
        yield "next refresh", _ago(profile["next_refresh_at"], now)
    yield from _alarm(profile, now)
    yield from _trouble(profile, now)
    left = profile.get("budgets") or {}
    if left:
        yield (
            "passwords left",
            f"{left.get('submits_left_hour')} this hour, {left.get('submits_left_day')} today, "
            f"{left.get('submits_left_since_success')} until one succeeds",
        )
    spent = [f"{left[name]} {what}" for name, what, full in _OTHERS if left.get(name, full) < full]
    if spent:
        yield "also left", ", ".join(spent)
    last = profile.get("last_event")
    if last:
        yield "last", f"{last.get('event')} {_ago(last.get('at'), now)}: {last.get('why')}"


def _alarm(profile: Mapping[str, Any], now: float) -> Iterator[tuple[str, str]]:
    """A sign of a stranger's hand, and what it does to serving; a trouble tells the rest."""
    alarm = profile.get("alarm")
    if not alarm:
        return
    yield "ALARM", str(alarm.get("message"))
    yield "since", _ago(alarm.get("since"), now)
    if not alarm.get("held"):
        yield "serving", "goes on (HARVESTER_TRIPWIRE=hold would hold it)"
    yield "do", str(alarm.get("hint"))


def _trouble(profile: Mapping[str, Any], now: float) -> Iterator[tuple[str, str]]:
    """What is wrong, since when, when it is tried again, and the one thing that helps."""
    wrong = profile.get("trouble")
    if not wrong:
        return
    kind = str(wrong.get("class")).replace("_", " ")
    yield "trouble", f"{kind}: {wrong.get('message')}"
    if wrong.get("since"):
        yield "since", _ago(wrong["since"], now)
    at = wrong.get("next_try_at")
    yield "next try", _ago(at, now) if at else "none before a person has acted"
    yield "what helps", str(wrong.get("helps"))
    latch = profile.get("latch") or {}
    if latch.get("hint") and latch["hint"] != wrong.get("helps"):
        yield "hint", str(latch["hint"])
    if latch.get("evidence"):
        yield "see", f"harvester history {latch['evidence']}"


def _life(profile: Mapping[str, Any], now: float) -> Iterator[tuple[str, str]]:
    """What was learned of such sessions, and whether one was refused long before its time."""
    life = profile.get("life") or {}
    if life.get("kind") in ("absolute", "sliding") and life.get("life_s"):
        lasts = as_duration(max(60, round(life["life_s"] / 60) * 60))
        how = "at least, by age" if life["kind"] == "absolute" else "of disuse at least"
        sure = f"{float(life.get('confidence') or 0):.0%} sure, ends seen: {life.get('ends_seen')}"
        yield "life", f"{lasts} {how} ({sure})"
    early = profile.get("refused_early")
    if early:
        yield (
            "refused early",
            f"generation {early.get('generation')}, {_ago(early.get('at'), now)}, at "
            f"{float(early['age_s']) / max(1.0, float(early['expected_s'])):.0%} of its expected "
            "life: theft, a revocation, or a change of the site's policy",
        )


def _until(profile: Mapping[str, Any], now: float) -> str:
    ends = profile.get("expires_at")
    if not ends:
        return "not known yet"
    kind = profile.get("expires_kind")
    sure = f", {float(profile.get('confidence') or 0):.0%} sure" if kind == "learned" else ""
    return f"{_ago(ends, now)} ({kind}{sure})"


def _ago(text: str | None, now: float) -> str:
    """The time and how far it is: ``2026-11-23T18:00:00Z, in 7 h 40 min``."""
    try:
        at = parse_rfc3339(text)
    except ValueError:
        at = None
    if at is None:
        return "-"
    apart = abs(at - now)
    hours, minutes = divmod(int(apart // 60), 60)
    days, hours = divmod(hours, 24)
    if days:
        far = f"{days} d {hours} h"
    elif hours:
        far = f"{hours} h {minutes} min"
    else:
        far = f"{minutes} min" if minutes else f"{int(apart)} s"
    return f"{text}, in {far}" if at > now else f"{text}, {far} ago"
