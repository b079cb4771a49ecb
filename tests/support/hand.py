"""The hand of a person in a browser of his own: goes to the address and follows what it shows.

Started by ``person.py``'s browser with the words of a plain one.  The pages that it meets sign in
by themselves; it waits until one of them says that it is over.
"""

from __future__ import annotations

import os
import sys

from playwright.sync_api import sync_playwright


def main() -> None:
    profile = next(word for word in sys.argv if word.startswith("--user-data-dir="))
    with sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            profile.partition("=")[2],
            executable_path=os.environ["HAND_BROWSER"],
            chromium_sandbox=os.geteuid() != 0,
        )
        page = context.pages[0]
        page.goto(sys.argv[-1])
        page.wait_for_selector("#over", state="attached")
        context.close()


if __name__ == "__main__":
    main()
