"""Writes what the unit is set up with: settings for the stand-in, its password, and the browser."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(place: Path, browser: str) -> None:
    world = json.loads((place / "standin.json").read_text().splitlines()[0])
    lines = (
        f'browser = "{browser}"',
        "[profiles.default]",
        *(
            f'{name} = "{world[field]}"'
            for name, field in (
                ("origin", "site"), ("username", "username"),
                ("identity_origins", "identity"), ("provider", "provider"),
            )
        ),
    )  # fmt: skip
    (place / "config.toml").write_text("\n".join(lines) + "\n")
    (place / "config.toml").chmod(0o644)
    (place / "password").write_text(world["password"] + "\n")
    (place / "password").chmod(0o600)


main(Path(sys.argv[1]), sys.argv[2])
