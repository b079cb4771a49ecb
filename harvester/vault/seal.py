"""The sealed record: how bytes are encrypted, authenticated and bound to their place.

A record is text, so that it survives any file, database column or CI cache:

    harvester-sealed 1                      the version
    {"alg":"AES-256-GCM","kid":...}         the header: who sealed what, when; not secret
    bm90IHRoZSByZWFsIHRoaW5n...             the ciphertext, base64, lines of 76
    sha256:...                              of every byte before it

Each record has a key of its own: HKDF-SHA256(master, fresh salt, info = version|purpose|profile)
gives 32 bytes of key and 32 of commitment.  The header's bytes are the associated data.  An AEAD
has one error for everything; checksum, key id and commitment tell damage, another key and
tampering apart.  The checksum comes first and proves only that nothing was lost on the way.

Owns the format and its errors.  Knows no files and never logs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from harvester import __version__
from harvester.errors import (
    KeyWrong,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreSwapped,
    StoreTampered,
    StoreTooNew,
)
from harvester.profile import PROFILE_NAME
from harvester.vault.keys import Kdf, KeyRing, MasterKey, audit_key

Purpose = Literal[
    "session", "identity-state", "totp-step", "ledger", "passkey", "evidence", "bundle", "leases"
]
PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)

VERSION: Final = 1
ALGORITHM: Final = "AES-256-GCM"
# Checked before anything is parsed: a damaged or planted file must not fill the memory.
MAX_RECORD_BYTES: Final = 1024 * 1024
# Version line, header and checksum are under 1 KiB; base64 with line ends makes 57 bytes 77.
MAX_PLAINTEXT_BYTES: Final = (MAX_RECORD_BYTES - 4096) // 77 * 57
# Ours are under 400 bytes; a later release may have more to say.
MAX_HEADER_BYTES: Final = 4096
# JSON readers elsewhere hold integers exactly up to here.
MAX_GENERATION: Final = 2**53
SALT_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
KEY_BYTES: Final = 32
COMMITMENT_BYTES: Final = 32
LINE_CHARS: Final = 76

_MAGIC = b"harvester-sealed "
_VERSION_LINE = re.compile(rb"harvester-sealed ([1-9][0-9]{0,5})")
_CHECKSUM = b"sha256:"
_CHECKSUM_LINE_BYTES = len(_CHECKSUM) + 64 + 1
_HEADER_FIELDS = frozenset(
    ("alg", "kid", "kdf", "commit", "salt", "nonce", "profile", "purpose", "generation", "created")
)


class Ring(Protocol):
    """The keys as they are now: a ``KeyRing``, or ``ring.LiveRing``."""

    def current(self) -> KeyRing:
        """Raises KeyWrong where none of them may seal any more."""

    def find(self, kid: str, kdf: Kdf | None = None) -> MasterKey | None:
        """The key of this name; ``kdf`` tells how it was made, if of a passphrase."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What was in a record.  ``created_at`` is seconds since 1970, ``kid`` names the key."""

    plaintext: bytes = field(repr=False)
    generation: int
    created_at: float
    kid: str


@dataclass(frozen=True, slots=True)
class Label:
    """What a record says about itself.  Its key was there; who changed it later does not show."""

    profile: str
    purpose: str
    generation: int
    created_at: float
    kid: str
    kdf: Kdf | None = None


@dataclass(frozen=True, slots=True)
class _Parts:
    """A record taken apart.  Undamaged; nothing more is known of it."""

    header: bytes
    ciphertext: bytes
    label: Label
    commitment: bytes
    salt: bytes
    nonce: bytes


