"""The sources of settings: flags, environment, env file, secrets directories, config.toml.

Each becomes one ``Layer``.  Every name that is not ours is an error that tells the nearest right
one: a misspelt variable that is silently ignored costs an evening.  Knows the names (``model``),
not what is done with them, and checks no value.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harvester.errors import ConfigInvalid, ConfigSecret, ConfigUnknown
from harvester.paths import read_private_file
from harvester.profile import DEFAULT_PROFILE, PROFILE_NAME
from harvester.settings.layer import Layer, nearest, split
from harvester.settings.model import (
    CALL_NAMES,
    NEVER_IN_A_FILE,
    ONLY_IN_TOML,
    PREFIX,
    PROCESS_NAMES,
    PROFILE_NAMES,
    SECRETS,
    TOLD_TO_PROGRAMS,
    every_name,
)

# Docker, Podman and Kubernetes mount secrets here.
SECRETS_DIRECTORY = Path("/run/secrets")
# Kubernetes puts these into every container of a namespace that has a service called "harvester".
_INJECTED = (PREFIX + "SERVICE_", PREFIX + "PORT")
_PROFILES = PREFIX + "PROFILES__"
_VALUE_LIMIT_BYTES = 64 * 1024
_CONFIG_LIMIT_BYTES = 1024 * 1024
_NAME_HINT = "names are a-z, 0-9 and -, begin with no -, and have at most 32 characters"
_RIGHT_PLACES = (
    "put it in a file and set {name}_file, or {name}_command to a program that prints it, or "
    "{variable} in the environment"
)


def from_flags(flags: Mapping[str, str | None], profile: str, *, known: frozenset[str]) -> Layer:
    """Flags that are settings; those of an account go to the chosen profile, if there is one."""
    layer = Layer()
    for name, value in flags.items():
        if value is None or name in CALL_NAMES:
            continue
        label = "--" + name.replace("_", "-")
        if name not in PROFILE_NAMES | PROCESS_NAMES:
            raise ConfigUnknown(f"there is no flag {label}", hint=nearest(name, every_name()))
        if name in PROFILE_NAMES and profile not in known:
            continue
        layer.put(name, value, label=label, where=f"flag {label}", base=Path.cwd(), profile=profile)
    return layer


def from_answers(answers: Mapping[str, str], profile: str) -> Layer:
    """What `init` was told about one account, by flag or by a person.

    Names as in config.toml, and ``password`` and its like for a secret that was typed.
    """
    if not PROFILE_NAME.fullmatch(profile):
        raise ConfigInvalid("that name cannot be a profile's", hint=_NAME_HINT)
    layer = Layer()
    layer.profiles[profile] = {}
    for name, value in answers.items():
        where = "--" + name.replace("_", "-")
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ConfigInvalid(f"{where} is not UTF-8 text", hint="write it in UTF-8")
        label = PREFIX + name.upper()
        layer.put(name, value, label=label, where=where, base=Path.cwd(), profile=profile)
    return layer


def from_environment(environ: Mapping[str, str], *, file: Path | None = None) -> Layer:
    """HARVESTER_ variables of the environment, or (``file``) of an env file.  Empty is unset."""
    layer = Layer()
    base = file.parent if file else Path.cwd()
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable.startswith(_INJECTED):
            continue
        if file is None and variable.removeprefix(PREFIX).lower() in TOLD_TO_PROGRAMS:
            continue
        where = f"{file}: {variable}" if file else f"environment {variable}"
        if variable.startswith(_PROFILES):
            profile, name = _profile_variable(variable, where)
        else:
            profile, name = None, variable.removeprefix(PREFIX)
            if name.lower() not in (*every_name(), *CALL_NAMES) or name != name.upper():
                raise ConfigUnknown(
                    f"there is no setting {variable} (from {where})",
                    hint=nearest(name.lower(), [*every_name(), *CALL_NAMES], PREFIX),
                )
        if name.lower() in ONLY_IN_TOML:
            raise _only_in_toml(variable, name.lower(), where)
        if file is not None and name.lower() in NEVER_IN_A_FILE:
            raise _belongs_elsewhere(variable, name.lower(), where)
        if name.lower() not in CALL_NAMES and environ[variable].strip():
            layer.put(
                name.lower(),
                environ[variable],
                label=variable,
                where=where,
                base=base,
                profile=profile,
            )
    return layer


def _profile_variable(variable: str, where: str) -> tuple[str, str]:
    middle, _, name = variable.removeprefix(_PROFILES).partition("__")
    profile = middle.lower().replace("_", "-")
    if not name or middle != middle.upper() or not PROFILE_NAME.fullmatch(profile):
        raise ConfigInvalid(
            f"{variable} names no profile and setting",
            hint="write it like HARVESTER_PROFILES__WORK_EU__USERNAME, for the profile work-eu",
        )
    _check_of_profile(name.lower(), f"{_PROFILES}{middle}__", variable, where, upper=True)
    return profile, name


def _check_of_profile(name: str, prefix: str, label: str, where: str, *, upper: bool) -> None:
    if split(name)[0] in PROCESS_NAMES | CALL_NAMES:
        raise ConfigInvalid(
            f"{label} belongs to the whole process, not to a profile (from {where})",
            hint=f"set {PREFIX}{name.upper()}"
            if upper or name in NEVER_IN_A_FILE
            else f"move it to the top of config.toml, as {name}",
        )
    names = every_name(profile_only=True)
    if name not in names:
        raise ConfigUnknown(
            f"there is no setting {label} (from {where})", hint=nearest(name, names, prefix)
        )


def from_env_file(path: Path) -> Layer:
    """An env file that somebody named.  Names that are not ours belong to other programs."""
    content = _read(path, _CONFIG_LIMIT_BYTES)
    found: dict[str, str] = {}
    for number, line in enumerate(content.splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        variable, equals, rest = re.sub(r"^export\s+", "", bare).partition("=")
        variable = variable.strip()
        value = _unquoted(rest.strip())
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", variable) or value is None:
            raise ConfigInvalid(
                f"line {number} of {path} is no NAME=value",
                hint="write NAME=value; close every quote; begin comments with #",
            )
        if variable.startswith(PREFIX) and variable in found:
            raise ConfigInvalid(f"{path} sets {variable} twice", hint="keep one of them")
        found[variable] = value
    return from_environment(found, file=path)


def _unquoted(value: str) -> str | None:
    """The value as docker and systemd read it; None when a quote is left open.

    Nothing is expanded: a ``$`` in a password is a ``$``.
    """
    if value[:1] in ('"', "'"):
        quote = value[0]
        inner = r"((?:[^\"\\]|\\.)*)" if quote == '"' else r"([^']*)"
        found = re.fullmatch(rf"{quote}{inner}{quote}(?:\s+#.*)?", value)
        if found is None:
            return None
        return re.sub(r"\\([\"\\$`])", r"\1", found[1]) if quote == '"' else found[1]
    return re.sub(r"\s+#.*$", "", value)


def from_directory(directory: Path) -> Layer:
    """A secrets directory.  A secret stays where it is and is read when needed, so that a
    rotated one is seen; other settings are read now.

    Foreign files are left alone; one with our prefix and a wrong name is a mistake.
    """
    layer = Layer()
    try:
        entries = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return layer  # it is another program's, or there is none
    names = every_name()
    for entry in entries:
        name = entry.upper().removeprefix(PREFIX).lower()
        path = directory / entry
        if entry not in (entry.upper(), entry.lower()) or not _is_file(path):
            continue
        if name not in names or name in NEVER_IN_A_FILE:
            if entry.upper().startswith(PREFIX):
                raise ConfigUnknown(
                    f"there is no setting for the file {path}", hint=nearest(name, names)
                )
            continue
        label = PREFIX + name.upper()
        if name in ONLY_IN_TOML:
            if not entry.upper().startswith(PREFIX):
                continue  # another program may have pages
            raise _only_in_toml(label, name, str(path))
        if name in SECRETS:
            value, name = str(path), name + "_file"
        else:
            value = _read(path, _VALUE_LIMIT_BYTES).strip()
        if value:
            layer.put(name, value, label=label, where=str(path), base=directory)
    return layer


def _is_file(path: Path) -> bool:
    # Kubernetes mounts each secret as a symlink into a hidden folder: follow it.
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def from_toml(path: Path) -> Layer:
    """config.toml: process-wide names at the top, accounts in [profiles.NAME]; an account's name
    at the top belongs to the profile ``default``."""
    layer = Layer()
    content = _read(path, _CONFIG_LIMIT_BYTES)
    problem = ""
    try:
        document = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        # The library's words may quote the line, which may hold a secret: take the place alone.
        at = re.search(r"\((?:at line \d+, column \d+|at end of document)\)", str(error))
        problem = at[0] if at else ""
    else:
        _from_document(layer, document, path)
        return layer
    raise ConfigInvalid(
        f"{path} is no TOML {problem}".rstrip(), hint="texts stand in quotes, tables in [brackets]"
    )


def _from_document(layer: Layer, document: dict[str, Any], path: Path) -> None:
    tables = document.pop("profiles", {})
    if not isinstance(tables, dict) or not all(isinstance(one, dict) for one in tables.values()):
        raise ConfigInvalid(
            f"profiles in {path} is no table of tables", hint="write [profiles.work]"
        )
    if "pages" in document:
        _move_to_default(document.pop("pages"), tables, path)
    for name, value in document.items():
        where = f"{path}: {name}"
        if name not in every_name() or name in NEVER_IN_A_FILE:
            if name in NEVER_IN_A_FILE:
                raise _belongs_elsewhere(name, name, where)
            raise ConfigUnknown(
                f"there is no setting {name} (from {path})",
                hint=nearest(name, [*every_name(), "profiles"]),
            )
        _put_toml(layer, name, value, label=name, where=where, base=path.parent)
    for profile, table in tables.items():
        if not PROFILE_NAME.fullmatch(profile):
            raise ConfigInvalid(
                f"{path} has a profile whose name cannot be used",
                hint=_NAME_HINT,
            )
        layer.profiles.setdefault(profile, {})
        for name, value in table.items():
            label = f"profiles.{profile}.{name}"
            _check_of_profile(name, f"profiles.{profile}.", label, str(path), upper=False)
            _put_toml(
                layer,
                name,
                value,
                label=label,
                where=f"{path}: {label}",
                base=path.parent,
                profile=profile,
            )


def _move_to_default(pages: Any, tables: dict[str, Any], path: Path) -> None:
    """What stands at the top is the profile ``default``'s, as all names of an account are."""
    own = tables.setdefault(DEFAULT_PROFILE, {})
    more = own.get("pages")
    if more is None:
        own["pages"] = pages
        return
    if not isinstance(pages, dict) or not isinstance(more, dict) or pages.keys() & more.keys():
        raise ConfigInvalid(
            f"{path} has one page twice, at the top and in profiles.{DEFAULT_PROFILE}.pages",
            hint="keep one of them",
        )
    own["pages"] = {**more, **pages}


