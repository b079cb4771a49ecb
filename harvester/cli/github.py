"""A session for the later steps of a GitHub Actions job: masked first, then given as a path.

The runner blanks out of the log whatever ``::add-mask::`` named, exactly as it was named; so each
value is named in every spelling in which a tool may print it.  What goes to $GITHUB_OUTPUT can be
read in the job's page by whoever may read it: the path of a private file, never a value.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, quote_plus

from harvester.cli.giving import keep
from harvester.errors import ConfigUnsafe, Usage


def places(environ: Mapping[str, str]) -> tuple[Path, Path]:
    """The runner's directory for this job's files, and the file that takes a step's outputs.
    Raises Usage outside of such a job."""
    temp, output = environ.get("RUNNER_TEMP", ""), environ.get("GITHUB_OUTPUT", "")
    if not (os.path.isabs(temp) and os.path.isabs(output)) or "\n" in temp:
        raise Usage(
            "--github is for a step of a GitHub Actions job: there is no RUNNER_TEMP or no "
            "GITHUB_OUTPUT",
            hint="elsewhere use: harvester token --output FILE",
        )
    return Path(temp), Path(output)


def masks(cookies: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The lines for the runner, of cookies by name and value; each spelling once."""
    header = "; ".join(f"{name}={value}" for name, value in cookies)
    seen: set[str] = set()
    for text in [value for _, value in cookies] + [header]:
        for spelling in _spellings(text):
            if spelling and spelling not in seen:
                seen.add(spelling)
                yield f"::add-mask::{_escaped(spelling)}"


def hand_over(text: str, temp: Path, output: Path) -> None:
    """Put it into a private file, and the file's path into the step's outputs."""
    path = Path(tempfile.mkdtemp(prefix="harvester-", dir=temp)) / "session"
    keep(path, text)
    try:
        with output.open("a", encoding="utf-8") as file:
            file.write(f"session-file={path}\n")
    except OSError as error:
        wrong = ConfigUnsafe(
            f"GITHUB_OUTPUT cannot be written: {error.strerror}", hint="see the runner's own log"
        )
    else:
        return
    path.unlink()
    raise wrong


def _spellings(text: str) -> Iterator[str]:
    yield text
    yield json.dumps(text)[1:-1]
    yield json.dumps(json.dumps(text)[1:-1])[1:-1]
    yield quote(text, safe="")
    yield quote(text)
    yield quote_plus(text)
    yield shlex.quote(text)[1:-1] if shlex.quote(text) != text else text
    yield (
        text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    )
    data = text.encode()
    # Within something longer base64 begins at any of three places, and its edges differ: what is
    # between them is the same.
    for lead in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            whole = encode(b"\0" * lead + data).decode().rstrip("=")
            core = whole[-(-8 * lead // 6) : len(whole) - bool((lead + len(data)) % 3)]
            if len(core) >= 8:  # less would blank out half of every log
                yield core
    yield data.hex()


def _escaped(text: str) -> str:
    """As the runner reads a command's data."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
