"""`harvester status`: who, where, valid until, next refresh, last result, why."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.progress import in_words
from harvester.clock import parse_rfc3339
from harvester.errors import NoDaemon
from harvester.redact import clean

_LIVE, _NOT_LIVE = 0, 4
_COLOUR = {"live": "green", "stale": "yellow", "refreshing": "cyan"}


@click.command("status")
@global_options
@pass_call
def command(call: Call) -> int:
    """Show every profile, or the one named by --profile.  Exit 0 with a live session, else 4."""
    settings = call.settings()
    try:
        told = call.client().status()
    except NoDaemon:
        told = call.once(lambda once: once.status())
    profiles = [one for one in told.get("profiles", []) if isinstance(one, dict)]
    if call.profile or os.environ.get("HARVESTER_PROFILE"):
        name = call.profile_name()
        profiles = [one for one in profiles if one.get("profile") == name]
        told = {**told, "profiles": profiles}
    ready = any(one.get("ready") for one in profiles)
    if call.json:
        call.put_json(told)
    elif not call.quiet:
        _show(told, profiles, str(settings.process.store))
    return _LIVE if ready else _NOT_LIVE


def _show(told: Mapping[str, Any], profiles: list[dict[str, Any]], store: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    head = f"no daemon runs; from the store {store}"
    if told.get("pid"):
        head = f"daemon {told['pid']} at {told.get('socket')}, since {told.get('started_at')}"
    console.print(Text(clean(head)))
    if told.get("durable") is False:
        console.print(Text("degraded: the store cannot be written, nothing new survives a restart"))
    for profile in profiles:
        state = str(profile.get("state"))
        title = Text(f"\n{clean(str(profile.get('profile')))}  ", style="bold")
        title.append(clean(state.replace("_", " ")), style=_COLOUR.get(state, "red"))
        console.print(title)
        for label, value in _lines(profile, datetime.now(UTC).timestamp()):
            console.print(Text(f"  {label:<14}  {clean(value)}"))


def _lines(profile: Mapping[str, Any], now: float) -> Iterator[tuple[str, str]]:
    yield "site", str(profile.get("origin"))
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
    if profile.get("next_refresh_at"):
        yield "next refresh", _ago(profile["next_refresh_at"], now)
    latch = profile.get("latch")
    if latch:
        yield "stopped", f"{latch.get('code')}: {latch.get('message')} (since {latch.get('since')})"
        yield "hint", str(latch.get("hint") or "mend the cause, then: harvester unlock")
        if latch.get("evidence"):
            yield "see", f"harvester history {latch['evidence']}"
    if profile.get("backoff_until"):
        yield (
            "waits",
            f"until {_ago(profile['backoff_until'], now)} ({profile.get('backoff_code')})",
        )
    left = profile.get("budgets") or {}
    if left:
        yield (
            "passwords left",
            f"{left.get('submits_left_hour')} this hour, {left.get('submits_left_day')} today, "
            f"{left.get('submits_left_since_success')} until one succeeds",
        )
    last = profile.get("last_event")
    if last:
        yield "last", f"{last.get('event')} {_ago(last.get('at'), now)}: {last.get('why')}"


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
