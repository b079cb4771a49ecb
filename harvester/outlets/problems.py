"""An error as every outlet answers it: ``application/problem+json``, with no more than is safe."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from harvester import wire
from harvester.errors import Bug, HarvesterError
from harvester.log import event


@dataclass(frozen=True, slots=True)
class Problem:
    """The answer, in whatever way it is sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def reason(self) -> str:
        return HTTPStatus(self.status).phrase


def problem(error: HarvesterError, *, status: int | None = None) -> Problem:
    """``status`` overrules where HTTP has a closer word."""
    told = wire.problem(error)
    if status is not None:
        told["status"] = status
    headers = [
        ("Cache-Control", "no-store"),
        ("Content-Type", "application/problem+json; charset=utf-8"),
    ]
    if error.retry_after_s is not None:
        # Whole seconds, rounded up: a caller that comes at that time must not be early.
        headers.append(("Retry-After", str(max(1, -int(-error.retry_after_s // 1)))))
    return Problem(told["status"], tuple(headers), (wire.as_json(told) + "\n").encode("utf-8"))


def problem_response(error: HarvesterError, *, status: int | None = None) -> web.Response:
    """For aiohttp."""
    told = problem(error, status=status)
    return web.Response(status=told.status, body=told.body, headers=dict(told.headers))


def raw_problem(error: HarvesterError, *, status: int) -> bytes:
    """As bytes, for a connection that has no request to answer yet and is closed afterwards."""
    told = problem(error, status=status)
    head = [f"HTTP/1.1 {status} {told.reason}", "Connection: close"]
    head += [f"{name}: {value}" for name, value in told.headers]
    head.append(f"Content-Length: {len(told.body)}")
    return "\r\n".join([*head, "", ""]).encode("ascii") + told.body


def unexpected(exc: BaseException | None) -> Bug:
    """An error that is our mistake: where it happened is told and logged, never its text."""
    bug = Bug.of(exc)
    event("bug", level=logging.ERROR, why=bug.message)
    return bug
