"""Alarms go out by a webhook that others can check, and by e-mail over TLS: each once, its end too, and none is lost."""

from __future__ import annotations

import asyncio
import base64
import email
import itertools
import os
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from standardwebhooks import Webhook as Reference

from ooc.system import forwarding
from ooc.system.forwarding import MOST_OF_A_KIND, SILENT_LOOKS, AlarmNotice, Forwarder, ForwardingSettings, receivers_of
from shared.servers.settings import InvalidSetting
from tests import loopback
from tests.integration.local.waiting import eventually
from tests.ports import free_ports

ALARM = {
    "name": "relay_stuck",
    "consumer": "watch",
    "place": "referral",
    "meaning": "The relay stands still.",
    "runbook": "docs/how-to/runbook/relay_stuck.md",
    "raised_at": "2026-11-29T08:00:00+00:00",
}
SECRET = os.urandom(32)


class Hook:
    """A receiver of webhooks, which refuses the first."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.refusals = 1
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                refused, hook.refusals = hook.refusals > 0, hook.refusals - 1
                if not refused:
                    hook.taken.append((dict(self.headers.items()), body))
                self.send_response(503 if refused else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate of 127.0.0.1 that is its own authority."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    authority, private = folder / "authority.pem", folder / "key.pem"
    authority.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, private)
    return context, authority


class Box:
    """What a mail server has taken."""

    def __init__(self) -> None:
        self.taken: list[email.message.Message] = []

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        self.taken.append(email.message_from_bytes(envelope.content))
        return "250 taken"


@contextmanager
def mail_server(folder: Path) -> Iterator[tuple[Box, int, Path]]:
    """Run a mail server that takes nothing without TLS."""
    context, authority = certificate(folder)
    box, (port,) = Box(), free_ports(1)
    server = Controller(box, "127.0.0.1", port, tls_context=context, require_starttls=True)
    server.start()
    try:
        yield box, port, authority
    finally:
        server.stop()


def settings_of(folder: Path, **more: Any) -> ForwardingSettings:
    """Return settings with the secret of the webhook in a file."""
    secret = folder / "secret"
    secret.write_text(f"whsec_{base64.b64encode(SECRET).decode()}\n", encoding="ascii")
    return ForwardingSettings(alarm_webhook_secret_file=secret, **more)


async def test_an_alarm_and_its_end_are_told_once_to_everybody(tmp_path: Path) -> None:
    """Given a webhook that refuses at first, and a mail server, then both hear of an alarm and of its end, signed and over TLS."""
    hook, standing = Hook(), dict[str, Any]({"referral": [ALARM], "panel": []})
    with mail_server(tmp_path) as (box, port, authority):
        settings = settings_of(
            tmp_path,
            alarm_webhook=hook.address,
            alarm_mail_to="duty@example.org, second@example.org",
            smtp_host="127.0.0.1",
            smtp_port=port,
            smtp_authority=authority,
            smtp_from="ooc@example.org",
        )
        async with loopback.client() as http:
            forwarder = Forwarder(lambda: dict(standing), receivers_of(settings, http))
            running = asyncio.create_task(forwarder.run(pause=0.02, first_pause=0.05))
            await eventually(lambda: len(hook.taken) == len(box.taken) == 1)
            standing["referral"] = []
            await eventually(lambda: len(hook.taken) == len(box.taken) == 2)
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
    hook.close()
    whole = Reference(f"whsec_{base64.b64encode(SECRET).decode()}")
    raised, cleared = (whole.verify(body, {k.lower(): v for k, v in headers.items()}) for headers, body in hook.taken)
    assert (raised["type"], cleared["type"]) == ("alarm.raised", "alarm.cleared")
    assert raised["data"] == {"service": "referral", **ALARM}
    first, last = box.taken
    assert (first["Subject"], last["Subject"]) == ("ALARM: relay_stuck of referral", "Cleared: relay_stuck of referral")
    assert first["To"] == "duty@example.org, second@example.org"
    assert ALARM["runbook"] in str(first.get_payload())
    assert {headers["webhook-id"] for headers, _ in hook.taken} == {
        part["Message-ID"][1:].partition("@")[0] for part in box.taken
    }


@pytest.mark.parametrize(
    ("begins", "taken_later"),
    [(b"HTTP/1.1 200 OK\r\n\r\n", 1), (b"HTTP/1.1 204 No Content\r\nX-Slow: ", 2)],
    ids=["body", "head"],
)
async def test_a_receiver_whose_answer_never_ends_keeps_no_alarm_back(
    begins: bytes, taken_later: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an answer that comes byte by byte for ever, then a body is not waited for, and after a head the alarm is sent again."""
    monkeypatch.setattr(forwarding, "SECONDS", 0.5)
    connections, over, taken = itertools.count(), asyncio.Event(), list[bytes]()
    answers = set[asyncio.Task[Any] | None]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers.add(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        if next(connections) > 0:
            taken.append(head)
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        else:
            writer.write(begins)
            with suppress(ConnectionError):
                while not over.is_set():
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.02)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    second = {**ALARM, "raised_at": "2026-11-29T09:00:00+00:00"}
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, loopback.client() as http:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        receivers = receivers_of(settings_of(tmp_path, alarm_webhook=address), http)
        running = asyncio.create_task(Forwarder(lambda: {"referral": [ALARM, second]}, receivers).run(0.02, 0.05))
        try:
            await eventually(lambda: len(taken) == taken_later, 10)
        finally:
            over.set()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await asyncio.gather(*filter(None, answers))


