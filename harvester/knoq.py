"""Everything that is known about Knoq, and nothing else in the program knows it.

Source: Knoq's public documentation and policies, 2026.  What is not documented (the cookie's
name, its lifetime) is not here: it is found by experiment.
"""

from __future__ import annotations

ORIGIN = "https://knoq.one"
PROBE_PATH = "/api/managed-agents/sessions"
# The session check runs before the route handler under this prefix: a request that got a 401
# there did nothing, so it may be sent once more, whatever its method.
CHECKED_FIRST_PREFIX = "/api/managed-agents/"
SWITCH_ORG_PATH = "/api/auth/switch-org"
SWITCH_ORG_BODY = '{"organizationId": "$organization"}'
# Of one user, whatever client he uses: method, path, how many, within how many seconds.
LIMITS = (
    ("POST", "/api/managed-agents/message", 60, 60.0),
    ("POST", "/api/managed-agents/session", 10, 60.0),
    ("POST", "/api/managed-agents/session", 20, 3600.0),
    ("POST", "/api/managed-agents/cancel", 30, 60.0),
    ("POST", SWITCH_ORG_PATH, 30, 3600.0),
)
# Mutating requests without this header are refused with 403.
ORIGIN_HEADER = "Origin"
# What `exec` and the `env` format call the two things that a consumer needs.
COOKIE_VARIABLE = "KNOQ_COOKIE"
ORIGIN_VARIABLE = "KNOQ_ORIGIN"
FILE_VARIABLE = "KNOQ_SESSION_FILE"
PROXY_VARIABLE = "KNOQ_PROXY"
PROXY_URL_VARIABLE = "KNOQ_PROXY_URL"
PROXY_TOKEN_VARIABLE = "KNOQ_PROXY_TOKEN_FILE"  # noqa: S105  a variable's name
