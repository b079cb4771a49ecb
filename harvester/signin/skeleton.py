"""The skeleton of a page: roles, labels, kinds and scores, and no values.

What was seen, written so that the same decision can be taken of it again, offline: a page that was
not recognised becomes a test.  Nothing in it is a secret or names the person (see ``blanks.py``);
the labels are the page's own.  Pure: a ``View`` in, JSON out, and back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, Final
from urllib.parse import urlsplit

from harvester import redact
from harvester.profile import origin_of
from harvester.signin.blanks import Blanks
from harvester.signin.decide import Decision, Fill, Known, Press, Stop, decide
from harvester.signin.fields import Fields, find_fields, points_of
from harvester.signin.observe import Control, Form, FrameView, Inset, View, plain

VERSION: Final = 1
# A record holds 750 KiB, and the pictures want most of it.
MAX_BYTES: Final = 300_000
_NUMBERS: Final = re.compile(r"\[\s+-?\d+(?:,\s+-?\d+)*\s+\]")
_MASKS: Final = "•*…"
# What a field holds, in words: never the value.
_USER, _PART, _MASKED, _OTHER = "user", "user_part", "masked", "other"
_PLACES: Final = ("role", "type", "tag", "autocomplete", "maxlength", "inputmode", "form", "sends",
                  "box", "visible", "top", "enabled", "writable", "filled", "checked", "region",
                  "expanded", "taught")  # fmt: skip
_WORDS: Final = ("name", "id", "field_name", "placeholder", "path", "heading")


def skeleton_of(view: View, known: Known, blanks: Blanks) -> dict[str, Any]:
    """The page as JSON, with what the classifier says of it."""
    frames = [_frame(one, known, blanks, place=place) for place, one in enumerate(view.frames)]
    told = {
        "skeleton": VERSION,
        "known": _known(known, blanks),
        "frames": frames,
        "said": said_of(decide(view, known)),
    }
    while len(json.dumps(told, ensure_ascii=False).encode()) > MAX_BYTES:
        # The main document is the last to lose anything.
        if len(frames) > 1:
            frames.pop()
        else:
            frames[0]["controls"] = frames[0]["controls"][: len(frames[0]["controls"]) // 2]
            frames[0]["text"] = frames[0]["text"][: len(frames[0]["text"]) // 2]
    # As it will be read: lists, and names that are text.
    again: dict[str, Any] = json.loads(json.dumps(told))
    return again


def said_of(decision: Decision) -> dict[str, Any]:
    """A decision in short: state, frame, what is done, and to which controls (by their index)."""
    action = decision.action
    told: dict[str, Any] = {
        "state": decision.state,
        "frame": decision.frame,
        "action": type(action).__name__.lower(),
    }
    if isinstance(action, Press):
        told["on"] = {"press": action.control.index}
    elif isinstance(action, Fill):
        told["on"] = _kinds(action.fields)
    elif isinstance(action, Stop):
        told["code"] = action.error.code
    return told


def written(skeleton: Mapping[str, Any]) -> str:
    """As text that people can read and compare: a list of numbers is one line."""
    text = json.dumps(skeleton, ensure_ascii=False, indent=1)
    return _NUMBERS.sub(lambda found: " ".join(found[0].split()), text)


def view_of(skeleton: Mapping[str, Any]) -> View:
    """The page again.  Raises KeyError, TypeError or ValueError for what is no skeleton."""
    if skeleton["skeleton"] != VERSION:
        raise ValueError("a skeleton of another version")
    person = str(skeleton["known"].get("username") or "someone")
    frames = tuple(_frame_again(one, person, place) for place, one in enumerate(skeleton["frames"]))
    if not frames:
        raise ValueError("a skeleton without a page")
    return View(frames)


def known_of(skeleton: Mapping[str, Any]) -> Known:
    """What was known.  Raises KeyError or TypeError for what is no skeleton."""
    told = skeleton["known"]
    names = {one.name for one in fields(Known)}
    return Known(**_given(told, names))


def _known(known: Known, blanks: Blanks) -> dict[str, Any]:
    told = asdict(replace(known, username=blanks.person if known.username else None))
    for name in ("provider", "organization"):
        told[name] = None if told[name] is None else blanks.out_of(told[name])
    return told


def _frame(frame: FrameView, known: Known, blanks: Blanks, *, place: int) -> dict[str, Any]:
    found = find_fields(frame, username=known.username, after_password=known.after_password)
    kinds = {index: kind for kind, index in _kinds(found).items()}
    zones: list[str] = []
    return {
        "url": _address(frame.url, blanks),
        "origin": frame.origin,
        "path": blanks.out_of(frame.path),
        "title": blanks.out_of(frame.title),
        "ready": frame.ready,
        "busy": frame.busy,
        "posts": frame.posts,
        "misfit": blanks.out_of(frame.misfit),
        "headings": [blanks.out_of(one) for one in frame.headings],
        "alerts": [blanks.out_of(one) for one in frame.alerts],
        "text": blanks.out_of(frame.text),
        "controls": [
            _control(one, frame, known, blanks, zones, kinds.get(one.index, ""))
            for one in frame.controls
        ],
        "forms": [
            {
                "action": _address(one.action, blanks),
                "method": one.method,
                "enter_to": None if one.enter_to is None else _address(one.enter_to, blanks),
                "enter_name": blanks.out_of(one.enter_name),
            }
            for one in frame.forms
        ],
        "insets": [
            {
                "source": _address(one.source, blanks),
                "title": blanks.out_of(one.title),
                "box": list(one.box),
                "zone": _zone(one.zone, zones),
            }
            for one in frame.insets
        ],
        "zones": [blanks.out_of(one) for one in zones],
    }


def _control(
    control: Control, frame: FrameView, known: Known, blanks: Blanks, zones: list[str], kind: str
) -> dict[str, Any]:
    told: dict[str, Any] = {name: getattr(control, name) for name in _PLACES}
    told |= {name: blanks.out_of(getattr(control, name)) for name in _WORDS}
    if control.formaction is not None:
        told["formaction"] = _address(control.formaction, blanks)
    told["parts"] = [blanks.out_of(one) for one in control.parts]
    told["hints"] = [_hint(one, known, blanks) for one in control.hints]
    told["zone"] = _zone(control.zone, zones)
    told["kind"] = kind
    if control.value:
        told["holds"] = _holds(control.value, known.username)
    if control.usable and control.is_field:
        passwords = [
            one for one in frame.usable if one.type == "password" and one.form == control.form
        ]
        told["scores"] = points_of(control, passwords, after_password=known.after_password)
    # What says nothing is left out: a skeleton is read by people too.
    default = _blank_control()
    return {
        name: value
        for name, value in told.items()
        if (value != default.get(name) and value not in ("", None, [], ()))
        or (name == "top" and value is None)
        or name == "role"
    }


def _blank_control() -> dict[str, Any]:
    blank = Control(index=0, role="")
    return {name: getattr(blank, name) for name in (*_PLACES, *_WORDS)}


def _hint(hint: str, known: Known, blanks: Blanks) -> str:
    """Values and data attributes may hold anything; only those that we look for are kept."""
    looked_for = {plain(one) for one in (known.username, known.organization) if one}
    words = {plain(hint), *plain(hint).split()}
    return blanks.out_of(hint) if looked_for & words else blanks.token(plain(hint))


def _holds(value: str, username: str | None) -> str:
    shown, user = plain(value), plain(username or "")
    if any(mask in shown for mask in _MASKS):
        return _MASKED
    if user and shown == user:
        return _USER
    return _PART if user and shown == user.partition("@")[0] else _OTHER


def _address(url: str, blanks: Blanks) -> str:
    """Origin and path: in the rest of an address secrets travel."""
    origin = origin_of(url)
    if origin is None:
        return redact.clean(f"{url.partition(':')[0]}:", 20) if url else ""
    return origin + blanks.out_of(urlsplit(url).path)


def _zone(zone: str | None, zones: list[str]) -> int | None:
    if zone is None:
        return None
    if zone not in zones:
        zones.append(zone)
    return zones.index(zone)


def _kinds(found: Fields) -> dict[str, int]:
    told = {
        "organization": found.organization,
        "user": found.user,
        "told": found.told,
        "password": found.password,
        "submit": found.submit,
    }
    named = {kind: one.index for kind, one in told.items() if one is not None}
    named |= {f"code_{at}" if at else "code": one.index for at, one in enumerate(found.codes)}
    return named


# -- back again -----------------------------------------------------------------------------------


def _frame_again(data: Mapping[str, Any], person: str, place: int) -> FrameView:
    zones = [str(one) for one in data["zones"]]
    return FrameView(
        url=str(data["url"]),
        born=float(place),
        origin=str(data["origin"]),
        path=str(data["path"]),
        title=str(data["title"]),
        ready=str(data["ready"]),
        text=str(data["text"]),
        headings=_texts(data["headings"]),
        alerts=_texts(data["alerts"]),
        controls=tuple(
            _control_again(index, one, zones, person) for index, one in enumerate(data["controls"])
        ),
        forms=tuple(Form(**one) for one in data["forms"]),
        insets=tuple(
            Inset(one["source"], one["title"], tuple(one["box"]), _zone_again(one["zone"], zones))
            for one in data["insets"]
        ),
        posts=bool(data["posts"]),
        busy=bool(data["busy"]),
        misfit=str(data.get("misfit", "")),
    )


def _control_again(
    index: int, data: Mapping[str, Any], zones: Sequence[str], person: str
) -> Control:
    names = {one.name for one in fields(Control)} - {"index", "value", "zone"}
    held = {_USER: person, _PART: person.partition("@")[0], _MASKED: "•", _OTHER: "somebody else"}
    return Control(
        index=index,
        value=held.get(str(data.get("holds", "")), ""),
        zone=_zone_again(data.get("zone"), zones),
        **_given(data, names),
    )


def _given(data: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """What is known by these names; a skeleton of a later release may tell more."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in data.items()
        if name in names
    }


def _zone_again(place: int | None, zones: Sequence[str]) -> str | None:
    return None if place is None else zones[place]


def _texts(told: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(one) for one in told)
