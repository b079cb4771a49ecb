"""The main job, in a real browser: sign in, serve, notice a 401, refresh; once and as a daemon."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runs import Home
from standin import StandInProcess


@pytest.fixture
def home(tmp_path, standin) -> Home:
    return Home(tmp_path, standin)


def test_token_prints_a_cookie_that_works_and_a_second_call_signs_in_nowhere(home):
    first = home.run("token")
    assert first.returncode == 0, first.stderr
    assert home.ask_site(first.stdout.strip()) == 200
    second = home.run("token")
    assert second.stdout == first.stdout
    assert home.world.state()["sign_ins"] == 1
    value = first.stdout.strip().partition("=")[2]
    assert home.in_clear(value, home.world.password) == []
    for path in home.store.rglob("*"):
        mode = path.lstat().st_mode & 0o777
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert home.processes() == []
    assert list((home.place / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("switches", "needed"),
    [
        ({"needed": "opaque"}, ["stytch_session"]),
        ({"needed": "jwt"}, ["stytch_session_jwt"]),
        ({"needed": "both"}, ["stytch_session", "stytch_session_jwt"]),
        ({"needed": "both", "opaque_name": "k1", "jwt_name": "zz"}, ["k1", "zz"]),
        ({"host_prefix": True, "http_only": True, "odd_value": True}, ["__Host-stytch_session"]),
        ({"cookie_before_sign_in": True}, ["stytch_session"]),
    ],
)
def test_just_the_needed_cookies_are_served_whatever_they_are_called(home, switches, needed):
    home.world.set(**switches)
    told = home.run("token", "--format", "json")
    assert told.returncode == 0, told.stderr
    session = json.loads(told.stdout)
    assert sorted(cookie["name"] for cookie in session["cookies"]) == sorted(needed)
    assert home.ask_site(session["headers"]["Cookie"]) == 200


def test_while_the_provider_remembers_an_expiry_types_no_password_also_after_a_restart(home):
    with home.daemon() as daemon:
        before = json.loads(daemon.client.session())
        home.world.revoke("sessions")
        told = daemon.client.report("default", before["generation"])
        assert told["verdict"] == "refreshed"
    home.world.revoke("sessions")
    with home.daemon() as daemon:
        current = json.loads(daemon.client.session())
        told = daemon.client.report("default", current["generation"])
        assert home.ask_site(told["headers"]["Cookie"]) == 200
    state = home.world.state()
    assert state["sign_ins"] == 3
    assert state["password_submits"] == 1


def test_two_hundred_reports_are_one_sign_in_and_idle_reports_are_none(home):
    with home.daemon() as daemon, ThreadPoolExecutor(200) as pool:
        first = json.loads(daemon.client.session())
        generation = first["generation"]
        home.world.revoke("sessions")
        told = list(pool.map(lambda _: daemon.client.report("default", generation), range(200)))
        assert {one["generation"] for one in told} == {generation + 1}
        assert home.ask_site(told[0]["headers"]["Cookie"]) == 200
        assert home.world.state()["sign_ins"] == 2
        requests = home.world.state()["api_requests"]
        stale = list(pool.map(lambda _: daemon.client.report("default", generation), range(200)))
        assert {one["verdict"] for one in stale} == {"superseded"}
        assert home.world.state()["api_requests"] == requests
        alive = list(pool.map(lambda _: daemon.client.report("default", generation + 1), range(30)))
        assert {one["verdict"] for one in alive} == {"alive"}
        assert home.world.state()["sign_ins"] == 2


def test_after_kill_nine_the_same_session_is_served_without_a_sign_in(home):
    with home.daemon() as daemon:
        before = json.loads(daemon.client.session())
        daemon.kill()
    with home.daemon() as daemon:
        after = json.loads(daemon.client.session())
    assert after["headers"] == before["headers"]
    assert after["generation"] == before["generation"]
    assert home.world.state()["sign_ins"] == 1


def test_a_session_of_25_seconds_is_renewed_before_it_ends_again_and_again(tmp_path):
    with StandInProcess(session_life_s=25) as world:
        home = Home(tmp_path, world)
        kept = home.place / "cookie.txt"
        home.env["HARVESTER_FILES"] = f"cookie:{kept}"
        with home.daemon():
            # Nobody asks the daemon for anything: only its own schedule can do this.  The kept
            # file is what a tool would use, and it must work at every moment.
            seen = set()
            ends_at = time.monotonic() + 60
            while time.monotonic() < ends_at:
                cookie = kept.read_text().strip()
                assert home.ask_site(cookie) == 200
                seen.add(cookie)
                time.sleep(0.5)
        assert len(seen) >= 3
        assert world.state()["password_submits"] == 1


def test_a_wrong_password_is_sent_once_by_commands_and_by_daemons(home):
    right = home.world.password
    for _ in range(2):
        code, error = home.error("token", HARVESTER_PASSWORD="not-this-one")
        assert (code, error["code"]) == (77, "credentials_rejected")
    assert error["latched"] is True
    for _ in range(2):
        with home.daemon(ready=False):
            code, error = home.error("token")
            assert (code, error["code"]) == (77, "credentials_rejected")
    assert home.world.state()["password_submits"] == 1
    assert home.run("token", HARVESTER_PASSWORD=right).returncode == 0
    assert home.world.state()["password_submits"] == 2


def test_two_wrong_passwords_in_turn_never_come_to_a_third_send(home):
    for password in ("old-one", "new-one", "old-one", "third-one", home.world.password):
        code, error = home.error("token", HARVESTER_PASSWORD=password)
        assert (code, error["code"]) == (77, "credentials_rejected")
    assert "harvester unlock" in error["hint"]
    assert home.world.state()["password_submits"] == 2
    assert home.run("unlock").returncode == 0
    assert home.run("token").returncode == 0


def test_a_site_that_is_down_costs_nobody_the_session(home):
    home.world.set(site_down=True)
    code, error = home.error("token")
    assert (code, error["code"]) == (75, "site_down")
    home.world.set(site_down=False)
    cookie = home.run("token").stdout
    sign_ins = home.world.state()["sign_ins"]
    with home.daemon() as daemon:
        home.world.set(site_down=True)
        assert home.run("token").stdout == cookie
        told = daemon.client.report("default", 1)
        assert (told["verdict"], told["stale"]) == ("unreachable", True)
        assert told["headers"]["Cookie"] == cookie.strip()
    assert home.run("token").stdout == cookie
    assert home.world.state()["sign_ins"] == sign_ins


def test_a_probe_that_is_alive_without_a_cookie_proves_nothing(home):
    home.world.set(alive_without_cookie=True)
    code, error = home.error("token")
    assert (code, error["code"]) == (78, "probe_proves_nothing")
    assert "HARVESTER_PROBE_PATH" in error["hint"]
    assert home.world.state()["page_loads"] == 0


def test_a_provider_that_is_down_is_said_in_time_and_nothing_is_typed(home):
    home.world.set(identity_down=True)
    began = time.monotonic()
    code, error = home.error("token")
    assert (code, error["code"]) == (75, "identity_provider_down")
    assert time.monotonic() - began < 30
    assert home.world.state()["password_submits"] == 0


def test_a_challenge_is_for_a_person_and_says_what_to_do(home):
    home.world.set(idp_page="captcha")
    code, error = home.error("token")
    assert (code, error["code"]) == (4, "challenge")
    assert "login.localhost" in error["message"] + error["hint"]
    assert "harvester unlock" in error["hint"]
    assert home.world.state()["password_submits"] == 0


def test_without_an_allowed_origin_nothing_is_typed_and_the_setting_is_named(home):
    code, error = home.error("token", HARVESTER_IDENTITY_ORIGINS=None)
    assert (code, error["code"]) == (78, "origin_not_allowed")
    assert home.world.identity in error["message"]
    assert "HARVESTER_IDENTITY_ORIGINS" in error["message"] + error["hint"]
    state = home.world.state()
    assert state["password_submits"] == 0 and state["wrong_clicks"] == {}
    fixed = home.run("token", HARVESTER_IDENTITY_ORIGINS=home.world.identity)
    assert fixed.returncode == 0, fixed.stderr


def test_no_sign_in_starts_none_with_a_daemon_and_without(home):
    assert home.error("token", "--no-sign-in")[1]["code"] == "sign_in_forbidden"
    with home.daemon():
        home.run("logout")
        code, error = home.error("token", "--no-sign-in")
        assert (code, error["code"]) == (4, "sign_in_forbidden")
        assert home.world.state()["sign_ins"] == 1


def test_a_second_daemon_on_the_same_store_refuses_with_a_sentence(home):
    with home.daemon():
        second = home.run("serve", HARVESTER_SOCKET=str(home.place / "other" / "h.sock"))
        assert second.returncode == 78
        assert "another daemon" in second.stderr


def test_without_a_user_name_nothing_starts(home):
    code, error = home.error("token", HARVESTER_USERNAME=None, HARVESTER_PASSWORD=None)
    assert (code, error["code"]) == (4, "not_configured")
    assert home.world.state()["page_loads"] == 0


def test_the_daemon_stops_in_mid_sign_in_and_leaves_nothing(home):
    home.world.set(idp_page="number_match")
    with home.daemon(ready=False) as daemon:
        daemon.wait_for("sign_in.step")
        assert daemon.stop() < 10
    assert home.processes() == []
    assert list((home.place / "tmp").iterdir()) == []


def test_a_daemon_killed_in_mid_sign_in_leaves_no_process_and_no_file(home):
    with home.daemon(ready=False) as daemon:
        daemon.wait_for("sign_in.step")
        daemon.kill()
    ends_at = time.monotonic() + 10
    while home.processes() and time.monotonic() < ends_at:
        time.sleep(0.05)
    assert home.processes() == []
    assert list((home.place / "tmp").iterdir()) == []


def test_the_idle_daemon_is_one_small_process_without_a_browser(home):
    with home.daemon() as daemon:
        pid = daemon.process.pid
        ends_at = time.monotonic() + 10
        while _children(pid) and time.monotonic() < ends_at:
            time.sleep(0.05)
        assert _children(pid) == []
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        pss_kib = next(int(line.split()[1]) for line in rollup.splitlines() if "Pss:" in line)
        print(f"idle daemon: {pss_kib / 1024:.1f} MB PSS")
        assert pss_kib <= 64 * 1024
        mapped = Path(f"/proc/{pid}/maps").read_text()
        assert "playwright" not in mapped and "greenlet" not in mapped


def test_a_kept_file_is_written_and_follows_the_generations(home):
    kept = home.place / "cookie.txt"
    home.env["HARVESTER_FILES"] = f"cookie:{kept}"
    with home.daemon() as daemon:
        first = json.loads(daemon.client.session())
        assert kept.read_text().strip() == first["headers"]["Cookie"]
        assert kept.stat().st_mode & 0o777 == 0o600
        home.world.revoke("sessions")
        second = daemon.client.report("default", first["generation"])
        assert kept.read_text().strip() == second["headers"]["Cookie"]


def test_logout_ends_the_session_at_the_site_and_the_next_token_signs_in(home):
    cookie = home.run("token", HARVESTER_SIGN_OUT_PATH="/api/auth/logout").stdout.strip()
    ended = home.run("logout")
    assert ended.returncode == 0, ended.stderr
    assert home.ask_site(cookie) == 401
    assert home.run("status").returncode == 4
    again = home.run("token")
    assert again.returncode == 0
    assert home.ask_site(again.stdout.strip()) == 200


def _children(pid: int) -> list[int]:
    found = []
    for proc in os.listdir("/proc"):
        if proc.isdigit():
            try:
                fields = Path(f"/proc/{proc}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.append(int(proc))
    return found


def test_an_organisation_to_choose_costs_one_password_however_often_it_is_named_wrongly(tmp_path):
    with StandInProcess(organizations="acme,globex") as world:
        home = Home(tmp_path, world)
        assert home.error("token")[1]["code"] == "needs_human"
        code, error = home.error("token", HARVESTER_ORGANIZATION="nowhere")
        assert (code, error["code"]) == (78, "organization_not_found")
        assert "Globex Inc" in error["message"]
        told = home.run("token", "--format", "json", HARVESTER_ORGANIZATION="globex")
        assert told.returncode == 0, told.stderr
        assert json.loads(told.stdout)["organization"] == "globex"
        assert world.state()["password_submits"] == 1


def test_another_organisation_in_the_settings_is_signed_in_to_by_login(tmp_path):
    with StandInProcess(organizations="acme,globex") as world:
        home = Home(tmp_path, world, HARVESTER_ORGANIZATION="globex")
        assert home.run("token").returncode == 0
        code, error = home.error("token", HARVESTER_ORGANIZATION="acme")
        assert (code, error["code"]) == (78, "organization_mismatch")
        assert "harvester login" in error["hint"]
        assert home.run("login").returncode == 0
        told = home.run("token", "--format", "json")
        assert json.loads(told.stdout)["organization"] == "acme"


def test_logout_ends_a_session_that_the_settings_no_longer_allow(tmp_path):
    with StandInProcess(organizations="acme,globex") as world:
        home = Home(tmp_path, world, HARVESTER_ORGANIZATION="globex")
        home.env["HARVESTER_SIGN_OUT_PATH"] = "/api/auth/logout"
        cookie = home.run("token").stdout.strip()
        assert home.run("logout", HARVESTER_ORGANIZATION="acme").returncode == 0
        assert home.ask_site(cookie) == 401
