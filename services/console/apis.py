"""The services' APIs, asked with the person's own token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, Generic, TypeVar

import httpx2

from services.addresses import Addresses
from services.console.sessions import Session, Writes
from shared.api.authentication import client_tls

T = TypeVar("T")

TIMEOUT_SECONDS: Final = 20.0
"""How long a page waits for a service; reporting itself waits up to ten seconds for a position."""
PROJECTED: Final = "reporting"
"""The service whose answers follow from what other services have recorded, a little later."""
NOT_YET: Final = "/problems/not-yet"


class NoAnswer(Exception):
    """A service that does not answer; the message names it."""


class Problem(Exception):
    """An answer that is no success (RFC 9457): its status and its members."""

    def __init__(self, service: str, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(f"{service} answered {status}")
        self.service = service
        self.status = status
        self.body = body

    @property
    def detail(self) -> str:
        """The sentence for people."""
        return str(self.body.get("detail") or "")


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """A part of a page: what was answered, or else why there is nothing to show."""

    value: T | None = None
    notice: str = ""
    status: int = 200


class Apis:
    """Every service of the system, over a pool of connections for each: a request looks at every connection of its pool."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._clients = {service: _client() for service in addresses.services}
        self._schemas: dict[tuple[str, str], Any] = {}

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))

    async def get(
        self, session: Session, service: str, path: str, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Read something; a None among the parameters is left out. Raises `Problem` or `NoAnswer`."""
        answer: dict[str, Any] = json.loads(await self._ask(session, "GET", service, path, params))
        return answer

    async def get_projected(
        self, session: Session, path: str, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Read cases, duties or sessions from reporting, with what the person has just recorded.

        The answer waits for the last change of the session. Where that is not projected in time, it is what is there, and
        the page says that it may lack the change (`Writes.missing`). Raises `Problem` or `NoAnswer`.
        """
        given = dict(params or {})
        return await _after_writes(
            session.writes,
            lambda position: self.get(session, PROJECTED, path, {**given, **position}),
            # An answer as it was known at a time lacks what is recorded later, as it was asked to.
            now=given.get("known_at") is None,
        )

    async def search(self, session: Session, words: Mapping[str, str]) -> dict[str, Any]:
        """Search for cases, also by what the person has just recorded, as `get_projected` reads them.

        The words stand in the body alone. Raises `Problem` or `NoAnswer`.
        """

        async def ask(position: Mapping[str, Any]) -> dict[str, Any]:
            found: dict[str, Any] = json.loads(
                await self._ask(session, "POST", PROJECTED, "/v1/search", position, body=words)
            )
            return found

        return await _after_writes(session.writes, ask, now=True)

    async def get_list(
        self, session: Session, service: str, path: str, params: Mapping[str, Any] | None = None
    ) -> list[Any]:
        """Read a list. Raises `Problem` or `NoAnswer`."""
        answer: list[Any] = json.loads(await self._ask(session, "GET", service, path, params))
        return answer

    async def post(
        self, session: Session, service: str, path: str, body: Mapping[str, Any], **headers: str
    ) -> dict[str, Any]:
        """Send something, and note the position of what it records. Raises `Problem` or `NoAnswer`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer: dict[str, Any] = json.loads(await self._ask(session, "POST", service, path, body=body, headers=named))
        if token := answer.get("position_token"):
            session.writes.note(token)
        return answer

    async def document(self, session: Session, service: str, path: str, params: Mapping[str, Any]) -> bytes:
        """Return a document as PDF. Raises `Problem` or `NoAnswer`."""
        return await self._ask(session, "GET", service, path, params)

    async def schema(self, service: str, command: str) -> dict[str, Any]:
        """Return the JSON Schema of a command, which stays as long as its service runs. Raises `Problem` or `NoAnswer`."""
        known = self._schemas.get((service, command))
        if known is None:
            known = self._schemas[service, command] = json.loads(
                await self._ask(None, "GET", service, f"/schemas/{command}")
            )
        schema: dict[str, Any] = known
        return schema

    async def titles(self, service: str) -> dict[str, str]:
        """Return the title of each command of a service. Raises `Problem` or `NoAnswer`."""
        known = self._schemas.get((service, ""))
        if known is None:
            listed = json.loads(await self._ask(None, "GET", service, "/schemas"))["commands"]
            known = self._schemas[service, ""] = {command["type"]: command["title"] for command in listed}
        titles: dict[str, str] = known
        return titles

    async def openapi(self, service: str) -> dict[str, Any]:
        """Return the description of a service's API (OpenAPI 3.1). Raises `Problem` or `NoAnswer`."""
        known = self._schemas.get((service, "openapi"))
        if known is None:
            known = self._schemas[service, "openapi"] = json.loads(
                await self._ask(None, "GET", service, "/openapi.json")
            )
        description: dict[str, Any] = known
        return description

    async def _ask(
        self,
        session: Session | None,
        method: str,
        service: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return the body of a successful answer; a None among the parameters is left out, a list is repeated."""
        sent = dict(headers or {})
        if session is not None:
            sent["Authorization"] = f"Bearer {session.tokens.access}"
            if session.reason is not None:
                sent["Access-Reason"] = session.reason
        given = {name: value for name, value in (params or {}).items() if value is not None}
        url = f"{self._addresses.of(service)}{path}"
        try:
            answer = await self._clients[service].request(method, url, headers=sent, json=body, params=given or None)
        except httpx2.TransportError as error:
            raise NoAnswer(f"{service} does not answer") from error
        if answer.is_success:
            return answer.content
        try:
            problem = answer.json()
        except ValueError:
            problem = {}
        raise Problem(service, answer.status_code, problem if isinstance(problem, Mapping) else {})


def _client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        timeout=TIMEOUT_SECONDS,
        trust_env=False,
        verify=client_tls(),
        headers={"User-Agent": "ooc-console"},
        # All people share it, so it keeps no cookie. An unused connection ends before uvicorn would close it.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        limits=httpx2.Limits(max_connections=100, keepalive_expiry=15),
    )


async def _after_writes(
    writes: Writes, ask: Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]], *, now: bool
) -> dict[str, Any]:
    """Ask reporting, waiting for what was just recorded; note where the answer may lack it, if it is of `now`."""
    if writes.positions and writes.is_recent:
        try:
            return await ask({"min_position": writes.tokens})
        except Problem as problem:
            if problem.body.get("type") != NOT_YET:
                raise
            writes.missing = True
    answer = await ask({})
    if now and not writes.are_in(answer["positions"]):
        writes.missing = True
    return answer


async def part_of(asked: Awaitable[T]) -> Part[T]:
    """Return what was asked as a part of a page: a service that does not answer, or refuses, takes only its part away."""
    try:
        return Part(await asked)
    except NoAnswer:
        return Part(notice="This part is not available at the moment. Try again in a few minutes.", status=503)
    except Problem as problem:
        if problem.status in {403, 404, 422}:
            return Part(notice=sentence(problem.detail), status=problem.status)
        return Part(notice="This part is not available at the moment. Try again in a few minutes.", status=503)


def sentence(text: str) -> str:
    """Return a text as a sentence, with a capital and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith((".", "?", "!")) else ".")
