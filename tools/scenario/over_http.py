"""The running system as a backend: over HTTP, as its real clients do."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from services.system.addresses import NoSystem
from services.system.registry import COLLECTIONS
from tools.client.http import Client, NoAnswer, Reply
from tools.client.idle import NotIdle, statuses, wait_until_idle
from tools.client.tokens import NoToken
from tools.scenario.backend import BackendError, Request, Response
from tools.scenario.story import Officer, Result

REASON: Final = "SCENARIO"
READER: Final = "AUDITOR"
COUNTER: Final = "ANALYST"
TROUBLE: Final = (NoAnswer, NoSystem, NoToken, NotIdle)


class Http:
    """A backend over the services' APIs."""

    patience = 15.0

    def __init__(self, client: Client) -> None:
        self._client = client
        client.reason = REASON

    def officer(self, officer: Officer) -> UUID:
        """Return the id of the person of the token for a role."""
        with _backend_errors():
            return self._client.tokens.token(officer.role, officer.number).person

    def send(self, request: Request) -> Response:
        """Send a command; if a service restarts meanwhile, again with the same key."""
        try:
            reply = self._client.post(
                request.service,
                f"/v1/{COLLECTIONS[request.service]}/{request.stream}/commands",
                role=request.by.role,
                number=request.by.number,
                body=request.body,
                key=request.key,
            )
        except NoToken:
            if request.by.role == "SYSTEM":
                # No issuer gives anyone the role of the reactions: that is the refusal.
                return Response(Result.FORBIDDEN, why="nobody is given the role SYSTEM")
            raise BackendError(f"There is no token for {request.by}: is the issuer up? Ask `ooc status`.") from None
        except TROUBLE as error:
            raise BackendError(str(error)) from None
        return response_from(reply)

    def state(
        self, service: str, stream: UUID, *, as_of: datetime | None, known_at: datetime | None
    ) -> Mapping[str, Any] | None:
        reply = self._read(service, f"/v1/{COLLECTIONS[service]}/{stream}", as_of=_utc(as_of), known_at=_utc(known_at))
        return None if reply is None else _mapping(reply, service)

    def history(self, service: str, stream: UUID) -> Sequence[Mapping[str, Any]]:
        reply = self._read(service, f"/v1/{COLLECTIONS[service]}/{stream}/history")
        return () if reply is None else _list(_mapping(reply, service).get("events"), service)

    def duties(
        self, service: str, stream: UUID, *, as_of: date | None, known_at: datetime | None
    ) -> Sequence[Mapping[str, Any]]:
        reply = self._read(
            service,
            f"/v1/{COLLECTIONS[service]}/{stream}/duties",
            as_of=None if as_of is None else as_of.isoformat(),
            known_at=_utc(known_at),
        )
        return () if reply is None else _list(reply.body, service)

    def measure(self, name: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        with _backend_errors():
            reply = self._client.get("reporting", f"/v1/measures/{name}", role=COUNTER, params=params)
        if reply.status != 200:
            raise BackendError(f"reporting gives no measure {name!r}: {_problem(reply)}")
        return _mapping(reply, "reporting")

    def messages(self, person: UUID, *, as_of: datetime | None) -> None:
        """Return None: for who reads its messages today, a story is over."""

    def settle(self) -> None:
        """Wait until two looks at every service's status find everything passed."""
        with _backend_errors():
            wait_until_idle(self._client)

    def now(self) -> datetime:
        """Return the latest of the services' times."""
        try:
            with _backend_errors():
                return max(datetime.fromisoformat(status["time"]) for status in statuses(self._client).values())
        except (KeyError, ValueError):
            raise BackendError("A service's status tells no time: is it of this version?") from None

    def _read(self, service: str, path: str, **params: Any) -> Reply | None:
        with _backend_errors():
            reply = self._client.get(service, path, role=READER, params=params)
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise BackendError(f"{service} does not let {READER} read {path}: {_problem(reply)}")
        return reply


@contextmanager
def _backend_errors() -> Iterator[None]:
    """Raise the errors of the client as `BackendError`."""
    try:
        yield
    except TROUBLE as error:
        raise BackendError(str(error)) from None


def response_from(reply: Reply) -> Response:
    """Translate the answer to a command, by its status and problem details (RFC 9457)."""
    body = reply.body if isinstance(reply.body, Mapping) else {}
    match reply.status:
        case 201:
            replayed = str(reply.headers.get("Idempotency-Replayed", "")).lower() == "true"
            events = tuple(str(event["type"]).split(".")[-2] for event in body.get("events", ()))
            word = Result.REPEATED if replayed else Result.ACCEPTED
            return Response(word, events=events, receipt=body, attempts=2 if reply.retried else 1)
        case 422 if body.get("rules"):
            rules = tuple(str(rule["id"]) for rule in body["rules"])
            word = Result.NEEDS_RATIONALE if body.get("needs_rationale") else Result.REFUSED
            known = tuple(str(id_) for rule in body["rules"] for id_ in rule.get("known") or ())
            return Response(word, rules=rules, known=known, why="; ".join(str(rule["text"]) for rule in body["rules"]))
        case 422:
            fields = (f"{error.get('field')}: {error.get('message')}" for error in body.get("errors") or ())
            return Response(Result.INVALID, why="; ".join(fields) or str(body.get("detail", "")))
        case 403:
            return Response(Result.FORBIDDEN, why=str(body.get("detail", "")))
        case 404:
            return Response(Result.UNKNOWN, why=str(body.get("detail", "")))
        case 409:
            return Response(Result.CONFLICT, why=str(body.get("detail", "")))
        case _:
            raise BackendError(f"The command was answered with {_problem(reply)}.")


def _problem(reply: Reply) -> str:
    body = reply.body if isinstance(reply.body, Mapping) else {}
    return f"HTTP {reply.status} {body.get('detail') or body.get('title') or ''}".strip()


def _mapping(reply: Reply, service: str) -> Mapping[str, Any]:
    if not isinstance(reply.body, Mapping):
        raise BackendError(f"{service} answered without JSON fields: is it of this version?")
    return reply.body


def _list(value: Any, service: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list):
        raise BackendError(f"{service} answered without a list: is it of this version?")
    return value


def _utc(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()
