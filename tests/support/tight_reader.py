"""A program that reads a record and the kept files beside it as fast as it can: ``tight_reader
ROOT FOLDER``.

It reads until its standard input is closed, then prints one JSON object: how often each place was
read, how many different sessions were seen there, and whatever was not a whole, valid session, or
was older than one seen before in the same place.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from engine import KEY, ORIGIN
from faultydisk import store_on
from harvester import wire
from harvester.session import Session
from harvester.vault.directory import DirectoryStore
from harvester.vault.keys import KeyRing, MasterKey
from harvester.vault.seal import Seal

FORMS = ("header", "json", "netscape")
_VALUE = rb"session-(\d+)-x{20}"
_HEADER = re.compile(rb"Cookie: sid=%b\nOrigin: %b\n" % (_VALUE, re.escape(ORIGIN.encode())))
_NETSCAPE = re.compile(
    rb"# Netscape HTTP Cookie File\n(?:#[^\n]*\n|\n)*"
    rb"knoq\.one\tFALSE\t/\t(?:TRUE|FALSE)\t\d+\tsid\t%b\n" % _VALUE
)


def of_header(data: bytes) -> int:
    return _number(_HEADER.fullmatch(data))


def of_netscape(data: bytes) -> int:
    return _number(_NETSCAPE.fullmatch(data))


def of_json(data: bytes) -> int:
    if not data.endswith(b"}\n"):
        raise ValueError("it does not end as an object does")
    session = wire.session_of(json.loads(data))
    return _of_session(session)


def of_record(store: DirectoryStore) -> int:
    found = store.read("default", "session")
    if found is None:
        raise ValueError("no record was there")
    if found.from_previous or found.rolled_back or found.set_aside:
        raise ValueError(f"another record than the last one: generation {found.generation}")
    session = Session.from_dict(json.loads(found.plaintext))
    if session.generation != found.generation:
        raise ValueError("the label is not that of the session in it")
    return _of_session(session)


def _of_session(session: Session) -> int:
    (cookie,) = session.cookies
    number = _number(re.fullmatch(_VALUE, cookie.value.encode()))
    if number != session.generation:
        raise ValueError(f"generation {session.generation} with the value of {number}")
    return number


def _number(found: re.Match[bytes] | None) -> int:
    if found is None:
        raise ValueError("it is not the whole of a session")
    return int(found[1])


def main(root: Path, folder: Path) -> None:
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    store = store_on(root, Seal(KeyRing(MasterKey(KEY))))
    read: dict[str, Callable[[], int]] = {
        "record": lambda: of_record(store),
        "header": lambda: of_header((folder / "header").read_bytes()),
        "json": lambda: of_json((folder / "json").read_bytes()),
        "netscape": lambda: of_netscape((folder / "netscape").read_bytes()),
    }
    times = dict.fromkeys(read, 0)
    seen: dict[str, set[int]] = {place: set() for place in read}
    last = dict.fromkeys(read, 0)
    wrong: list[str] = []
    print("reading", flush=True)
    while not ended.is_set() and len(wrong) < 10:
        for place, look in read.items():
            times[place] += 1
            try:
                number = look()
            except Exception as error:  # whatever it is, it is what the test is about
                wrong.append(f"{place}: {type(error).__name__}: {error}")
                continue
            if number < last[place]:
                wrong.append(f"{place}: {number} after {last[place]}")
            last[place] = number
            seen[place].add(number)
    told = {
        "times": times,
        "seen": {place: len(them) for place, them in seen.items()},
        "last": last,
        "wrong": wrong,
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
