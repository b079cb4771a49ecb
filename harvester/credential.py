"""The credential-helper protocol of Bazel and others: a URI in, headers and their end out.

    {"uri": "https://knoq.one/api/..."}  →  {"expires": "...", "headers": {"Cookie": ["..."], ...}}

Owns what is asked and what is answered.  Standard library only: a build asks often, so the plain
call is answered without click and settings, as `token`'s is.  Source: the credential-helper
specification (EngFlow); for a URI that is none of ours it wants an error, not an empty answer.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from typing import Any, BinaryIO

from harvester.cli.telling import put, tell
from harvester.client import Client
from harvester.clock import parse_rfc3339, rfc3339
from harvester.errors import HarvesterError, OriginMismatch, Usage
from harvester.profile import origin_of

# Bazel gives its helper ten seconds and then kills it; the daemon's work goes on meanwhile.
WAIT_S = 8.0
# A tool asks no more until the answer has expired, and cannot tell us of a 401.  So an answer is
# good for as long as anybody may wait for a session that was replaced before its time.
LONGEST_S = 300.0
# An end that is known is one of the site's clock, and a request takes a while.
MARGIN_S = 30.0
# What is served though its end has passed (the site still takes it) is asked for anew at once.
SHORTEST_S = 5.0
# What the audit calls it.
OPERATION = "credential-helper"
# A URI is one line.
_LARGEST_BYTES = 64 * 1024


def origin_asked(stream: BinaryIO) -> str:
    """The origin of the URI that a tool asks for.  Raises Usage, OriginMismatch."""
    try:
        asked = json.loads(stream.read(_LARGEST_BYTES))
    except ValueError:  # bad UTF-8 is one too
        asked = None
    uri = asked.get("uri") if isinstance(asked, dict) else None
    if not isinstance(uri, str):
        raise Usage(
            "there is no request on standard input",
            hint='echo \'{"uri": "https://..."}\' | harvester credential-helper get',
        )
    origin = origin_of(uri)
    if origin is None:
        raise OriginMismatch(
            "the URI that is asked for is of no web site",
            hint="name this helper for the site's host only",
        )
    return origin


def from_daemon(client: Client, profile: str, origin: str) -> str:
    """The answer, if the profile is for that origin.  Raises OriginMismatch, NoDaemon, and what
    the daemon tells."""
    told = json.loads(client.session(profile, origin=origin, wait_s=WAIT_S))
    return answer(told, time.time())


def fast(environ: Mapping[str, str]) -> int | None:
    """The whole of ``credential-helper get`` where a daemon runs; else None, and standard input
    has not been touched."""
    client = Client(environ=environ, name=f"harvester-{OPERATION}")
    try:
        client.connected().close()
    except HarvesterError:
        return None
    try:
        origin = origin_asked(sys.stdin.buffer)
        return put(from_daemon(client, environ.get("HARVESTER_PROFILE") or "default", origin))
    except HarvesterError as error:
        return tell(error, as_json=False)
    except KeyboardInterrupt:
        return 130


def answer(told: Mapping[str, Any], now_s: float) -> str:
    """What the tool reads, from the session object; holds the secret."""
    ends = [told.get("expires_at"), *(one.get("expires_at") for one in told.get("cookies", ()))]
    known = [at for at in map(parse_rfc3339, ends) if at is not None]
    left_s = min(known, default=math.inf) - MARGIN_S - now_s
    good_s = max(SHORTEST_S, min(LONGEST_S, left_s))
    headers = {name: [value] for name, value in told["headers"].items()}
    return json.dumps({"expires": rfc3339(now_s + good_s), "headers": headers})
