"""JupyterHub (PyPI) as a site on an origin of its own that lets somebody else ask who it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from running import free_port, process

import installing

PROBE_PATH = "/hub/home"


@dataclass(frozen=True, slots=True)
class Address:
    """Where it will be, needed by the identity provider before it starts."""

    port: int
    origin: str
    callback: str


def address() -> Address:
    port = free_port()
    origin = f"http://jupyterhub.localhost:{port}"
    return Address(port, origin, f"{origin}/hub/oauth_callback")


@contextlib.contextmanager
def server(place: Path, at: Address, settings: Mapping[str, object]) -> Iterator[None]:
    """JupyterHub with these settings of its ``GenericOAuthenticator``.

    It never starts a notebook: it is asked for its own home page only.
    """
    bin_ = installing.python("jupyterhub", "jupyterhub==6.1.1", "oauthenticator==17.4.0")
    proxy = installing.npm("jupyterhub", "configurable-http-proxy@5")
    folder = place / "jupyterhub"
    folder.mkdir()
    lines = [
        "c = get_config()",
        f"c.JupyterHub.bind_url = 'http://127.0.0.1:{at.port}'",
        f"c.JupyterHub.hub_port = {free_port()}",
        f"c.ConfigurableHTTPProxy.api_url = 'http://127.0.0.1:{free_port()}'",
        f"c.ConfigurableHTTPProxy.command = [{str(proxy / _PROXY)!r}]",
        "c.JupyterHub.default_url = '/hub/home'",
        "c.JupyterHub.spawner_class = 'simple'",
        "c.JupyterHub.authenticator_class = 'generic-oauth'",
        "c.GenericOAuthenticator.allow_all = True",
        f"c.GenericOAuthenticator.oauth_callback_url = {at.callback!r}",
    ]
    lines += [f"c.GenericOAuthenticator.{name} = {value!r}" for name, value in settings.items()]
    config = folder / "jupyterhub_config.py"
    config.write_text("\n".join(lines) + "\n")
    words = [str(bin_ / "jupyterhub"), "--config", str(config)]
    path = f"{bin_}:/usr/local/bin:/usr/bin:/bin"
    log = place / "jupyterhub.log"
    with process(words, log=log, port=at.port, cwd=folder, path=PROBE_PATH, env={"PATH": path}):
        yield


_PROXY = "node_modules/.bin/configurable-http-proxy"
