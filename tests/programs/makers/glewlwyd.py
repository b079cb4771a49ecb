"""Glewlwyd (Debian): a single sign-on server.  Its pages are a single-page application; the user
name and the password are asked first, then the one-time code.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from running import Account, Web, free_port, process

import installing

ADMIN, ADMIN_PASSWORD = "admin", "password"
USERNAME, PASSWORD = "ada", "correct horse 7 battery"
SEED = base64.b32encode(b"glewlwyd-seed-of-ada").decode()
_MIME = {
    ".html": "text/html", ".css": "text/css", ".js": "application/javascript",
    ".json": "application/json", ".png": "image/png", ".woff2": "font/woff2",
    ".ico": "image/x-icon",
}  # fmt: skip


def install() -> Path:
    databases = ("mysql-client", "mariadb-client", "default-mysql", "dbconfig")
    return installing.debian("glewlwyd", "glewlwyd", "libjs-jquery", without=databases)


@contextlib.contextmanager
def server(place: Path, *, host: str) -> Iterator[tuple[Web, str, Path]]:
    """The server with its administrator signed in; its origin; its log."""
    root = install()
    port = free_port()
    origin = f"http://{host}:{port}"
    config, log = _write(root, place, port=port, host=host, origin=origin), place / "glewlwyd.log"
    libraries = root / "usr/lib" / f"{os.uname().machine}-linux-gnu"
    words = [str(root / "usr/bin/glewlwyd"), "--config-file", str(config)]
    with process(words, log=log, port=port, cwd=place, env={"LD_LIBRARY_PATH": str(libraries)}):
        admin = Web(origin)
        admin.must("POST", "/api/auth/", {"username": ADMIN, "password": ADMIN_PASSWORD})
        yield admin, origin, log


def _write(root: Path, place: Path, *, port: int, host: str, origin: str) -> Path:
    database = place / "glewlwyd.db"
    packed = root / "usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz"
    script = gzip.decompress(packed.read_bytes()).decode()
    with contextlib.closing(sqlite3.connect(database)) as made:
        made.executescript(script)
    web = place / "webapp"
    _copy(root / "usr/share/glewlwyd/webapp", web)
    modules = root / "usr/lib/glewlwyd"
    kinds = ",\n".join(
        f'{{ extension = "{end}" mime_type = "{kind}" compress = 0 }}'
        for end, kind in _MIME.items()
    )
    config = place / "glewlwyd.conf"
    config.write_text(f"""
port={port}
bind_address="127.0.0.1"
external_url="{origin}"
login_url="login.html"
api_prefix="api"
static_files_path="{web}/"
allow_origin="*"
log_mode="console"
log_level="INFO"
cookie_domain="{host}"
cookie_secure=0
session_expiration=2419200
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="{modules}/user"
user_middleware_module_path="{modules}/user_middleware"
client_module_path="{modules}/client"
user_auth_scheme_module_path="{modules}/scheme"
plugin_module_path="{modules}/plugin"
hash_algorithm="SHA512"
database = {{ type = "sqlite3" path = "{database}" }};
static_files_mime_types = ( {kinds} )
""")
    return config


def _copy(source: Path, to: Path) -> None:
    """The server gives out no file behind a link, so links become files."""
    to.mkdir()
    for one in source.iterdir():
        found = one / "config.json" if one.name == "config.json" and one.is_dir() else one
        if found.is_dir():
            _copy(found, to / one.name)
        else:
            shutil.copyfile(found, to / one.name)


def add_user(admin: Web) -> None:
    admin.must(
        "POST",
        "/api/user/",
        {
            "username": USERNAME,
            "name": "Ada",
            "password": PASSWORD,
            "enabled": True,
            "scope": ["g_profile", "openid"],
        },
    )


def require_code(admin: Web, *scopes: str) -> None:
    """The one-time code as second factor of these scopes, and the user's seed."""
    admin.must(
        "POST",
        "/api/mod/scheme/",
        {
            "module": "otp",
            "name": "otp",
            "display_name": "Authenticator app",
            "expiration": 600,
            "max_use": 0,
            "allow_user_register": True,
            "parameters": {
                "issuer": "Glewlwyd",
                "secret-minimum-size": 16,
                "otp-length": 6,
                "hotp-allow": False,
                "hotp-window": 0,
                "totp-allow": True,
                "totp-window": 1,
                "totp-start-offset": 0,
            },
        },
    )
    for name in scopes:
        scope = admin.must("GET", f"/api/scope/{name}").json()
        scope["scheme"] = {"code": [{"scheme_name": "otp"}]}
        scope["scheme_required"] = {"code": 1}
        admin.must("PUT", f"/api/scope/{name}", scope)
    admin.must(
        "POST",
        f"/api/delegate/{USERNAME}/profile/scheme/register/",
        {
            "username": USERNAME,
            "scheme_type": "otp",
            "scheme_name": "otp",
            "value": {"type": "TOTP", "secret": SEED, "time_step_size": 30},
        },
    )


@contextlib.contextmanager
def running(place: Path) -> Iterator[Account]:
    with server(place, host="glewlwyd.localhost") as (admin, origin, log):
        add_user(admin)
        require_code(admin, "g_profile")
        yield Account(
            origin=origin,
            sign_in_url=f"{origin}/profile.html",
            probe_path="/api/profile/session",
            identity_origins=(origin,),
            username=USERNAME,
            password=PASSWORD,
            totp=SEED,
            log=log,
            posts=re.compile(r"User 'ada' authenticated with|invalid for username ada"),
        )
