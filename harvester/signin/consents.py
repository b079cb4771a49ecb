"""What was agreed to before: which client may have which scopes at which provider.

The first consent of an account is given, because the person who configured it wants this sign-in;
another client, or more scopes, later is a person's to answer.  Pure; kept in the identity state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harvester.errors import NeedsHuman
from harvester.signin.traffic import Asked

Answer = Literal["agree", "first_time", "ask_a_person"]


@dataclass(slots=True)
class Consents:
    """``given`` maps a provider's origin to the clients agreed to, and their scopes."""

    given: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def answer(self, origin: str, asked: Asked | None) -> Answer:
        known = self.given.get(origin)
        if not known:
            return "first_time"
        if asked is None or asked.client not in known:
            return "ask_a_person"
        return "agree" if set(asked.scopes) <= set(known[asked.client]) else "ask_a_person"

    def agree(self, origin: str, asked: Asked | None) -> None:
        if asked is not None:
            self.given.setdefault(origin, {})[asked.client] = list(asked.scopes)

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Consents:
        """From the identity state, which is sealed: its shape is ours."""
        given = {}
        for origin, clients in stored.items():
            given[str(origin)] = {
                str(client): [str(one) for one in scopes] for client, scopes in clients.items()
            }
        return cls(given)


def not_given(host: str) -> NeedsHuman:
    """The error for a consent that only a person may give."""
    return NeedsHuman(
        f"{host} asks for a consent that was not given before",
        hint=f"read it and answer it at {host} in your own browser, then run: harvester unlock",
    )
