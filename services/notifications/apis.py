"""A client of the services' APIs, with a token of its own, at the moment of sending.

So every read of an address is in the access log, and none is stored.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import httpx2

from services.notifications.plan import Message
from services.notifications.settings import NotificationsSettings
from services.system.addresses import Addresses
from services.system.registry import COLLECTIONS
from shared.domain.ids import derived_uuid
from shared.servers.http_client import shared_client
from shared.servers.settings import credentials_form

ROLE: Final = "MESSENGER"
REASON: Final = "MESSAGE"
TIMEOUT_SECONDS: Final = 15.0
LINK_AFTER: Final = timedelta(days=1)
"""The time from an appointment to the end of its link."""
EARLY_SECONDS: Final = 30
"""Seconds before its end at which a token is no longer used."""


class NoAnswer(Exception):
    """A service, or the issuer, does not answer as agreed: the same question may be answered later."""


class NotRecorded(Exception):
    """A command that was refused for good; the message names the rules."""


@dataclass(frozen=True, slots=True)
class Contact:
    """How a person can be reached, and may be told, by the present referral."""

    may_be_told: bool
    preferred: str | None
    email: str | None
    welsh: bool = False
    telephone: str | None = None
    name: str | None = None
    address: str | None = None
    recorded: frozenset[UUID] = frozenset()


class Apis:
    """The services' APIs for the messenger."""

    def __init__(
        self, settings: NotificationsSettings, addresses: Addresses, http: httpx2.AsyncClient | None = None
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        self._token: tuple[str, float] = ("", 0.0)
        self._http = http or shared_client(TIMEOUT_SECONDS, headers={"User-Agent": "ooc-notifications"})

    async def close(self) -> None:
        await self._http.aclose()

    async def contact(self, referral_id: UUID, person: UUID) -> Contact | None:
        """Return how a person can be reached; None if their referral does not say. Raises `NoAnswer`."""
        state = await self._read(f"referral/{referral_id}")
        known = (state.get("contacts") or {}).get(str(person))
        if known is None:
            return None
        details = ((state.get("details") or {}).get("people") or {}).get(str(person)) or {}
        safe = bool(known["contact_is_safe"] and known["wants_updates"])
        return Contact(
            may_be_told=known["messages_wanted"] is not False and (safe or not known["is_harmed"]),
            preferred=known["preferred_channel"],
            welsh=known["language"] == "WELSH",
            email=_text(details.get("email")),
            telephone=_text(details.get("telephone")),
            name=_text(details.get("name")),
            address=_text(details.get("address")),
            recorded=frozenset(
                UUID(id_)
                for id_, message in (state.get("messages") or {}).items()
                if message["sent_version"] is not None
            ),
        )

    async def account(self, person: UUID) -> Contact | None:
        """Return how an account can be reached, by the console's record of the sign-in; None if unknown. Raises `NoAnswer`."""
        console = self._settings.console_url
        if console is None:
            return None
        try:
            token = {"Authorization": f"Bearer {await self._current_token()}"}
            answer = await self._http.get(f"{console}/accounts/{person}/address", headers=token)
            email = _text(answer.raise_for_status().json()["email"])
        except (httpx2.HTTPError, KeyError, TypeError, ValueError) as error:
            raise NoAnswer(f"console: {type(error).__name__}") from error
        return None if email is None else Contact(may_be_told=True, preferred="EMAIL", email=email)

    async def digests(self, officer: UUID | None = None) -> Mapping[UUID, Mapping[str, Sequence[str]]]:
        """Return the cases of which officers, or one officer, are reminded today, by reason. Raises `NoAnswer`."""
        query = {} if officer is None else {"officer": str(officer)}
        answer = await self._ask("GET", "reporting", "/v1/digests", {"Access-Reason": REASON}, params=query)
        return {UUID(digest.pop("officer")): digest for digest in _content(answer, "reporting")["digests"]}

    async def place(self, record: str) -> str | None:
        """Return the place of an appointment; None if missing or forgotten. Raises `NoAnswer`."""
        texts = ((await self._read(record)).get("details") or {}).get("texts") or ()
        return next((_text(text.get("value")) for text in reversed(texts) if text["field"] == "place"), None)

    async def public_keys(self, service: str) -> list[str]:
        """Return the public keys that sign in a service, as anybody may read them. Raises `NoAnswer`."""
        return list(_content(await self._send("GET", service, "/evidence/keys", {}), service))

    async def command(self, referral_id: UUID, key: str, body: Mapping[str, Any]) -> None:
        """Record something in a referral, once for each key. Raises `NoAnswer` or `NotRecorded`."""
        path = f"/v1/{COLLECTIONS['referral']}/{referral_id}/commands"
        answer = await self._ask("POST", "referral", path, {"Idempotency-Key": key}, json=dict(body))
        if answer.status_code >= 300:
            raise NotRecorded(f"{body['type']} was refused (HTTP {answer.status_code})")

    async def link(self, message: Message, *, welsh: bool = False) -> str | None:
        """Return a link to the page of an appointment, in the person's language; None if no console makes one now: the message then has none."""
        service, _, id_ = message.record.partition("/")
        body = {
            "service": service,
            "id": id_,
            "referral_id": str(message.referral_id),
            "person_id": str(message.recipient),
            "about": str(message.event_id),
            "ring": "victims" if message.harmed else "yjs",
            "until": (message.moment + LINK_AFTER).isoformat(),
        } | ({"language": "WELSH"} if welsh else {})
        made = await self._ask_console("POST", "/next", json=body)
        return None if made is None else f"{self._settings.console_url}{made.json()['path']}"

    async def end_links(self, person: UUID, record: str) -> bool:
        """End every link of a person to an appointment; return whether none is left."""
        if self._settings.console_url is None:
            return True
        return await self._ask_console("DELETE", f"/next/of/{person}/{record.partition('/')[2]}") is not None

    async def _ask_console(self, method: str, path: str, **content: Any) -> httpx2.Response | None:
        console = self._settings.console_url
        if console is None:
            return None
        try:
            token = {"Authorization": f"Bearer {await self._current_token()}"}
            answer = await self._http.request(method, f"{console}{path}", headers=token, **content)
        except (httpx2.HTTPError, KeyError, ValueError):
            return None
        return answer if answer.is_success else None

    async def _read(self, stream: str) -> dict[str, Any]:
        service, _, id_ = stream.partition("/")
        answer = await self._ask("GET", service, f"/v1/{COLLECTIONS[service]}/{id_}", {"Access-Reason": REASON})
        return {} if answer.status_code == 404 else dict(_content(answer, service))

    async def _ask(self, method: str, service: str, path: str, headers: Mapping[str, str], **content: Any) -> Any:
        try:
            token = {"Authorization": f"Bearer {await self._current_token()}"}
        except (httpx2.HTTPError, KeyError, TypeError, ValueError) as error:
            raise NoAnswer(f"the issuer: {type(error).__name__}") from error
        return await self._send(method, service, path, {**headers, **token}, **content)

    async def _send(self, method: str, service: str, path: str, headers: Mapping[str, str], **content: Any) -> Any:
        try:
            answer = await self._http.request(
                method, f"{self._addresses.of(service)}{path}", headers=headers, **content
            )
        except (httpx2.HTTPError, ValueError) as error:
            raise NoAnswer(f"{service}: {type(error).__name__}") from error
        if answer.status_code in {401, 408, 425, 429} or answer.status_code >= 500:
            self._token = ("", 0.0)
            raise NoAnswer(f"{service} answered {answer.status_code}")
        return answer

    async def _current_token(self) -> str:
        text, until = self._token
        if time.monotonic() < until:
            return text
        issuer = self._addresses.issuer or self._settings.issuer
        configuration = await self._http.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        answer = await self._http.post(configuration.raise_for_status().json()["token_endpoint"], data=self._form())
        body = answer.raise_for_status().json()
        self._token = (str(body["access_token"]), time.monotonic() + int(body.get("expires_in", 300)) - EARLY_SECONDS)
        return self._token[0]

    def _form(self) -> dict[str, str]:
        who = {"sub": str(derived_uuid("messenger")), "role": ROLE, "organisation": "OOC_DEVELOPMENT", "area": "*"}
        client, secret = self._settings.messenger_client, self._settings.messenger_secret_file
        return credentials_form(client, secret, "OOC_MESSENGER_SECRET_FILE", **who)


def _content(answer: httpx2.Response, service: str) -> Any:
    """Return the JSON of a successful answer. Raises `NoAnswer` for any other."""
    if not answer.is_success:
        raise NoAnswer(f"{service} answered {answer.status_code}")
    return answer.json()


def _text(value: Any) -> str | None:
    """Return an opened text; None if absent, sealed or forgotten."""
    return value if isinstance(value, str) and value.strip() else None
