"""E-mail by a mail server, over STARTTLS alone.

SMTP cannot be asked whether it has a message. One that may have been sent is sent once more, under the same Message-ID and
marked as a repeat, and never a third time.
"""

import ssl
from email.message import EmailMessage
from email.utils import formatdate
from typing import Final
from uuid import UUID

import aiosmtplib

from services.notifications.channels import Envelope, NotSent, Refused, Uncertain
from services.notifications.settings import NotificationsSettings
from shared.servers.settings import secret_in_file

TIMEOUT_SECONDS: Final = 20.0


class MailServer:
    """The mail server of the settings."""

    name: Final = "SMTP"
    channels: Final = frozenset({"EMAIL"})
    most_repeats: Final = 1

    def __init__(self, settings: NotificationsSettings) -> None:
        assert settings.smtp_host is not None, "the settings name a mail server"
        assert settings.smtp_from is not None, "the settings name a sender"
        self.sender = settings.smtp_from
        self._host, self._port, self._user = settings.smtp_host, settings.smtp_port, settings.smtp_user
        self._password = settings.smtp_user and secret_in_file(settings.smtp_password_file, "OOC_SMTP_PASSWORD_FILE")
        authority = None if settings.smtp_authority is None else str(settings.smtp_authority)
        self._tls = ssl.create_default_context(cafile=authority)

    async def find(self, _envelope: Envelope) -> str | None:
        """Return None: a mail server does not say."""
        return None

    async def send(self, envelope: Envelope) -> str | None:
        """Send an e-mail; its reference is its Message-ID. Raises `NotSent`, `Refused` or `Uncertain`."""
        message = _to_one(envelope, self.sender)
        client = aiosmtplib.SMTP(
            hostname=self._host, port=self._port, start_tls=True, tls_context=self._tls, timeout=TIMEOUT_SECONDS
        )
        try:
            await client.connect()
            if self._user is not None:
                await client.login(self._user, self._password or "")
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            raise NotSent(type(error).__name__) from None
        try:
            await client.send_message(message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            final = all(500 <= recipient.code < 600 for recipient in error.recipients)
            raise (Refused if final else NotSent)(type(error).__name__) from None
        except aiosmtplib.SMTPResponseException as error:
            raise NotSent(f"{type(error).__name__} {error.code}") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Uncertain(type(error).__name__) from None
        finally:
            client.close()
        return str(message["Message-ID"])

    async def outcome(self, _id: UUID) -> str | None:
        """Return None: a mail server does not report delivery."""
        return None


def _to_one(envelope: Envelope, sender: str) -> EmailMessage:
    """Compose a message to this address alone. Raises `Refused` for one that a header turns into another (RFC 2047), or into none."""
    try:
        message = _composed(envelope, sender)
        read = [address.addr_spec for address in message["To"].addresses]
    except Exception as error:  # noqa: BLE001 - Python's parser of headers fails in many ways
        raise Refused(type(error).__name__) from None
    if read != [envelope.address]:
        raise Refused("no plain address")
    return message


def _composed(envelope: Envelope, sender: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = envelope.address
    message["Subject"] = f"{envelope.again}: {envelope.subject}" if envelope.repeated else envelope.subject
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{envelope.id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    if envelope.repeated:
        message["X-Repeated"] = "yes"
    message.set_content(envelope.body)
    if envelope.invitation is not None:
        message.add_alternative(
            envelope.invitation.decode(), subtype="calendar", params={"method": envelope.method or "REQUEST"}
        )
    return message