class Seal:
    """Seals with the primary key of the ring, opens with any key in it."""

    def __init__(self, keys: Ring) -> None:
        self._keys = keys

    @property
    def audit_key(self) -> bytes:
        return audit_key(self._keys.current())

    def seal(
        self, plaintext: bytes, *, profile: str, purpose: Purpose, generation: int, now_s: float
    ) -> bytes:
        """The record of ``plaintext``.  Never the same bytes twice.

        Raises StoreFull if it would be larger than a record may be, and ValueError for a name,
        a purpose or a generation that no record can carry; KeyWrong where no key may seal.
        """
        if not PROFILE_NAME.fullmatch(profile) or purpose not in PURPOSES:
            raise ValueError(f"no record can be for {profile!r}, {purpose!r}")
        if not 0 <= generation <= MAX_GENERATION:
            raise ValueError(f"no record can have generation {generation}")
        if len(plaintext) > MAX_PLAINTEXT_BYTES:
            raise StoreFull(
                f"the {purpose} of profile {profile} is {len(plaintext)} bytes long, a record "
                f"holds {MAX_PLAINTEXT_BYTES}",
                hint="a site that stores this much in the browser is not supported",
            )
        master = self._keys.current().primary
        salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
        key, commitment = _derive(master, salt, profile=profile, purpose=purpose)
        header = json.dumps(
            {
                "alg": ALGORITHM,
                "kid": master.kid,
                **({} if master.kdf is None else {"kdf": master.kdf.as_dict()}),
                "commit": commitment.hex(),
                "salt": _b64(salt),
                "nonce": _b64(nonce),
                "profile": profile,
                "purpose": purpose,
                "generation": generation,
                "created": round(now_s, 3),
            },
            separators=(",", ":"),
        ).encode("ascii")
        sealed = _b64(AESGCM(key).encrypt(nonce, plaintext, header)).encode("ascii")
        lines = [sealed[at : at + LINE_CHARS] for at in range(0, len(sealed), LINE_CHARS)]
        body = b"\n".join((_MAGIC + str(VERSION).encode(), header, *lines, b""))
        return body + _checksum_line(body)

    def label(self, record: bytes, *, profile: str, purpose: Purpose) -> Label:
        """Whose record this is, without decrypting it.

        Raises as ``open`` does, but for a header or a ciphertext that was changed with the
        checksum mended: that shows only when it is opened.
        """
        parts, _ = self._recognise(record, profile=profile, purpose=purpose)
        return parts.label

    def open(self, record: bytes, *, profile: str, purpose: Purpose) -> Opened:
        """What is in the record, if it is whole, ours, and for this profile and purpose.

        Raises StoreCorrupt (damaged), StoreTooNew (of a later release), KeyWrong (sealed with a
        key that is not in the ring), StoreTampered, StoreSwapped (of another profile or purpose).
        """
        parts, key = self._recognise(record, profile=profile, purpose=purpose)
        try:
            plaintext = AESGCM(key).decrypt(parts.nonce, parts.ciphertext, parts.header)
        except InvalidTag:
            raise _tampered(profile, purpose) from None
        label = parts.label
        return Opened(plaintext, label.generation, label.created_at, label.kid)

    def _recognise(self, record: bytes, *, profile: str, purpose: str) -> tuple[_Parts, bytes]:
        parts = _take_apart(record, f"the stored {purpose} of profile {profile}")
        label = parts.label
        if label.kdf is not None and label.kdf.too_costly:
            raise _tampered(profile, purpose)  # before anything is derived at that price
        master = self._keys.find(label.kid, label.kdf)
        if master is None:
            raise KeyWrong(
                f"the stored {purpose} of profile {profile} was sealed with key {label.kid}, and "
                f"the key in use is {self._in_use()}",
                hint="give the old key again (HARVESTER_KEY, HARVESTER_KEY_FILE, or the file `key` "
                "in the store), or beside the new one: harvester key rotate --old-key FILE; "
                "nothing was changed",
            )
        # With the header's own names: a swapped record then proves genuine before it is called
        # swapped, and a header that was edited to fit proves tampered with.
        key, commitment = _derive(master, parts.salt, profile=label.profile, purpose=label.purpose)
        if not hmac.compare_digest(commitment, parts.commitment):
            raise _tampered(profile, purpose)
        if (label.profile, label.purpose) != (profile, purpose):
            raise StoreSwapped(
                f"in the place of the {purpose} of profile {profile} lies the {label.purpose} of "
                f"profile {label.profile}",
                hint="somebody moved files inside the store; put them back, or delete this one",
            )
        return parts, key

    def _in_use(self) -> str:
        try:
            return self._keys.current().primary.kid
        except (KeyWrong, StoreError):
            return "none"


def label_of(record: bytes, what: str) -> Label:
    """What a record says of itself, for which no key is needed: nothing of it is proved.

    Raises StoreCorrupt, StoreTooNew.
    """
    return _take_apart(record, what).label


def _derive(master: MasterKey, salt: bytes, *, profile: str, purpose: str) -> tuple[bytes, bytes]:
    # Neither a purpose nor a profile's name can hold the separator.
    info = f"harvester-sealed {VERSION}|{purpose}|{profile}".encode()
    length = KEY_BYTES + COMMITMENT_BYTES
    okm = HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(master.material)
    return okm[:KEY_BYTES], okm[KEY_BYTES:]