def _put_toml(
    layer: Layer,
    name: str,
    value: Any,
    *,
    label: str,
    where: str,
    base: Path,
    profile: str | None = None,
) -> None:
    if name in SECRETS:
        middle = f"PROFILES__{profile.upper().replace('-', '_')}__" if profile else ""
        raise ConfigSecret(
            f"{label} is a secret and must not stand in {where.partition(':')[0]}",
            hint=_RIGHT_PLACES.format(name=name, variable=f"{PREFIX}{middle}{name.upper()}"),
        )
    layer.put(name, value, label=label, where=where, base=base, profile=profile)


def _only_in_toml(label: str, name: str, where: str) -> ConfigInvalid:
    return ConfigInvalid(
        f"{label} cannot be set here (from {where}): it is a table",
        hint=f'write it in config.toml: [{name}."login.acme.example/auth"]',
    )


def _belongs_elsewhere(label: str, name: str, where: str) -> ConfigInvalid:
    return ConfigInvalid(
        f"{label} cannot be set in a file (from {where})",
        hint=f"set {PREFIX}{name.upper()} in the environment, or use "
        f"--{name.replace('_', '-')}: the fast command reads no file",
    )


def _read(path: Path, limit_bytes: int) -> str:
    try:
        return read_private_file(path, limit_bytes=limit_bytes).decode("utf-8-sig")
    except FileNotFoundError:
        wrong = ConfigInvalid(f"{path} does not exist", hint="check the path, or mend the link")
    except UnicodeDecodeError:
        wrong = ConfigInvalid(f"{path} is not UTF-8 text", hint="save it as UTF-8")
    # After the block: a decode error carries the file's bytes.
    raise wrong
