"""`harvester history`: the timeline, the failed sign-ins that are kept, what one of them saw."""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.telling import put
from harvester.clock import SystemClock, rfc3339
from harvester.errors import HarvesterError, KeyWrong, NeedsHuman, NotConfigured, StoreError, Usage
from harvester.evidence import Evidence
from harvester.records import Records
from harvester.redact import clean
from harvester.signin.screen import screen_of
from harvester.signin.skeleton import written

_LABEL_CHARS = 60
_ENTRIES = 50


@click.command("history")
@click.argument("which", metavar="[ID]", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), help="So many entries; 50 unless said.")
@click.option("--open", "opens", is_flag=True, help="Write one HTML file and show it.")
@click.option("--output", metavar="FILE", help="Where --open writes, if it is not there yet.")
@click.option("--skeleton", is_flag=True, help="Print the last page's skeleton, as JSON.")
@global_options
@pass_call
def command(
    call: Call,
    which: str | None,
    limit: int | None,
    opens: bool,
    output: str | None,
    skeleton: bool,
) -> int:
    """What happened and why, the newest last, and the failed sign-ins that are kept.  With an ID:
    the steps of one of these, and what its last page showed.

    Without an ID, --open and --skeleton take the newest failed sign-in.
    """
    if limit is not None and (which or opens or skeleton):
        raise Usage(
            "--limit is for the timeline", hint="leave it out, or ask for no failed sign-in"
        )
    if output and not opens:
        raise Usage("--output says where --open writes", hint="add --open")
    if opens and skeleton:
        raise Usage("--open and --skeleton are two answers", hint="ask for one of them")
    profile, name = _place(call, which)
    if name is None and not (opens or skeleton):
        return _timeline(call, profile, limit or _ENTRIES)
    records = _records(call, profile)
    name, evidence = _chosen(records, name)
    shown = name if "/" not in (which or "") else f"{profile}/{name}"
    if opens:
        return _open(call, evidence, shown, output)
    if skeleton:
        if evidence.skeleton is None:
            raise Usage(
                f"the last page of {shown} could not be read any more",
                hint=f"see its steps: harvester history {shown}",
            )
        return put(written(evidence.skeleton))
    if call.json:
        told = {**evidence.as_dict(), "at": rfc3339(evidence.at)}
        return call.put_json({"id": name, "profile": profile, **told})
    return _show(evidence, shown)


def _place(call: Call, which: str | None) -> tuple[str, str | None]:
    """``PROFILE/ID`` names a profile too."""
    profile, _, name = (which or "").rpartition("/")
    if not profile:
        return call.profile_name(), name or None
    return call.settings().profile(profile).name, name or None


def _records(call: Call, profile: str) -> Records:
    from harvester.log import configure
    from harvester.storeroom import open_store  # pulls in the engine: only where it is needed

    configure("error" if call.quiet else "warning", "text")
    store, _ = open_store(call.settings().process, only_look=True)
    return Records(store, profile, SystemClock())


def _chosen(records: Records, name: str | None) -> tuple[str, Evidence]:
    kept = records.evidence_names()
    if not kept:
        raise NotConfigured("no failed sign-in is kept", hint="see: harvester status")
    name = kept[0] if name is None else name.lower()
    evidence = records.evidence(name)
    if evidence is None:
        raise Usage(f"no failed sign-in {name!r} is kept", hint=f"there are: {', '.join(kept)}")
    return name, evidence


def _timeline(call: Call, profile: str, limit: int) -> int:
    from harvester.cli import timeline

    entries = timeline.entries(call, profile, limit)
    kept: list[dict[str, Any]] = []
    try:
        records = _records(call, profile)
        kept = [_line(records, profile, name) for name in records.evidence_names()]
    except HarvesterError as error:
        # What happened lies there unsealed, and may say how it came to this.
        call.say(f"the failed sign-ins that are kept cannot be read: {error.message}")
    if call.json:
        told = {"version": 1, "profile": profile, "entries": entries, "kept": kept}
        return call.put_json(told)
    if not entries and not kept:
        call.say(f"{profile}: nothing has happened yet")
    if entries and timeline.show(entries):
        return 1
    return _list(kept, after=bool(entries)) if kept else 0


