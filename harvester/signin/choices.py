"""Lists to choose from: providers, organisations, accounts; and which entry is ours.

Pure.  An entry is taken when it is the one that settings name, or the only one there is; with
several and no name nothing is guessed: the list goes into the error, with the setting that decides.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from harvester.signin import lexicon
from harvester.signin.fields import in_banner
from harvester.signin.observe import Control, FrameView, plain

# What is listed in an error message is a page's text: a few entries, cut short.
_LISTED, _LISTED_CHARS = 8, 40


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to choose: the control, and what it is called."""

    control: Control
    name: str
    also: tuple[str, ...] = ()

    @property
    def shows_address(self) -> bool:
        control = self.control
        return any("@" in one for one in (control.name, *control.parts, *control.hints))


def listed(entries: Iterable[Entry]) -> str:
    return ", ".join(repr(one.name[:_LISTED_CHARS]) for one in list(entries)[:_LISTED])


def providers(frame: FrameView) -> list[Entry]:
    """The ways in that lead to an identity provider, each with the provider's name."""
    found: list[Entry] = []
    for control in frame.usable:
        if not control.is_button or control.region == "footer":
            continue
        label = control.label
        if lexicon.SIGN_UP.search(label):
            continue
        match = lexicon.WITH_PROVIDER.search(label)
        if match and not lexicon.NOT_OURS.search(match["name"]):
            found.append(Entry(control, match["name"].strip()))
            continue
        short = len(label) <= _LISTED_CHARS
        if label in lexicon.PROVIDER_HOSTS or (short and lexicon.SINGLE_SIGN_ON.search(label)):
            found.append(Entry(control, label))
    return found


def other_ways(frame: FrameView) -> list[Entry]:
    """Ways in that are never taken unasked (e-mail links and their like)."""
    return [
        Entry(one, match["name"].strip())
        for one in frame.usable
        if one.is_button
        and (match := lexicon.WITH_PROVIDER.search(one.label))
        and lexicon.NOT_OURS.search(match["name"])
    ]


def pick_provider(
    entries: Sequence[Entry], *, wanted: str | None, identity_origins: Iterable[str]
) -> Entry | None:
    """The configured one; else the only one; else the only one that can lead to our origins."""
    if wanted is not None:
        said = plain(wanted)
        if lexicon.SINGLE_SIGN_ON.search(said):
            named = [one for one in entries if lexicon.SINGLE_SIGN_ON.search(one.control.label)]
        else:
            named = [one for one in entries if plain(one.name) == said]
            named = named or [one for one in entries if said in one.control.label]
        return named[0] if len(named) == 1 else None
    if len(entries) == 1:
        return entries[0]
    left = leading_to(entries, identity_origins)
    return left[0] if len(left) == 1 else None


def leading_to(entries: Iterable[Entry], identity_origins: Iterable[str]) -> list[Entry]:
    """Those that can lead to one of the origins, by what is known of well-known providers."""
    hosts = [urlsplit(one).hostname or "" for one in identity_origins]
    return [one for one in entries if _may_lead_to(one.name, hosts)]


def _may_lead_to(name: str, hosts: Collection[str]) -> bool:
    first = plain(name).split(" ")[0]
    if not hosts:
        # Where nothing is known, only the one that never lets a program in is ruled out.
        return first != lexicon.REFUSES_AUTOMATION
    known = lexicon.PROVIDER_HOSTS.get(first)
    return known is None or any(host in known for host in hosts)


def organizations(frame: FrameView) -> list[Entry]:
    """The entries of a list of organisations: no "create", no way out, nothing of the frame."""
    found = []
    for control in frame.usable:
        if not control.is_button or control.region or in_banner(control):
            continue
        name = without_avatar(control.parts) or control.name
        said = plain(name)
        if not said or lexicon.CREATE.search(said) or lexicon.LEAVE.search(said):
            continue
        tail = control.path.rstrip("/").rpartition("/")[2]
        also = tuple(plain(one) for one in (*control.hints, tail, *control.parts) if one)
        found.append(Entry(control, name, also))
    return found


def without_avatar(parts: Sequence[str]) -> str:
    """The text of an entry without the letter or two that stand in its picture.

    >>> without_avatar(("A", "Acme Inc"))
    'Acme Inc'
    """
    kept = list(parts)
    if len(kept) > 1 and len(kept[0]) <= 2 and not kept[0].isdigit():
        kept = kept[1:]
    text = " ".join(kept)
    # The letter and the name in one text: "A Acme Inc".
    glued = re.match(r"(\S) (\S)", text)
    if glued and glued[1].casefold() == glued[2].casefold() and len(text) > 3:
        text = text[2:]
    return text


def pick_organization(entries: Sequence[Entry], wanted: str) -> Entry | None:
    """By id, slug or name, without case; else the one whose name begins with it."""
    said = plain(wanted)
    exact = [one for one in entries if plain(one.name) == said or said in one.also]
    if len(exact) == 1:
        return exact[0]
    begins = [one for one in entries if plain(one.name).startswith(said)]
    return begins[0] if len(begins) == 1 and not exact else None


def accounts(frame: FrameView) -> tuple[list[Entry], Entry | None]:
    """The account tiles, and "use another account"."""
    tiles, other = [], None
    for control in frame.usable:
        if not control.is_button or control.region or in_banner(control):
            continue
        label = control.label
        if lexicon.OTHER_ACCOUNT.search(label):
            other = Entry(control, label)
        elif lexicon.ENDS_ACCOUNT.match(label):
            continue  # it throws that account out, and names it like its tile does
        elif "@" in label or len(control.parts) > 1:
            tiles.append(Entry(control, without_avatar(control.parts) or control.name))
    return tiles, other


def pick_account(tiles: Sequence[Entry], username: str | None) -> Entry | None:
    if username is not None:
        mine = [one for one in tiles if _names(one.control, plain(username))]
        return mine[0] if len(mine) == 1 else None
    return tiles[0] if len(tiles) == 1 else None


def _names(tile: Control, username: str) -> bool:
    words = [plain(one) for one in (*tile.parts, *tile.hints, tile.name)]
    # Where a tile shows an address, a bare name is no word of it: "ada" is not Ada of accounting.
    alone = "@" not in username and any("@" in word for word in words)
    return any(username == word or (not alone and username in word.split()) for word in words)
