"""A program that kills a change of the sealing key at each step: ``killed_rotation ROOT STRIDE``.

It has one thread, so it may fork: each change is a child's, which dies in the place of its n-th
system call, for n = 1, 1 + STRIDE, ... until one lives.  After each death other processes look at
what is left, write, and run the same command again.  Prints one JSON line for each death.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from faultydisk import DeadlyCalls, disk_of, store_on, temp_files
from harvester import ledger_form
from harvester.clock import SystemClock
from harvester.errors import HarvesterError
from harvester.kept_ledger import dated_text
from harvester.ledger import Ledger
from harvester.profile import KeyChoice, SecretSource
from harvester.rotation import Rotation
from harvester.vault import keys, passphrase
from harvester.vault.closed import Closed
from harvester.vault.directory import prepare
from harvester.vault.keys import Kdf, KeyRing, MasterKey
from harvester.vault.rewriting import Rewriting
from harvester.vault.ring import LiveRing, ring_of
from harvester.vault.seal import Purpose, Seal

OLD, NEW = MasterKey(b"o" * 32), MasterKey(b"n" * 32)
PASSWORD = ("https://login.example", "ada", "refused")
RECORDS: dict[tuple[str, Purpose], bytes] = {
    ("default", "session"): b"second",
    ("default", "ledger"): b"",
    ("work", "identity-state"): b"second",
}


def _given(text: str) -> KeyChoice:
    return KeyChoice(key=SecretSource("value", "HARVESTER_KEY", value=text))


def _words(text: str) -> KeyChoice:
    source = SecretSource("value", "HARVESTER_PASSPHRASE", value=text)
    return KeyChoice(passphrase=source)


# Where the keys were, where they are to be.
STORIES = {
    "own file": (KeyChoice(), KeyChoice()),
    "given": (_given(OLD.text()), _given(f"{NEW.text()},{OLD.text()}")),
    "passphrase": (_words("old words"), _words("new words")),
}


def live(root: Path, choice: KeyChoice, *, may_create: bool = False) -> LiveRing:
    ring = ring_of(choice, root, disk=disk_of())
    ring.open(may_create=may_create)
    return ring


def laid_out(root: Path, choice: KeyChoice) -> None:
    prepare(root, disk=disk_of())
    ring = live(root, choice, may_create=True)
    store = store_on(root, Seal(ring))
    # As of an earlier release: which key made it, it does not say.
    unnamed = keys.fingerprint(ring.current(), *PASSWORD).partition(":")[2]
    ledger = Ledger().aged(1.0).with_submit(1.0, unnamed).with_rejected(unnamed)
    RECORDS["default", "ledger"] = dated_text(ledger_form.to_dict(ledger), SystemClock())
    for (profile, purpose), text in RECORDS.items():
        for generation in (1, 2):
            store.write(profile, purpose, text, generation)


def killed(root: Path, n: int, choice: KeyChoice, old: Sequence[MasterKey], retires: str) -> bool:
    """Rotate, and let the old key go; whether that died."""
    pid = os.fork()
    if pid == 0:
        try:
            rotation = Rotation(choice, root, disk=disk_of(DeadlyCalls(n)))
            rotation.rotate(old)
            rotation.retire(retires)
        except HarvesterError as error:
            print(error.message, error.hint, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status) != 0:
        raise SystemExit(f"the change failed in another way, step {n}")
    return os.WIFSIGNALED(status)


def both(root: Path, choice: KeyChoice, old: Sequence[MasterKey]) -> KeyRing:
    """All that is at hand for who makes the change."""
    rings = []
    for each in (choice, None):
        try:
            rings += live(root, each).current().all if each is not None else old
        except HarvesterError:
            continue  # the new passphrase has no salt yet
    return KeyRing(rings[0], tuple(rings[1:]))


def is_refused(root: Path, ring: KeyRing) -> bool:
    found = store_on(root, Seal(ring)).read("default", "ledger")
    assert found is not None
    ledger = ledger_form.from_dict(json.loads(found.plaintext))
    return keys.is_among(ring, ledger.rejected_fingerprints(), *PASSWORD)


def unreadable(root: Path, ring: KeyRing) -> list[str]:
    """The records that do not open, or do not hold what they held but for a ledger's names."""
    seal = Seal(ring)
    wrong = []
    for (profile, purpose), text in RECORDS.items():
        for name in (purpose, purpose + ".previous"):
            record = (root / "profiles" / profile / name).read_bytes()
            try:
                opened = seal.open(record, profile=profile, purpose=purpose)
            except HarvesterError as error:
                wrong.append(f"{name}: {error.message}")
                continue
            if purpose != "ledger" and opened.plaintext != text:
                wrong.append(f"{name}: other words")
    return wrong


def seals_with(root: Path, story: str) -> tuple[str | None, bool]:
    """The key that a process of before or of after the change would seal with now, and whether
    any of them would take one that is closed."""
    closed = Closed(disk_of(), root).read().kids
    found: list[str | None] = []
    for choice in STORIES[story]:
        try:
            found.append(live(root, choice).current().primary.kid)
        except HarvesterError:
            found.append(None)
    return found[-1], any(kid in closed for kid in found)


def named(root: Path) -> list[str]:
    rewriting = Rewriting(root, disk_of())
    return [
        "" if one.label is None else one.label.kid
        for profile in rewriting.profiles()
        for one in rewriting.sealed(profile)
    ]


def main(root: Path, stride: int) -> None:
    passphrase.fresh_kdf = lambda: Kdf(os.urandom(16), 64, 1, 1)
    for story, (before, after) in STORIES.items():
        template = root.with_name("template")
        shutil.rmtree(template, ignore_errors=True)
        laid_out(template, before)
        old = live(template, before).current().primary
        given = [old] if story == "passphrase" else []
        n, died = 1 - stride, True
        while died:
            n += stride
            shutil.rmtree(root, ignore_errors=True)
            shutil.copytree(template, root)
            died = killed(root, n, after, given, old.kid)
            ring = both(root, after, given)
            told = {
                "story": story,
                "n": n,
                "died": died,
                "unreadable": unreadable(root, ring),
                "refused": is_refused(root, ring),
                "anew": sum(kid != old.kid for kid in named(root)),
                "left": len(named(root)),
            }
            told["seals"], told["seals_closed"] = seals_with(root, story)
            if died:
                done = Rotation(after, root, disk=disk_of()).rotate(given)
                told["done"] = set(named(root)) == {done.primary} and done.primary != old.kid
                told["refused_after"] = is_refused(root, live(root, after).current())
                for kid in done.opens:
                    Rotation(after, root, disk=disk_of()).retire(kid)
                told["after"] = unreadable(root, live(root, after).current())
                told["gone"] = is_refused(root, live(root, after).current())
            told["temps"] = len(temp_files(root))
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
