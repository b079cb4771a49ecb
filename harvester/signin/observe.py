"""What a page shows, as values: controls, headings and words of every frame at one moment.

Owns the shape of what ``page.js`` tells and the two signatures taken of it.  Knows no browser and
decides nothing.  A page is a stranger: whatever it says is cut to size and typed here, and none of
it is believed where a secret is at stake (see ``guard.py``).
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def plain(text: str) -> str:
    """Text for comparing: one spelling, lower case, single spaces, straight quotes."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("‘", "'")
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class Control:
    """One thing that can be typed into, ticked or pressed.  ``index`` is its place in its frame.

    ``top`` is None where the middle lies outside the window.  ``value`` is never a password's.
    ``parts`` are the pieces of its text, in order: an avatar letter is a piece of its own.
    ``hints`` are its value and data attributes, where identifiers stand.  ``expanded`` says
    whether what it opens is open, None where it does not tell.  ``taught`` is what a person's rule
    calls it (see ``taught.py``).
    """

    index: int
    role: str
    type: str = ""
    tag: str = ""
    autocomplete: tuple[str, ...] = ()
    name: str = ""
    parts: tuple[str, ...] = ()
    id: str = ""
    field_name: str = ""
    placeholder: str = ""
    hints: tuple[str, ...] = ()
    path: str = ""
    maxlength: int | None = None
    inputmode: str = ""
    form: int | None = None
    formaction: str | None = None
    sends: bool = False
    box: tuple[int, ...] = (0, 0, 0, 0)
    visible: bool = True
    top: bool | None = True
    enabled: bool = True
    writable: bool = True
    filled: bool = False
    checked: bool = False
    value: str = field(default="", repr=False)
    heading: str = ""
    zone: str | None = None
    region: str = ""
    expanded: bool | None = None
    taught: str = ""

    @property
    def label(self) -> str:
        return plain(self.name or " ".join(self.parts) or self.placeholder)

    @property
    def usable(self) -> bool:
        return self.visible and self.enabled

    @property
    def is_field(self) -> bool:
        return self.role in ("textbox", "combobox", "searchbox", "spinbutton")

    @property
    def is_button(self) -> bool:
        return self.role in ("button", "link", "option", "menuitem", "radio", "tab")


@dataclass(frozen=True, slots=True)
class Form:
    """Where a form sends to.  ``enter_*`` are its first sending button's: Enter presses that."""

    action: str
    method: str
    enter_to: str | None = None
    enter_name: str = ""


@dataclass(frozen=True, slots=True)
class Inset:
    """A visible frame inside a page, as the page around it sees it."""

    source: str
    title: str
    box: tuple[int, ...]
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class FrameView:
    """One document.  ``origin`` is what its script says; ``url`` is what the browser says.
    ``misfit`` tells of a person's rule that is for this page and names nothing usable."""

    url: str = field(repr=False)
    born: float
    origin: str
    path: str
    title: str = ""
    ready: str = "complete"
    text: str = field(default="", repr=False)
    headings: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()
    forms: tuple[Form, ...] = ()
    insets: tuple[Inset, ...] = ()
    posts: bool = False
    busy: bool = False
    misfit: str = ""

    @property
    def words(self) -> str:
        """All that can be read in it, for looking for phrases."""
        return plain("\n".join((self.title, *self.headings, self.text)))

    @property
    def top_words(self) -> str:
        """What it says it is: title, headings, messages."""
        return plain("\n".join((self.title, *self.headings, *self.alerts)))

    @property
    def usable(self) -> tuple[Control, ...]:
        return tuple(one for one in self.controls if one.usable)


