"""The daemon's socket API from a program's side: blocking, and of the standard library only.

Owns what each request is called and which error comes back.  Who answers is judged, and how is
spoken, by ``dial.py``.  Knows no setting and no store.
"""

from __future__ import annotations

import _socket
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harvester import dial, places, unanswered
from harvester.dial import TOKEN_WAIT_S, Answer
from harvester.errors import NoDaemon

__all__ = ["DEFAULT_WAIT_S", "TOKEN_WAIT_S", "Answer", "Client", "warnings_beside", "warnings_of"]

DEFAULT_WAIT_S = 60.0


class Client:
    """The daemon of this user.  Every call is a connection of its own, and safe in any thread.

    ``explicit`` is a socket that a flag named; ``on_wait`` is called once in each request whose
    answer does not come at once; ``name`` is how the daemon's audit knows us.  All calls raise the
    error that the daemon told (a ``HarvesterError``), NoDaemon when nobody listens, TimedOut when
    no answer came.
    """

    def __init__(
        self,
        explicit: str | None = None,
        *,
        store: Path | None = None,
        environ: Mapping[str, str] | None = None,
        on_wait: Callable[[], None] | None = None,
        name: str = "harvester",
    ) -> None:
        environ = os.environ if environ is None else environ
        self._on_wait = on_wait
        self._name = name
        self._named = bool(explicit or environ.get("HARVESTER_SOCKET"))
        lying = None if store is None else str(store)
        self._paths = places.socket_candidates(explicit, lying, environ)
        self.path: Path | None = None
        """Where the last call found the daemon."""

    def session(
        self,
        profile: str = "default",
        *,
        min_valid_s: float = 0.0,
        wait_s: float = DEFAULT_WAIT_S,
        form: str = "json",
        origin: str | None = None,
        sign_in: bool = True,
    ) -> str:
        """The session as text in one of ``wire.FORMATS``, without the final newline.

        ``origin`` is what the caller believes the profile's origin to be: the daemon refuses
        (``origin_mismatch``) if it is another.
        """
        text, _ = self.token(
            profile,
            min_valid_s=min_valid_s,
            form=form,
            origin=origin,
            wait_s=wait_s,
            sign_in=sign_in,
        )
        return text

    def token(
        self,
        profile: str = "default",
        *,
        min_valid_s: float = 0.0,
        form: str = "cookie",
        origin: str | None = None,
        wait_s: float = DEFAULT_WAIT_S,
        sign_in: bool = True,
    ) -> tuple[str, list[str]]:
        """What `harvester token` prints, and warnings for a person."""
        path = dial.session_path(
            profile,
            min_valid_s=min_valid_s,
            wait_s=wait_s,
            form=form,
            origin=origin,
            sign_in=sign_in,
        )
        answer = self.request("GET", path, wait_s=wait_s)
        return dial.session_text(answer), warnings_beside(answer.headers)

    def report(
        self, profile: str, generation: int, *, wait_s: float = DEFAULT_WAIT_S
    ) -> dict[str, Any]:
        """ "This generation got a 401": the session object, with ``verdict``."""
        body = {"profile": profile, "generation": generation, "wait_s": wait_s}
        return self._object("POST", "/v1/session/report", body, wait_s=wait_s)

    def refresh(
        self, profile: str, *, hard: bool = False, wait_s: float = DEFAULT_WAIT_S
    ) -> dict[str, Any]:
        """The session object of a refresh made now; ``hard`` is a whole new sign-in."""
        body = {"profile": profile, "hard": hard, "wait_s": wait_s}
        return self._object("POST", "/v1/session/refresh", body, wait_s=wait_s)

    def bring(
        self,
        profile: str,
        cookies: Sequence[Mapping[str, Any]],
        *,
        user_agent: str = "",
        origin: str | None = None,
        wait_s: float = DEFAULT_WAIT_S,
    ) -> dict[str, Any]:
        """The session object of a session that a person brings: proved, and now the current one.

        ``cookies`` are objects as the session object has them; ``origin`` is the one that they
        are for.
        """
        body: dict[str, Any] = {"profile": profile, "cookies": list(cookies), "wait_s": wait_s}
        if user_agent:
            body["user_agent"] = user_agent
        if origin is not None:
            body["origin"] = origin
        return self._object("POST", "/v1/session/import", body, wait_s=wait_s)

    def logout(self, profile: str) -> dict[str, Any]:
        return self._object("POST", "/v1/logout", {"profile": profile}, wait_s=DEFAULT_WAIT_S)

    def unlock(self, profile: str, *, force: bool = False) -> dict[str, Any]:
        body = {"profile": profile, "force": force}
        return self._object("POST", "/v1/unlock", body, wait_s=DEFAULT_WAIT_S)

    def new_lease(self, terms: Mapping[str, Any]) -> dict[str, Any]:
        """``token``, ``lease`` and where the ``proxy`` is; ``terms`` as the API has them."""
        return self._object("POST", "/v1/leases", terms, wait_s=DEFAULT_WAIT_S)

    def leases(self) -> dict[str, Any]:
        return self._object("GET", "/v1/leases", None, wait_s=0.0)

    def revoke_lease(self, lease_id: str) -> dict[str, Any]:
        """``all`` for all of them; ``revoked``: the ids of those that were live."""
        return self._object("POST", "/v1/leases/revoke", {"id": lease_id}, wait_s=DEFAULT_WAIT_S)

    def pause(self, profile: str | None) -> dict[str, Any]:
        """Hand out nothing of one profile, or of all."""
        return self._object("POST", "/v1/pause", {"profile": profile}, wait_s=DEFAULT_WAIT_S)

    def resume(self, profile: str | None) -> dict[str, Any]:
        """End that."""
        return self._object("POST", "/v1/resume", {"profile": profile}, wait_s=DEFAULT_WAIT_S)

    def status(self) -> dict[str, Any]:
        return self._object("GET", "/v1/status", None, wait_s=0.0)

    def history(self, profile: str, *, limit: int = 100) -> dict[str, Any]:
        """The last ``limit`` (1 to 1000) things that happened, the newest last, and why."""
        path = f"/v1/history?profile={dial.quoted(profile)}&limit={limit}"
        return self._object("GET", path, None, wait_s=0.0)

    def _object(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, wait_s: float
    ) -> dict[str, Any]:
        answer = self.request(method, path, body, wait_s=wait_s)
        try:
            told = json.loads(answer.body)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise unanswered.not_ours()
        return told

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        wait_s: float = 0.0,
    ) -> Answer:
        """One request; an answer of 400 and above becomes the error that it tells."""
        data = b"" if body is None else json.dumps(body).encode()
        found = dial.ask(
            self._paths, method, path, data,
            named=self._named, wait_s=wait_s, on_wait=self._on_wait, client=self._name,
        )  # fmt: skip
        if found is None:
            raise self._nobody()
        answer, where = found
        self.path = Path(where)
        return answer

    def connected(self) -> _socket.socket:
        """A connection to the daemon, for what is more than one answer (``watching.py``)."""
        found = dial.connected(self._paths, named=self._named)
        if found is None:
            raise self._nobody()
        return found[0]

    def _nobody(self) -> NoDaemon:
        where = self._paths[0] if self._named and self._paths else "any of its usual places"
        return NoDaemon(f"no daemon listens at {where}", hint="start one with `harvester serve`")


def warnings_beside(headers: Mapping[str, str]) -> list[str]:
    """What a person should hear beside the session: from its answer's headers."""
    told: dict[str, Any] = {"expires_at": headers.get(dial.EXPIRES_AT)}
    if dial.STALE in headers:
        try:
            error = json.loads(headers[dial.STALE])
        except ValueError:
            error = None
        told |= {"stale": True, "error": error if isinstance(error, dict) else None}
    if dial.MIN_VALID_MET in headers:
        told["min_valid_met"] = headers[dial.MIN_VALID_MET] != "false"
    return warnings_of(told)


def warnings_of(told: Mapping[str, Any]) -> list[str]:
    """What a person should hear beside the session: from the session object."""
    warnings = []
    if told.get("stale"):
        error = told.get("error") or {}
        why = f": {error['message']}" if error.get("message") else ""
        warnings.append(f"this is the last good session, a refresh did not succeed{why}")
    if told.get("min_valid_met") is False:
        warnings.append(f"this session ends before the time asked for, at {told.get('expires_at')}")
    return warnings
