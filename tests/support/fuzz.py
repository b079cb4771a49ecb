"""Requests that nobody would write: good ones, spoiled by dice; the same number, the same one."""

from __future__ import annotations

import random

_GOOD = (
    b"GET /v1/session HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /v1/session?profile=work-eu&min_valid_s=300&wait_s=0&format=curl HTTP/1.1\r\nHost: h\r\n"
    b'If-None-Match: "7"\r\n\r\n',
    b"GET /v1/history?limit=7 HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n",
    b"GET /readyz/default HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
    b"HEAD /metrics HTTP/1.0\r\n\r\n",
    b"GET /v1/status HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"GET /v1/openapi.json HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n",
)
_BODIES = (
    (b"/v1/session/report", b'{"profile": "default", "generation": 7, "wait_s": 0}'),
    (b"/v1/session/refresh", b'{"hard": true, "wait_s": 1.5}'),
    (
        b"/v1/session/import",
        b'{"cookies": [{"name": "sid", "value": "v", "domain": "app.example", "path": "/", '
        b'"expires_at": "2027-01-01T00:00:00Z", "secure": true}], "user_agent": "x"}',
    ),
    (b"/v1/logout", b"{}"),
    (b"/v1/unlock", b'{"force": false}'),
)
_PIECES = (
    b"\r\n", b"\n", b"\r", b"\x00", b"\xff", b" ", b"\t", b":", b";", b"%", b"%0d%0a", b"%00",
    b"\r\n\r\n", b"0\r\n\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Host: a\r\n", b"HTTP/2.0", b"PRI * ",
    b"-1", b"999999999999999999999999", b"1e308", b"NaN", b'"', b"{", b"}", b"[", b"]", b"null",
    b"\xc3\x28", b"\xed\xa0\x80", b"\\u0000", b"\\ud800", b"../", b"//", b"?", b"&", b"=", b"#",
)  # fmt: skip
_METHODS = (b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE", b"PATCH", b"get")


def request(seed: str, number: int) -> bytes:
    """The request ``number`` of this seed: one that is good, or was before it was spoiled."""
    dice = random.Random(f"{seed}/{number}")
    made = bytearray(_good(dice))
    for _ in range(dice.choice((0, 1, 1, 2, 3, 6))):
        _spoil(made, dice)
    if dice.random() < 0.05:
        made += _good(dice)  # one behind it
    return bytes(made)


def _good(dice: random.Random) -> bytes:
    if dice.random() < 0.6:
        return dice.choice(_GOOD)
    path, body = dice.choice(_BODIES)
    head = b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n" % path
    if dice.random() < 0.3:
        cut = dice.randrange(len(body))
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:cut], body[cut:]) if p)
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _spoil(made: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(made) + 1)
    upto = min(len(made), at + dice.choice((1, 2, 8, 64)))
    match dice.randrange(8):
        case 0:
            made[at:at] = dice.choice(_PIECES)
        case 1:
            made[at:upto] = dice.choice(_PIECES)
        case 2:
            del made[at:upto]
        case 3:
            made[at:at] = made[at:upto] * dice.choice((1, 2, 50))
        case 4:
            made[at:upto] = bytes(dice.randrange(256) for _ in range(upto - at))
        case 5:
            made[at:at] = bytes([dice.randrange(256)]) * dice.choice((1, 300, 9000))
        case 6:
            method, space, rest = bytes(made).partition(b" ")
            made[:] = dice.choice(_METHODS) + space + (rest or method)
        case 7:
            del made[at:]
    if not made:
        made += b"\r\n"
