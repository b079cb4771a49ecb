"""Where the sealing keys are kept: what was given, a passphrase, the desktop's keyring, our file.

A store has one place.  None of them falls back to another: a key that is not where it should be is
an error, and a second key in another place would lock what the first one sealed.

    Given         HARVESTER_KEY, _FILE, _COMMAND, a systemd credential      read only
    Passphrase    HARVESTER_PASSPHRASE, _FILE, _COMMAND                     read only
    InKeyring     HARVESTER_KEY_SOURCE=keyring                              kept by us
    OwnFile       ROOT/key                                                  kept by us

Owns how each is read, made and written, and what is said where that fails.  Which key seals now
is ``ring.py``'s.
"""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import Final, Protocol

from harvester.errors import Busy, ConfigInvalid, KeyWrong
from harvester.paths import read_key_file
from harvester.profile import KeyChoice, SecretSource
from harvester.vault import keys, oskeyring
from harvester.vault.durable import Disk
from harvester.vault.keys import KEY_NAME, Kdf, KeyRing, MasterKey
from harvester.vault.lock import Lock
from harvester.vault.rewriting import Rewriting
from harvester.vault.secret import read_secret

# Whoever holds it makes a key in the keyring, or rotates one.
KEYS_LOCK: Final = "keys.lock"
# One that makes a key in the keyring is done when a person has unlocked that.
_PATIENCE_S = 2 * oskeyring.COMMAND_LIMIT_S
_LOOK_EVERY_S = 0.1


class Place(Protocol):
    writable: bool
    """Whether keys are made and dropped here by us; else by whoever set the setting."""

    def where(self) -> str:
        """For a person."""

    def stamp(self) -> object:
        """Changes when other keys are there, as far as that can be seen at no cost."""

    def has_key(self) -> bool:
        """Whether one was ever made here.  Raises where that cannot be seen."""

    def load(self, *, may_create: bool) -> tuple[KeyRing, list[str]]:
        """The keys, and warnings.  ``may_create``: a missing one may be made, since nothing is
        sealed yet, or what is sealed opens with another that is at hand."""

    def made_with(self, kdf: Kdf) -> MasterKey | None:
        """The key that this passphrase makes of a record's own salt."""

    def put(self, ring: KeyRing) -> None:
        """Keep exactly these, the first one first.  Whoever calls holds the lock of the keys."""

    def drop(self, kid: str) -> None:
        """Forget one, as far as it is ours to forget."""


def place_of(choice: KeyChoice, root: Path, *, disk: Disk | None = None) -> Place:
    root = Path(os.path.abspath(root))
    disk = disk or Disk(private_dirs=True)
    if choice.key is not None:
        return Given(choice.key, root)
    if choice.passphrase is not None:
        return Passphrase(choice.passphrase, root, disk)
    return InKeyring(root, disk) if choice.keyring else OwnFile(root, disk)


class Given:
    writable = False

    def __init__(self, source: SecretSource, root: Path) -> None:
        self._source = source
        self._root = root

    def where(self) -> str:
        return self._source.where()

    def stamp(self) -> object:
        if self._source.kind != "file":
            return None
        try:
            seen = os.stat(os.path.expanduser(self._source.path))
        except OSError:
            return None
        return (seen.st_ino, seen.st_mtime_ns, seen.st_size)

    def has_key(self) -> bool:
        return True

    def load(self, *, may_create: bool) -> tuple[KeyRing, list[str]]:
        return keys.load(self._source, self._root, may_create=False)

    def made_with(self, kdf: Kdf) -> MasterKey | None:
        return None

    def put(self, ring: KeyRing) -> None:
        """It is not ours."""

    def drop(self, kid: str) -> None:
        """It is not ours."""


class Passphrase:
    writable = False

    def __init__(self, source: SecretSource, root: Path, disk: Disk) -> None:
        from harvester.vault.passphrase import Salts  # late: loads the cipher library

        self._source = source
        self._root = root
        self._rewriting = Rewriting(root, disk)
        self._salts = Salts(disk, root)

    def where(self) -> str:
        return f"passphrase from {self._source.where()}"

    def stamp(self) -> object:
        return None

    def has_key(self) -> bool:
        return bool(self._salts.read() or self._rewriting.kdfs())

    def load(self, *, may_create: bool) -> tuple[KeyRing, list[str]]:
        from harvester.vault.passphrase import derived, fresh_kdf

        text = self._text()
        salts = self._salts.read()
        known = salts or self._rewriting.kdfs()
        for kid, kdf in known.items():
            key = derived(text, kdf)
            if key.kid == kid:
                if not salts:
                    self._salts.make(key)
                return KeyRing(key), []
        if not may_create:
            raise self._wrong(known)
        key = derived(text, fresh_kdf())
        if salts:
            self._salts.add(key)
        elif not self._salts.make(key):
            # Somebody else was first: his salt it is, if it is his passphrase too.
            return self.load(may_create=False)
        return KeyRing(key), []

    def made_with(self, kdf: Kdf) -> MasterKey | None:
        from harvester.vault.passphrase import derived

        return derived(self._text(), kdf)

    def put(self, ring: KeyRing) -> None:
        """A passphrase is not ours; its salt was kept when the key was made."""

    def drop(self, kid: str) -> None:
        self._salts.drop(kid)

    def _text(self) -> str:
        return read_secret(self._source, key=True)

    def _wrong(self, known: dict[str, Kdf]) -> KeyWrong:
        where = self._source.named()
        if known:
            return KeyWrong(
                f"{where} is not the passphrase that this store was sealed with",
                hint="give the right one; or, to change it: "
                "harvester key rotate --old-passphrase FILE; nothing was changed",
            )
        return KeyWrong(
            f"{where} is set, and what the store {self._root} holds was sealed with a key that "
            "was made of no passphrase",
            hint="to change over: harvester key rotate --old-key "
            f"{shlex.quote(str(self._root / KEY_NAME))}; nothing was changed",
        )


