"""Texts, e-mails and letters by GOV.UK Notify, whose official client signs each request with a token of its own.

Notify stores the message's id as its reference, by which it is queried before a message is sent again.
"""

import asyncio
import socket
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, TypeVar
from uuid import UUID

from notifications_python_client.errors import HTTPError, InvalidResponse
from notifications_python_client.notifications import NotificationsAPIClient
from requests.adapters import HTTPAdapter

from services.notifications.channels import Envelope, NotSent, Refused, Uncertain
from services.notifications.settings import NotificationsSettings
from shared.servers.settings import secret_in_file

T = TypeVar("T")

TIMEOUT_SECONDS: Final = 20
"""Seconds without a byte after which a call ends."""
LONGEST_SECONDS: Final = 25.0
"""Seconds after which it ends in any case."""
THREADS: Final = 8
"""The most calls at once: one for each message that is being sent, and for the receipts."""
OF_THE_ADDRESS: Final = ("phone_number", "email_address", "address_line", "address line", "postcode", "international")
"""Notify's names in a refusal of an address; the operator must solve any other."""
DELIVERED: Final = frozenset({"delivered", "sent", "received"})
NOT_DELIVERED: Final = frozenset({"permanent-failure", "temporary-failure", "technical-failure", "cancelled"})


class Notify:
    """GOV.UK Notify with the key and templates of the settings."""

    name: Final = "NOTIFY"
    most_repeats: Final = 1_000_000

    def __init__(self, settings: NotificationsSettings) -> None:
        self._key = secret_in_file(settings.notify_key_file, "OOC_NOTIFY_KEY_FILE")
        self._url = settings.notify_url
        self._templates = settings.templates
        self._threads = ThreadPoolExecutor(THREADS, "notify")
        self.channels: Collection[str] = frozenset(self._templates)

    async def find(self, envelope: Envelope) -> str | None:
        """Return Notify's id of a message that it has; None if it has none. Raises `NotSent` if it does not answer."""
        return await self._of_reference(envelope.id, "id")

    async def send(self, envelope: Envelope) -> str | None:
        """Send a message, and return Notify's id of it. Raises `NotSent`, `Refused` or `Uncertain`."""
        template, reference = self._templates[envelope.channel], str(envelope.id)
        texts = {"subject": envelope.subject, "text": envelope.body}

        def send(client: NotificationsAPIClient) -> Any:
            if envelope.channel == "SMS":
                return client.send_sms_notification(envelope.address, template, {"text": envelope.body}, reference)
            if envelope.channel == "EMAIL":
                return client.send_email_notification(envelope.address, template, texts, reference)
            lines = {f"address_line_{n}": line for n, line in enumerate(envelope.address.splitlines()[:7], start=1)}
            return client.send_letter_notification(template, texts | lines, reference)

        try:
            answer = await self._call(send)
        except HTTPError as error:
            if error.status_code == 400 and any(word in str(error.message) for word in OF_THE_ADDRESS):
                raise Refused("400") from None
            sure = 400 <= error.status_code < 500
            raise (NotSent if sure else Uncertain)(str(error.status_code)) from None
        except (InvalidResponse, ValueError) as error:
            raise Uncertain(type(error).__name__) from None
        try:
            return _text(answer, "id")
        except ValueError as error:
            raise Uncertain(str(error)) from None

    async def outcome(self, id_: UUID) -> str | None:
        """Return Notify's status of a message. Raises `NotSent` if it does not answer."""
        status = await self._of_reference(id_, "status")
        return "DELIVERED" if status in DELIVERED else "NOT_DELIVERED" if status in NOT_DELIVERED else None

    async def _of_reference(self, id_: UUID, member: str) -> str | None:
        """Return a member of the notification of a reference; None if there is none. Raises `NotSent`."""
        try:
            answer = await self._call(lambda client: client.get_all_notifications(reference=str(id_)))
            match answer:
                case {"notifications": []}:
                    return None
                case {"notifications": [found, *_]}:
                    return _text(found, member)
                case _:
                    raise ValueError("an answer without notifications")
        except (HTTPError, InvalidResponse, ValueError) as error:
            raise NotSent(type(error).__name__) from None

    async def _call(self, call: Callable[[NotificationsAPIClient], T]) -> T:
        """Ask Notify in a thread, with a client of its own: the client is not safe for several threads.

        Raises ValueError if the answer does not come to its end: the thread is free then.
        """
        client = NotificationsAPIClient(self._key, self._url, TIMEOUT_SECONDS)
        connections = _Connections()
        for scheme in ("https://", "http://"):
            client.request_session.mount(scheme, connections)
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._threads, call, client)
        except TimeoutError:
            connections.shut()
            raise ValueError("no answer in time") from None


class _Connections(HTTPAdapter):
    """The connections of one client, which another thread can shut: a timeout of `requests` begins anew with each byte."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        super().__init__(max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        pools = self.poolmanager.pool_classes_by_scheme
        self.poolmanager.pool_classes_by_scheme = {
            scheme: _pool_noting(pool, self._sockets) for scheme, pool in pools.items()
        }

    def shut(self) -> None:
        """Shut every connection: its readers find its end."""
        for open_socket in self._sockets:
            with suppress(OSError):
                socket.socket.shutdown(open_socket, socket.SHUT_RDWR)


def _pool_noting(pool: Any, sockets: list[socket.socket]) -> Any:
    class Connection(pool.ConnectionCls):  # type: ignore[misc]  # of whichever scheme
        def connect(self) -> None:
            super().connect()
            sockets.append(self.sock)

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


def _text(answer: Any, member: str) -> str:
    """Return a member of an answer, which may be forged. Raises ValueError if it is no text."""
    match answer:
        case dict() if isinstance(text := answer.get(member), str):
            return text
        case _:
            raise ValueError(f"an answer without {member}")
