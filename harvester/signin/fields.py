"""Which field is the user name, the password, the code; which button sends them.

Scores, no recipes: each control gets points for what it says of itself, the highest wins, and
below a threshold it is nothing of ours.  Pure.  Where a secret may go is not decided here.

The order matters: a code is looked for before a password, and both before a user name, because
one-time codes sit in fields of every type and under every name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harvester.signin import lexicon
from harvester.signin.observe import Control, Form, FrameView, plain

# A strong sign is worth 10, a medium one 5, a weak one 2; a sign against outweighs a strong one.
_STRONG, _MEDIUM, _WEAK, _AGAINST = 10, 5, 2, -12
_THRESHOLD = 5
_CODE_DIGITS = range(6, 9)
_BOXES = range(4, 9)
# Points that a button needs before it is pressed; below it Enter in the last field is better.
_BUTTON_THRESHOLD = 3
_TEXT_TYPES = ("", "text", "email", "tel", "number", "url", "textarea")


@dataclass(frozen=True, slots=True)
class Fields:
    """The sign-in form of one document.  A field that is only shown (read-only) is in ``told``.

    ``codes`` is one field or a row of one-character boxes.  ``user`` is the one that fits the
    credential's shape.  ``submit`` is None where Enter has to do.
    """

    user: Control | None = None
    password: Control | None = None
    codes: tuple[Control, ...] = ()
    organization: Control | None = None
    told: Control | None = None
    new_password: bool = False
    submit: Control | None = None
    form: int | None = None

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
    best, best_score = Fields(), 0
    for form, members in groups.items():
        found = _of_form(frame, form, members, username=username, after_password=after_password)
        if not found.codes and (found.new_password or _is_sign_up(frame, form, members)):
            # Nothing of ours is typed there; it is only kept in mind that it was there.
            found = Fields(new_password=True, form=form)
        score = _form_score(frame, found, members)
        if score > best_score:
            best, best_score = found, score
    return best


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
        code = code_score(control, after_password=after_password)
        password = _password_score(control, crowd=len(passwords))
        user = _user_score(control, before_password=_stands_before(control, passwords))
        slug = _slug_score(control)
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
    return Fields(
        user=taken.user,
        password=taken.password,
        codes=taken.codes,
        organization=taken.organization,
        told=taken.told,
        new_password=taken.new_password,
        submit=find_submit(frame, form, taken.wanted[-1]),
        form=form,
    )


def _highest(scored: list[tuple[int, Control]]) -> Control | None:
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def _shape(points: int, control: Control, username: str | None) -> int:
    """Where a form offers both, an address goes to the e-mail box, a bare name to the other."""
    if username is None:
        return points
    wants_mail = control.type == "email" or "email" in control.autocomplete
    return points + (_MEDIUM if wants_mail == ("@" in username) else -_MEDIUM)


def _stands_before(control: Control, passwords: list[Control]) -> bool:
    return bool(passwords) and control.index < passwords[0].index


def _own_words(control: Control) -> str:
    return plain(" ".join((control.name, control.field_name, control.id, control.placeholder)))


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
    return points


def _user_score(control: Control, *, before_password: bool) -> int:
    if control.type not in _TEXT_TYPES:
        return 0
    own = _own_words(control)
    points = _STRONG if {"username", "email"} & set(control.autocomplete) else 0
    points += _MEDIUM if control.type == "email" else 0
    points += _MEDIUM if lexicon.USER.search(own) else 0
    points += _MEDIUM if before_password else 0
    if lexicon.NOT_USER.search(own) or control.role == "searchbox":
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
    words = " ".join(
        [members[0].heading, found.submit.label if found.submit else ""]
        + [one.label for one in frame.usable if one.form == found.form and one.sends]
    )
    if found.new_password or lexicon.SIGN_UP.search(plain(words)):
        # Still worth reporting where it is the only form: an expired password looks like this.
        points -= 5
    if lexicon.NEWSLETTER.search(plain(words)) or members[0].region == "footer":
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


def find_submit(frame: FrameView, form: int | None, last: Control) -> Control | None:
    """The button that sends ``form``, or None where pressing Enter is the better way.

    Never "the first button" or "the last": a logout, a cancel or a theme switch stands there.
    """
    scored = [
        (_submit_score(one, form, last), one)
        for one in frame.controls
        if one.visible and one.is_button and one.role != "radio" and one.form in (form, None)
    ]
    points, best = max(scored, key=lambda pair: pair[0], default=(0, last))
    return best if points >= _BUTTON_THRESHOLD else None


def enter_leads_away(form: Form) -> bool:
    """Whether Enter, which presses the form's first button, would press a wrong one."""
    label = plain(form.enter_name)
    return bool(lexicon.LEAD_AWAY.search(label) or lexicon.WITH_PROVIDER.search(label))


def _submit_score(button: Control, form: int | None, last: Control) -> int:
    label = button.label
    points = 3 if button.sends and button.form == form else 0
    points += 4 if lexicon.GO_ON.search(label) else 0
    if lexicon.LEAD_AWAY.search(label) or lexicon.WITH_PROVIDER.search(label):
        points += _AGAINST
    if button.form != form:
        points -= 1
    if button.region in ("header", "footer", "nav", "aside") and button.region != last.region:
        points += _AGAINST
    if button.zone != last.zone:
        points += _AGAINST
    if button.index < last.index:
        points -= 2
    return points
