"""`harvester doctor`: checks everything, each failure with the one command that mends it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import click

from harvester.cli import checks, stored
from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.checks import Finding
from harvester.cli.handing_out import handing_out
from harvester.cli.telling import put
from harvester.redact import clean

_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@click.command("doctor")
@click.option("--fix", is_flag=True, help="Mend what is safely mended (modes of our own files).")
@global_options
@pass_call
def command(call: Call, fix: bool) -> int:
    """Check browser, driver, key, config, store, socket, site, and what keeps the daemon from
    handing out.  Exit 1 if anything fails."""
    findings = [_mended(one) if fix else one for one in _findings(call)]
    if call.json:
        told = [
            {"check": one.check, "state": one.state, "message": one.message, "mend": one.mend}
            for one in findings
        ]
        call.put_json({"ok": not _any_failed(findings), "checks": told})
    else:
        for one in findings:
            if one.state != "ok" or not call.quiet:
                put(f"{_MARKS[one.state]}  {one.check:<8}  {clean(one.message, 1000)}")
                if one.mend and one.state != "ok":
                    put(f"                mend: {clean(one.mend, 1000)}")
    return 1 if _any_failed(findings) else 0


def _findings(call: Call) -> Iterator[Finding]:
    yield checks.machine()
    found, settings = checks.config(call)
    yield from found
    yield checks.driver()
    if settings is None:
        return
    yield checks.browser(settings)
    yield checks.sandbox(call, settings)
    yield from checks.secrets(settings)
    yield from checks.accounts(settings)
    yield from checks.store(settings)
    yield checks.key(settings)
    yield from stored.records(settings)
    yield checks.socket(call, settings)
    yield from handing_out(call)
    yield checks.memory_kept(call)
    yield from asyncio.run(checks.site(settings))


def _mended(finding: Finding) -> Finding:
    if finding.fix is None:
        return finding
    try:
        finding.fix()
    except OSError as error:
        return Finding(
            finding.check, "fail", f"{finding.message}; not mended: {error.strerror}", finding.mend
        )
    return Finding(finding.check, "ok", f"mended: {finding.message}")


def _any_failed(findings: list[Finding]) -> bool:
    return any(one.state == "fail" for one in findings)
