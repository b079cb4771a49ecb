"""`harvester key new|list|rotate|retire`: the sealing keys of this store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harvester.cli.call import Call, global_options, pass_call
from harvester.cli.telling import put
from harvester.errors import NoDaemon, Usage
from harvester.redact import clean

_HEAD = ("KEY", "STATE", "RECORDS", "WHERE")


@click.group("key")
@global_options
def command() -> None:
    """The keys that seal what is stored; only `new --print` ever shows one."""


@command.command("new")
@click.option("--print", "printed", is_flag=True, help="Print a fresh key and keep it nowhere.")
@global_options
@pass_call
def new(call: Call, printed: bool) -> int:
    """Make a key: a spare that the next rotation takes, or one to print where you keep the keys."""
    rotation = None if printed else _rotation(call)
    if rotation is None or not rotation.makes:
        from harvester.vault import keys

        fresh = keys.fresh()
        call.say(f"key {fresh.kid}; it is kept nowhere but where you put it now")
        return _told(call, fresh.text(), {"kid": fresh.kid, "key": fresh.text()})
    kid = rotation.new()
    call.say(f"a spare, kept in {rotation.where()}; it takes over with: harvester key rotate")
    return _told(call, kid, {"kid": kid})


@command.command("list")
@global_options
@pass_call
def listed(call: Call) -> int:
    """Show the keys by name, where they are, which one seals, and how many records name each."""
    found = _rotation(call).listed()
    if call.json:
        return call.put_json(
            [
                {"kid": one.kid, "state": one.state, "records": one.records, "where": one.where}
                for one in found
            ]
        )
    if not found:
        call.say("there is no key yet; one is made at the first sign-in")
        return 0
    rows = [_HEAD, *((one.kid, one.state, str(one.records), clean(one.where)) for one in found)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        put("  ".join(cells).rstrip())
    return 0


@command.command("rotate")
@click.option("--old-key", metavar="FILE", help="Holds the key or keys that sealed it so far.")
@click.option("--old-passphrase", metavar="FILE", help="Holds the passphrase of before.")
@global_options
@pass_call
def rotate(call: Call, old_key: str | None, old_passphrase: str | None) -> int:
    """Seal all that is stored with another key.  Cut short, it goes on where it stopped.

    Keys that harvester keeps itself (the file in the store, the keyring) need no more than this
    command.  Keys that you give: put the new one first (HARVESTER_KEY=NEW,OLD) for every process,
    start the daemon again, and run this.  A passphrase, or a change of place: stop the daemon, set
    the new one, name the old one here, and start it again.
    """
    from harvester.vault import key_places

    rotation = _rotation(call)
    store = call.settings().process.store
    old = (() if old_key is None else key_places.keys_in(old_key)) + (
        () if old_passphrase is None else key_places.keys_of_passphrase(old_passphrase, store)
    )
    _check_daemon(call, rotation)
    done = rotation.rotate(old)
    call.say(
        f"{'what was begun before is done: ' if done.resumed else ''}key {done.primary} seals now; "
        f"{done.records} record{'' if done.records == 1 else 's'} sealed anew"
    )
    for kid in done.opens:
        call.say(
            f"  hint: key {kid} may still open bundles and backups; when there are none: "
            f"harvester key retire {kid}"
        )
    told = {"kid": done.primary, "records": done.records, "resumed": done.resumed}
    return _told(call, done.primary, {**told, "opens": list(done.opens)})


@command.command("retire")
@click.argument("kid")
@global_options
@pass_call
def retire(call: Call, kid: str) -> int:
    """Let an old key go.  Refused while a record names it, or cannot be read."""
    rotation = _rotation(call)
    rotation.retire(kid)
    call.say(f"key {clean(kid)} is gone: nothing here is sealed with it, and nothing will be")
    if not rotation.makes:
        call.say(f"  hint: take it out of where it is given ({clean(rotation.where())})")
    call.say("  hint: a password that was refused under it stays refused until: harvester unlock")
    return _told(call, None, {"kid": kid})


def _check_daemon(call: Call, rotation: Any) -> None:
    """One that lacks the new key could read nothing any more.  Raises Usage."""
    try:
        told = call.client().status().get("key") or {}
    except NoDaemon:
        return
    if rotation.makes and told.get("where") == rotation.where():
        return  # it looks there before each seal
    new = rotation.primary()
    if new is None or new not in (told.get("kid"), *(told.get("opens") or ())):
        raise Usage(
            "a daemon runs, and it does not have the new key: it could read nothing any more",
            hint="start it again with both (HARVESTER_KEY=NEW,OLD), or, for a passphrase or a "
            "change of place, stop it before and start it after",
        )


def _told(call: Call, value: str | None, told: dict[str, Any]) -> int:
    if call.json:
        return call.put_json(told)
    return 0 if value is None else put(value)


def _rotation(call: Call) -> Any:
    from harvester.rotation import Rotation  # pulls in the ciphers: only where they are needed

    settings = call.settings()
    process = settings.process
    return Rotation(process.sealing, Path(process.store).absolute(), names=settings.profiles)