def _list(told: list[dict[str, Any]], *, after: bool) -> int:
    rows = [[str(one.get(name) or "") for name in ("id", "at", "rung", "code", "host", "steps")]
            for one in told]  # fmt: skip
    rows.insert(0, ["ID", "WHEN", "HOW", "WHY", "WHERE", "STEPS"])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    head = "\nkept of failed sign-ins (harvester history ID)\n" if after else ""
    return put(
        head
        + "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )
    )


def _line(records: Records, profile: str, name: str) -> dict[str, Any]:
    """One that does not open is listed all the same, with what is wrong with it."""
    try:
        evidence = records.evidence(name)
    except (StoreError, KeyWrong) as error:
        return {"id": name, "profile": profile, "code": error.code, "message": error.message}
    if evidence is None:  # it went a moment ago
        return {"id": name, "profile": profile, "code": "", "message": "gone"}
    return {
        "id": name,
        "profile": profile,
        "at": rfc3339(evidence.at),
        "rung": clean(evidence.rung),
        "code": clean(evidence.code),
        "message": clean(evidence.message),
        "host": clean(evidence.host),
        "steps": len(evidence.steps),
    }


def _show(evidence: Evidence, name: str) -> int:
    lines = [
        f"{name}  {rfc3339(evidence.at)}  {clean(evidence.rung)}  {clean(evidence.code)}",
        f"  {clean(evidence.message, 600)}",
        "",
        "steps",
    ]
    for number, step in enumerate(evidence.steps, 1):
        lines.append(
            f"  {number:>2}  {step.at_s:>6.2f} s  {clean(step.state):<20}  "
            f"{clean(step.action):<8}  {clean(step.host + step.path, 120)}"
        )
    if evidence.skeleton is not None:
        said = evidence.skeleton["said"]
        lines += [
            "",
            f"the last page, by itself taken for {clean(said['state'])} ({clean(said['action'])})",
        ]
        for frame in evidence.skeleton["frames"]:
            lines.append(f"  {clean(frame['url'], 120)}")
            lines += [
                f"    {kind[:-1]:<10}  {clean(one, 160)!r}"
                for kind in ("headings", "alerts")
                for one in frame[kind]
            ]
            lines += [
                f"    {_control(one)}" for one in frame["controls"] if one.get("visible", True)
            ]
    lines += ["", f"its pictures: harvester history {name} --open"]
    return put("\n".join(lines))


def _control(control: Mapping[str, Any]) -> str:
    label = control.get("name") or control.get("placeholder") or control.get("field_name") or ""
    scores = control.get("scores") or {}
    told = f"{clean(control['role']):<10}  {clean(label, _LABEL_CHARS)!r}"
    if control.get("kind"):
        told += f"  = {clean(control['kind'])}"
    points = " ".join(f"{clean(kind)} {score}" for kind, score in scores.items() if score > 0)
    return f"{told}  ({points})" if points else told


def _open(call: Call, evidence: Evidence, name: str, output: str | None) -> int:
    from harvester.cli.filmstrip import page
    from harvester.vault.durable import Disk

    data = page(evidence, name).encode()
    if output is None:
        # Ours alone, and made by whoever opened the store; the same one is written over.
        path = call.settings().process.store.absolute() / "run" / f"{name.replace('/', '-')}.html"
        Disk(private_dirs=True).write_atomic(path.parent, path.name, data)
    else:
        path = Path(os.path.abspath(output))
        if not Disk().create(path.parent, path.name, data):
            raise Usage(f"{path} is there already", hint="give --output another name")
    if put(str(path)):
        return 1
    if not _shown(path):
        call.say("there is no screen here: open the file in a browser of yours")
    return 0


def _shown(path: Path) -> bool:
    try:
        screen_of(os.environ)
    except NeedsHuman:
        return False  # a browser in the terminal would take it over
    return webbrowser.open(path.as_uri())