class InKeyring:
    writable = True

    def __init__(self, root: Path, disk: Disk) -> None:
        self._root = root
        self._disk = disk

    def where(self) -> str:
        return "keyring of the desktop"

    def stamp(self) -> object:
        return None

    def has_key(self) -> bool:
        return oskeyring.ask(str(self._root)) is not None

    def load(self, *, may_create: bool) -> tuple[KeyRing, list[str]]:
        found = oskeyring.ask(str(self._root))
        if found is None and may_create:
            found = self._made()
        if found is None:
            raise KeyWrong(
                f"the keyring holds no key for the store {self._root}, which holds records",
                hint="unlock the keyring that held it, or to change over: "
                f"harvester key rotate --old-key {shlex.quote(str(self._root / KEY_NAME))}; "
                "nothing was changed",
            )
        try:
            return keys.decoded(found, "the keyring's entry", oskeyring.SERVICE), []
        except ConfigInvalid as error:
            raise KeyWrong(
                error.message, hint="put the right key back there; nothing was changed"
            ) from None

    def made_with(self, kdf: Kdf) -> MasterKey | None:
        return None

    def put(self, ring: KeyRing) -> None:
        text = ",".join(key.text() for key in ring.all)
        if oskeyring.ask(str(self._root), text) != text:
            raise KeyWrong(
                "the keyring did not keep the key that it was given",
                hint="look at it; nothing was sealed with that key",
            )

    def drop(self, kid: str) -> None:
        self.put(_without(self.load(may_create=False)[0], kid))

    def _made(self) -> str | None:
        """The first key.  A keyring has no O_EXCL: of two who make one, one waits."""
        for path in (self._root, self._root / "locks"):
            self._disk.make_dir(path)
        with Lock(self._root / "locks" / KEYS_LOCK, self._disk.calls) as lock:
            held = lock.acquire_nonblocking()
            until_s = time.monotonic() + _PATIENCE_S
            while not held:
                if time.monotonic() > until_s:
                    raise Busy("another process is at work on the keys", hint="try again")
                time.sleep(_LOOK_EVERY_S)
                held = lock.acquire_nonblocking()
            found = oskeyring.ask(str(self._root))
            if found is None:
                ring = KeyRing(keys.fresh())
                self.put(ring)
                found = ring.primary.text()
        return found


class OwnFile:
    writable = True

    def __init__(self, root: Path, disk: Disk) -> None:
        self._root = root
        self._disk = disk

    def where(self) -> str:
        return str(self._root / KEY_NAME)

    def stamp(self) -> object:
        return self._disk.stamp(self._root, KEY_NAME)

    def has_key(self) -> bool:
        return self.stamp() is not None

    def load(self, *, may_create: bool) -> tuple[KeyRing, list[str]]:
        return keys.load(None, self._root, may_create=may_create, disk=self._disk)

    def made_with(self, kdf: Kdf) -> MasterKey | None:
        return None

    def put(self, ring: KeyRing) -> None:
        text = "".join(key.text() + "\n" for key in ring.all)
        if len(text) > keys.KEY_FILE_LIMIT_BYTES:
            raise ConfigInvalid(
                f"{self.where()} holds as many keys as it may",
                hint="let those go that nothing is sealed with: harvester key list",
            )
        self._disk.write_atomic(self._root, KEY_NAME, text.encode("ascii"))

    def drop(self, kid: str) -> None:
        self.put(_without(self.load(may_create=False)[0], kid))


def _without(ring: KeyRing, kid: str) -> KeyRing:
    left = [key for key in ring.all if key.kid != kid]
    return KeyRing(left[0], tuple(left[1:]))


def keys_in(path: str) -> tuple[MasterKey, ...]:
    """The keys in a file, which may be a store's own.  Raises ConfigInvalid, ConfigUnsafe."""
    try:
        data = read_key_file(os.path.expanduser(path), keys.KEY_FILE_LIMIT_BYTES)
    except FileNotFoundError:
        missing = ConfigInvalid(f"there is no file {path}", hint="name the file with the old key")
    else:
        return keys.decoded(data.decode("ascii", "replace"), "--old-key", path).all
    raise missing


def keys_of_passphrase(path: str, root: Path) -> tuple[MasterKey, ...]:
    """The keys that this file's passphrase made for the store.  Raises ConfigInvalid,
    ConfigUnsafe, and KeyWrong if it made none."""
    from harvester.vault.passphrase import Salts, derived

    text = read_secret(SecretSource("file", "--old-passphrase", path=path), key=True)
    disk = Disk(private_dirs=True)
    root = Path(os.path.abspath(root))
    known = {**Rewriting(root, disk).kdfs(), **Salts(disk, root).read()}
    made = [key for kid, kdf in known.items() if (key := derived(text, kdf)).kid == kid]
    if not made:
        raise KeyWrong(
            f"what stands in {path} is no passphrase that this store was sealed with",
            hint="give the one of before; nothing was changed",
        )
    return tuple(made)
