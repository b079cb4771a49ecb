"""The session for httpx: ``httpx.Client(auth=HarvesterAuth())``, ``AsyncClient`` likewise."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

from harvester.sdk.absent import absent
from harvester.sdk.credentials import Credentials
from harvester.sdk.httpx_family import Streams, async_flow, sync_flow

try:
    import httpx
except ModuleNotFoundError as missing:
    raise absent("httpx", missing) from None

__all__ = ["HarvesterAuth"]

_STREAMS = Streams(httpx.ByteStream, httpx.SyncByteStream, httpx.AsyncByteStream)


class HarvesterAuth(httpx.Auth):
    """Sends the session with each request to its origin, and to no other.

    A 401 is reported and the request sent once more with the new session, never twice; for GET and
    HEAD an answer that leads to a sign-in page counts as one.  Raises HarvesterError where no
    session can be had, and NotReplayed where a body cannot be sent again.  ``credentials`` may be
    shared with other clients; the default is that of the profile ``default``.
    """

    def __init__(self, credentials: Credentials | None = None) -> None:
        self.credentials = Credentials() if credentials is None else credentials

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        return sync_flow(self.credentials, request, _STREAMS)

    def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        return async_flow(self.credentials, request, _STREAMS)
