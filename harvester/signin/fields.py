"""Which field is the user name, the password, the code; which button sends them.

Scores, no recipes: each control gets points for what it says of itself, the highest wins, and
below a threshold it is nothing of ours.  Pure.  Where a secret may go is not decided here.

The order matters: a code is looked for before a password, and both before a user name, because
one-time codes sit in fields of every type and under every name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harvester.signin import lexicon
from harvester.signin.observe import Control, FrameView, plain
from harvester.signin.submit import CLOSE, find_submit

# A strong sign is worth 10, a medium one 5, a weak one 2; a sign against outweighs a strong one.
_STRONG, _MEDIUM, _WEAK, _AGAINST = 10, 5, 2, -12
_THRESHOLD = 5
_CODE_DIGITS = range(6, 9)
_BOXES = range(4, 9)
# What a person's rule may call a field or its button, the fields first.
_TAUGHT = ("password", "code", "user", "organization", "submit")
_TEXT_TYPES = ("", "text", "email", "tel", "number", "url", "textarea")


@dataclass(frozen=True, slots=True)
class Fields:
    """The sign-in form of one document.  A field that is only shown (read-only) is in ``told``.

    ``codes`` is one field or a row of one-character boxes.  ``user`` is the one that fits the
    credential's shape.  ``submit`` is None where Enter has to do.  ``ticks`` are the boxes that
    say that this browser is to be remembered.  ``ambiguous``: another form, or another button of
    this one, would do as well.
    """

    user: Control | None = None
    password: Control | None = None
    codes: tuple[Control, ...] = ()
    organization: Control | None = None
    told: Control | None = None
    new_password: bool = False
    submit: Control | None = None
    form: int | None = None
    ticks: tuple[Control, ...] = ()
    ambiguous: bool = False

    @property
    def any(self) -> bool:
        return bool(self.user or self.password or self.codes or self.organization)

    @property
    def wanted(self) -> tuple[Control, ...]:
        """The fields to fill, in the order of filling."""
        return tuple(
            one for one in (self.organization, self.user, self.password, *self.codes) if one
        )


def find_fields(frame: FrameView, *, username: str | None, after_password: bool) -> Fields:
    """The best form of the document, or an empty ``Fields``."""
    groups: dict[int | None, list[Control]] = {}
    for control in frame.usable:
        if control.is_field and not in_banner(control):
            groups.setdefault(control.form, []).append(control)
    scored: list[tuple[int, Fields]] = []
    taught = _as_taught(frame, groups, username=username, after_password=after_password)
    if taught is not None:
        return taught
    for form, members in groups.items():
        found = _of_form(frame, form, members, username=username, after_password=after_password)
        if not found.codes and (found.new_password or _is_sign_up(frame, form, members)):
            # Nothing of ours is typed there; it is only kept in mind that it was there.
            found = Fields(new_password=True, form=form)
        score = _form_score(frame, found, members)
        if score > 0:
            scored.append((score, found))
    scored.sort(key=lambda pair: -pair[0])
    if not scored:
        return Fields()
    most, best = scored[0]
    rivals = [one for points, one in scored[1:] if most - points <= CLOSE and one.any]
    if best.any and any(_differ(frame, best, one) for one in rivals):
        return replace(best, ambiguous=True)
    return best


def _as_taught(
    frame: FrameView,
    groups: Mapping[int | None, list[Control]],
    *,
    username: str | None,
    after_password: bool,
) -> Fields | None:
    """The form that a person's rules speak of, what they do not name by its scores; None where
    they name nothing here."""
    named: dict[str, list[Control]] = {}
    for one in frame.controls:
        if one.taught in _TAUGHT and (one.usable or one.taught == "submit"):
            named.setdefault(one.taught, []).append(one)
    first = next((named[kind][0] for kind in _TAUGHT if kind in named), None)
    if first is None:
        return None
    form, members = first.form, groups.get(first.form, [])
    rest = [one for one in members if not one.taught]
    whole, guess = (
        _of_form(frame, form, some, username=username, after_password=after_password)
        for some in (members, rest)
    )
    codes = tuple(named.get("code", ()))
    user, password = _one(named, "user", guess.user), _one(named, "password", guess.password)
    found = replace(
        guess,
        user=None if codes and "user" not in named else user,
        password=None if codes else password,
        codes=codes or (() if "password" in named else guess.codes),
        organization=_one(named, "organization", guess.organization),
        new_password=whole.new_password or (bool(members) and _is_sign_up(frame, form, members)),
        ambiguous=False,
        form=form,
    )
    if frame.misfit:
        # Filling the half that fits would be a submit for nothing.
        return replace(found, ambiguous=True)
    if "submit" in named:
        return replace(found, submit=named["submit"][0])
    if not found.wanted:
        return found
    submit, alone = find_submit(frame, form, found.wanted[-1])
    return replace(found, submit=submit, ambiguous=not alone)


def _one(
    named: Mapping[str, list[Control]], kind: str, otherwise: Control | None
) -> Control | None:
    return named[kind][0] if kind in named else otherwise


def _differ(frame: FrameView, one: Fields, other: Fields) -> bool:
    """Whether two forms ask for different things or send them to different places."""

    def told(fields: Fields) -> tuple[object, ...]:
        form = None if fields.form is None else frame.forms[fields.form].action
        submit = fields.submit.label if fields.submit else ""
        return [(each.type, each.label) for each in fields.wanted], submit, form

    return told(one) != told(other)


def in_banner(control: Control) -> bool:
    """Whether it belongs to a cookie banner, and so to no sign-in."""
    return control.zone is not None and bool(lexicon.COOKIE_BANNER.search(plain(control.zone)))


def _of_form(
    frame: FrameView,
    form: int | None,
    members: list[Control],
    *,
    username: str | None,
    after_password: bool,
) -> Fields:
    row = boxes(members)
    passwords = [one for one in members if one.type == "password" and one not in row]
    users: list[tuple[int, Control]] = []
    codes: list[tuple[int, Control]] = []
    slugs: list[tuple[int, Control]] = []
    secret: list[tuple[int, Control]] = []
    for control in members:
        if control in row:
            continue
        code, password, user, slug = points_of(
            control, passwords, after_password=after_password
        ).values()
        if code >= _THRESHOLD and code > password:
            codes.append((code, control))
        elif password >= _THRESHOLD:
            secret.append((password, control))
        elif slug >= _THRESHOLD and slug > user:
            slugs.append((slug, control))
        elif user >= _THRESHOLD:
            users.append((user, control))
    shown = [one for _, one in users if not one.writable]
    users = [(_shape(points, one, username), one) for points, one in users if one.writable]
    taken = Fields(
        user=_highest(users),
        password=_highest(secret),
        codes=tuple(row) or tuple(one for one in (_highest(codes),) if one),
        organization=None if users or secret else _highest(slugs),
        told=shown[0] if shown else None,
        new_password=len(passwords) > 1 or any(_is_new(one) for one in passwords),
        form=form,
    )
    if taken.codes:
        # A code page may show the name once more; what it asks for is the code.
        taken = Fields(codes=taken.codes, told=taken.told, form=form)
    if not taken.wanted:
        return taken
    submit, alone = find_submit(frame, form, taken.wanted[-1])
    ticks = _ticks(frame, form, taken.wanted[0])
    return replace(taken, submit=submit, ticks=ticks, ambiguous=not alone)


def _ticks(frame: FrameView, form: int | None, beside: Control) -> tuple[Control, ...]:
    """The boxes that say "remember me" or "trust this browser" and are not ticked yet."""
    return tuple(
        one
        for one in frame.usable
        if one.role == "checkbox"
        and one.form == form
        and one.zone == beside.zone
        and one.top is not False
        and not one.checked
        and lexicon.STAY.search(one.label)
        and not lexicon.FORGET.search(one.label)
        and not lexicon.SAYS_MORE.search(one.label)
    )


def _highest(scored: list[tuple[int, Control]]) -> Control | None:
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def _shape(points: int, control: Control, username: str | None) -> int:
    """Where a form offers both, an address goes to the e-mail box, a bare name to the other."""
    if username is None:
        return points
    wants_mail = control.type == "email" or "email" in control.autocomplete
    return points + (_MEDIUM if wants_mail == ("@" in username) else -_MEDIUM)


def _stands_before(control: Control, passwords: Sequence[Control]) -> bool:
    return bool(passwords) and control.index < passwords[0].index


def _own_words(control: Control) -> str:
    return plain(" ".join((control.name, control.field_name, control.id, control.placeholder)))


def points_of(
    control: Control, passwords: Sequence[Control], *, after_password: bool
) -> dict[str, int]:
    """How much a field is a code, a password, a user name, an organisation; ``passwords`` are the
    password boxes of its form."""
    return {
        "code": code_score(control, after_password=after_password),
        "password": _password_score(control, crowd=len(passwords)),
        "user": _user_score(control, before_password=_stands_before(control, passwords)),
        "organization": _slug_score(control),
    }


def boxes(members: Iterable[Control]) -> list[Control]:
    """The row of 4 to 8 one-character boxes, left to right, or nothing."""
    row = [one for one in members if one.maxlength == 1 and one.writable]
    return row if len(row) in _BOXES else []


def code_score(control: Control, *, after_password: bool) -> int:
    own = _own_words(control)
    if control.type == "email" or "current-password" in control.autocomplete:
        return _AGAINST
    points = _STRONG if "one-time-code" in control.autocomplete else 0
    if lexicon.CODE.search(own):
        points += _MEDIUM
    elif " code" in f" {own}":
        points += _WEAK + 1
    if control.type != "password" or not lexicon.PASSWORD.search(own):
        points += _WEAK if lexicon.CODE.search(plain(control.heading)) else 0
    if control.inputmode == "numeric" or control.type in ("number", "tel"):
        points += _MEDIUM if control.maxlength in _CODE_DIGITS else _WEAK
    if after_password and points:
        points += _WEAK
    if lexicon.NOT_CODE.search(own):
        points += _AGAINST // 2
    if lexicon.PIN.search(own) and not lexicon.CODE.search(own):
        points += _AGAINST
    return points


def _is_new(control: Control) -> bool:
    return "new-password" in control.autocomplete or bool(
        lexicon.NEW_PASSWORD.search(_own_words(control))
    )


def _password_score(control: Control, *, crowd: int) -> int:
    if control.type != "password":
        return 0
    points = _MEDIUM + (_MEDIUM if "current-password" in control.autocomplete else 0)
    points += _WEAK if lexicon.PASSWORD.search(_own_words(control)) else 0
    if crowd > 1 or _is_new(control):
        points += 2 * _AGAINST
    if lexicon.PIN.search(_own_words(control)) and not lexicon.PASSWORD.search(_own_words(control)):
        points += _AGAINST
    return points


def _user_score(control: Control, *, before_password: bool) -> int:
    if control.type not in _TEXT_TYPES:
        return 0
    own = _own_words(control)
    points = _STRONG if {"username", "email"} & set(control.autocomplete) else 0
    points += _MEDIUM if control.type == "email" else 0
    points += _MEDIUM if lexicon.USER.search(own) else 0
    points += _MEDIUM if before_password else 0
    phone = lexicon.PHONE.search(own) and not lexicon.USER.search(own)
    if phone or lexicon.NOT_USER.search(own) or control.role == "searchbox":
        points += _AGAINST
    if control.region == "footer" or lexicon.NEWSLETTER.search(own):
        points += _AGAINST
    return points


def _slug_score(control: Control) -> int:
    if control.type not in ("", "text"):
        return 0
    said = plain(f"{control.name} {control.field_name} {control.id}")
    return _MEDIUM if lexicon.ORGANIZATION.search(said) else 0


def _form_score(frame: FrameView, found: Fields, members: list[Control]) -> int:
    if not found.any and not found.new_password:
        return 0
    points = 8 * bool(found.codes) + 8 * bool(found.password)
    points += 4 * bool(found.user) + 3 * bool(found.organization) + 6 * found.new_password
    words = plain(
        " ".join(
            [members[0].heading, found.submit.label if found.submit else ""]
            + [one.label for one in frame.usable if one.form == found.form and one.sends]
        )
    )
    signs_in = lexicon.SIGNS_IN.search(words)
    points += 3 if signs_in and found.any else 0
    if found.new_password or (not signs_in and lexicon.SIGN_UP.search(plain(members[0].heading))):
        # Still worth reporting where it is the only form: an expired password looks like this.
        points -= 5
    if lexicon.NEWSLETTER.search(words) or members[0].region == "footer":
        points -= 10
    return points


def _is_sign_up(frame: FrameView, form: int | None, members: list[Control]) -> bool:
    """Whether it makes a new account: what it is headed, and what its buttons say."""
    heading = plain(members[0].heading)
    labels = [
        one.label
        for one in frame.usable
        if one.form == form and one.role == "button" and not one.region
    ]
    if any(lexicon.SIGNS_IN.search(one) for one in (heading, *labels)):
        return False
    if lexicon.SIGN_UP.search(heading):
        return True
    goes_on = any(
        lexicon.GO_ON.search(one) and not lexicon.WITH_PROVIDER.search(one) for one in labels
    )
    return not goes_on and any(lexicon.SIGN_UP.search(one) for one in labels)
