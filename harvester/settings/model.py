"""The settings there are: names, types and defaults.  The one list; all else is derived from it.

pydantic-settings merges the sources and validates here.  What is process-wide stands in
``Everything``, what belongs to an account in ``ProfileFields``.  A secret is never a value here:
it is the ``SecretSource`` that a layer made of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from harvester import knoq
from harvester.profile import KeptFile, PageRule, SecretSource
from harvester.settings import values
from harvester.settings.pages import pages as taught_pages
from harvester.settings.values import Wrong

PREFIX = "HARVESTER_"


def _choice(*allowed: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        said = value.strip().lower() if isinstance(value, str) else value
        if said not in allowed:
            raise Wrong("is none of the words it may be", "write one of " + ", ".join(allowed))
        return said

    return BeforeValidator(check)


Text = Annotated[str | None, BeforeValidator(values.text)]
Path_ = Annotated[str | None, BeforeValidator(values.path_on_site)]
Pointer = Annotated[str | None, BeforeValidator(values.pointer)]
Duration = Annotated[float | None, BeforeValidator(values.duration)]
YesOrNo = Annotated[bool, BeforeValidator(values.yes_or_no)]
Count = Annotated[int, BeforeValidator(values.count)]


class ProfileFields(BaseModel):
    """What may be said of one account."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True
    )

    origin: Annotated[str, BeforeValidator(values.origin)] = knoq.ORIGIN
    sign_in_url: Annotated[str | None, BeforeValidator(values.page_url)] = None
    sign_out_path: Path_ = None
    probe_path: Annotated[str, BeforeValidator(values.path_on_site)] = knoq.PROBE_PATH
    probe_denied_text: Text = None
    whoami_path: Path_ = None
    whoami_identity: Pointer = None
    whoami_organization: Pointer = None
    provider: Text = None
    identity_origins: Annotated[tuple[str, ...], BeforeValidator(values.origins)] = ()
    username: Text = None
    password: SecretSource | None = None
    totp_secret: SecretSource | None = None
    organization: Text = None
    switch_org_body: Annotated[str, BeforeValidator(values.json_template)] = knoq.SWITCH_ORG_BODY
    session_cookie: Annotated[str | None, BeforeValidator(values.cookie_name)] = None
    files: Annotated[tuple[KeptFile, ...], BeforeValidator(values.kept_files)] = ()
    refresh_every: Duration = None
    max_age: Duration = None
    submits_per_hour: Count = 3
    submits_per_day: Count = 30
    sign_in_timeout: Annotated[float, BeforeValidator(values.sign_in_duration)] = 120.0
    approval_wait: Duration = None
    stay_signed_in: YesOrNo = True
    consent: YesOrNo = True
    tripwire: Annotated[Literal["alert", "hold"], _choice("alert", "hold")] = "alert"
    pages: Annotated[tuple[PageRule, ...], BeforeValidator(taught_pages)] = ()
    browser_hosts: Annotated[tuple[str, ...], BeforeValidator(values.hosts)] = ()

    @model_validator(mode="after")
    def _pointers_need_a_request(self) -> ProfileFields:
        if self.whoami_path is None and (self.whoami_identity or self.whoami_organization):
            raise Wrong(
                "WHOAMI_IDENTITY and WHOAMI_ORGANIZATION point into the answer to a request that "
                "is not set",
                "set WHOAMI_PATH too",
            )
        return self


class Everything(BaseSettings):
    """What may be said of the process, and all profiles.

    The library's own sources are all switched off in ``load``: its environment source would
    read any case and any nesting, and report no unknown name.
    """

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        validate_default=False,  # the library's own default is True: None is no path
    )

    store: Annotated[Path | None, BeforeValidator(values.store)] = None
    socket: Annotated[str | None, BeforeValidator(values.file_path)] = None
    proxy: Annotated[str, BeforeValidator(values.proxy_listens)] = "unix"
    proxy_governor: YesOrNo = True
    key: SecretSource | None = None
    key_source: Annotated[Literal["keyring"] | None, _choice("keyring")] = None
    passphrase: SecretSource | None = None
    browser: Annotated[str | None, BeforeValidator(values.browser)] = None
    sandbox: Annotated[Literal["auto", "on", "off"], _choice("auto", "on", "off")] = "auto"
    https_proxy: Annotated[str | None, BeforeValidator(values.proxy_url)] = None
    ca_file: Annotated[str | None, BeforeValidator(values.existing_file)] = None
    allow_uids: Annotated[tuple[int, ...], BeforeValidator(values.uids)] = ()
    audit: YesOrNo = True
    confirm: Annotated[tuple[str, ...], BeforeValidator(values.command)] = ()
    on_person_needed: Annotated[tuple[str, ...], BeforeValidator(values.command)] = ()
    notify: Annotated[Literal["auto", "off"], _choice("auto", "off")] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _choice("debug", "info", "warning", "error")
    ] = "info"
    log_format: Annotated[Literal["text", "json"] | None, _choice("text", "json")] = None
    profiles: dict[str, ProfileFields] = Field(default_factory=dict)


PROFILE_NAMES = frozenset(ProfileFields.model_fields)
PROCESS_NAMES = frozenset(Everything.model_fields) - {"profiles"}
SECRETS = frozenset({"password", "totp_secret", "key", "passphrase"})
# How the command is called, not what it works with: a flag or the environment, never a file,
# because the fast command must know them and reads no file.
CALL_NAMES = frozenset({"profile", "config", "env_file"})
NEVER_IN_A_FILE = CALL_NAMES | {"socket"}
# What programs of ON_PERSON_NEEDED and CONFIRM are told (bell.py, confirm.py): a harvester
# that they call must not stumble.
TOLD_TO_PROGRAMS = frozenset({"code", "message", "hint", "client", "operation", "pid", "uid"})
# Tables, which no variable and no secrets directory can hold.
ONLY_IN_TOML = frozenset({"pages"})


def every_name(*, profile_only: bool = False) -> list[str]:
    """All names in lower case, the ``_file`` and ``_command`` forms of secrets included."""
    fields = PROFILE_NAMES if profile_only else PROFILE_NAMES | PROCESS_NAMES
    forms = [f"{name}_{form}" for name in SECRETS & fields for form in ("file", "command")]
    return sorted([*fields, *forms])
