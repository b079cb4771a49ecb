"""What a person taught about pages, as config.toml writes it:

    [profiles.work.pages."login.acme.example/auth"]   # host[:port] and path, and all below it
    password = { label = "Passphrase" }
    submit   = { role = "button", label = "Let me in" }
    press    = { selector = "#continue-acme" }

Owns that form, both ways.  Raises ``Wrong``; names of tables and keys are quoted in it, values
never.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_type_hints

from harvester.profile import PageRule
from harvester.settings.values import HOST, Wrong

KINDS: tuple[str, ...] = get_args(get_type_hints(PageRule)["control"])
_MATCHERS = ("role", "label", "selector")
_TEXT_CHARS = 400
_NAME_CHARS = 100
_EXAMPLE = (
    'write it like [pages."login.acme.example/auth"], and below: password = { label = "..." }'
)


def pages(value: Any) -> tuple[PageRule, ...]:
    """The rules of one profile, from its table of tables."""
    if not isinstance(value, Mapping):
        raise Wrong("is no table of pages", _EXAMPLE)
    rules: list[PageRule] = []
    for page, table in value.items():
        host, path = _place(page)
        named = _quoted(page)
        if not isinstance(table, Mapping) or not table:
            raise Wrong(f"says nothing of {named}", _EXAMPLE)
        for kind, matcher in table.items():
            if kind not in KINDS:
                close = difflib.get_close_matches(kind, KINDS, n=1)
                hint = f"did you mean {close[0]}?" if close else "write one of " + ", ".join(KINDS)
                raise Wrong(f"calls a control of {named} a {_quoted(kind)}", hint)
            how = _matcher(matcher, f"{kind} of {named}")
            rules.append(PageRule(host, path, kind, **how))
    if len({(one.host, one.path, one.control) for one in rules}) < len(rules):
        raise Wrong("speaks of one page in two tables", "keep one of them")
    return tuple(rules)


def _place(page: str) -> tuple[str, str]:
    host, slash, path = page.strip().partition("/")
    if "://" in page:
        raise Wrong(f"has a scheme in {_quoted(page)}", "begin with the host: leave out https://")
    bare, colon, port = host.lower().removesuffix(":443").partition(":")
    if not HOST.fullmatch(bare) or (colon and not re.fullmatch(r"[0-9]{1,5}", port)):
        raise Wrong(f"names no host in {_quoted(page)}", _EXAMPLE)
    if re.search(r"[\s?#\\]", path) or not path.isascii():
        raise Wrong(
            f"has more than a path in {_quoted(page)}", "leave out everything from the ? or # on"
        )
    return bare + colon + port, slash + path or "/"


def _matcher(matcher: Any, named: str) -> dict[str, str]:
    hint = 'write { label = "..." }, { role = "button", label = "..." } or { selector = "..." }'
    if not isinstance(matcher, Mapping) or not matcher:
        raise Wrong(f"does not say which control the {named} is", hint)
    unknown = [one for one in matcher if one not in _MATCHERS]
    if unknown:
        raise Wrong(f"finds the {named} by a {_quoted(unknown[0])}", hint)
    for text in matcher.values():
        if not isinstance(text, str) or not text.strip() or len(text) > _TEXT_CHARS:
            raise Wrong(f"finds the {named} by no text, an empty or an endless one", hint)
        if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in text):
            raise Wrong(f"finds the {named} by control characters", hint)
    if "selector" in matcher and len(matcher) > 1:
        raise Wrong(f"finds the {named} by a selector and by more", "keep the selector alone")
    return {name: str(text).strip() for name, text in matcher.items()}


def _quoted(name: object) -> str:
    return json.dumps(str(name)[:_NAME_CHARS])


def as_tables(rules: Iterable[PageRule]) -> dict[str, dict[str, dict[str, str]]]:
    """The rules as ``pages`` reads them."""
    tables: dict[str, dict[str, dict[str, str]]] = {}
    for rule in rules:
        how = {name: getattr(rule, name) for name in _MATCHERS if getattr(rule, name)}
        tables.setdefault(rule.place, {})[rule.control] = how
    return tables
