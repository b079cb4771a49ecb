"""Settings that exclude each other: each is right alone, and both cannot be meant.

Names both and where they were written, never a value.  Knows no source and no type of setting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harvester.errors import ConfigInvalid
from harvester.profile import Profile
from harvester.settings.layer import Layer
from harvester.settings.model import PREFIX

# Each names a place of the sealing key.  A second one is no spare: whichever lost would hold the
# key of nothing, and whoever took the other away would find out when nothing opens any more.
_KEY_PLACES = ("key", "passphrase", "key_source")


def check_keys(layers: Iterable[Layer], credentials: str | None) -> None:
    """At most one place for the sealing key, over all sources.

    One place in two sources is one setting, of which the stronger source counts; but a systemd
    credential is a place of its own.  ``credentials`` is systemd's directory.
    """
    found: dict[str, str] = {}
    for layer in layers:
        for name in _KEY_PLACES:
            if name not in layer.process:
                continue
            where = layer.where[(name,)]
            given = credentials is not None and where.startswith(credentials.rstrip("/") + "/")
            place = f"systemd credential {name}" if given else PREFIX + name.upper()
            found.setdefault(place, where)
    if len(found) > 1:
        told = [f"{place} (from {where})" for place, where in found.items()]
        raise ConfigInvalid(
            "there are two places for the sealing key: " + " and ".join(told),
            hint="keep the one whose key sealed the store; to change over, see: "
            "harvester key rotate --help",
        )


def check_kept_files(profiles: Mapping[str, Profile], *, confirm: bool) -> None:
    """Each kept file has one profile that writes it, and nobody is asked who reads it."""
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
