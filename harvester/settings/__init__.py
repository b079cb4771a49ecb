"""Settings: from flags, environment, files and defaults to frozen profiles, or one clear error.

Owns the order of the sources and the translation of every mistake into words: which setting,
where it was written, how to write it right, and never its value.  The only room that imports
pydantic.  It must not know what anybody does with a setting.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from harvester import knoq
from harvester.clock import as_duration
from harvester.errors import ConfigInvalid, UnknownProfile
from harvester.paths import config_candidates, default_store
from harvester.profile import (
    DEFAULT_PROFILE,
    KeptFile,
    Limit,
    PageRule,
    Profile,
    SecretSource,
    Site,
)
from harvester.settings import sources, values
from harvester.settings.layer import Key, Layer, take
from harvester.settings.model import (
    ONLY_IN_TOML,
    PREFIX,
    PROCESS_NAMES,
    SECRETS,
    Everything,
    ProfileFields,
)
from harvester.settings.values import Wrong
from harvester.signin.dialogue import BrowserChoice

__all__ = ["Process", "Settings", "Shown", "load", "take"]


@dataclass(frozen=True, slots=True)
class Shown:
    """One effective setting for ``config show``: never a secret, only where it comes from."""

    name: str
    value: str
    where: str


@dataclass(frozen=True, slots=True)
class Process:
    """What holds for the whole process.

    ``socket`` is the path that was asked for, None means the places of the contract (``paths``).
    ``key`` None means the file ``key`` in the store's directory.  ``allow_uids`` always holds
    our own.  ``on_person_needed`` is a program and its words, run when only a person can help.
    ``ci``: the environment says that this is a job of a CI system, as they all do.
    ``proxy`` is ``unix``, ``off``, or ``127.0.0.1:PORT`` or ``[::1]:PORT`` (beside ``unix``);
    ``proxy_governor``: it keeps its clients below the site's documented limits.
    """

    store: Path
    socket: str | None
    key: SecretSource | None
    browser: BrowserChoice
    allow_uids: tuple[int, ...]
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["text", "json"]
    https_proxy: str | None = field(repr=False)  # often with a user and his password in it
    ca_file: str | None
    config_path: Path | None
    on_person_needed: tuple[str, ...] = field(default=(), repr=False)  # may hold a token
    notify: Literal["auto", "off"] = "auto"
    proxy: str = "unix"
    proxy_governor: bool = True
    ci: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """All profiles by name (``default`` is always there), the process, and what came from where.

    ``selected`` is the profile that flag or environment chose; it need not exist.
    """

    profiles: Mapping[str, Profile]
    process: Process
    sources: tuple[Shown, ...]
    selected: str = DEFAULT_PROFILE

    def profile(self, name: str) -> Profile:
        """Raises UnknownProfile, which lists the names there are."""
        found = self.profiles.get(name)
        if found is None:
            raise UnknownProfile(
                f"there is no profile {name[:64]!r}", hint="profiles: " + ", ".join(self.profiles)
            )
        return found


def load(
    flags: Mapping[str, str | None] | None = None,
    environ: Mapping[str, str] | None = None,
    config: str | None = None,
    env_file: str | None = None,
    *,
    serving: bool = False,
    answers: Mapping[str, str] | None = None,
) -> Settings:
    """Read all sources once.  Raises ConfigInvalid and its kin, nothing else.

    ``environ`` None means the process's own, from which the secrets are then **taken out**; for
    a reload keep what ``take(os.environ)`` returned and pass it.  ``serving`` heeds systemd's
    $STATE_DIRECTORY, as `serve` alone does.  ``answers`` is what `init` was told about the selected
    profile, stronger than all else; it makes the config file, so a named one may be missing.
    """
    flags = flags or {}
    environ = take(os.environ) if environ is None else environ
    selected = flags.get("profile") or environ.get(PREFIX + "PROFILE") or DEFAULT_PROFILE

    found, config_path = _layers(
        environ, config=config, env_file=env_file, may_be_missing=answers is not None
    )
    if answers is not None:
        found.insert(0, sources.from_answers(answers, selected))
    known = frozenset({DEFAULT_PROFILE}.union(*(layer.profiles for layer in found)))
    found.insert(0, sources.from_flags(flags, selected, known=known))

    merged = _merge(found)
    where: dict[Key, str] = {}
    for layer in found:
        for key, place in layer.where.items():
            where.setdefault(key, place)
    return _settings(merged, where, environ, config_path, selected=selected, serving=serving)


def _layers(
    environ: Mapping[str, str],
    *,
    config: str | None,
    env_file: str | None,
    may_be_missing: bool,
) -> tuple[list[Layer], Path | None]:
    """All sources below the flags, the strongest first."""
    found = [sources.from_environment(environ)]
    named_env_file = env_file or environ.get(PREFIX + "ENV_FILE")
    if named_env_file:
        found.append(sources.from_env_file(_named(named_env_file, "env file")))
    # systemd's directory is this service's own, /run/secrets may be shared with a neighbour.
    if credentials := environ.get("CREDENTIALS_DIRECTORY"):
        found.append(sources.from_directory(Path(credentials)))
    found.append(sources.from_directory(sources.SECRETS_DIRECTORY))
    config_path = _config_path(environ, config, may_be_missing=may_be_missing)
    if config_path is not None:
        found.append(sources.from_toml(config_path))
    return found, config_path


def _config_path(
    environ: Mapping[str, str], config: str | None, *, may_be_missing: bool
) -> Path | None:
    named = config or environ.get(PREFIX + "CONFIG")
    if named:
        # Another file must never be read in the place of one that was named.
        if may_be_missing and not os.path.lexists(os.path.expanduser(named)):
            return None
        return _named(named, "config file")
    return next((path for path in config_candidates(None, environ) if os.path.lexists(path)), None)


def _named(path: str, what: str) -> Path:
    whole = Path(os.path.abspath(os.path.expanduser(path)))
    if not os.path.lexists(whole):
        raise ConfigInvalid(f"the {what} {whole} does not exist", hint="check the path")
    return whole


def _merge(found: list[Layer]) -> Everything:
    """Let pydantic-settings merge the layers and check the values."""

    class Sourced(Everything):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(_LayerSource(settings_cls, layer) for layer in found)

    try:
        return Sourced()
    except ValidationError as error:
        wrong = _in_words(error, found)
    # Raised here, after the block: the library's error holds the values, and would hang on ours.
    raise wrong


class _LayerSource(PydanticBaseSettingsSource):
    def __init__(self, settings_cls: type[BaseSettings], layer: Layer) -> None:
        super().__init__(settings_cls)
        self._layer = layer

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._layer.tree().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self._layer.tree()


def _in_words(error: ValidationError, found: list[Layer]) -> ConfigInvalid:
    messages, hints = [], []
    for one in error.errors(include_input=False, include_url=False):
        key = tuple(str(part) for part in one["loc"])
        place = next((layer.where[key] for layer in found if key in layer.where), "")
        cause = one.get("ctx", {}).get("error")
        if isinstance(cause, Wrong):
            message, hint = cause.message, cause.hint
        else:
            message, hint = "is not of the right kind", "`harvester config show` lists all settings"
        named = _label(key) if len(key) in (1, 3) else ""
        messages.append(f"{named} {message}".strip() + (f" (from {place})" if place else ""))
        hints.append(hint)
    return ConfigInvalid("; ".join(messages), hint="; ".join(dict.fromkeys(hints)))


def _label(key: tuple[str, ...]) -> str:
    if len(key) == 3 and key[-1] in ONLY_IN_TOML and key[1] == DEFAULT_PROFILE:
        return key[-1]
    if len(key) == 3 and key[1] != DEFAULT_PROFILE:
        return f"{key[2]} of the profile {key[1]}"
    return PREFIX + key[-1].upper()


def _settings(
    merged: Everything,
    where: Mapping[Key, str],
    environ: Mapping[str, str],
    config_path: Path | None,
    *,
    selected: str,
    serving: bool,
) -> Settings:
    store = merged.store
    store_where = where.get(("store",), "default")
    if store is None and serving and (state := environ.get("STATE_DIRECTORY")):
        # systemd gives several directories with colons; the first is ours.
        store, store_where = Path(state.split(":")[0]), "environment STATE_DIRECTORY"
    if store is None:
        store = default_store(environ)

    by_name = {DEFAULT_PROFILE: ProfileFields(), **merged.profiles}
    profiles = {name: _profile(name, fields) for name, fields in sorted(by_name.items())}
    _check_kept_files(profiles)
    process = Process(
        store=store,
        socket=merged.socket,
        key=merged.key,
        browser=BrowserChoice(
            merged.browser, merged.sandbox, merged.https_proxy, ca_file=merged.ca_file
        ),
        allow_uids=tuple(dict.fromkeys((os.getuid(), *merged.allow_uids))),
        log_level=merged.log_level,
        log_format=merged.log_format or ("text" if sys.stderr.isatty() else "json"),
        https_proxy=merged.https_proxy,
        ca_file=merged.ca_file,
        config_path=config_path,
        on_person_needed=merged.on_person_needed,
        notify=merged.notify,
        ci=environ.get("CI", "").strip().lower() not in ("", "0", "false", "no"),
        proxy=merged.proxy,
        proxy_governor=merged.proxy_governor,
    )
    effective: dict[Key, Any] = {(name,): getattr(merged, name) for name in sorted(PROCESS_NAMES)}
    # What a default comes to, not that nothing was said.
    effective[("store",)] = store
    effective[("allow_uids",)] = process.allow_uids
    effective[("log_format",)] = process.log_format
    for name, fields in sorted(by_name.items()):
        for setting in ProfileFields.model_fields:
            effective[("profiles", name, setting)] = getattr(fields, setting)
        effective[("profiles", name, "sign_in_url")] = profiles[name].site.sign_in_url
    shown = tuple(
        Shown(
            ".".join(key),
            _shown(key[-1], value),
            store_where if key == ("store",) else where.get(key, "default"),
        )
        for key, value in effective.items()
        if key not in (("key_source",), ("passphrase",))
    )
    return Settings(profiles, process, shown, selected)


def _profile(name: str, fields: ProfileFields) -> Profile:
    site = Site(
        origin=fields.origin,
        sign_in_url=values.joined(fields.origin + "/", fields.sign_in_url or "/"),
        probe_path=fields.probe_path,
        probe_denied_text=fields.probe_denied_text,
        sign_out_path=fields.sign_out_path,
        whoami_path=fields.whoami_path,
        whoami_identity=fields.whoami_identity,
        whoami_organization=fields.whoami_organization,
        switch_org_path=knoq.SWITCH_ORG_PATH,
        switch_org_body=fields.switch_org_body,
        checked_first_prefix=knoq.CHECKED_FIRST_PREFIX,
        limits=tuple(Limit(*limit) for limit in knoq.LIMITS),
    )
    return Profile(
        name=name,
        site=site,
        provider=fields.provider,
        identity_origins=fields.identity_origins,
        username=fields.username,
        password=fields.password,
        totp=fields.totp_secret,
        organization=fields.organization,
        session_cookie=fields.session_cookie,
        refresh_every_s=fields.refresh_every,
        max_age_s=fields.max_age,
        submits_per_hour=fields.submits_per_hour,
        submits_per_day=fields.submits_per_day,
        sign_in_timeout_s=fields.sign_in_timeout,
        approval_wait_s=fields.approval_wait or 0.0,
        stay_signed_in=fields.stay_signed_in,
        consent=fields.consent,
        pages=fields.pages,
        files=fields.files,
    )


def _check_kept_files(profiles: Mapping[str, Profile]) -> None:
    owner: dict[str, str] = {}
    for profile in profiles.values():
        for kept in profile.files:
            if kept.path in owner:
                raise ConfigInvalid(
                    f"the profiles {owner[kept.path]} and {profile.name} both keep {kept.path}",
                    hint="give each profile's FILES a path of its own",
                )
            owner[kept.path] = profile.name


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name in SECRETS:
        return value.where() if value.kind != "value" else "set, not shown"
    if name == "on_person_needed":
        return f"command {value[0]}" if value else "-"  # its words may hold a token
    if name == "https_proxy":
        parts = urlsplit(value)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if isinstance(value, float):
        return as_duration(value)
    if isinstance(value, tuple):
        return ", ".join(_entry(one) for one in value) or "-"
    return str(value)


def _entry(one: Any) -> str:
    if isinstance(one, KeptFile):
        return f"{one.format}:{one.path}"
    return f"{one.place}: {one.control}" if isinstance(one, PageRule) else str(one)
