"""The only door to Playwright: a browser with nothing of the user's in it."""

from harvester.signin.browser.authenticator import Authenticator
from harvester.signin.browser.grip import Grip, Moved
from harvester.signin.browser.takeover import Taken
from harvester.signin.browser.window import Browser

__all__ = ["Authenticator", "Browser", "Grip", "Moved", "Taken"]
