"""Makes the kit of sealed records: good and bad ones, each named for what opening it must give.

    EXPECTED--STORY.record      EXPECTED is ``ok`` or the code of the error
    manifest.json               as which profile and purpose each is opened, what is in it, and why

All are opened with KEY, and where PLACES says nothing else as the session of ``default``; why each
does what it does stands in why.toml.  This is a second implementation of the format, written from
its description (README.md) and not from ``seal.py``: it fixes the format, so that a release that
can no longer read old records fails here first.  Salt and nonce are fixed, so that the same bytes
come out each time.  Run it after a change of the format, and only then.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import tomllib
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = Path(__file__).parent
KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
PLAINTEXT = b'{"cookie":"a session that opens nothing"}'
GENERATION = 7
CREATED = 1763900000.25
# How the key of a passphrase was made; which key it is, `kid` alone tells.
KDF = {"name": "argon2id", "m": 65536, "t": 3, "p": 4, "salt": "c2FsdHNhbHRzYWx0c2FsdA=="}
KID = hmac.digest(KEY, b"harvester key id 1", "sha256").hex()[:16]


def hkdf(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 with SHA-256."""
    prk = hmac.digest(salt, key, "sha256")
    out, block = b"", b""
    while len(out) < length:
        block = hmac.digest(prk, block + info + bytes([len(out) // 32 + 1]), "sha256")
        out += block
    return out[:length]


def closed(body: bytes) -> bytes:
    """The body with its right last line, whatever the body is."""
    return body + b"sha256:" + hashlib.sha256(body).hexdigest().encode() + b"\n"


def wrapped(data: bytes) -> bytes:
    text = base64.b64encode(data)
    return b"".join(text[at : at + 76] + b"\n" for at in range(0, len(text), 76))


def parts(
    plaintext: bytes = PLAINTEXT,
    *,
    key: bytes = KEY,
    profile: Any = "default",
    purpose: str = "session",
    **changed: Any,
) -> tuple[dict[str, Any], bytes]:
    """A genuine header and ciphertext; ``changed`` fields are in the header from the start."""
    salt = hashlib.sha256(b"salt" + plaintext).digest()
    nonce = hashlib.sha256(b"nonce" + plaintext).digest()[:12]
    okm = hkdf(key, salt, f"harvester-sealed 1|{purpose}|{profile}".encode(), 64)
    header = {
        "alg": "AES-256-GCM",
        "kid": hmac.digest(key, b"harvester key id 1", "sha256").hex()[:16],
        "commit": okm[32:].hex(),
        "salt": base64.b64encode(salt).decode(),
        "nonce": base64.b64encode(nonce).decode(),
        "profile": profile,
        "purpose": purpose,
        "generation": GENERATION,
        "created": CREATED,
    } | changed
    return header, AESGCM(okm[:32]).encrypt(nonce, plaintext, dumped(header))


def dumped(header: dict[str, Any]) -> bytes:
    return json.dumps(header, separators=(",", ":")).encode()


def assembled(header: dict[str, Any] | bytes, ciphertext: bytes, version: str = "1") -> bytes:
    text = header if isinstance(header, bytes) else dumped(header)
    return closed(f"harvester-sealed {version}\n".encode() + text + b"\n" + wrapped(ciphertext))


def without(header: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in header.items() if key != name}


def records() -> dict[str, bytes]:
    header, body = parts()
    good = assembled(header, body)
    long_header, long_body = parts(b"a longer one " * 40)
    flipped = body[:-20] + bytes([body[-20] ^ 1]) + body[-19:]
    other_header, other_body = parts(profile="other")
    text = dumped(header)
    return {
        "ok--a-session": good,
        "ok--nothing-in-it": assembled(*parts(b"")),
        "ok--every-byte": assembled(*parts(bytes(range(256)) * 3)),
        "ok--generation-nought": assembled(*parts(b"first", generation=0)),
        "ok--of-a-passphrase": assembled(*parts(kdf=KDF)),
        "store_corrupt--kdf-salt-too-short": assembled(*parts(kdf=KDF | {"salt": "AAAA"})),
        "store_corrupt--kdf-costs-a-text": assembled(*parts(kdf=KDF | {"m": "65536"})),
        "store_tampered--kdf-beyond-all-reason": assembled(*parts(kdf=KDF | {"m": 2**31})),
        "store_too_new--kdf-unknown": assembled(*parts(kdf=KDF | {"name": "scrypt"})),
        "store_corrupt--nothing": b"",
        "store_corrupt--cut-short": good[:-30],
        "store_corrupt--first-half": good[: len(good) // 2],
        "store_corrupt--one-bit": good[:200] + bytes([good[200] ^ 4]) + good[201:],
        "store_corrupt--line-ends-of-windows": good.replace(b"\n", b"\r\n"),
        "store_corrupt--something-after-it": good + b"\n",
        "store_corrupt--zeros-of-a-power-cut": bytes(len(good)),
        "store_corrupt--another-format": closed(b"something else 1\n" + text + b"\n"),
        "store_corrupt--version-nought": assembled(header, body, "0"),
        "store_corrupt--no-header": closed(b"harvester-sealed 1\n"),
        "store_corrupt--header-no-json": assembled(b"alg=AES", body),
        "store_corrupt--header-a-list": assembled(b"[1]", body),
        "store_corrupt--header-too-deep": assembled(b"[" * 4000, body),
        "store_corrupt--header-too-long": assembled(text[:-1] + b" " * 5000 + b"}", body),
        "store_corrupt--field-twice": assembled(text[:-1] + b',"generation":9}', body),
        "store_corrupt--field-missing": assembled(without(header, "nonce"), body),
        "store_corrupt--generation-a-text": assembled(*parts(generation="7")),
        "store_corrupt--generation-a-truth": assembled(*parts(generation=True)),
        "store_corrupt--generation-below-nought": assembled(*parts(generation=-1)),
        "store_corrupt--created-not-a-number": assembled(*parts(created=float("nan"))),
        "store_corrupt--created-for-ever": assembled(*parts(created=float("inf"))),
        "store_corrupt--profile-with-an-escape": assembled(header | {"profile": "a\x1b[2J"}, body),
        "store_corrupt--salt-too-short": assembled(header | {"salt": "AAAA"}, body),
        "store_corrupt--commitment-no-hex": assembled(header | {"commit": "z" * 64}, body),
        "store_corrupt--body-no-base64": closed(b"harvester-sealed 1\n" + text + b"\n!!!!\n"),
        "store_corrupt--body-shorter-than-a-tag": assembled(header, b"short"),
        "key_wrong--another-key": assembled(*parts(key=OTHER_KEY)),
        "store_tampered--ciphertext-changed": assembled(header, flipped),
        "store_tampered--ciphertext-cut": assembled(long_header, long_body[:-40]),
        "store_tampered--ciphertext-of-another": assembled(header, long_body),
        "store_tampered--generation-raised": assembled(header | {"generation": 8}, body),
        "store_tampered--made-younger": assembled(header | {"created": CREATED + 1}, body),
        "store_tampered--commitment-changed": assembled(header | {"commit": "0" * 64}, body),
        "store_tampered--key-id-of-ours-on-anothers": assembled(*parts(key=OTHER_KEY, kid=KID)),
        "store_tampered--profile-edited": assembled(
            other_header | {"profile": "default"}, other_body
        ),
        "store_swapped--other-profile": assembled(other_header, other_body),
        "store_swapped--other-purpose": assembled(*parts(purpose="identity-state")),
        "store_swapped--purpose-of-a-later-release": assembled(*parts(purpose="not-yet")),
        "store_too_new--version-2": assembled(header, body, "2"),
        "store_too_new--version-2-unlike-1": closed(b"harvester-sealed 2\n\x00\xff"),
        "store_too_new--another-cipher": assembled(*parts(alg="XChaCha20-Poly1305")),
        "store_too_new--field-unknown": assembled(*parts(wrapping="threshold")),
    } | more()


def more() -> dict[str, bytes]:
    """What another implementation gets wrong: places, precedence, and readings of one text."""
    header, body = parts()
    good, text = assembled(header, body), dumped(header)
    elsewhere = {purpose: assembled(*parts(purpose=purpose)) for purpose in PURPOSES}
    loose = json.dumps(dict(reversed(header.items()))).encode()
    loosely = AESGCM(_key()).encrypt(_nonce(), PLAINTEXT, loose)
    long_header, long_body = parts(b"a longer one " * 40)
    one_line = b"harvester-sealed 1\n" + dumped(long_header) + b"\n"
    one_line += base64.b64encode(long_body) + b"\n"
    checksum = hashlib.sha256(good[: good.rindex(b"sha256:")]).hexdigest()
    return {
        **{f"ok--purpose-{purpose}": elsewhere[purpose] for purpose in PURPOSES},
        "ok--another-profile": assembled(*parts(profile="work-eu")),
        "ok--longest-name": assembled(*parts(profile=LONGEST_NAME)),
        "ok--highest-generation": assembled(*parts(generation=2**53)),
        "ok--created-a-whole-number": assembled(*parts(created=1763900000)),
        "ok--header-in-another-order": closed(
            b"harvester-sealed 1\n" + loose + b"\n" + wrapped(loosely)
        ),
        "ok--body-in-one-line": closed(one_line),
        "store_corrupt--checksum-in-capitals": good.replace(
            checksum.encode(), checksum.upper().encode()
        ),
        "store_corrupt--checksum-of-nothing": good.replace(
            checksum.encode(), hashlib.sha256(b"").hexdigest().encode()
        ),
        "store_corrupt--last-line-end-lost": good[:-1],
        "store_corrupt--byte-order-mark": closed(b"\xef\xbb\xbf" + _body_of(good)),
        "store_corrupt--two-records": good + good,
        "store_corrupt--version-with-a-nought-ahead": assembled(header, body, "01"),
        "store_corrupt--version-with-a-blank": assembled(header, body, "1 "),
        "store_corrupt--version-of-seven-digits": assembled(header, body, "1000000"),
        "store_corrupt--header-not-ascii": assembled(text[:-1] + ',"ü":1}'.encode(), body),
        "store_corrupt--header-a-number": assembled(b"1", body),
        "store_corrupt--nonce-too-short": assembled(header | {"nonce": "AAAA"}, body),
        "store_corrupt--commitment-too-short": assembled(header | {"commit": "00"}, body),
        "store_corrupt--generation-a-fraction": assembled(*parts(generation=7.5)),
        "store_corrupt--generation-too-high": assembled(*parts(generation=2**53 + 1)),
        "store_corrupt--created-before-1970": assembled(*parts(created=-1)),
        "store_corrupt--profile-a-number": assembled(*parts(profile=7)),
        "store_corrupt--purpose-empty": assembled(*parts(purpose="")),
        "store_corrupt--base64-with-bits-to-spare": closed(
            b"harvester-sealed 1\n" + dumped(parts(b"1")[0]) + b"\n" + _spare(parts(b"1")[1])
        ),
        "store_corrupt--base64-of-urls": closed(
            b"harvester-sealed 1\n" + text + b"\n" + base64.urlsafe_b64encode(b"\xff" * 48) + b"\n"
        ),
        "key_wrong--another-key-and-another-place": assembled(
            *parts(key=OTHER_KEY, profile="other", purpose="ledger")
        ),
        "key_wrong--key-id-edited": assembled(header | {"kid": "0" * 16}, body),
        "key_wrong--another-key-changed": assembled(*_changed(parts(key=OTHER_KEY))),
        "store_tampered--salt-changed": assembled(
            header | {"salt": base64.b64encode(bytes(32)).decode()}, body
        ),
        "store_tampered--nonce-changed": assembled(
            header | {"nonce": base64.b64encode(bytes(12)).decode()}, body
        ),
        "store_tampered--tag-of-noughts": assembled(header, body[:-16] + bytes(16)),
        "store_tampered--nothing-but-a-tag": assembled(header, body[-16:]),
        "store_tampered--purpose-edited": assembled(header | {"purpose": "ledger"}, body),
        "store_tampered--header-respaced": assembled(json.dumps(header).encode(), body),
        "store_swapped--a-session-as-the-ledger": good,
        "store_swapped--a-bundle-as-the-session": elsewhere["bundle"],
        "store_swapped--name-that-begins-alike": assembled(*parts(profile="default-2")),
        "store_swapped--other-profile-and-changed": assembled(*_changed(parts(profile="other"))),
        "store_too_new--no-cipher-named": assembled(without(header, "alg"), body),
        "store_too_new--version-of-six-digits": closed(b"harvester-sealed 999999\n"),
        "store_too_new--cipher-of-old": assembled(*parts(alg="AES-128-GCM")),
    }


PURPOSES = ("identity-state", "totp-step", "ledger", "passkey", "evidence", "bundle")
LONGEST_NAME = "a" + "0123456789-" * 2 + "012345678"


def _key() -> bytes:
    salt = hashlib.sha256(b"salt" + PLAINTEXT).digest()
    return hkdf(KEY, salt, b"harvester-sealed 1|session|default", 64)[:32]


def _nonce() -> bytes:
    return hashlib.sha256(b"nonce" + PLAINTEXT).digest()[:12]


def _body_of(record: bytes) -> bytes:
    return record[: record.rindex(b"sha256:")]


def _changed(made: tuple[dict[str, Any], bytes]) -> tuple[dict[str, Any], bytes]:
    return made[0], made[1][:-1] + bytes([made[1][-1] ^ 1])


def _spare(ciphertext: bytes) -> bytes:
    """Base64 of it whose last character says more than the bytes do."""
    text = base64.b64encode(ciphertext)
    assert text.endswith(b"="), "there must be bits to spare"
    at = len(text.rstrip(b"=")) - 1
    return text[:at] + bytes([text[at] + 1]) + text[at + 1 :] + b"\n"


# As what a record is opened that is not opened as the session of ``default``.
PLACES: dict[str, tuple[str, str]] = {
    **{f"ok--purpose-{purpose}": ("default", purpose) for purpose in PURPOSES},
    "ok--another-profile": ("work-eu", "session"),
    "ok--longest-name": (LONGEST_NAME, "session"),
    "store_tampered--purpose-edited": ("default", "ledger"),
    "store_swapped--a-session-as-the-ledger": ("default", "ledger"),
}


def manifest() -> str:
    """What another implementation needs to be held against the kit, as JSON."""
    why = tomllib.loads((HERE / "why.toml").read_text("utf-8"))
    told = []
    for name, record in records().items():
        expected, _, _ = name.partition("--")
        profile, purpose = PLACES.get(name, ("default", "session"))
        one: dict[str, Any] = {
            "file": f"{name}.record",
            "profile": profile,
            "purpose": purpose,
            "expected": expected,
            "why": why[name],
        }
        if expected == "ok":
            header = json.loads(record.split(b"\n")[1])
            one |= {"generation": header["generation"], "created": header["created"]}
            one["plaintext"] = base64.b64encode(PLAINTEXTS.get(name, PLAINTEXT)).decode()
        told.append(one)
    keys = [{"kid": KID, "key": base64.b64encode(KEY).decode()}]
    whole = {"format": "harvester-sealed 1", "keys": keys, "records": told}
    return json.dumps(whole, indent=1) + "\n"


# Of those that open and hold something else.
PLAINTEXTS = {
    "ok--nothing-in-it": b"",
    "ok--every-byte": bytes(range(256)) * 3,
    "ok--generation-nought": b"first",
    "ok--body-in-one-line": b"a longer one " * 40,
}


if __name__ == "__main__":
    for old in HERE.glob("*.record"):
        old.unlink()
    for name, record in records().items():
        (HERE / f"{name}.record").write_bytes(record)
    (HERE / "manifest.json").write_text(manifest(), "utf-8")
