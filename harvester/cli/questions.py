"""What `init` asks a person about an account, and which question an error leads back to.

Owns the words.  Every answer goes into the draft, which checks it; a wrong one is asked again.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from harvester.cli import terminal
from harvester.cli.draft import SECRET, Draft
from harvester.errors import ConfigInvalid, HarvesterError, OriginNotAllowed
from harvester.profile import origin_of
from harvester.redact import clean
from harvester.settings.layer import split

_TYPED, _FILE, _COMMAND = range(3)
_WORDS_LIMIT = 1000


class Questions:
    """The interview for one draft."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._asking: dict[str, Callable[[], None]] = {
            "origin": self._origin,
            "username": self._username,
            "password": self._password,
            "totp_secret": self._seed,
            "identity_origins": self._identity_origins,
            "organization": self._organization,
            "provider": self._provider,
        }

    def ask_all(self) -> None:
        """Everything that no flag said.  The provider is asked when the pages list several."""
        told = {split(name)[0] for name in self._draft.answers}
        terminal.tell(
            f"Sets up the profile {self._draft.profile.name} in {self._draft.file.path}\n"
            "Enter takes what stands in brackets; Ctrl-C ends, and nothing is written.\n"
        )
        for name, asking in self._asking.items():
            if name not in told and name != "provider":
                asking()

    def mend(self, error: HarvesterError) -> bool:
        """Ask again what the error is about; False if nothing was answered anew."""
        if isinstance(error, OriginNotAllowed):
            return self._allow(error)
        named = re.findall(r"HARVESTER_([A-Z_]+)", error.hint)
        if isinstance(error, ConfigInvalid):
            named += re.findall(r"HARVESTER_([A-Z_]+)", error.message)
        stems = {split(name.lower())[0] for name in named}
        asked = [asking for name, asking in self._asking.items() if name in stems]
        if asked:
            _show(error)
        before = dict(self._draft.answers)
        for asking in asked:
            asking()
        # With the same answers the same would happen.
        return self._draft.answers != before

    def _allow(self, error: OriginNotAllowed) -> bool:
        """The page that asked: may it be typed into?  Only the person can know."""
        found = re.search(r"HARVESTER_IDENTITY_ORIGINS=(\S+)", error.hint)
        origin = origin_of(found[1]) if found else None
        if origin is None or origin in self._draft.profile.identity_origins:
            return False
        terminal.tell(
            f"\nThe sign-in came to a page that asks for your credentials; nothing was typed:\n\n"
            f"    {clean(origin)}\n\n"
            "Is this your identity provider?  User name, password and code may be typed there\n"
            "from now on, so compare it letter by letter with where you sign in yourself."
        )
        if not terminal.agrees(f"Allow {clean(origin)}"):
            return False
        allowed = (*self._draft.profile.identity_origins, origin)
        self._draft.answer({"identity_origins": ",".join(allowed)})
        return True

    def _origin(self) -> None:
        self._plain("origin", "The site's origin")

    def _username(self) -> None:
        while True:
            self._plain("username", "User name at your identity provider")
            if self._draft.profile.username:
                return

    def _identity_origins(self) -> None:
        terminal.tell(
            "\nOrigins of your identity provider (https://login.example), with commas: password\n"
            "and code are typed there and nowhere else, ever.  Leave it empty to find out: the\n"
            "test sign-in goes as far as the page that asks, types nothing and shows its origin."
        )
        self._plain("identity_origins", "Identity origins")

    def _organization(self) -> None:
        self._plain("organization", "Organisation: id, slug or name (empty: whichever it is)")

    def _provider(self) -> None:
        self._plain("provider", 'Which "Continue with ..." to take (the text on it)')

    def _plain(self, name: str, what: str) -> None:
        present = self._draft.text(name)

        def asked() -> dict[str, str]:
            said = terminal.ask(what, present)
            return {name: said} if said and said != present else {}

        self._until_right(asked)

    def _password(self) -> None:
        terminal.tell("\nIt is never written into config.toml, only where it is kept.")
        self._secret("password", "Password", "Where is the password?", optional=False)

    def _seed(self) -> None:
        terminal.tell("\nThe seed is what the authenticator app was set up with, not a code of it.")
        self._secret(
            "totp_secret", "Seed", "Does your provider ask for an authenticator's code?",
            optional=True,
        )  # fmt: skip

    def _secret(self, stem: str, what: str, question: str, *, optional: bool) -> None:
        draft = self._draft
        source = getattr(draft.profile, SECRET[stem])
        kept = draft.file.path.parent / "secrets" / draft.secret_name(stem)
        entries = [
            f"I type it now, and it is kept in {kept} (for you alone, not encrypted)",
            "it is in a file, on the first line",
            "a command prints it (a password manager)",
        ]
        first = []
        if stem in draft.answers:
            first = ["keep what I typed"]
        elif source is not None:
            first = [f"keep what is set: {clean(source.where())}"]
        elif optional:
            first = ["no, or not known: leave it out"]

        def asked() -> dict[str, str]:
            way = terminal.choose(question, [*first, *entries]) - len(first)
            if way == _TYPED:
                draft.file.make_secrets_folder()
                return {stem: terminal.hidden(what)}
            if way == _FILE:
                return {stem + "_file": terminal.ask("Its path")}
            return {stem + "_command": terminal.ask("The command")} if way == _COMMAND else {}

        self._until_right(asked)

    def _until_right(self, asked: Callable[[], dict[str, str]]) -> None:
        while True:
            try:
                self._draft.answer(asked())
            except ConfigInvalid as error:
                _show(error)
            else:
                return


def _show(error: HarvesterError) -> None:
    terminal.tell(f"\n  {clean(error.message, _WORDS_LIMIT)}")
    if error.hint:
        terminal.tell(f"  ({clean(error.hint, _WORDS_LIMIT)})")
