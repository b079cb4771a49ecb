"""The house keeps its shape: who may import whom, which library has which door, how big a file is.

The two tables are the ones of ``docs/architecture.md``.  A new module needs a line here first:
that is the moment to ask where it belongs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "harvester"

# From the ground up; imports go down, or stay on the floor without going in a circle.  A name
# stands for the module and all below it; the longest name that fits counts.
FLOORS = {
    "words": (
        "harvester", "errors", "session", "profile", "wire", "redact", "clock", "paths", "knoq",
        "passkeys", "evidence", "places", "steady", "visitor", "signin.dialogue",
    ),
    "rules": (
        "attempts", "bucket", "budgets", "digests", "ledger_form", "lives", "prices", "rest",
        "discovery", "ladder", "lease", "ledger", "lifetime", "pardon", "pasted", "reasons",
        "scope", "setcookie", "tripwire", "trouble", "union", "verdict", "whose",
    ),
    "tools": (
        "afterlife", "ascent", "asking", "audit", "bell", "bundle", "by_hand", "climb",
        "condition", "confirm", "crowd", "descent", "engine", "flight", "handout", "held",
        "keeper", "kept_leases", "kept_ledger", "leases", "leftovers", "locking", "log", "memory",
        "metrics", "notes", "older", "opening", "overseer", "pause", "porter", "probe", "process",
        "program", "records", "reports", "rotation", "settings", "settle", "sign_ins", "signer",
        "signin", "spawn", "staging", "stamp", "standing", "status", "succession", "summons",
        "switching", "tally", "timekeeping", "timeline", "timer", "upkeep", "vault", "wallet",
        "witness",
    ),
    "outlets": ("outlets",),
    "assembly": ("assembly", "storeroom", "daemon", "hand_outs", "oneshot", "reload"),
    "faces": (
        "__main__", "cli", "client", "credential", "demo", "dial", "hot", "sdk", "unanswered",
        "watching",
    ),
}  # fmt: skip
HEIGHT = {floor: height for height, floor in enumerate(FLOORS)}

# Each library has one door, so that there is one place where its habits are known.
DOORS = {
    "aiohttp": ("probe", "outlets", "daemon", "standin", "sdk.aiohttp"),
    "apscheduler": ("timer",),
    "click": ("cli",),
    "httptools": ("outlets.site_answer", "outlets.client_request"),
    # aiohttp's own word for headers.
    "multidict": ("outlets",),
    "cryptography": ("vault.seal", "vault.passphrase"),
    "httpx": ("sdk.httpx",),
    "httpx2": ("sdk.httpx2",),
    # In a process of its own, which is this very file.
    "keyring": ("vault.oskeyring",),
    "playwright": ("signin.browser",),
    "prometheus_client": ("metrics",),
    "pydantic": ("settings",),
    "pydantic_core": ("settings",),
    "pydantic_settings": ("settings",),
    "requests": ("sdk.requests",),
    "rich": ("cli",),
}

NAMES_THAT_SAY_NOTHING = {"utils", "helper", "manager", "handler", "service", "common"}
LONGEST_FILE_LINES = 380

DISTRIBUTION = "knoq-harvester"
# Beside knoq.py: what a user reads who sets up or watches the story, with the site's real name.
MAY_NAME_THE_SITE = ("knoq", "settings", "demo")


def _names() -> dict[str, Path]:
    """Every module of the package, without the leading ``harvester.``."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts) or "harvester"] = path
    return found


MODULES = _names()
OURS = [name for name in MODULES if name.split(".")[0] != "standin"]


@cache
def _tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"), filename=str(MODULES[name]))


def _imports(name: str, *, late: bool = True) -> Iterator[tuple[str, int]]:
    """(dotted name, line) of all that a module imports; ``late``: within functions too."""
    tree = _tree(name)
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if id(node) in inside and not late:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno}: a relative import"
            assert node.module is not None
            for alias in node.names:
                # `from harvester import wire` imports a module, `from harvester.wire import X` not.
                below = f"{node.module}.{alias.name}"
                known = below.removeprefix("harvester.") in MODULES
                yield (below if known else node.module), node.lineno


def _own(name: str, *, late: bool = True) -> set[tuple[str, int]]:
    """The modules of this package that a module imports."""
    return {
        (target.removeprefix("harvester."), line)
        for target, line in _imports(name, late=late)
        if target.split(".")[0] == "harvester"
    }


def _fits(name: str, door: str) -> bool:
    return name == door or name.startswith(door + ".")


def _floor(name: str) -> str | None:
    fitting = [
        (len(door), floor) for floor, doors in FLOORS.items() for door in doors if _fits(name, door)
    ]
    return max(fitting)[1] if fitting else None


