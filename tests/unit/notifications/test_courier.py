"""A webhook reaches the agency's address and no other: whatever its name means, and whatever it answers."""

import asyncio
import gc
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.notifications.settings import NotificationsSettings
from services.notifications.webhooks.courier import Courier, NotDelivered
from services.notifications.webhooks.registry import check_url

NAME = "events.hospital.example"


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Have every name mean these addresses."""

    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.5",
        "169.254.169.254",
        "172.16.3.4",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - an address to be refused
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:10.0.0.5",
        "64:ff9b::a00:5",
        "64:ff9b:1::a00:5",
        "::10.0.0.5",
        "::ffff:0:a00:5",
        "2002:a00:5::1",
        "fec0::5",
    ],
)
async def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Given a name of an address that is not public, alone or beside one that is, then no connection is opened."""
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(204)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    courier = Courier(NotificationsSettings(mode="production"), http)
    for addresses in ([address], ["93.184.215.14", address]):
        resolve_to(monkeypatch, *addresses)
        with pytest.raises(NotDelivered, match="ADDRESS_REFUSED"):
            await courier.post(f"https://{NAME}/", {}, b"{}")
    assert asked == []
    resolve_to(monkeypatch, "93.184.215.14")
    await courier.post(f"https://{NAME}:8443/in?x=1", {}, b"{}")
    assert [str(request.url) for request in asked] == ["https://93.184.215.14:8443/in?x=1"]
    assert asked[0].headers["host"] == f"{NAME}:8443"
    await courier.close()


async def test_a_name_that_is_answered_late_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given more events for an agency whose names are not answered than there are threads to look, then another's is sent."""
    late, begun = threading.Event(), threading.Event()

    def look(host: str, *_: object) -> list[Any]:
        if host == NAME:
            begun.set()
            late.wait()
        return [(0, 0, 0, "", ("93.184.215.14", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look)
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(204)))
    courier = Courier(NotificationsSettings(mode="production"), http)
    waiting = [asyncio.create_task(courier.post(f"https://{NAME}/", {}, b"{}")) for _ in range(40)]
    try:
        assert await asyncio.to_thread(begun.wait, 60)
        await courier.post("https://another.example/", {}, b"{}")
    finally:
        late.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        await courier.close()


async def test_a_look_that_fails_when_nobody_waits_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a look for a name that fails after its message was given up, then asyncio reports no error."""
    late, begun = threading.Event(), threading.Event()

    def look(*_: object) -> list[Any]:
        begun.set()
        late.wait()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", look)
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    courier = Courier(NotificationsSettings(mode="production"))
    post = asyncio.create_task(courier.post(f"https://{NAME}/", {}, b"{}"))
    try:
        assert await asyncio.to_thread(begun.wait, 60)
        post.cancel()
        await asyncio.wait([post])
    finally:
        late.set()
    async with asyncio.timeout(60):
        while courier._looking:
            await asyncio.to_thread(gc.collect)
    del post
    gc.collect()
    assert reported == []
    await courier.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://hospital.example/",
        "https:///events",
        "https://me:secret@hospital.example/",
        "https://hospital.example/#x",
        "file:///etc/passwd",
        "ftp://hospital.example/",
        "hospital.example",
        "",
    ],
)
def test_an_odd_address_is_refused(url: str) -> None:
    """Given what is no https address without a login, then it is not taken as one."""
    with pytest.raises(ValueError, match=r"https://|no address"):
        check_url(url)


class Handler(BaseHTTPRequestHandler):
    """A receiver that takes everything."""

    def do_POST(self) -> None:
        """Answer 204, and write the name by which it was asked."""
        self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append(self.headers["host"])  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def https(tmp_path: Path) -> Iterator[tuple[HTTPServer, ssl.SSLContext]]:
    """Yield a server whose certificate names `NAME` alone, and what trusts it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    authority, private = tmp_path / "authority.pem", tmp_path / "key.pem"
    authority.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, private)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, ssl.create_default_context(cafile=authority)
    server.shutdown()
    server.server_close()


async def test_the_name_is_checked_at_the_address_that_was_resolved(
    monkeypatch: pytest.MonkeyPatch, https: tuple[HTTPServer, ssl.SSLContext]
) -> None:
    """Given a permitted network and a receiver there, then its certificate must have the name that is asked, whatever its address."""
    server, trust = https
    resolve_to(monkeypatch, "127.0.0.1")
    settings = NotificationsSettings(mode="production", webhook_networks="10.9.0.0/16 127.0.0.0/8")
    courier = Courier(settings, httpx2.AsyncClient(verify=trust, trust_env=False))
    await courier.post(f"https://{NAME}:{server.server_port}/", {}, b"{}")
    with pytest.raises(NotDelivered, match="NO_ANSWER"):
        await courier.post(f"https://another.example:{server.server_port}/", {}, b"{}")
    assert server.asked == [f"{NAME}:{server.server_port}"]  # type: ignore[attr-defined]
    await courier.close()
