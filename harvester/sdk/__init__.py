"""The SDK: the live session for Python programs, and what attaches it to their HTTP client.

    from harvester.sdk import Credentials

    session = Credentials().session(min_valid_s=300)
    session.headers       # Cookie and Origin, for session.origin only

Adapters that report a 401 and retry once by themselves, each beside the package it is for:
``harvester.sdk.httpx.HarvesterAuth``, ``harvester.sdk.httpx2.HarvesterAuth``,
``harvester.sdk.requests.HarvesterAuth``, ``harvester.sdk.aiohttp.harvester_middleware``.

Importing this imports the standard library only.
"""

from harvester.errors import HarvesterError
from harvester.sdk.credentials import Credentials
from harvester.sdk.exchange import NotReplayed
from harvester.sdk.session import Session
from harvester.session import Cookie

__all__ = ["Cookie", "Credentials", "HarvesterError", "NotReplayed", "Session"]