@pytest.mark.parametrize("name", OURS)
def test_every_module_has_its_floor(name: str) -> None:
    assert _floor(name), f"harvester.{name} stands on no floor: give it a line in FLOORS"


@pytest.mark.parametrize("name", OURS)
def test_imports_go_down(name: str) -> None:
    ours = _floor(name) or "words"
    upwards = [
        f"line {line}: {target} ({floor})"
        for target, line in _own(name)
        if (floor := _floor(target)) and HEIGHT[floor] > HEIGHT[ours]
    ]
    assert not upwards, f"harvester.{name} ({ours}) imports from above: {upwards}"


def test_no_import_goes_in_a_circle() -> None:
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " → ".join((*way[way.index(name) :], name))
        if name in done:
            return
        for target, _ in _own(name, late=False):
            if target in MODULES:
                walk(target, (*way, name))
        done.add(name)

    for name in MODULES:
        walk(name, ())


@pytest.mark.parametrize("name", list(MODULES))
def test_a_library_is_imported_through_its_door_only(name: str) -> None:
    for target, line in _imports(name):
        top = target.split(".")[0]
        if top == "harvester" or top in sys.stdlib_module_names:
            continue
        assert top in DOORS, f"harvester.{name}:{line} imports {top}, which has no door"
        assert any(_fits(name, door) for door in DOORS[top]), (
            f"harvester.{name}:{line} imports {top}, whose door is {DOORS[top]}"
        )


@pytest.mark.parametrize("name", [name for name in OURS if _floor(name) in ("words", "rules")])
def test_words_and_rules_need_no_library(name: str) -> None:
    tops = {target.split(".")[0] for target, _ in _imports(name, late=False)}
    assert tops <= {"harvester", *sys.stdlib_module_names}


def _reaches(start: str, *, late: bool) -> set[str]:
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        name = ahead.pop()
        if name in seen or name not in MODULES:
            continue
        seen.add(name)
        ahead += [target for target, _ in _own(name, late=late)]
    return seen


def test_the_fast_command_needs_nothing_but_the_standard_library() -> None:
    for start in ("__main__", "client", "sdk"):
        for name in _reaches(start, late=False):
            tops = {target.split(".")[0] for target, _ in _imports(name, late=False)}
            assert tops <= {"harvester", *sys.stdlib_module_names}, f"{start} → {name}: {tops}"


def test_the_daemon_never_comes_near_a_browser() -> None:
    reached = _reaches("daemon", late=True)
    assert "keeper" in reached, "the walk itself works"
    assert not {name for name in reached if name.startswith("signin.")} - {"signin.dialogue"}
    assert not {name for name in reached if _fits(name, "cli")}


def test_the_package_itself_imports_nothing() -> None:
    assert list(_imports("harvester")) == []


@pytest.mark.parametrize("name", [name for name in MODULES if name not in OURS])
def test_the_stand_in_shares_nothing_with_what_it_tests(name: str) -> None:
    foreign = {target for target, _ in _own(name) if not _fits(target, "standin")}
    assert not foreign, f"harvester.{name} imports {foreign}"


def test_nothing_is_built_on_the_stand_in() -> None:
    users = {name for name in OURS for target, _ in _own(name) if _fits(target, "standin")}
    assert not users


def test_outlets_are_unaware_of_each_other() -> None:
    assert "files" not in {target.split(".")[-1] for target, _ in _own("outlets.api")}
    assert not {target for target, _ in _own("outlets.files") if _fits(target, "outlets")}


@pytest.mark.parametrize("name", list(MODULES))
def test_a_file_can_be_read_in_one_sitting_and_says_what_it_is(name: str) -> None:
    lines = MODULES[name].read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST_FILE_LINES, f"{MODULES[name]} has {lines} lines"
    assert ast.get_docstring(_tree(name)), f"{MODULES[name]} has no docstring"


@pytest.mark.parametrize("name", list(MODULES))
def test_names_say_something(name: str) -> None:
    words = {word for part in name.split(".") for word in part.split("_")}
    singular = {word.removesuffix("s") for word in words} | words
    assert not singular & NAMES_THAT_SAY_NOTHING


def _docstrings(tree: ast.Module) -> set[int]:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }


@pytest.mark.parametrize(
    "name", [name for name in OURS if not any(_fits(name, one) for one in MAY_NAME_THE_SITE)]
)
def test_only_one_file_knows_the_site(name: str) -> None:
    documents = _docstrings(_tree(name))
    spelled = [
        node.lineno
        for node in ast.walk(_tree(name))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and "knoq" in node.value.lower().replace(DISTRIBUTION, "")
        and id(node) not in documents
    ]
    assert not spelled, f"harvester.{name} spells the site's name in lines {spelled}"
