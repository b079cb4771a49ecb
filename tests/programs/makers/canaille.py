"""Canaille (PyPI): an OpenID provider.  User name, password and code have a page each; then it asks
for consent.  The site that it signs in to is a JupyterHub on another origin.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from makers import jupyterhub
from running import Account, free_port, process

import installing

USERNAME, PASSWORD = "ada", "correct horse 7 battery"
# What it keeps is the key itself; what an authenticator app gets is that in base32.
KEY = "canaille-seed-of-ada"
SEED = base64.b32encode(KEY.encode()).decode()
CLIENT, CLIENT_SECRET = "jupyterhub", "a-secret-of-the-client"


def install() -> Path:
    return installing.python("canaille", "canaille[front,oidc,sqlite,otp,fido,server]==0.3.6")


@contextlib.contextmanager
def server(place: Path, *, factors: str, callback: str, enrolled: bool = True) -> Iterator[str]:
    """The provider's origin.  ``factors`` in the order in which they are asked.

    A user who is not ``enrolled`` is made to set the code up in the middle of the sign-in.
    """
    bin_ = install()
    port = free_port()
    # Sites must reach it by this name too, and Python resolves no name below it.
    origin = f"http://localhost:{port}"
    folder = place / "canaille"
    folder.mkdir()
    env = {
        "SECRET_KEY": "not-a-secret-here",
        "SERVER_NAME": f"localhost:{port}",
        "PREFERRED_URL_SCHEME": "http",
        "CANAILLE__DATABASE": "sql",
        "CANAILLE_OIDC__REQUIRE_NONCE": "false",
        # Else every site below .localhost is trusted, and nobody is asked for a consent.
        "CANAILLE_OIDC__TRUSTED_DOMAINS": "example.com",
        "CANAILLE__AUTHENTICATION_FACTORS": factors,
        "CANAILLE_SQL__DATABASE_URI": f"sqlite:///{folder / 'canaille.db'}",
        # Sessions are cookies of a server that talks http here.
        "SESSION_COOKIE_SECURE": "false",
    }

    def canaille(*words: str) -> str:
        done = subprocess.run(
            [str(bin_ / "canaille"), *words], env={**os.environ, **env}, cwd=folder, text=True,
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{words[:2]}: {done.stdout}{done.stderr}")
        return done.stdout

    env["CANAILLE_OIDC__ACTIVE_JWKS"] = "[" + canaille("jwk", "create", "rsa").strip() + "]"
    canaille("install")
    canaille(
        "create", "user", "--user-name", USERNAME, "--password", PASSWORD, "--family-name", "L",
        "--emails", "ada@example.com", "--secret-token", KEY,
        *(("--last-otp-login", "2024-01-01T00:00:00+00:00") if enrolled else ()),
    )  # fmt: skip
    canaille(
        "create", "client", "--client-id", CLIENT, "--client-secret", CLIENT_SECRET,
        "--client-name", "The notebooks", "--client-uri", callback.rpartition("/hub/")[0],
        "--redirect-uris", callback, "--grant-types", "authorization_code",
        "--response-types", "code", "--scope", "openid", "--scope", "profile",
        "--token-endpoint-auth-method", "client_secret_post",
    )  # fmt: skip
    words = [str(bin_ / "canaille"), "run", "--bind", f"127.0.0.1:{port}"]
    log = place / "canaille.log"
    with process(words, log=log, port=port, cwd=folder, env=env):
        yield origin


@contextlib.contextmanager
def running(place: Path, *, enrolled: bool = True) -> Iterator[Account]:
    site = jupyterhub.address()
    with server(
        place, factors='["password", "otp"]', callback=site.callback, enrolled=enrolled
    ) as origin:
        settings = {
            "client_id": CLIENT,
            "client_secret": CLIENT_SECRET,
            "authorize_url": f"{origin}/oauth/authorize",
            "token_url": f"{origin}/oauth/token",
            "userdata_url": f"{origin}/oauth/userinfo",
            "username_claim": "sub",
            "scope": ["openid", "profile"],
            "login_service": "Canaille",
        }
        with jupyterhub.server(place, site, settings):
            yield Account(
                origin=site.origin,
                probe_path=jupyterhub.PROBE_PATH,
                identity_origins=(origin,),
                username=USERNAME,
                password=PASSWORD,
                totp=SEED,
                log=place / "canaille.log",
                posts=re.compile(r"SECURITY.*(Successful|Failed) (password|OTP) authentication"),
            )