async def test_an_alarm_that_a_hostile_role_has_raised_keeps_no_other_back(tmp_path: Path) -> None:
    """Given alarms whose names break a header, and a service whose status is no status, then every other alarm is told all the same."""
    odd = [
        {**ALARM, "name": "relay\r\nBcc: me@example.org"},
        {**ALARM, "name": "\ud800" * 20},
        {**ALARM, "name": "long " * 200},
    ]
    looks: dict[str, Any] = {
        "panel": odd,
        "referral": [ALARM],
        "education": [7],
        "disposal": [{"name": "x"}],
        "reporting": 7,
    }
    with mail_server(tmp_path) as (box, port, authority):
        settings = ForwardingSettings(
            alarm_mail_to="duty@example.org",
            smtp_host="127.0.0.1",
            smtp_port=port,
            smtp_authority=authority,
            smtp_from="ooc@example.org",
        )
        async with loopback.client() as http:
            running = asyncio.create_task(Forwarder(lambda: looks, receivers_of(settings, http)).run(pause=0.02))
            await eventually(lambda: len(box.taken) == len(odd) + 1 + 3)  # three services are silent
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
    assert "ALARM: relay_stuck of referral" in {mail["Subject"] for mail in box.taken}
    assert {mail["Bcc"] for mail in box.taken} == {None}


async def test_a_role_that_raises_alarms_without_end_drowns_no_other() -> None:
    """Given a role that raises and ends many alarms of a kind at each look, then a few are told and that there are more; another kind is told."""
    heard: list[AlarmNotice] = []

    class Ear:
        async def send(self, notice: AlarmNotice) -> None:
            heard.append(notice)

    def look() -> Mapping[str, Any]:
        number = next(numbers)
        flood = [{**ALARM, "name": f"made up {n}", "raised_at": f"2026-11-29T08:{number:03}"} for n in range(50)]
        flood += [{**ALARM, "name": "gap", "place": f"{number}/{n}"} for n in range(50)]
        looks.append(number)
        return {"panel": [*flood, *([ALARM] if number > 5 else [])]}

    numbers, looks = itertools.count(), list[int]()
    running = asyncio.create_task(Forwarder(look, [Ear()]).run(pause=0.001))
    await eventually(lambda: len(looks) > 40)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    raised = [notice for notice in heard if not notice.ended]
    assert [notice.name for notice in raised].count("relay_stuck") == 1
    assert [notice.name for notice in raised].count("gap") == MOST_OF_A_KIND
    assert sum(notice.name.startswith("made up") for notice in raised) == MOST_OF_A_KIND
    assert [notice.place for notice in raised if notice.name == "more_alarms"] == ["README", "gap"]
    assert {(one.name, one.place) for one in heard if one.ended} <= {(one.name, one.place) for one in raised}


async def test_a_service_that_does_not_answer_is_told_of_until_it_does() -> None:
    """Given a service that is silent for some looks, then that is told once, and its end; what stood before stands on."""
    looks: list[Mapping[str, Any]] = [
        {"panel": [ALARM]},
        *([{"panel": None}] * (SILENT_LOOKS + 3)),
        {"panel": [ALARM]},
    ]
    heard: list[AlarmNotice] = []

    class Ear:
        async def send(self, notice: AlarmNotice) -> None:
            heard.append(notice)

    running = asyncio.create_task(Forwarder(lambda: looks.pop(0), [Ear()]).run(pause=0.001))
    await eventually(lambda: len(heard) == 3)
    with pytest.raises(BaseExceptionGroup, match="unhandled"):
        await running  # there is no further look
    assert [(one.name, one.ended) for one in heard] == [
        ("relay_stuck", False),
        ("no_answer", False),
        ("no_answer", True),
    ]


def test_settings_that_tell_nobody_are_refused(tmp_path: Path) -> None:
    """Given nobody to tell, a secret that is short, or no mail server, then the settings say what is missing."""
    (tmp_path / "short").write_text("whsec_AAAA", encoding="ascii")
    for settings, why in (
        (ForwardingSettings(), "nobody is to be told"),
        (ForwardingSettings(alarm_webhook="https://x", alarm_webhook_secret_file=tmp_path / "short"), "24 bytes"),
        (ForwardingSettings(alarm_webhook="https://x"), "OOC_ALARM_WEBHOOK_SECRET_FILE"),
        (ForwardingSettings(alarm_mail_to="a@example.org"), "OOC_SMTP_HOST"),
    ):
        with pytest.raises(InvalidSetting, match=why):
            receivers_of(settings, loopback.client())
