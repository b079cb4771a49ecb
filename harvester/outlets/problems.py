"""An error as every outlet answers it: ``application/problem+json``, with no more than is safe."""

from __future__ import annotations

import logging
from typing import cast

from aiohttp import web

from harvester import wire
from harvester.errors import Bug, HarvesterError
from harvester.log import event


def problem_response(error: HarvesterError, *, status: int | None = None) -> web.Response:
    """An error as every outlet answers it.  ``status`` overrules where HTTP has a closer word."""
    told = wire.problem(error)
    if status is not None:
        told["status"] = status
    response = web.Response(
        status=told["status"],
        text=wire.as_json(told) + "\n",
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store"},
    )
    if error.retry_after_s is not None:
        # Whole seconds, rounded up: a caller that comes at that time must not be early.
        response.headers["Retry-After"] = str(max(1, -int(-error.retry_after_s // 1)))
    return response


def unexpected(exc: BaseException | None) -> Bug:
    """An error that is our mistake: where it happened is told and logged, never its text."""
    bug = Bug.of(exc)
    event("bug", level=logging.ERROR, why=bug.message)
    return bug


def raw_problem(error: HarvesterError, *, status: int) -> bytes:
    """A problem as bytes, for a connection that has no request to answer yet."""
    response = problem_response(error, status=status)
    body = cast(bytes, response.body)
    head = [f"HTTP/1.1 {status} {response.reason}", "Connection: close"]
    head += [f"{name}: {value}" for name, value in response.headers.items()]
    if "Content-Length" not in response.headers:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode("ascii") + body
