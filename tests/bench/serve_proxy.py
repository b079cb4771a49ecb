"""What the proxy adds to a request to a local site, beside nginx as a plain reverse proxy.

    scripts/bench serve_proxy [--pairs 20] [--requests 500] [--at-most-us 400] [--no-nginx]

The site is raw asyncio that answers a fixed JSON; the client is a blocking socket of its own
process with one kept connection each.  Directly, through the proxy on its unix socket and on TCP,
and through nginx (Debian's package, `apt-get install nginx-light`; left out where there is none)
take turns request by request, so that a busy machine slows all alike.  A pair is so many
requests of each; of each pair the difference of the medians is taken, and of those the median.
Exit 1 where the proxy on the unix socket adds more than the bound.  Memory and throughput on
bodies of 10 MB are told beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TARGET = "/api/managed-agents/sessions"
ANSWER = b'{"sessions":[{"id":"run_0123456789ab","title":"hello","status":"idle"}]}'
LARGE_BYTES = 10 * 1000 * 1000

NGINX = """
daemon off; master_process off; worker_processes 1; pid {place}/nginx.pid;
error_log {place}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; keepalive_requests 10000000;
  client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
  upstream site {{ server 127.0.0.1:{port}; keepalive 16; keepalive_requests 10000000; }}
  server {{
    listen unix:{place}/nginx.sock;
    location / {{
      proxy_pass http://site; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host site.localhost:{port}; proxy_set_header Cookie "sid=value";
    }}
  }}
}}
"""


class Answers(asyncio.Protocol):
    """The site: a fixed answer, or 10 MB where they are asked for."""

    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._got = b""

    def data_received(self, data: bytes) -> None:
        self._got += data
        while b"\r\n\r\n" in self._got:
            asked, _, self._got = self._got.partition(b"\r\n\r\n")
            large = asked.startswith(b"GET /large ")
            body = b"x" * LARGE_BYTES if large else ANSWER
            self._transport.write(self.head % len(body) + body)


async def serve_site() -> None:
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def serve_proxy(place: Path, origin: str) -> None:
    from proxied import ProxyHouse, proxying

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with proxying(place, ProxyHouse(origin), listens="127.0.0.1:0") as proxied:
        print(f"{proxied.path} {proxied.authority} {proxied.token}", flush=True)
        await stop.wait()


@contextmanager
def process(*words: str) -> Iterator[tuple[int, str]]:
    """One of the two above, by its pid and its first line."""
    running = subprocess.Popen(
        [sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    try:
        yield running.pid, running.stdout.readline().strip()
    finally:
        running.terminate()
        running.wait()
        running.stdout.close()


@contextmanager
def nginx(place: Path, port: str) -> Iterator[Path | None]:
    """Its socket, or None where it is not installed."""
    found = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        yield None
        return
    config = place / "nginx.conf"
    config.write_text(NGINX.format(place=place, port=port))
    running = subprocess.Popen([found, "-p", str(place), "-c", str(config)])
    path = place / "nginx.sock"
    try:
        while not path.exists() and running.poll() is None:
            time.sleep(0.01)
        yield path if running.poll() is None else None
    finally:
        running.terminate()
        running.wait()


class Client:
    """One kept connection."""

    def __init__(self, where: str, *, authority: str = "site", token: str = "") -> None:
        if where.startswith("/"):
            self._sock = socket.socket(socket.AF_UNIX)
            self._sock.connect(where)
        else:
            host, _, port = where.rpartition(":")
            self._sock = socket.create_connection((host, int(port)))
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"Host: {authority}", "User-Agent: curl/8", "Accept: */*"]
        if token:
            lines.append(f"Proxy-Authorization: Bearer {token}")
        self._rest = " HTTP/1.1\r\n" + "\r\n".join([*lines, "", ""])

    def ask(self, target: str = TARGET, size: int = len(ANSWER)) -> float:
        """Seconds until the last byte."""
        request = f"GET {target}{self._rest}".encode()
        began = time.perf_counter()
        self._sock.sendall(request)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._sock.recv(65536)
        head, _, body = got.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        left = size - len(body)
        while left:
            left -= len(self._sock.recv(min(left, 1 << 20)))
        return time.perf_counter() - began


def resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    return 0


def main() -> int:
    told = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    told.add_argument("--pairs", type=int, default=20)
    told.add_argument("--requests", type=int, default=500)
    told.add_argument("--at-most-us", type=float, default=400.0)
    told.add_argument("--no-nginx", action="store_true")
    args = told.parse_args()
    with tempfile.TemporaryDirectory() as directory, process("site") as (_, port):
        place = Path(directory)
        origin = f"http://site.localhost:{port}"
        with (
            process("proxy", directory, origin) as (pid, line),
            nginx(place, port) as beside,
        ):
            path, authority, token = line.split()
            clients = {
                "directly": Client(f"127.0.0.1:{port}"),
                "our proxy, unix": Client(path),
                "our proxy, TCP": Client(authority, authority=authority, token=token),
            }
            if beside is not None and not args.no_nginx:
                clients["nginx, unix"] = Client(str(beside))
            added = measured(clients, args.pairs, args.requests)
            before_kib = resident_kib(pid)
            for name, client in clients.items():
                seconds = min(client.ask("/large", LARGE_BYTES) for _ in range(3))
                print(f"{name:<20}10 MB in {seconds * 1e3:>7.1f} ms")
            print(f"our proxy's peak grew by {resident_kib(pid) - before_kib} KiB over these")
    ours = added["our proxy, unix"]
    print(f"adds {ours * 1e6:.0f} µs at p50, at most {args.at_most_us:.0f}")
    return 0 if ours * 1e6 <= args.at_most_us else 1


def measured(clients: dict[str, Client], pairs: int, requests: int) -> dict[str, float]:
    """What each way adds to the first one, in seconds at p50; prints the table."""
    p50: dict[str, list[float]] = {name: [] for name in clients}
    p99: dict[str, list[float]] = {name: [] for name in clients}
    for turn in range(-1, pairs):
        took: dict[str, list[float]] = {name: [] for name in clients}
        for _ in range(requests):
            for name, client in clients.items():
                took[name].append(client.ask())
        if turn < 0:  # the first round warms up
            continue
        for name, seconds in took.items():
            p50[name].append(statistics.median(seconds))
            p99[name].append(statistics.quantiles(seconds, n=100)[98])
    base = next(iter(clients))
    added = {
        name: statistics.median(a - b for a, b in zip(p50[name], p50[base], strict=True))
        for name in clients
    }
    print(f"{'way':<20}{'p50 µs':>9}{'p99 µs':>9}{'adds µs':>9}")
    for name in clients:
        print(
            f"{name:<20}{statistics.median(p50[name]) * 1e6:>9.0f}"
            f"{statistics.median(p99[name]) * 1e6:>9.0f}{added[name] * 1e6:>9.0f}"
        )
    return added


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["site"]:
            asyncio.run(serve_site())
        case ["proxy", place, origin]:
            asyncio.run(serve_proxy(Path(place), origin))
        case _:
            sys.exit(main())
