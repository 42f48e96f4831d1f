"""The services' APIs, asked with the person's own token."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Generic, TypeVar

import httpx2

from services.console.sessions import Session, Writes
from services.console.words import within
from services.system.addresses import Addresses
from services.trade.vocabulary import Role
from shared.observing.tracing import current_traceparent, span
from shared.servers.http_client import shared_client

T = TypeVar("T")

TIMEOUT_SECONDS: Final = 20.0
"""How long a page waits for a service; reporting itself waits up to ten seconds for a position."""
READY_SECONDS: Final = 5.0
"""How long it is remembered whether a service is ready: to it the console is one address, whose requests are counted."""
PROJECTED: Final = "reporting"
"""The service whose answers follow from what other services have recorded, a little later."""
NOT_YET: Final = "/problems/not-yet"
ROLES: Final = re.compile(rf"\b(?:{'|'.join(Role)})\b")


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
        return str(self.body.get("detail") or "")

    @property
    def rules(self) -> list[str]:
        """The rules that refuse, each in words with its id and its source."""
        return [f"{rule['text']} (rule {rule['id']}; {rule['source']})" for rule in self.body.get("rules") or ()]

    @property
    def errors(self) -> list[tuple[str, str]]:
        """What is malformed: each field with a sentence."""
        return [(error["field"], sentence(error["message"])) for error in self.body.get("errors") or ()]

    @property
    def why(self) -> str:
        """What is wrong: each field with its sentence, or else the sentence for people."""
        return " ".join(sentence(f"{field}: {message}") for field, message in self.errors) or sentence(self.detail)

    @property
    def asks_for_reason(self) -> bool:
        """Whether the role may do this once the person says why they look."""
        return self.status == 403 and any(field == "Access-Reason" for field, _ in self.errors)


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
        self._declarations: dict[tuple[str, str], Any] = {}
        self._looks: dict[str, tuple[float, asyncio.Task[bool]]] = {}

    async def close(self) -> None:
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))

    async def get(self, session: Session, service: str, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Read JSON; a None among the parameters is left out. Raises `Problem` or `NoAnswer`."""
        return json.loads(await self.document(session, service, path, params))

    async def get_projected(
        self, session: Session, path: str, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Read cases, duties or sessions from reporting, with what the person has just recorded.

        The answer waits for the last change of the session. If that is not projected in time, it is what is there, and
        the page says that it may lack the change (`Writes.missing`). Raises `Problem` or `NoAnswer`.
        """
        query = dict(params or {})
        return await _after_writes(
            session.writes,
            lambda position: self.get(session, PROJECTED, path, {**query, **position}),
            # An answer as it was known at a time lacks what was recorded later, as requested.
            now=query.get("known_at") is None,
        )

    async def search(self, session: Session, words: Mapping[str, str]) -> dict[str, Any]:
        """Search as `get_projected` reads, with the words in the body alone. Raises `Problem` or `NoAnswer`."""

        async def ask(position: Mapping[str, Any]) -> Any:
            return json.loads(await self._ask(session, "POST", PROJECTED, "/v1/search", position, body=words))

        return await _after_writes(session.writes, ask, now=True)

    async def post(
        self, session: Session, service: str, path: str, body: Mapping[str, Any], key: str | None = None
    ) -> dict[str, Any]:
        """Send JSON, under an idempotency key, and note the position of what it records. Raises `Problem` or `NoAnswer`."""
        answer: dict[str, Any] = json.loads(await self._ask(session, "POST", service, path, body=body, key=key))
        if token := answer.get("position_token"):
            session.writes.note(token)
        return answer

    async def document(
        self, session: Session, service: str, path: str, params: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return the bytes of an answer, such as a PDF. Raises `Problem` or `NoAnswer`."""
        return await self._ask(session, "GET", service, path, params)

    async def schema(self, service: str, command: str) -> Any:
        """Return the JSON Schema of a command. Raises `Problem` or `NoAnswer`."""
        return await self._declared(service, f"/schemas/{command}")

    async def schemas(self, service: str) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Return the JSON Schemas of all commands of a service, and the parts that they refer to. Raises `Problem` or `NoAnswer`."""
        parts = (await self._declared(service, "/openapi.json"))["components"]["schemas"]
        return [parts[command] for command in await self.titles(service)], parts

    async def titles(self, service: str) -> dict[str, str]:
        """Return the title of each command of a service. Raises `Problem` or `NoAnswer`."""
        listed = await self._declared(service, "/schemas")
        return {command["type"]: command["title"] for command in listed["commands"]}

    async def parameter_values(self, service: str, path: str, name: str) -> list[str]:
        """Return the values of a parameter of a route, as its API declares them; none for a route that it does not have.

        Raises `Problem` or `NoAnswer`.
        """
        route = (await self._declared(service, "/openapi.json"))["paths"].get(path)
        parameters = route["get"]["parameters"] if route else ()
        return next((parameter["schema"]["enum"] for parameter in parameters if parameter["name"] == name), [])

    @property
    def watched(self) -> Sequence[str]:
        """What answers monitoring: the services, and each follower whose address is known."""
        return self._addresses.watched

    async def status(self, service: str) -> dict[str, Any]:
        """Return what a service or a follower says of itself, without the person's token. Raises `Problem` or `NoAnswer`."""
        status: dict[str, Any] = json.loads(await self._ask(None, "GET", service, "/status"))
        return status

    async def is_ready(self, service: str) -> bool:
        """Tell whether a service says that it can record and answer: asked once in `READY_SECONDS`, since anybody may ask."""
        asked_at, look = self._looks.get(service, (0.0, None))
        if look is None or monotonic() - asked_at > READY_SECONDS:
            look = asyncio.create_task(self._look(service))
            self._looks[service] = monotonic(), look
        return await asyncio.shield(look)

    async def _look(self, service: str) -> bool:
        try:
            await self._ask(None, "GET", service, "/health/ready")
        except (NoAnswer, Problem):
            return False
        return True

    async def _declared(self, service: str, path: str) -> Any:
        """Return what a service declares of itself; it is read once, and stays as long as the service runs."""
        if (service, path) not in self._declarations:
            self._declarations[service, path] = json.loads(await self._ask(None, "GET", service, path))
        return self._declarations[service, path]

    async def _ask(
        self,
        session: Session | None,
        method: str,
        service: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> bytes:
        """Return the body of a successful answer; a None among the parameters is left out, a list is repeated."""
        headers = {} if key is None else {"Idempotency-Key": key}
        if session is not None:
            headers["Authorization"] = f"Bearer {session.tokens.access}"
            if session.reason is not None:
                headers["Access-Reason"] = session.reason
        query = {name: value for name, value in (params or {}).items() if value is not None}
        url = f"{self._addresses.of(service)}{path}"
        try:
            with span(f"{method} {service}", "CLIENT", {"http.request.method": method, "server.address": service}):
                if (traceparent := current_traceparent()) is not None:
                    headers["traceparent"] = traceparent
                answer = await self._clients[service].request(
                    method, url, headers=headers, json=body, params=query or None
                )
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
    # An unused connection ends before uvicorn would close it.
    limits = httpx2.Limits(max_connections=100, keepalive_expiry=15)
    return shared_client(TIMEOUT_SECONDS, headers={"User-Agent": "ooc-console"}, limits=limits)


async def _after_writes(
    writes: Writes, ask: Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]], *, now: bool
) -> dict[str, Any]:
    """Ask reporting, waiting for what was just recorded; if the question is of `now`, note that the answer may lack it."""
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


async def unless_unknown(answer: Awaitable[T]) -> T | None:
    """Return an answer; None if there is nothing at its address (404). Raises `Problem` or `NoAnswer`."""
    try:
        return await answer
    except Problem as problem:
        if problem.status != 404:
            raise
        return None


async def part_of(answer: Awaitable[T]) -> Part[T]:
    """Return an answer as a part of a page: a service that does not answer, or refuses, takes only its part away."""
    try:
        return Part(await answer)
    except (NoAnswer, Problem) as error:
        if isinstance(error, Problem) and error.asks_for_reason:
            return Part(notice="Give a reason for looking first: the link is at the top of this page.", status=403)
        if isinstance(error, Problem) and error.status in {403, 404, 422}:
            return Part(notice=error.why, status=error.status)
        return Part(notice="This part is not available at the moment. Try again in a few minutes.", status=503)


def sentence(text: str) -> str:
    """Return a text as a sentence, with a capital and a full stop, and roles in words."""
    text = ROLES.sub(lambda role: within(role[0]), text.strip())
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith((".", "?", "!")) else ".")
