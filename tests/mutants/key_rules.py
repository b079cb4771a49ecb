"""Each rule of the sealing keys, switched off."""

from __future__ import annotations

from collections.abc import Iterator

from mutant import Mutant

_PLACES = ("tests/unit/test_key_places.py",)
_ROTATION = ("tests/unit/test_rotation.py",)


def mutants() -> Iterator[Mutant]:
    """One for each rule: what it says, where it stands, and how it is gone."""
    yield Mutant(
        "a store's key has one place",
        "settings/together.py",
        "if len(found) > 1:",
        "if False:",
        _PLACES,
    )
    yield Mutant(
        "a systemd credential is a place of its own",
        "settings/together.py",
        'place = f"systemd credential {name}" if given else PREFIX + name.upper()',
        "place = PREFIX + name.upper()",
        _PLACES,
    )
    yield Mutant(
        "a key that a keyring lost is not made again beside records",
        "vault/key_places.py",
        "if found is None and may_create:",
        "if found is None:",
        _PLACES,
    )
    yield Mutant(
        "a wrong passphrase makes no key beside records",
        "vault/key_places.py",
        "        if not may_create:\n            raise self._wrong(known)",
        "        if False:\n            raise self._wrong(known)",
        _PLACES,
    )
    yield Mutant(
        "a header's costs are looked at before anything is derived",
        "vault/seal.py",
        "if label.kdf is not None and label.kdf.too_costly:",
        "if False:",
        _PLACES,
    )
    yield Mutant(
        "a salt file's costs are looked at before anything is derived",
        "vault/passphrase.py",
        "if kdf.too_costly:",
        "if False:",
        _PLACES,
    )
    yield Mutant(
        "a keyring that is not on the list gets no key",
        "vault/oskeyring.py",
        "allowed = [one for one in chosen if _named(one) in ALLOWED]",
        "allowed = chosen",
        _PLACES,
    )
    yield Mutant(
        "what asks the keyring sees none of our settings",
        "vault/oskeyring.py",
        "env=command_environment(environ),",
        "env=dict(environ),",
        _PLACES,
    )
    yield Mutant(
        "nobody seals with a key that is closed",
        "vault/ring.py",
        "    if ring.primary.kid not in ban.kids:",
        "    if True:",
        _ROTATION,
    )
    yield Mutant(
        "who lives long looks before each seal",
        "vault/ring.py",
        "        if stamp == self._stamp:",
        "        if True:",
        _ROTATION,
    )
    yield Mutant(
        "where nobody knows which keys are closed nothing is sealed",
        "vault/ring.py",
        "            if self._trouble is not None:",
        "            if False:",
        _ROTATION,
    )
    yield Mutant(
        "a record is sealed anew under its profile's lock",
        "rotation.py",
        "            with self._held(name):",
        "            if True:",
        _ROTATION,
    )
    yield Mutant(
        "a key stays while a record names it",
        "rotation.py",
        "                if naming:",
        "                if False:",
        _ROTATION,
    )
    yield Mutant(
        "a key stays while a record cannot be read",
        "rotation.py",
        "            raise one.trouble\n        if one.label.kid != kid:",
        "            return False\n        if one.label.kid != kid:",
        _ROTATION,
    )
    yield Mutant(
        "a fingerprint of a key that is gone counts as refused",
        "vault/keys.py",
        "            return True  # see ``of_a_gone_key``",
        "            continue",
        _ROTATION,
    )
    yield Mutant(
        "old fingerprints are told their key before another one follows",
        "rotation.py",
        'if purpose != "ledger":',
        "if True:",
        _ROTATION,
    )
