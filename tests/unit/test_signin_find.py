"""Which browser is found, in which order, and what is said when there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harvester.errors import BrowserMissing
from harvester.signin import find


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "_INSTALLED", {"chrome": (), "msedge": ()})


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def build(root: Path, name: str, executable: str) -> Path:
    import json

    package = find.driver_package()
    assert package is not None
    listed = json.loads((package / "browsers.json").read_text())["browsers"]
    revision = next(one["revision"] for one in listed if one["name"] == name)
    return program(root / f"{name.replace('-', '_')}-{revision}" / "chrome-linux" / executable)


def test_a_given_path_is_used(tmp_path: Path) -> None:
    given = program(tmp_path / "my-browser")
    assert find.find_browser(str(given), {}).path == str(given)


@pytest.mark.parametrize("choice", ["/nowhere/browser", "chrome-canary", "./browser"])
def test_a_given_browser_that_is_none_names_the_setting(choice: str) -> None:
    with pytest.raises(BrowserMissing) as caught:
        find.find_browser(choice, {})
    assert "HARVESTER_BROWSER" in caught.value.message


def test_playwrights_own_build_comes_before_the_path(tmp_path: Path) -> None:
    on_path = program(tmp_path / "bin" / "chromium")
    environ = {"PATH": str(on_path.parent), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path / "builds")}
    assert find.find_browser(None, environ).path == str(on_path)
    full = build(tmp_path / "builds", "chromium", "chrome")
    assert find.find_browser(None, environ).path == str(full)
    shell = build(tmp_path / "builds", "chromium-headless-shell", "headless_shell")
    found = find.find_browser(None, environ)
    assert (found.path, found.kind) == (str(shell), "playwright")


def test_the_headless_shell_comes_first_on_the_path(tmp_path: Path) -> None:
    program(tmp_path / "chromium")
    shell = program(tmp_path / "chromium-headless-shell")
    assert find.find_browser(None, {"PATH": str(tmp_path)}).path == str(shell)


def test_a_snap_stub_is_no_browser(tmp_path: Path) -> None:
    program(tmp_path / "chromium-browser", '#!/bin/sh\nexec /snap/bin/chromium "$@"\n')
    with pytest.raises(BrowserMissing) as caught:
        find.find_browser(None, {"PATH": str(tmp_path)})
    assert "scripts/setup" in caught.value.hint


def test_a_channel_is_taken_only_if_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "chromium")
    environ = {"PATH": str(tmp_path)}
    with pytest.raises(BrowserMissing):
        find.find_browser("msedge", environ)
    edge = program(tmp_path / "edge" / "msedge")
    monkeypatch.setattr(find, "_INSTALLED", {"msedge": (str(edge),)})
    assert find.find_browser("msedge", environ).path == str(edge)
    assert find.find_browser("chromium", environ).path == str(tmp_path / "chromium")


def test_searching_imports_no_playwright() -> None:
    code = (
        "import sys; from harvester.signin.find import find_browser; "
        "\ntry: find_browser(None)\nexcept Exception: pass\n"
        "assert not [m for m in sys.modules if m.startswith('playwright')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_person_gets_his_own_browser_and_never_a_shell(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "chromium-headless-shell")
    mine = program(tmp_path / "bin" / "chromium")
    builds = tmp_path / "builds"
    build(builds, "chromium-headless-shell", "headless_shell")
    bundled = build(builds, "chromium", "chrome")
    environ = {"PATH": str(tmp_path / "bin"), "PLAYWRIGHT_BROWSERS_PATH": str(builds)}
    assert find.find_browser(None, environ, windows=True).path == str(mine)
    shell = str(tmp_path / "bin" / "chromium-headless-shell")
    assert find.find_browser(shell, environ, windows=True).path == str(mine)
    mine.unlink()
    assert find.find_browser(None, environ, windows=True).path == str(bundled)


def test_a_shell_alone_shows_no_window_and_what_does_is_named(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "chromium-headless-shell")
    with pytest.raises(BrowserMissing) as caught:
        find.find_browser(None, {"PATH": str(tmp_path / "bin")}, windows=True)
    assert "Chromium" in caught.value.hint and "HARVESTER_BROWSER" in caught.value.hint


def test_a_given_browser_gets_the_windows_too(tmp_path: Path) -> None:
    given = program(tmp_path / "my-browser")
    assert find.find_browser(str(given), {}, windows=True).path == str(given)
