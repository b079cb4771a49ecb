"""What a fresh machine must be told to reach its packages as this one does: mirrors, proxies,
certificates.  All of it is taken from this machine's own settings; nothing is named here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

DEFAULT_MIRROR = "http://deb.debian.org/debian"
_VARIABLES = re.compile(
    r"PIP_\w+|UV_\w+|(?i:https?|no|all)_(?i:proxy)|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE"
    r"|CURL_CA_BUNDLE|NODE_EXTRA_CA_CERTS"
)
_APT_OPTIONS = re.compile(
    r"Acquire::\S*(Proxy|Verify|Ca|Cert|Check|Retries|Timeout)", re.IGNORECASE
)
_FILES = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/pip.conf",
    "/etc/xdg/pip",
    "/etc/apt/auth.conf",
    "/etc/apt/auth.conf.d",
    "/etc/ssl/certs/ca-certificates.crt",
    "/usr/local/share/ca-certificates",
)
_OF_THE_USER = (".config/pip", ".pip", ".netrc")


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if _VARIABLES.fullmatch(name)}


def mirrors() -> tuple[str, str | None]:
    """Where Debian's packages come from, and its security updates, where they are named."""
    found = []
    apt = Path("/etc/apt")
    for path in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))):
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                found += re.findall(r"https?://\S+/debian(?:-security)?/?(?=\s|$)", line)
    archives = [one for one in found if "security" not in one]
    updates = [one for one in found if "security" in one]
    return (archives or [DEFAULT_MIRROR])[0], (updates or [None])[0]


def tell(root: Path, release: str) -> None:
    """Write all that into a fresh root."""
    for name in _FILES:
        _copy(Path(name), root / name[1:])
    for name in _OF_THE_USER:
        _copy(Path.home() / name, root / "root" / name)
    for value in environment().values():
        if value.startswith("/") and Path(value).is_file():
            _copy(Path(value), root / value[1:])
    _, updates = mirrors()
    if updates is not None:
        entry = f"deb {updates} {release}-security main\n"
        (root / "etc/apt/sources.list.d/security.list").write_text(entry)
    told = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    options = [line for line in told.splitlines() if _APT_OPTIONS.match(line)]
    (root / "etc/apt/apt.conf.d/90machine").write_text("\n".join([*options, ""]))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy(source, target)
