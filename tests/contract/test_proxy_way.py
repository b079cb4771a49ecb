"""The proxy's way to a site that is far: TLS, a company's CA, a company's outgoing proxy."""

from __future__ import annotations

import asyncio
import datetime
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harvester.clock import SystemClock
from harvester.outlets.proxy import Proxy
from harvester.outlets.proxy_sockets import proxy_sockets
from harvester.outlets.upstream import Upstream
from harvester.tally import Tally
from proxied import CHECKED, Listens, Proxied, ProxyHouse, proxying
from rawsite import Answer, Seen, always, plain, raw_site

HOST = "app.example"
FAR = always(plain(b"far"))


async def echo(request: Seen) -> bytes:
    await request.read()
    return plain(request.body)


def certificate(place: Path) -> Path:
    """Key and certificate of the site, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = place / "site.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@asynccontextmanager
async def companys_proxy(port: int) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A tunnel to our site, wherever one asks to go; what was asked of it."""
    asked: list[bytes] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            writer.write(piece)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        far, to_far = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(copy(reader, to_far), copy(far, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


@asynccontextmanager
async def far_away(
    place: Path, answer: Answer = FAR
) -> AsyncIterator[tuple[Proxied, Upstream, Path, list[bytes]]]:
    pem = certificate(place)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    async with (
        raw_site(answer, tls=tls) as site,
        companys_proxy(site.port) as (port, asked),
    ):
        upstream = Upstream(https_proxy=f"http://127.0.0.1:{port}", ca_file=str(pem))
        house = ProxyHouse(f"https://{HOST}")
        with proxy_sockets(Listens(), place / "run" / "harvester.sock") as sockets:
            proxy = Proxy(house, clock=SystemClock(), upstream=upstream)
            await sockets.open(proxy)
            try:
                path = place / "run" / "proxy.sock"
                yield Proxied(proxy, house, Tally(), path), upstream, pem, asked
            finally:
                await proxy.stop(0.2)


async def test_the_companys_proxy_makes_a_tunnel_and_sees_no_cookie(tmp_path: Path) -> None:
    async with far_away(tmp_path) as (proxied, _, _, asked):
        told = await proxied.ask(f"{CHECKED}x", "POST", b"{}")
    assert (told.status, told.body) == (200, b"far")
    (connect,) = asked
    assert connect.startswith(f"CONNECT {HOST}:443 HTTP/1.1\r\n".encode())
    assert b"canary" not in connect and b"Origin" not in connect


async def test_a_certificate_that_nobody_vouches_for_gets_no_cookie(tmp_path: Path) -> None:
    async with far_away(tmp_path) as (proxied, upstream, pem, asked):
        assert (await proxied.ask("/")).status == 200
        port = int(upstream._way[0].rpartition(":")[2])  # type: ignore[union-attr]
        upstream.change(https_proxy=f"http://127.0.0.1:{port}", ca_file=None)
        told = await proxied.ask("/")
        upstream.change(https_proxy=f"http://127.0.0.1:{port}", ca_file=str(pem))
        again = await proxied.ask("/")
    assert (told.status, json.loads(told.body)["code"]) == (503, "site_down")
    assert "certificate is not trusted" in json.loads(told.body)["detail"]
    assert (again.status, len(asked)) == (200, 3)


async def test_a_file_that_holds_no_certificates_is_told_as_the_setting(tmp_path: Path) -> None:
    async with far_away(tmp_path) as (proxied, upstream, _, _):
        (tmp_path / "none.pem").write_text("no certificate")
        upstream.change(https_proxy=None, ca_file=str(tmp_path / "none.pem"))
        told = json.loads((await proxied.ask("/")).body)
    assert (told["status"], told["code"]) == (409, "config_invalid")
    assert "HARVESTER_CA_FILE" in told["detail"]


async def test_what_is_under_way_ends_on_the_old_way(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def answer(request: Seen) -> bytes:
        if request.target == "/slow":
            await gate.wait()
        return plain(b"told")

    async with raw_site(answer) as site, proxying(tmp_path, ProxyHouse(site.origin)) as proxied:
        slow = asyncio.create_task(proxied.ask("/slow"))
        await site.asked.wait()
        proxied.proxy.change(https_proxy="http://127.0.0.1:1", ca_file=None)
        assert (await proxied.ask("/new")).body == b"told", "a loopback site needs no such proxy"
        gate.set()
        assert (await slow).body == b"told"


async def test_large_bodies_go_through_the_tunnel_both_ways(tmp_path: Path) -> None:
    body = bytes(range(256)) * 16_000
    async with far_away(tmp_path, echo) as (proxied, _, _, asked):
        told = [await proxied.ask("/x", "POST", body) for _ in range(2)]
    assert [one.body for one in told] == [body, body]
    assert len(asked) == 1, "and the tunnel is kept"
