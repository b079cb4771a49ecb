"""Playwright with a storage state of ours: a browser under test that is signed in."""

from __future__ import annotations

import json
import os
from pathlib import Path

from playwright.sync_api import sync_playwright

import browsers
from harvester.signin.find import find_browser
from runs import Home
from standin import StandInProcess
from walker import Walker
from walks import sign_in


def test_a_browser_under_test_is_signed_in_by_the_storage_state(
    tmp_path: Path, standin: StandInProcess
) -> None:
    standin.set(odd_value=True)
    home = Home(tmp_path, standin, HARVESTER_PASSWORD=None)
    person = Walker()
    sign_in(person, standin)
    (tmp_path / "pasted").write_text(browsers.header(person.jars["knoq.localhost"].items()))
    assert home.run("import", str(tmp_path / "pasted")).returncode == 0
    state = tmp_path / "state.json"
    given = home.run("export", "--format", "storage-state", "--output", str(state))
    assert given.returncode == 0, given.stderr
    url = f"{standin.site}/api/managed-agents/sessions"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=find_browser(None).path, chromium_sandbox=os.geteuid() != 0
        )
        answers = []
        for storage in (state, None):
            page = browser.new_context(storage_state=storage).new_page()
            answer = page.goto(url)
            assert answer is not None
            answers.append(answer.status)
        browser.close()
    assert answers == [200, 401]
    [cookie] = json.loads(state.read_text())["cookies"]
    assert cookie["value"] == person.jars["knoq.localhost"]["stytch_session"]
