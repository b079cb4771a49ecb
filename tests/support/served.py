"""The real socket API over a fake house, as a process of its own: what attackers are let loose on.

    python tests/support/served.py SOCKET

Says "ready" on standard output, runs until its standard input is closed, and ends as the daemon
does.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from fakehouse import FakeHouse, a_session
from harvester.clock import SystemClock
from harvester.daemon import GRACE_S, _room_for_connections
from harvester.leases import Leases
from harvester.log import configure
from harvester.outlets.api import Api
from harvester.outlets.listen import Listener
from harvester.session import Served
from harvester.vault.directory import DirectoryStore, prepare
from storekit import SEAL


async def serve(path: Path) -> None:
    house = FakeHouse()
    for keeper in house.keepers():
        keeper.served = Served(replace(a_session(), expires_at=4_000_000_000))
    _room_for_connections()
    with Listener(path) as sock:
        store = path.parent / "store"
        prepare(store)
        leases = Leases(DirectoryStore(store, SEAL), SystemClock())
        await leases.open()
        api = Api(house, leases=leases)
        await api.start(sock)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await api.stop(GRACE_S)


configure("info", "json")
asyncio.run(serve(Path(sys.argv[1])))
