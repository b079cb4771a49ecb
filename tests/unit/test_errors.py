"""The codes, exits and statuses that scripts rely on: none is ever renamed or moved."""

from __future__ import annotations

import pytest

from harvester import errors

# code: (exit, HTTP status, worth trying again by itself)
TABLE = {
    "needs_human": (4, 409, False),
    "challenge": (4, 409, False),
    "page_not_recognised": (4, 409, False),
    "provider_refuses_automation": (4, 409, False),
    "sign_in_forbidden": (4, 409, False),
    "not_configured": (4, 409, False),
    "paused": (4, 409, False),
    "credentials_rejected": (77, 409, False),
    "code_rejected": (77, 409, False),
    "account_locked": (77, 409, False),
    "lease_unknown": (77, 404, False),
    "lease_ended": (77, 407, False),
    "lease_forbids": (77, 409, False),
    "origin_not_allowed": (78, 409, False),
    "origin_mismatch": (78, 409, False),
    "probe_proves_nothing": (78, 409, False),
    "organization_not_found": (78, 409, False),
    "organization_mismatch": (78, 409, False),
    "identity_mismatch": (78, 409, False),
    "organization_pinned": (78, 409, False),
    "config_invalid": (78, 409, False),
    "config_clock": (78, 409, False),
    "config_unknown": (78, 409, False),
    "config_unsafe": (78, 409, False),
    "config_secret": (78, 409, False),
    "key_wrong": (78, 409, False),
    "unknown_profile": (78, 404, False),
    "site_down": (75, 503, True),
    "identity_provider_down": (75, 503, True),
    "rate_limited": (75, 503, True),
    "budget_spent": (75, 503, True),
    "browser_failed": (75, 503, True),
    "timed_out": (75, 503, True),
    "busy": (75, 503, True),
    "browser_missing": (69, 503, False),
    "no_daemon": (69, 503, False),
    "store_corrupt": (74, 500, False),
    "store_tampered": (74, 500, False),
    "store_swapped": (74, 500, False),
    "store_too_new": (74, 500, False),
    "store_rolled_back": (74, 500, False),
    "store_unsafe": (74, 500, False),
    "store_full": (74, 500, False),
    "usage": (2, 400, False),
    "bug": (70, 500, False),
}


def test_the_table_is_complete() -> None:
    assert set(errors.BY_CODE) == set(TABLE)


@pytest.mark.parametrize("code", TABLE)
def test_a_code_keeps_its_exit_and_its_status(code: str) -> None:
    kind = errors.BY_CODE[code]
    assert (kind.exit_code, kind.http_status, kind.retryable) == TABLE[code]


@pytest.mark.parametrize("code", TABLE)
def test_an_error_survives_the_way_over_the_socket(code: str) -> None:
    first = errors.BY_CODE[code]("what", hint="do this", retry_after_s=3.5, latched=True)
    again = errors.from_dict(first.as_dict())
    assert type(again) is type(first)
    assert again.as_dict() == first.as_dict()


def test_an_error_of_a_later_release_is_told_with_its_own_words() -> None:
    again = errors.from_dict({"code": "from_the_future", "detail": "what", "hint": "do this"})
    assert (again.code, again.message, again.hint) == ("bug", "what", "do this")


def test_the_picture_in_the_docstring_shows_every_error_with_its_code() -> None:
    assert errors.__doc__ is not None
    drawn = dict(
        line.replace("│", " ").replace("├──", " ").replace("└──", " ").split()[:2]
        for line in errors.__doc__.splitlines()
        if "──" in line and "exit" not in line
    )
    named = {kind.__name__: code for code, kind in errors.BY_CODE.items()}
    # ConfigInvalid, Usage and Bug stand with their children or their exit; the rest is a leaf.
    assert {name: drawn[name] for name in drawn} == {name: named[name] for name in drawn}
    assert set(named) - set(drawn) == {"Usage", "Bug"}
