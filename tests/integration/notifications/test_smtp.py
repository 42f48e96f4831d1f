"""E-mail by a real mail server (aiosmtpd): over TLS alone, with an invitation, and never a third time."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.smtp import SMTP
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from icalendar import Calendar

from services.notifications.channels import Envelope, NotSent, Refused, Uncertain
from services.notifications.channels.smtp import MailServer
from services.notifications.settings import NotificationsSettings
from tests.integration.notifications.conftest import Told


@dataclass
class Mailbox:
    """What the mail server took, and what it answers."""

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    drop: Callable[[], None] | None = None

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if "RCPT" not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        if "DATA" not in self.answers:
            self.taken.append(parsed)
        if self.drop is not None:
            server.transport.abort()
        return self.answers.get("DATA", "250 OK")


def certificate(folder: Path) -> Path:
    """Write a certificate of this machine with its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@asynccontextmanager
async def mail_server(file: Path, *, tls: bool = True) -> AsyncIterator[Mailbox]:
    """Serve a mailbox, with STARTTLS or without."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    mailbox = Mailbox()
    options: dict[str, Any] = {"tls_context": context, "require_starttls": True} if tls else {}
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(mailbox, hostname="localhost", **options), "127.0.0.1", 0
    )
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()


def client_of(mailbox: Mailbox, file: Path) -> MailServer:
    """Return the carrier for this server."""
    return MailServer(
        NotificationsSettings(
            smtp_host="127.0.0.1", smtp_port=mailbox.port, smtp_authority=file, smtp_from="us@merrowshire.example"
        )
    )


def letter(**changes: Any) -> Envelope:
    parts: dict[str, Any] = {
        "id": uuid4(),
        "channel": "EMAIL",
        "address": "robin@example.org",
        "subject": "Your place",
        "body": "See you.",
    }
    return Envelope(**parts | changes)


async def test_an_invitation_comes_with_the_message_over_tls(told: Told, tmp_path: Path) -> None:
    """Given a child who prefers e-mail, then the message comes by STARTTLS with an invitation of the same times."""
    await told.begin(email="robin.roe@example.org", preferred_channel="EMAIL")
    await told.book()
    await told.follow()
    file = certificate(tmp_path)
    async with mail_server(file) as mailbox:
        await told.sender(client_of(mailbox, file)).send_due()
    (mail,) = mailbox.taken
    assert mail["To"] == "robin.roe@example.org"
    text, calendar = mail.get_body(("plain",)), mail.get_body(("calendar",)) or list(mail.walk())[-1]
    assert text is not None
    assert "You have a place with us" in text.get_content()
    assert calendar.get_param("method") == "REQUEST"
    (event,) = Calendar.from_ical(calendar.get_payload(decode=True)).walk("VEVENT")  # type: ignore[arg-type]
    assert event.decoded("dtstart") == told.starts_at.replace(microsecond=0)
    assert (await told.recorded())[0]["data"]["channel"] == "EMAIL"
    headers = " ".join(f"{name}: {value}" for name, value in mail.items())
    assert "Robin Roe" not in headers
    assert not [word for word in ("RETAIL", "ASB", "SUSPECT", "court house") if word in headers]


async def test_without_tls_nothing_is_sent(tmp_path: Path) -> None:
    """Given a server that offers no STARTTLS, or a certificate that nobody vouches for, then nothing leaves in clear."""
    file = certificate(tmp_path)
    async with mail_server(file, tls=False) as mailbox:
        with pytest.raises(NotSent):
            await client_of(mailbox, file).send(letter())
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    async with mail_server(file) as other:
        with pytest.raises(NotSent):
            await client_of(other, certificate(stranger)).send(letter())
    assert not mailbox.taken + other.taken


@pytest.mark.parametrize(
    ("command", "answer", "error"),
    [
        ("RCPT", "550 no such mailbox", Refused),
        ("RCPT", "451 try later", NotSent),
        ("DATA", "452 too full", NotSent),
        ("DATA", "554 not that", NotSent),
    ],
)
async def test_what_a_server_answers_is_understood(
    command: str, answer: str, error: type[Exception], tmp_path: Path
) -> None:
    """Given a refusal, then one of the address is final, and any other is tried again."""
    file = certificate(tmp_path)
    async with mail_server(file) as mailbox:
        mailbox.answers[command] = answer
        with pytest.raises(error):
            await client_of(mailbox, file).send(letter())


@pytest.mark.parametrize(
    "address",
    [
        "=?utf-8?q?a=0ab?=@example.org",
        "=?utf-8?q?a=0d=0aBcc=3a_x?=@example.org",
        "=?utf-8?q??=@example.org",
        "=?unicode_escape?q?=5cud800?=@example.org",
        "=?utf-8?q?=3cmine=40example.com=3e?=@example.org",
        "=?utf-7?q?+ADw-?=~@a-.b-.org",
        "=?utf-8?b?YQ==?=@example.org",
    ],
)
async def test_an_address_is_never_read_as_another(address: str, tmp_path: Path) -> None:
    """Given an address that a referral may hold and a parser of headers takes for another, then it is refused, and nobody gets it."""
    file = certificate(tmp_path)
    async with mail_server(file) as mailbox:
        with pytest.raises(Refused):
            await client_of(mailbox, file).send(letter(address=address))
    assert not mailbox.taken


async def test_a_connection_that_breaks_leaves_it_open_and_a_repeat_is_marked(tmp_path: Path) -> None:
    """Given a server that takes a message and dies, then it may have been sent; the repeat has its id and is marked."""
    file = certificate(tmp_path)
    first = letter()
    async with mail_server(file) as mailbox:
        mailbox.drop = lambda: None
        with pytest.raises(Uncertain):
            await client_of(mailbox, file).send(first)
        mailbox.drop = None
        await client_of(mailbox, file).send(letter(id=first.id, repeated=True, again="Sent again"))
    once, again = mailbox.taken
    assert once["Message-ID"] == again["Message-ID"]
    assert (once["X-Repeated"], again["X-Repeated"]) == (None, "yes")
    assert again["Subject"] == "Sent again: Your place"


async def test_a_server_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    """Given no server at all, then nothing was sent, for sure."""
    file = certificate(tmp_path)
    async with mail_server(file) as mailbox:
        pass
    with pytest.raises(NotSent):
        await client_of(mailbox, file).send(letter())