def _take_apart(record: bytes, what: str) -> _Parts:
    if len(record) > MAX_RECORD_BYTES:
        raise _corrupt(what, f"it is larger than {MAX_RECORD_BYTES} bytes")
    body, checksum = record[:-_CHECKSUM_LINE_BYTES], record[-_CHECKSUM_LINE_BYTES:]
    if not hmac.compare_digest(checksum, _checksum_line(body)):
        raise _corrupt(what, "its checksum is wrong")
    # Every later version keeps the first line and the last: only thus can an older release tell
    # "too new" from "damaged".
    first, _, rest = body.partition(b"\n")
    version = _VERSION_LINE.fullmatch(first)
    if version is None:
        raise _corrupt(what, "it is no record of harvester")
    if int(version[1]) > VERSION:
        raise _too_new(what, f"it has format {int(version[1])}, this release reads {VERSION}")
    header, _, wrapped = rest.partition(b"\n")
    fields = _header_fields(header, what)
    unknown = "kdf" in fields and not Kdf.is_known(fields["kdf"])
    if fields.get("alg") != ALGORITHM or set(fields) - _HEADER_FIELDS or unknown:
        raise _too_new(what, "it is sealed in a way that this release does not know")
    try:
        sealed = wrapped.replace(b"\n", b"")
        ciphertext = base64.b64decode(sealed, validate=True)
        if _b64(ciphertext).encode("ascii") != sealed:
            raise ValueError("bits that base64 does not use are set")
        parts = _Parts(
            header=header,
            ciphertext=ciphertext,
            label=Label(
                profile=_text(fields, "profile"),
                purpose=_text(fields, "purpose"),
                generation=_generation(fields),
                created_at=_number(fields, "created"),
                kid=_text(fields, "kid"),
                kdf=Kdf.from_dict(fields["kdf"]) if "kdf" in fields else None,
            ),
            commitment=bytes.fromhex(_text(fields, "commit")),
            salt=base64.b64decode(_text(fields, "salt"), validate=True),
            nonce=base64.b64decode(_text(fields, "nonce"), validate=True),
        )
    except (KeyError, ValueError, binascii.Error):
        raise _corrupt(what, "its header or its body makes no sense") from None
    if (
        len(parts.salt) != SALT_BYTES
        or len(parts.nonce) != NONCE_BYTES
        or len(parts.commitment) != COMMITMENT_BYTES
        or len(parts.ciphertext) < TAG_BYTES
    ):
        raise _corrupt(what, "a part of it has the wrong length")
    return parts


def _header_fields(header: bytes, what: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # Two fields of one name are read differently by different readers: an old trick.
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a field stands twice")
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number")

    if len(header) > MAX_HEADER_BYTES:
        raise _corrupt(what, "its header is too long")
    try:
        fields = json.loads(header.decode("ascii"), object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise _corrupt(what, "its header is no JSON") from None
    if not isinstance(fields, dict):
        raise _corrupt(what, "its header is no JSON object")
    return fields


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields[name]
    # What comes out of here is shown to people, so it must be something we could have written.
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9+/=_-]{1,128}", value):
        raise ValueError(name)
    return value


def _number(fields: dict[str, Any], name: str) -> float:
    value = fields[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(name)
    if not 0 <= value <= MAX_GENERATION:
        raise ValueError(name)
    return float(value)


def _generation(fields: dict[str, Any]) -> int:
    if not isinstance(fields["generation"], int):
        raise ValueError("generation")
    return int(_number(fields, "generation"))


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _checksum_line(body: bytes) -> bytes:
    return _CHECKSUM + hashlib.sha256(body).hexdigest().encode("ascii") + b"\n"


def _corrupt(what: str, why: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"{what} is damaged: {why}", hint="run: harvester doctor (is the disk in order?)"
    )


def _too_new(what: str, why: str) -> StoreTooNew:
    return StoreTooNew(
        f"{what} was written by a later release than this one ({__version__}): {why}",
        hint="upgrade knoq-harvester on this machine; nothing was changed",
    )


def _tampered(profile: str, purpose: str) -> StoreTampered:
    return StoreTampered(
        f"the stored {purpose} of profile {profile} was changed by somebody without the key",
        hint="find out who can write to the store; then delete this file and sign in again",
    )
