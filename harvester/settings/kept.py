"""Kept files beside other settings: what may not be asked for together.

Owns no value of its own: each setting was read right, and together they cannot be.
"""

from __future__ import annotations

from collections.abc import Mapping

from harvester.errors import ConfigInvalid
from harvester.profile import Profile


def check_kept_files(profiles: Mapping[str, Profile], *, confirm: bool) -> None:
    """Raises ConfigInvalid."""
    owner: dict[str, str] = {}
    for profile in profiles.values():
        if confirm and profile.files:
            raise ConfigInvalid(
                f"HARVESTER_CONFIRM asks before each hand-out, and nobody could be asked about who "
                f"reads the files that the profile {profile.name} keeps",
                hint="leave out HARVESTER_FILES, or HARVESTER_CONFIRM",
            )
        for kept in profile.files:
            if kept.path in owner:
                raise ConfigInvalid(
                    f"the profiles {owner[kept.path]} and {profile.name} both keep {kept.path}",
                    hint="give each profile's FILES a path of its own",
                )
            owner[kept.path] = profile.name
