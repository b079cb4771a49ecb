"""What a request carries of a secret: plain, in the encodings of the web, backwards, in pieces."""

from __future__ import annotations

import base64
from urllib.parse import quote, quote_plus, unquote_plus

from hostile import Asked

# A piece this long of a password of ours stands in no request by chance: it is made for that.
PIECE_CHARS = 4
# Of every class of character, no word, and with some that a URL must encode.
SECRET = "zQ7+xW!k9&Vb2/Jt"


def forms(secret: str) -> set[str]:
    """Every text that gives the secret, or so much of it, away."""
    pieces = {secret[at : at + PIECE_CHARS] for at in range(len(secret) - PIECE_CHARS + 1)}
    found = pieces | {one[::-1] for one in pieces}
    found |= {quote(one, safe="") for one in pieces} | {quote_plus(one) for one in pieces}
    raw = secret.encode()
    for before in range(3):  # base64 of something that it stands in: three ways to be cut
        for code in (base64.b64encode, base64.urlsafe_b64encode):
            text = code(b"\0" * before + raw).decode().rstrip("=")
            # The first and the last letters are made of its neighbours, too.
            found.add(text[4 * (before > 0) : -2])
    found |= {raw.hex(), raw.hex().upper(), raw[::-1].hex()}
    found |= {"".join(f"\\u{ord(one):04x}" for one in secret), ",".join(map(str, raw))}
    return found


def given_away(asked: Asked, secret: str) -> list[str]:
    """What of the secret this request carries, in its address, its headers or its body."""
    texts = [asked.path, asked.body, asked.headers, asked.host]
    texts += [unquote_plus(text) for text in texts]
    return sorted(one for one in forms(secret) if any(one in text for text in texts))
