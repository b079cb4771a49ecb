"""`harvester lease new|list|revoke`: handles for the proxy that can do just so much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.telling import put
from harvester.clock import as_duration, parse_duration
from harvester.errors import Usage
from harvester.lease import DEFAULT_S, LONGEST_S, SHORTEST_S
from harvester.redact import clean

_HEAD = ("ID", "NAME", "PROFILE", "STATE", "ENDS", "USED", "MAY")
_VARIABLE = "$TOKEN"


@click.group("lease")
@global_options
def command() -> None:
    """Handles for the proxy: what you name, until then, and nothing else."""


@command.command("new")
@click.option(
    "--methods", default="GET", show_default=True, metavar="LIST", help="Such as GET,POST."
)
@click.option(
    "--path", "paths", multiple=True, required=True, metavar="PATTERN",
    help="Such as '/api/managed-agents/*'; may be given several times.",
)  # fmt: skip
@click.option(
    "--for", "lasts", default=as_duration(DEFAULT_S), show_default=True, metavar="DURATION",
    help="How long it lasts, 30d at most.",
)  # fmt: skip
@click.option("--rate", metavar="N/UNIT", help="How often: 60/m, 5/s, 1000/h.")
@click.option("--uses", type=int, metavar="N", help="It ends after so many requests.")
@click.option("--name", metavar="NAME", help="What you call it.")
@global_options
@pass_call
def new(
    call: Call, methods: str, paths: tuple[str, ...], lasts: str, rate: str | None,
    uses: int | None, name: str | None,
) -> int:  # fmt: skip
    """Make one.  Its token goes to standard output, once; nobody can show it again."""
    terms = {
        "profile": call.profile_name(),
        "methods": [one.strip().upper() for one in methods.split(",") if one.strip()],
        "paths": list(paths),
        "for_s": _seconds(lasts),
        "rate": rate,
        "uses": uses,
        "name": name,
    }
    told = call.client().new_lease(terms)
    if call.json:
        return _handed_over(call, told, call.put_json(told))
    lease, proxy = told["lease"], told["proxy"]
    call.say(clean(f"lease {lease['id']}: {_may(lease)}, until {lease['ends_at']}"))
    example = lease["paths"][0].replace("*", "NAME")
    method = "" if "GET" in lease["methods"] else f" -X {lease['methods'][0]}"
    # Through a pipe: everybody on a machine can read a command's words.
    shows = f"printf 'Proxy-Authorization: Bearer %s' \"{_VARIABLE}\" | curl{method} -H @-"
    if proxy.get("tcp"):
        call.say(clean(f"  {shows} http://{proxy['tcp']}{example}"))
    if proxy.get("unix"):
        call.say(clean(f"  {shows} --unix-socket {proxy['unix']} http://site{example}"))
        if not proxy.get("tcp"):
            call.say("  hint: HARVESTER_PROXY=127.0.0.1:PORT is for who cannot reach that socket")
    return _handed_over(call, told, put(told["token"]))


@command.command("list")
@global_options
@pass_call
def listed(call: Call) -> int:
    """Show those that are live, and those that ended lately.  No token is shown."""
    told = call.client().leases()
    if call.json:
        return call.put_json(told)
    trouble = told.get("trouble")
    if trouble:
        call.say(clean(f"no lease is honoured: {trouble.get('message')}"))
        call.say("  hint: `harvester lease revoke --all` begins anew")
    leases = told["leases"]
    if not leases:
        if not trouble:
            call.say("there is no lease; make one with: harvester lease new --path PATTERN")
        return 0
    rows = [_HEAD, *(_row(one) for one in leases)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        put("  ".join(cells).rstrip())
    return 0


@command.command("revoke")
@click.argument("lease_id", metavar="[ID]", required=False)
@click.option("--all", "everyone", is_flag=True, help="All of them.")
@global_options
@pass_call
def revoke(call: Call, lease_id: str | None, everyone: bool) -> int:
    """End one, or all, and what runs under it."""
    if everyone == (lease_id is not None):
        raise Usage("say which lease", hint="harvester lease revoke ID, or --all")
    told = call.client_anyway().revoke_lease("all" if lease_id is None else lease_id)
    if call.json:
        return call.put_json(told)
    ended = told["revoked"]
    call.say(clean(f"revoked: {', '.join(ended)}" if ended else "there was none that was live"))
    return 0


def _handed_over(call: Call, told: Mapping[str, Any], exit_code: int) -> int:
    """A token that nobody got, and nobody can get any more, opens nothing either."""
    if exit_code:
        lease_id = told["lease"]["id"]
        call.client().revoke_lease(lease_id)
        call.say(f"nobody got the token, so the lease {clean(lease_id)} is revoked")
    return exit_code


def _seconds(text: str) -> float:
    hint = f"90s, 15m, 12h or 7d; {as_duration(LONGEST_S)} at most"
    try:
        lasts_s = parse_duration(text)
    except ValueError:
        raise Usage("--for is no duration", hint=hint) from None
    if not SHORTEST_S <= lasts_s <= LONGEST_S:
        raise Usage(f"no lease lasts {text}", hint=hint)
    return lasts_s


def _may(lease: Mapping[str, Any]) -> str:
    """What it is for, as a sentence's part."""
    said = f"{','.join(lease['methods'])} {' '.join(lease['paths'])}"
    if lease.get("rate"):
        said += f", {lease['rate']}"
    if lease.get("uses"):
        said += f", {lease['uses']} uses"
    return said


def _row(lease: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        clean(str(one)) for one in (
            lease["id"], lease["name"] or "-", lease["profile"], lease["state"],
            lease["ended_at"] or lease["ends_at"], lease["used"], _may(lease),
        )
    )  # fmt: skip
