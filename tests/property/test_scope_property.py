"""For any path and any pattern: what a lease covers, every server reads as something it covers.

The model knows nothing of how the product decides.  It is a dozen servers, each reading a path in
its own way, and a pattern that is matched by trying all the places where a star may end.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Callable
from urllib.parse import unquote

from hypothesis import example, given, settings
from hypothesis import strategies as st

from harvester.scope import PATTERN, Scope

Reading = Callable[[str], str]


def resolved(path: str) -> str:
    """Dots taken away as RFC 3986 (5.2.4) says; a slash at the end stays."""
    steps: list[str] = []
    for step in path.split("/")[1:]:
        if step == "..":
            del steps[-1:]
        elif step != ".":
            steps.append(step)
    return "/" + "/".join(steps)


READINGS: dict[str, Reading] = {
    "as written": lambda path: path,
    "decoded": unquote,
    "decoded twice": lambda path: unquote(unquote(path)),
    "dots, then decoded": lambda path: unquote(resolved(path)),
    "decoded, then dots": lambda path: resolved(unquote(path)),
    "decoded twice, then dots": lambda path: resolved(unquote(unquote(path))),
    "slashes merged": lambda path: re.sub("/+", "/", unquote(path)),
    "as a file": lambda path: "/" + posixpath.normpath(unquote(path)).lstrip("/")
    + ("/" if path.endswith("/") and path != "/" else ""),
    "parameters cut off": lambda path: resolved(re.sub(";[^/]*", "", unquote(path))),
    "parameters cut off before": lambda path: resolved(unquote(re.sub(";[^/]*", "", path))),
    "Windows": lambda path: resolved(unquote(path).replace("\\", "/")),
    "query and fragment found late": lambda path: re.split("[?#]", unquote(path))[0],
    "cut at a zero byte": lambda path: unquote(path).partition("\0")[0],
    "folded": lambda path: resolved(unicodedata.normalize("NFKC", unquote(path))),
    "Latin-1": lambda path: resolved(unquote(path, "latin-1")),
    "blanks cut off": lambda path: resolved(
        "/".join(step.strip() for step in unquote(path.replace("+", " ")).split("/"))
    ),
}  # fmt: skip


def stands_for(pattern: str, path: str) -> bool:
    """By the words of the documentation, and slowly."""
    if pattern.endswith("/*"):
        head = pattern[:-1]
        return any(
            path[at] == "/"
            and same(head, path[: at + 1])
            and path[at + 1 : at + 2] not in ("", "/")
            for at in range(len(path))
        )
    return same(pattern, path)


def same(pattern: str, path: str) -> bool:
    if not pattern:
        return not path
    if pattern[0] != "*":
        return path[:1] == pattern[0] and same(pattern[1:], path[1:])
    end = path.find("/")
    longest = len(path) if end < 0 else end
    return any(same(pattern[1:], path[taken:]) for taken in range(longest + 1))


def whole_steps_are_not_empty(pattern: str, path: str) -> bool:
    """A star that is a whole segment stands for something."""
    return not any(
        wanted == "*" and not given
        for wanted, given in zip(pattern.split("/"), path.split("/"), strict=False)
    )


NASTY = (
    "..", ".", "/", "//", "%2e", "%2E", "%2f", "%2F", "%5c", "\\", ";", "%3b", "?", "#", "%3f",
    "%25", "%252e", "%252f", "%00", "%20", "+", " ", "%c0%af", "%ef%bc%8f", "\uff0f", "%e2%80%a4",
    "..;", ";x=..", "%", "*", ":", "@", "~", "A", "api", "API", "v1", "x", "secret", "%41", "\n",
)  # fmt: skip
steps = st.sampled_from(["api", "v1", "x", "secret", "a.b", "*", "v*", "*x", "a*b", "A", "@", "x."])
patterns = st.builds(
    lambda inner, slash: "/" + "/".join(inner) + slash,
    st.lists(steps, max_size=4),
    st.sampled_from(["", "", "/"]),
).filter(lambda one: bool(PATTERN.fullmatch(one)))
nasty_paths = st.lists(st.sampled_from(NASTY), max_size=10).map(lambda parts: "/" + "".join(parts))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """A pattern and a path that came from it: its stars filled, and perhaps spoiled."""
    pattern = draw(patterns)
    filled = "".join(
        draw(st.sampled_from(["", "x", "v1", "a/b", "%20", "..", "%2e%2e", "x/", "/"]))
        if char == "*" else char
        for char in pattern
    )  # fmt: skip
    if draw(st.booleans()):
        at = draw(st.integers(0, len(filled)))
        filled = filled[:at] + draw(st.sampled_from(NASTY)) + filled[at:]
    return pattern, filled


def holds(pattern: str, path: str) -> None:
    covered = Scope(("GET",), (pattern,)).covers(path)
    if covered:
        for name, read in READINGS.items():
            seen = read(path)
            assert stands_for(pattern, seen), f"{pattern} covers {path!r}, read ({name}) {seen!r}"
    # The other way round: a plain path that the words cover is not refused.
    if re.fullmatch(r"/|(?:/[A-Za-z0-9@_~-][A-Za-z0-9@_.~-]*)+/?", path):
        told = stands_for(pattern, path) and whole_steps_are_not_empty(pattern, path)
        assert covered is told, f"{pattern} and {path!r}"


@example(pair=("/api/*", "/api/%20/x"))
@example(pair=("/api/*", "/api/x/..;/secret"))
@example(pair=("/*", "/"))
@given(pair=pairs())
@settings(deadline=None, max_examples=400)
def test_a_path_made_from_a_pattern(pair: tuple[str, str]) -> None:
    holds(*pair)


@given(pattern=patterns, path=nasty_paths)
@settings(deadline=None, max_examples=400)
def test_a_path_made_to_mislead(pattern: str, path: str) -> None:
    holds(pattern, path)


@given(path=st.text(max_size=40))
@settings(deadline=None, max_examples=200)
def test_any_text_at_all(path: str) -> None:
    holds("/*", path if path.startswith("/") else "/" + path)
