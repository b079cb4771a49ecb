"""A person at a window, for machines without a screen: a browser that shows none, and a hand.

``windowless`` is a browser that takes any words for windows and opens none.  Started plainly (with
no pipe to drive it) it is the person's own: it goes through the sign-in by itself and ends.
"""

from __future__ import annotations

import sys
from pathlib import Path

from harvester.signin.find import find_browser

_SCRIPT = """#!{python}
import os, runpy, sys
if any(word.startswith("--remote-debugging") for word in sys.argv):
    os.execv({shell!r}, [{shell!r}, *sys.argv[1:]])
os.environ["HAND_BROWSER"] = {shell!r}
sys.path.insert(0, {support!r})
runpy.run_path({hand!r}, run_name="__main__")
"""


def windowless(place: Path) -> str:
    """The path of such a browser, made in ``place``."""
    path = place / "windowless-browser"
    support = Path(__file__).parent
    path.write_text(
        _SCRIPT.format(
            python=sys.executable,
            shell=find_browser(None).path,
            hand=str(support / "hand.py"),
            support=str(support),
        )
    )
    path.chmod(0o755)
    return str(path)
