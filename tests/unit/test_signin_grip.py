"""What the browser's driver says of a failure stays in it: its words hold what was typed."""

from __future__ import annotations

import pickle
import traceback

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from harvester.errors import BrowserFailed
from harvester.signin.browser.grip import Moved, through

TYPED = "c4n4ry-typed"


@pytest.mark.parametrize(
    ("said", "ours"),
    [
        (PlaywrightError(f'locator.fill: value "{TYPED}"'), Moved),
        (PlaywrightTimeout(f'Timeout 3000ms exceeded: fill("{TYPED}")'), Moved),
        (
            PlaywrightError(f"Target crashed at https://knoq.one/callback?code={TYPED}"),
            BrowserFailed,
        ),
        (PlaywrightError(f"the browser has been closed: {TYPED}"), BrowserFailed),
    ],
)
async def test_nothing_that_hangs_on_our_error_quotes_the_drivers(
    said: PlaywrightError, ours: type[Exception]
) -> None:
    async def fails() -> None:
        raise said

    with pytest.raises(ours) as caught:
        await through("type", fails())
    error = caught.value
    assert error.__cause__ is None and error.__context__ is None
    told = [str(error), repr(vars(error)), repr(error.args), *traceback.format_exception(error)]
    assert not [one for one in told if TYPED in one]
    assert TYPED.encode() not in pickle.dumps(error.args)
