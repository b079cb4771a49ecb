"""One-time codes: the published vectors, how seeds are written, and which step is due."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.errors import ConfigInvalid
from harvester.signin.codes import AHEAD_AT_MOST_STEPS, LEAST_LEFT_S, Seed, choose_step, read_seed

SEED = "JBSW Y3DP-ehpk3pxp"


@pytest.mark.parametrize(
    ("at", "algorithm", "size", "code"),
    [
        (59, "SHA1", 20, "94287082"),
        (1111111109, "SHA1", 20, "07081804"),
        (20000000000, "SHA1", 20, "65353130"),
        (59, "SHA256", 32, "46119246"),
        (59, "SHA512", 64, "90693936"),
    ],
)
def test_the_vectors_of_the_standard(at: int, algorithm: str, size: int, code: str) -> None:
    key = (b"1234567890" * 7)[:size]
    assert Seed(key, 8, 30, algorithm).code(at // 30) == code


def test_a_seed_of_eighty_bits_is_taken_as_people_write_it() -> None:
    assert read_seed(SEED, "X").key == base64.b32decode("JBSWY3DPEHPK3PXP")


def test_an_otpauth_address_brings_its_own_numbers() -> None:
    seed = read_seed(
        "otpauth://totp/Acme:ada?secret=jbswy3dpehpk3pxp&digits=8&period=60&algorithm=SHA256", "X"
    )
    assert (seed.digits, seed.period_s, seed.algorithm) == (8, 60, "SHA256")


@pytest.mark.parametrize(
    "text",
    [
        "", "hunter2!", "JBSW", "otpauth://hotp/a?secret=JBSWY3DPEHPK3PXP&counter=1",
        "otpauth://totp/a", "otpauth://totp/a?secret=JBSWY3DPEHPK3PXP&digits=99",
        "otpauth://totp/a?secret=JBSWY3DPEHPK3PXP&period=x", "189018901890189018901890",
    ],
)  # fmt: skip
def test_no_seed_is_an_error_that_shows_none_of_it(text: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read_seed(text, "HARVESTER_TOTP_SECRET")
    error = caught.value
    assert "HARVESTER_TOTP_SECRET" in error.message
    assert not text or text not in error.message + error.hint
    assert error.__cause__ is None and error.__context__ is None


def test_a_seed_is_not_in_its_repr() -> None:
    assert "JBSW" not in repr(read_seed(SEED, "X")) and "key" not in repr(read_seed(SEED, "X"))


@pytest.mark.parametrize(
    ("now", "last", "expected"),
    [
        (300.0, None, (10, 0.0)),
        (321.9, None, (10, 0.0)),
        (322.1, None, (11, 7.9)),
        (300.0, 10, (11, 30.0)),
        (300.0, 12, (13, 90.0)),
        (300.0, 5, (10, 0.0)),
    ],
)
def test_the_step_is_later_than_the_last_and_has_time_left(
    now: float, last: int | None, expected: tuple[int, float]
) -> None:
    step, wait = choose_step(now, 30, last)
    assert (step, pytest.approx(wait, abs=1e-6)) == expected


@given(now=st.floats(0, 4e9), period=st.integers(15, 120), ahead=st.none() | st.integers(-3, 3))
def test_a_typed_code_always_has_time_left(now: float, period: int, ahead: int | None) -> None:
    last = None if ahead is None else int(now // period) + ahead
    step, wait = choose_step(now, period, last)
    then = now + wait
    assert last is None or step > last
    assert (step + 1) * period - then >= LEAST_LEFT_S - 1e-3
    assert then >= step * period - 1e-3


def test_a_code_of_a_clock_that_was_ahead_bars_none_of_today() -> None:
    year = 365 * 86400.0
    assert choose_step(300.0, 30, int((300 + year) // 30)) == (10, 0.0)
    assert choose_step(300.0, 30, 10 + AHEAD_AT_MOST_STEPS)[0] == 11 + AHEAD_AT_MOST_STEPS
    assert choose_step(300.0, 30, 11 + AHEAD_AT_MOST_STEPS)[0] == 10
