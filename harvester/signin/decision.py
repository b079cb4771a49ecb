"""What is known, what may be done, and the decision: plain values that the deciding rooms share.

Decides nothing and knows no page.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from harvester.errors import HarvesterError
from harvester.profile import origin_of
from harvester.signin.dialogue import Rung
from harvester.signin.fields import Fields
from harvester.signin.observe import Control, FrameView


@dataclass(frozen=True, slots=True)
class Known:
    """What is known besides the page.  ``after_password``: a password was taken on this way;
    ``passkey_domains``: what the passkeys at hand are for."""

    rung: Rung
    site_origin: str
    identity_origins: tuple[str, ...]
    provider: str | None = None
    username: str | None = None
    organization: str | None = None
    has_code_seed: bool = False
    after_password: bool = False
    stay_signed_in: bool = True
    consent: bool = True
    passkey_domains: tuple[str, ...] = ()

    @property
    def types_secrets(self) -> bool:
        return self.rung == "scripted"

    def ours(self, frame: FrameView) -> bool:
        """Whether the frame is the site's or of an identity origin."""
        return origin_of(frame.url) in (self.site_origin, *self.identity_origins)


@dataclass(frozen=True, slots=True)
class Press:
    """Press a control.  ``chosen`` is the name of the entry where one was chosen from a list."""

    control: Control
    chosen: str | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    fields: Fields


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do: the page goes on by itself."""


@dataclass(frozen=True, slots=True)
class Stop:
    """``asked``: this rung may not type, and the page wants something typed.  ``approval``: a
    person may still let it pass, on a telephone, with ``number`` where one is shown."""

    error: HarvesterError
    asked: bool = False
    approval: bool = False
    number: str | None = None


Action = Press | Fill | Wait | Stop


@dataclass(frozen=True, slots=True)
class Decision:
    """``frame`` is the place of the frame in the view.  ``unknown`` comes with ``Wait``.

    ``sure`` is false where the page may still be building itself: it is acted on when it is quiet.
    """

    state: str
    action: Action
    frame: int = 0
    sure: bool = True


UNKNOWN = Decision("unknown", Wait())


def host_of(frame: FrameView) -> str:
    return urlsplit(frame.url).netloc.rpartition("@")[2] or "the page"
