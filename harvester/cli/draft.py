"""What `init` was told so far: the settings that it makes, and what of it goes into the file.

Every answer is checked by loading the settings with it, so that there is one set of rules.  A
typed secret is held here until it is written to its own file.  Asks nothing, signs in nowhere.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from harvester.cli import checks
from harvester.cli.call import Call
from harvester.errors import ConfigInvalid
from harvester.paths import config_candidates
from harvester.process import harden
from harvester.profile import Profile, SecretSource
from harvester.settings import Settings, load, take
from harvester.settings.layer import split
from harvester.settings.writing import SECRETS_FOLDER, ConfigFile, Plan, Value

# Setting → the profile's field.
PLAIN = ("origin", "username", "identity_origins", "provider", "organization")
SECRET = {"password": "password", "totp_secret": "totp"}


class Draft:
    """Answers over everything that is set already, for the profile that was chosen."""

    def __init__(self, call: Call, answers: Mapping[str, str]) -> None:
        """Raises ConfigInvalid and StoreError."""
        harden()
        self._call = call
        self._environ = take(os.environ)
        places = config_candidates(call.config, self._environ)
        found = next((one for one in places if os.path.lexists(one)), places[0])
        self.file = ConfigFile(Path(os.path.abspath(found)))
        self.answers: dict[str, str] = {}
        self.adopted: set[str] = set()
        self.settings = self._load({})
        self.answer(answers)

    @property
    def profile(self) -> Profile:
        return self.settings.profile(self.settings.selected)

    def answer(self, answers: Mapping[str, str]) -> None:
        """Take in answers; raises ConfigInvalid, and then none is taken in."""
        stems = {split(name)[0] for name in answers}
        kept = {name: text for name, text in self.answers.items() if split(name)[0] not in stems}
        told = {**kept, **answers}
        settings = self._load(told)
        profile = settings.profile(settings.selected)
        for stem in sorted(stems & SECRET.keys()):
            _check(_source(profile, stem))
        self.answers, self.settings = told, settings

    def set_by(self, name: str) -> str:
        """Where a setting's present value comes from, ``default`` if nobody set it."""
        shown = f"profiles.{self.profile.name}.{name}"
        return next(one.where for one in self.settings.sources if one.name == shown)

    def adopt(self) -> None:
        """What environment or env file say of this account becomes an answer: what is tested
        with it is then written with it.  A secret's value is never written."""
        adopted: dict[str, str] = {}
        for name in (*PLAIN, *SECRET):
            where = self.set_by(name)
            told = any(split(one)[0] == name for one in self.answers)
            if told or where == "default" or where.startswith(f"{self.file.path}: "):
                continue
            if name in PLAIN:
                adopted[name] = self.text(name)
            else:
                source = _source(self.profile, name)
                if source is not None and source.kind == "file":
                    adopted[name + "_file"] = source.path
                elif source is not None and source.kind == "command":
                    adopted[name + "_command"] = shlex.join(source.argv)
        self.answer(adopted)
        self.adopted |= adopted.keys()

    def text(self, name: str) -> str:
        """A plain setting as a person would write it; empty if nobody set it."""
        value = self._value(name)
        return ", ".join(value) if isinstance(value, list) else value

    def missing(self) -> list[str]:
        """The flags without which there is nothing to sign in with."""
        missing = [] if self.profile.username else ["--username"]
        return missing if self.profile.password else [
            *missing, "--password-file (or --password-command)",
        ]  # fmt: skip

    def plan(self) -> Plan:
        return self.file.plan(self.profile.name, self._changes())

    def write(self, plan: Plan) -> Path | None:
        """Secrets that were typed first, then the file that names them; as ``ConfigFile.write``."""
        for stem in SECRET:
            if stem in self.answers:
                self.file.keep_secret(self.secret_name(stem), self.answers[stem])
        return self.file.write(plan)

    def secret_name(self, stem: str) -> str:
        return f"{self.profile.name}.{stem}"

    def outdone(self) -> Iterator[tuple[str, str]]:
        """(setting, where) of what was written and yet comes from a stronger source."""
        now = load(
            {"profile": self.profile.name},
            self._environ,
            config=str(self.file.path),
            env_file=self._call.env_file,
        )
        where = {one.name: one.where for one in now.sources}
        for name in self.answers.keys() - self.adopted:
            stem = split(name)[0]
            place = where[f"profiles.{self.profile.name}.{stem}"]
            if not place.startswith(f"{self.file.path}: "):
                yield stem, place

    def _load(self, answers: Mapping[str, str]) -> Settings:
        flags = {"profile": self._call.profile, "socket": self._call.socket}
        return load(
            flags,
            self._environ,
            config=str(self.file.path),
            env_file=self._call.env_file,
            answers=answers,
        )

    def _value(self, name: str) -> str | list[str]:
        if name == "origin":
            return self.profile.site.origin
        if name == "identity_origins":
            return list(self.profile.identity_origins)
        return getattr(self.profile, name) or ""

    def _changes(self) -> dict[str, Value]:
        changes: dict[str, Value] = {}
        for name, told in self.answers.items():
            stem, form = split(name)
            source = _source(self.profile, stem)
            if stem in PLAIN:
                changes[name] = self._value(name)
            elif form == "value":
                changes[stem + "_file"] = f"{SECRETS_FOLDER}/{self.secret_name(stem)}"
            else:
                changes[name] = source.path if source and form == "file" else told
        return changes


def _source(profile: Profile, stem: str) -> SecretSource | None:
    if stem == "password":
        return profile.password
    return profile.totp if stem == "totp_secret" else None


def _check(source: SecretSource | None) -> None:
    """A file is there and private, a program can be found.  Raises ConfigInvalid."""
    if source is not None and source.kind != "value":
        finding = checks.secret(source)
        if finding.state == "fail":
            raise ConfigInvalid(finding.message, hint=finding.mend)
