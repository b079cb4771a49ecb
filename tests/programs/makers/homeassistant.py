"""Home Assistant (PyPI): a sign-in page of web components, with buttons inside shadow roots; then a
one-time code.  It keeps its own session outside cookies, so the site is a JupyterHub that asks it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from makers import jupyterhub
from running import Account, free_port, process

import installing

USERNAME, PASSWORD = "ada", "correct horse 7 battery"
SEED = base64.b32encode(b"home-assistant-seed!").decode()
USER_ID = "0123456789abcdef0123456789abcdef"
# The last series for Python 3.11, with what its front end wants; it would fetch that itself.
REQUIREMENTS = (
    "homeassistant==2024.3.3", "home-assistant-frontend==20240307.0", "sqlalchemy==2.0.28",
    "fnv-hash-fast==0.5.0", "psutil-home-assistant==0.0.1", "janus==1.0.0", "Pillow==10.2.0",
    "aiohttp_cors==0.7.0", "aiohttp-fast-url-dispatcher==0.3.0",
    "aiohttp-zlib-ng==0.3.1", "pyotp==2.8.0", "PyQRCode==1.2.1", "setuptools<75", "josepy<2",
)  # fmt: skip


@contextlib.contextmanager
def server(place: Path) -> Iterator[str]:
    """The origin of a Home Assistant that is set up and has one user."""
    bin_ = installing.python("homeassistant", *REQUIREMENTS)
    port = free_port()
    folder = place / "homeassistant"
    folder.mkdir()
    (folder / "configuration.yaml").write_text(
        f"homeassistant:\n  name: Home\n  latitude: 0\n  longitude: 0\n  elevation: 0\n"
        f"  unit_system: metric\n  time_zone: UTC\n"
        f"http:\n  server_host: 127.0.0.1\n  server_port: {port}\nfrontend:\napi:\n"
    )
    words = [str(bin_ / "hass"), "--script", "auth", "-c", str(folder), "add", USERNAME, PASSWORD]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    steps = ["user", "core_config", "analytics", "integration"]
    _store(folder, "onboarding", 4, {"done": steps})
    _store(folder, "auth", 1, _user())
    _store(folder, "auth_module.totp", 1, {"users": {USER_ID: SEED}})
    words = [str(bin_ / "hass"), "-c", str(folder), "--skip-pip"]
    log = place / "homeassistant.log"
    with process(words, log=log, port=port, cwd=folder, path="/auth/providers"):
        yield f"http://localhost:{port}"


def _user() -> dict[str, Any]:
    """The owner, and that the name and password are theirs."""
    user = {
        "id": USER_ID, "group_ids": ["system-admin"], "is_owner": True, "is_active": True,
        "name": "Ada", "system_generated": False, "local_only": False,
    }  # fmt: skip
    credentials = {
        "id": USER_ID[::-1], "user_id": USER_ID, "auth_provider_type": "homeassistant",
        "auth_provider_id": None, "data": {"username": USERNAME},
    }  # fmt: skip
    return {"users": [user], "groups": [], "credentials": [credentials], "refresh_tokens": []}


def _store(folder: Path, name: str, version: int, data: dict[str, Any]) -> None:
    kept = {"version": version, "minor_version": 1, "key": name, "data": data}
    (folder / ".storage" / name).write_text(json.dumps(kept))


@contextlib.contextmanager
def running(place: Path) -> Iterator[Account]:
    site = jupyterhub.address()
    with server(place) as origin:
        settings = {
            "client_id": f"{site.origin}/",
            "client_secret": "none-is-wanted",
            "authorize_url": f"{origin}/auth/authorize",
            "token_url": f"{origin}/auth/token",
            "userdata_url": f"{origin}/api/config",
            "username_claim": "location_name",
            "login_service": "Home Assistant",
        }
        with jupyterhub.server(place, site, settings):
            yield Account(
                origin=site.origin,
                probe_path=jupyterhub.PROBE_PATH,
                identity_origins=(origin,),
                username=USERNAME,
                password=PASSWORD,
                totp=SEED,
            )
