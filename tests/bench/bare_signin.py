"""The peer: what a person would write by hand with Playwright for this one site, and no more.

    python tests/bench/bare_signin.py BROWSER SITE USER PASSWORD

Synchronous goto, fill, click, ``cookies()``; no waits of its own, no search, no proof, nothing
kept.  It knows each page by heart.  Prints the session cookie.
"""

import sys

from playwright.sync_api import sync_playwright

browser_path, site, user, password = sys.argv[1:]
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=browser_path)
    page = browser.new_page()
    page.goto(site)
    page.click("text=Sign in")
    page.click("text=Continue with SSO")
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    cookies = {one["name"]: one["value"] for one in page.context.cookies(site)}
    browser.close()
print("stytch_session=" + cookies["stytch_session"])
