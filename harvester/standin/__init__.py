"""The stand-in: an imitation of Knoq and of an identity provider, on loopback.

For trying harvester without an account, and for tests, ours and yours.  It imports nothing of
harvester and repeats facts (the names of cookies, the paths) on purpose: constants shared by both
sides would let a wrong one pass.  ``python -m harvester.standin`` starts it; ``StandIn`` is the
same as an async context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harvester.standin.serving import StandIn

__all__ = ["StandIn"]


def __getattr__(name: str) -> Any:
    # Found when first asked for: whoever only starts the subprocess need not import aiohttp.
    if name == "StandIn":
        from harvester.standin.serving import StandIn

        return StandIn
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
