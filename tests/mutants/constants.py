"""Every number that a rule is made of, halved and doubled."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from mutant import ROOT, Mutant

# The rules of when, how often and how long.
FILES = (
    "ladder.py",
    "lifetime.py",
    "lives.py",
    "prices.py",
    "budgets.py",
    "ledger.py",
    "settle.py",
    "rest.py",
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number at a place of a file, with the name it goes by."""

    name: str
    file: str
    start: int
    end: int


def numbers() -> Iterator[Number]:
    """The named numbers of each file, and those of the price list."""
    for file in FILES:
        text = (ROOT / "harvester" / file).read_text("utf-8")
        starts = [0]
        for line in text.encode().splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        for node in ast.parse(text).body:
            target = node.targets[0] if isinstance(node, ast.Assign) else None
            if isinstance(node, ast.AnnAssign):
                target = node.target
            value = getattr(node, "value", None)
            if not isinstance(target, ast.Name) or not isinstance(value, ast.expr):
                continue
            if _is_number(value):
                yield _at(f"{file}: {target.id}", file, value, starts)
            for call in ast.walk(value):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Price":
                    rung = _rung_of(value, call)
                    for index, argument in enumerate(call.args):
                        if _is_number(argument):
                            yield _at(
                                f"{file}: {target.id}[{rung}].{index}", file, argument, starts
                            )


def mutants() -> Iterator[Mutant]:
    for number in numbers():
        text = (ROOT / "harvester" / number.file).read_bytes()
        old = text[number.start : number.end].decode()
        # The whole line, so that it stands only once.
        first = text.rfind(b"\n", 0, number.start) + 1
        last = text.find(b"\n", number.end)
        line = text[first:last].decode()
        at = len(text[first : number.start].decode())
        for word, by in (("halved", "/ 2"), ("doubled", "* 2")):
            new = f"type({old})(({old}) {by})"
            mutated = line[:at] + new + line[at + len(old) :]
            yield Mutant(f"{number.name} {word}", number.file, line + "\n", mutated + "\n")


def _is_number(node: ast.expr) -> bool:
    """A literal, or a sum made of literals and names, such as ``24 * HOUR_S``."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)
    if isinstance(node, ast.BinOp):
        return all(
            _is_number(side) or isinstance(side, ast.Name) for side in (node.left, node.right)
        )
    return False


def _rung_of(value: ast.expr, call: ast.Call) -> str:
    for node in ast.walk(value):
        if isinstance(node, ast.Dict):
            for key, each in zip(node.keys, node.values, strict=True):
                if each is call and isinstance(key, ast.Constant):
                    return str(key.value)
    raise AssertionError("a price that stands in no list")


def _at(name: str, file: str, node: ast.expr, starts: list[int]) -> Number:
    assert node.end_lineno == node.lineno and node.end_col_offset is not None
    start = starts[node.lineno - 1]
    return Number(name, file, start + node.col_offset, start + node.end_col_offset)
