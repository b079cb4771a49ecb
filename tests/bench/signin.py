"""`harvester token` with an empty store, beside a bare Playwright script, on the same stand-in.

    scripts/bench signin [--pairs 20] [--at-most 1.2]

Both are whole processes, started anew each time, with nothing kept between runs.  The bare script
knows each page by heart and proves nothing; ours finds its way, writes the attempt down, asks the
site whether the session lives, finds which cookies it needs, seals it, and prints it.
Exit 1 where the median ratio is above the bound.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path

from pairs import Paired

from harvester.signin.find import find_browser
from runs import Home
from standin import StandInProcess

BARE = Path(__file__).with_name("bare_signin.py")


def _checked(ended: subprocess.CompletedProcess[str]) -> None:
    """A run that did not bring a cookie is no run."""
    if ended.returncode or "stytch_session" not in ended.stdout:
        sys.exit(f"a run failed ({ended.returncode}): {ended.stderr[-2000:]}")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pairs", type=int, default=20)
    options.add_argument("--at-most", type=float, default=1.2, help="the highest ratio allowed")
    asked = options.parse_args()
    browser = find_browser(os.environ.get("HARVESTER_BROWSER")).path
    with tempfile.TemporaryDirectory() as place, StandInProcess() as world:
        numbers = count()

        def bare() -> None:
            words = [sys.executable, str(BARE), browser, world.site, world.username]
            ended = subprocess.run(
                [*words, world.password], capture_output=True, text=True, check=False
            )
            _checked(ended)

        def ours() -> None:
            fresh = Path(place) / str(next(numbers))
            fresh.mkdir()
            _checked(Home(fresh, world, HARVESTER_BROWSER=browser).run("token", "--quiet"))

        paired = Paired({"bare Playwright script": bare, "harvester token, empty store": ours})
        paired.measure(asked.pairs, told=lambda line: print(line, file=sys.stderr, flush=True))
    print(paired.table())
    ratio = paired.ratio("harvester token, empty store")
    return 0 if ratio <= asked.at_most else 1


if __name__ == "__main__":
    sys.exit(main())
