"""The proxy before a real keeper and a real sign-in: nobody notices that the session died."""

from __future__ import annotations

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import AF_UNIX, socket
from typing import Any

from runs import Home
from standin import StandInProcess

AGENTS = "/api/managed-agents/"


class OverUnix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("knoq", timeout=90)
        self._path = path

    def connect(self) -> None:
        self.sock = socket(AF_UNIX)
        self.sock.settimeout(90)
        self.sock.connect(str(self._path))


def post(home: Home, name: str, data: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    connection = OverUnix(home.socket.with_name("proxy.sock"))
    connection.request(
        "POST", AGENTS + name, json.dumps(data), {"Content-Type": "application/json"}
    )
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    return answer.status, told


def test_twenty_posts_on_a_dead_session_are_one_sign_in_and_each_is_executed_once(
    tmp_path: Path, standin: StandInProcess
) -> None:
    home = Home(tmp_path, standin)
    with home.daemon():
        status, run = post(home, "session", {"text": "hello"})
        assert status == 201
        standin.revoke("all")
        before = standin.state()

        def say(number: int) -> int:
            return post(home, "message", {"sessionId": run["sessionId"], "text": str(number)})[0]

        with ThreadPoolExecutor(20) as pool:
            assert list(pool.map(say, range(20))) == [200] * 20
        after = standin.state()
        assert after["sign_ins"] - before["sign_ins"] == 1
        assert after["api_posts_executed"] - before["api_posts_executed"] == 20
        asked = OverUnix(home.socket.with_name("proxy.sock"))
        asked.request("GET", f"{AGENTS}transcript?sessionId={run['sessionId']}")
        events = json.loads(asked.getresponse().read())["events"]
        asked.close()
    said = sorted(one["text"] for one in events if one["from"] == "user")
    assert said == sorted(["hello", *map(str, range(20))]), "each once, and none is missing"
