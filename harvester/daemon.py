"""The daemon: listens first, then gets a session for every profile, and keeps them alive.

It ends only for faults of its own; a profile that needs a person does not end it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import Iterator

from harvester import paths
from harvester.assembly import House
from harvester.bell import Bell
from harvester.clock import SystemClock
from harvester.errors import ConfigInvalid
from harvester.leases import Leases
from harvester.leftovers import scratch_root, sweep
from harvester.log import configure, event, listen
from harvester.outlets.api import Api
from harvester.outlets.listen import Listener
from harvester.outlets.proxy import Proxy
from harvester.outlets.proxy_sockets import proxy_sockets
from harvester.outlets.upstream import Upstream
from harvester.overseer import Step
from harvester.process import harden
from harvester.reload import Reload, Reread
from harvester.settings import Process, Settings
from harvester.tally import Tally
from harvester.timer import Timer
from harvester.vault.directory import DirectoryStore, prepare
from harvester.visitor import ourselves

# A stop is promised within 10 s; open requests get this much of it to be answered.
GRACE_S = 2.0
# 2,048 connections at each of two sockets and 512 on TCP, and what else a process holds.
DESCRIPTORS = 8192


async def serve(settings: Settings, reread: Reread) -> int:
    """Run until TERM or INT; ``reread`` reads the settings again at HUP.

    Raises HarvesterError for faults at the start.
    """
    harden()
    process = settings.process
    configure(process.log_level, process.log_format)
    _room_for_connections()
    await asyncio.to_thread(_sweep)
    path = paths.socket_to_bind(process.socket, process.store, os.environ)
    tally = Tally()
    bell = Bell(process.on_person_needed, notify=process.notify, environ=os.environ)
    house = House(settings, on_step=_tell, on_person=bell.ring)
    with (
        _alone(process),
        Listener(path, allow_uids=process.allow_uids) as sock,
        proxy_sockets(process, path) as sockets,
    ):
        async with house:
            # Not before: a key command may take half a minute, and until the store is open there
            # is nothing that a signal should end with care.
            stop = _stop_asked()
            deaf = listen(tally.hear)
            house.socket = str(path)
            house.proxy = sockets.shown
            leases = Leases(house.store, SystemClock())
            await leases.open()
            porter = house.porter
            api = Api(
                house, allow_uids=process.allow_uids, tally=tally, porter=porter, leases=leases
            )
            await api.start(sock)
            proxy = Proxy(
                house,
                clock=SystemClock(),
                upstream=Upstream(https_proxy=process.https_proxy, ca_file=process.ca_file),
                governs=process.proxy_governor,
                allow_uids=process.allow_uids,
                tally=tally,
                leases=leases,
                porter=porter,
            )
            porter.audit.tell("daemon", None, ourselves(), result="started")
            await sockets.open(proxy)
            timer = _timer(house, leases)
            reload = Reload(settings, reread, house=house, bell=bell, timer=timer, proxy=proxy)
            reload.start()
            _on_hup(reload, stop)
            event(
                "daemon.started",
                socket=str(path),
                profiles=len(house.keepers()),
                proxy=sockets.shown,
            )
            try:
                await stop.wait()
            finally:
                event("daemon.stopping")
                timer.stop()
                await reload.stop()
                await bell.close()
                await asyncio.gather(api.stop(GRACE_S), proxy.stop(GRACE_S))
                await leases.close()
                porter.audit.tell("daemon", None, ourselves(), result="stopped")
                deaf()
    event("daemon.stopped")
    return 0


def _sweep() -> None:
    """End what sign-ins left that were killed with the daemon before us."""
    swept = sweep(scratch_root(), thorough=True)
    if swept.processes or swept.directories:
        event("browser.leftovers", processes=swept.processes, directories=swept.directories)


def _room_for_connections() -> None:
    """As many descriptors as the hard limit gives: a usual soft limit of 1,024 is less than the
    connections that are let in."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, DESCRIPTORS), hard))


def _stop_asked() -> asyncio.Event:
    """Set when somebody wants us to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
    return stop


def _on_hup(reload: Reload, stop: asyncio.Event) -> None:
    """HUP reloads; but where it says that our terminal is gone, it ends us, as it ends others:
    a daemon that lives on behind a closed window keeps the next one from its store, unseen."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return  # whoever started us under nohup wants it ignored
    had_terminal = _has_terminal()

    def heard() -> None:
        if had_terminal and not _has_terminal():
            stop.set()
        else:
            reload.ask()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, heard)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _alone(process: Process) -> Iterator[None]:
    """Two daemons over one store would each think that the session is theirs to renew."""
    prepare(process.store)
    lock = DirectoryStore(process.store).lock_daemon()
    if not lock.acquire_nonblocking():
        # Its socket may be gone, with the directory that it was in: then this is all that tells.
        holder = lock.holder_pid()
        who = "" if holder is None else f" (pid {holder})"
        raise ConfigInvalid(
            f"another daemon{who} serves the store {process.store}",
            hint="use that one (harvester status), or give this one a HARVESTER_STORE of its own; "
            "if status finds none, its socket was removed: end that process",
        )
    with lock:
        yield


def _tell(profile: str, step: Step) -> None:
    event("sign_in.step", profile=profile, state=step.get("state"), host=step.get("host"))


def _timer(house: House, leases: Leases) -> Timer:
    async def tick() -> None:
        try:
            await leases.tick()  # first: it ends what a suspended machine let live
        finally:
            await house.tick()

    timer = Timer(SystemClock())
    house.on_change = timer.soon
    for keeper in house.keepers():
        timer.watch(keeper.profile.name, house.look(keeper.profile.name))
    timer.start(tick)
    return timer