@dataclass(frozen=True, slots=True)
class View:
    """Everything in front of us at one moment: the main document first, then visible frames."""

    frames: tuple[FrameView, ...]

    @property
    def main(self) -> FrameView:
        return self.frames[0]

    @property
    def settled(self) -> bool:
        return all(one.ready == "complete" and not one.busy for one in self.frames)

    @property
    def look(self) -> str:
        """Changes whenever anything that can be seen changes (typed values excepted)."""
        return _digest([_look(one) for one in self.frames])

    @property
    def alerts(self) -> tuple[str, ...]:
        return tuple(one for frame in self.frames for one in frame.alerts)

    @property
    def documents(self) -> tuple[float, ...]:
        """Which documents these are: a page that was loaded anew is another one."""
        return tuple(one.born for one in self.frames)


def _look(frame: FrameView) -> object:
    return (
        frame.born, frame.origin, frame.path, frame.title, frame.text, frame.headings, frame.busy,
        [(c.role, c.type, c.name, c.box, c.usable, c.top, c.writable) for c in frame.controls],
    )  # fmt: skip


def _digest(shown: object) -> str:
    return hashlib.blake2b(repr(shown).encode("utf-8", "replace"), digest_size=16).hexdigest()


def frame_view(data: Mapping[str, Any], url: str) -> FrameView:
    """One frame's view from what ``page.js`` returned.

    Raises KeyError, TypeError or ValueError where a page has bent the script's answer.
    """
    headings = tuple(str(one) for one in data["headings"])
    zones = [str(one) for one in data["zones"]]
    return FrameView(
        url=url,
        born=float(data["born"]),
        origin=str(data["origin"]),
        path=str(data["path"]),
        title=str(data["title"]),
        ready=str(data["ready"]),
        text=str(data["text"]),
        headings=headings,
        alerts=tuple(str(one) for one in data["alerts"]),
        controls=tuple(
            _control(index, one, headings, zones) for index, one in enumerate(data["controls"])
        ),
        forms=tuple(_form(one) for one in data["forms"]),
        insets=tuple(_inset(one, zones) for one in data["frames"]),
        posts=bool(data["posts"]),
        busy=bool(data["busy"]),
    )


def _inset(data: Mapping[str, Any], zones: list[str]) -> Inset:
    return Inset(
        source=str(data["source"]),
        title=str(data["title"]),
        box=tuple(int(side) for side in data["box"]),
        zone=_zone(data["zone"], zones),
    )


def _zone(place: Any, zones: list[str]) -> str | None:
    return None if place is None else zones[int(place)]


def _form(data: Mapping[str, Any]) -> Form:
    to = data.get("enter_to")
    return Form(
        action=str(data["action"]),
        method=str(data["method"]),
        enter_to=None if to is None else str(to),
        enter_name=str(data.get("enter_name", "")),
    )


def _control(
    index: int, data: Mapping[str, Any], headings: tuple[str, ...], zones: list[str]
) -> Control:
    above, expanded = int(data["heading"]), data["expanded"]
    length, top = data["maxlength"], data["top"]
    return Control(
        index=index,
        role=str(data["role"]),
        type=str(data["type"]),
        tag=str(data["tag"]),
        autocomplete=tuple(str(one) for one in data["autocomplete"]),
        name=str(data["name"]),
        parts=tuple(str(one) for one in data["parts"]),
        id=str(data["id"]),
        field_name=str(data["field_name"]),
        placeholder=str(data["placeholder"]),
        hints=tuple(str(one) for one in data["hints"]),
        path=str(data["path"]),
        maxlength=None if length is None else int(length),
        inputmode=str(data["inputmode"]),
        form=None if data["form"] is None else int(data["form"]),
        formaction=None if data["formaction"] is None else str(data["formaction"]),
        sends=bool(data["sends"]),
        box=tuple(int(side) for side in data["box"]),
        visible=bool(data["visible"]),
        top=None if top is None else bool(top),
        enabled=bool(data["enabled"]),
        writable=bool(data["writable"]),
        filled=bool(data["filled"]),
        checked=bool(data["checked"]),
        value=str(data["value"]),
        heading=headings[above] if 0 <= above < len(headings) else "",
        zone=_zone(data["zone"], zones),
        region=str(data["region"]),
        expanded=None if expanded is None else bool(expanded),
    )
