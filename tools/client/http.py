"""Asking the services over HTTP, as every client does: with a token, a reason, and patience while one restarts."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from services.system.addresses import Addresses
from shared.servers.http_client import client_tls
from tools.client.tokens import NoToken, Tokens

RESTART: Final = 60.0
"""Seconds for which a service that does not answer is asked again: a crashed process is restarted in that time."""

PAUSE: Final = 0.2
"""Seconds between two attempts."""

PASSING: Final = frozenset({429, 502, 503, 504})
"""Answers of a server that is not ready yet (RFC 9110)."""


class NoAnswer(Exception):
    """A service does not answer, or not as agreed: says which, and what to do."""


class Ended(NoAnswer):
    """The client was told to end while it waited."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with its headers, and whether it took more than one attempt."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    retried: bool = False


class Client:
    """The services of one system, asked as people in roles."""

    def __init__(
        self,
        addresses: Addresses,
        *,
        http: httpx2.Client | None = None,
        tokens: Tokens | None = None,
        patience: float = RESTART,
        reason: str = "CONSOLE",
    ) -> None:
        self.addresses = addresses
        self._http = http or _http()
        self.tokens = tokens or Tokens(addresses.issuer, self._http)
        self.patience = patience
        self.reason = reason
        self._ended = threading.Event()

    def end(self) -> None:
        """Give up waiting, from another thread: the system is being stopped."""
        self._ended.set()

    def get(
        self, service: str, path: str, *, role: str, number: int = 1, params: Mapping[str, Any] | None = None
    ) -> Reply:
        """Read something as a person in a role; a None among the parameters is left out. Raises `NoAnswer`."""
        query = {key: value for key, value in (params or {}).items() if value is not None}
        return self._as(role, number, lambda headers: self._ask("GET", service, path, headers, params=query))

    def post(self, service: str, path: str, *, role: str, number: int = 1, body: Mapping[str, Any], key: str) -> Reply:
        """Send a command as a person in a role; its key makes a second attempt harmless. Raises `NoAnswer`."""
        more = {"Idempotency-Key": key}
        return self._as(role, number, lambda headers: self._ask("POST", service, path, headers | more, json=body))

    def decide(
        self,
        service: str,
        path: str,
        *,
        role: str,
        params: Mapping[str, Any],
        reason: str,
        body: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Ask once for an operator's decision, with its reason: a second attempt would be a second decision."""
        more = {"Access-Reason": reason}
        content: dict[str, Any] = {"params": params} | ({} if body is None else {"json": body})
        return self._as(
            role, 1, lambda headers: self._ask("POST", service, path, headers | more, patience=0.0, **content)
        )

    def search(self, body: Mapping[str, Any], *, role: str) -> Reply:
        """Search in reporting; the searched words are in the body only. Raises `NoAnswer`."""
        return self._as(role, 1, lambda headers: self._ask("POST", "reporting", "/v1/search", headers, json=body))

    def open(self, service: str, path: str, *, patience: float = 0.0, params: Mapping[str, Any] | None = None) -> Reply:
        """Read something that needs no token (health, status, proofs). Raises `NoAnswer`."""
        return self._ask("GET", service, path, {}, patience=patience, params=dict(params or {}))

    def _as(self, role: str, number: int, ask: Callable[[dict[str, str]], Reply]) -> Reply:
        def once() -> Reply:
            token = self._token(role, number)
            return ask({"Authorization": f"Bearer {token}", "Access-Reason": self.reason})

        reply = once()
        if reply.status == 401:
            self.tokens.drop(role, number)
            reply = once()
        if reply.status == 401:
            raise NoAnswer(f"The token for {role} is not accepted: is it of this system's issuer, and not yet ended?")
        return reply

    def _pause(self) -> None:
        if self._ended.wait(PAUSE):
            raise Ended("The system is being stopped.")

    def _token(self, role: str, number: int) -> str:
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return self.tokens.token(role, number).text
            except NoToken as error:
                # An issuer that is being restarted answers soon; one that refuses does so for good.
                if "does not answer" not in str(error) or time.monotonic() >= deadline:
                    raise
            self._pause()

    def _ask(
        self,
        method: str,
        service: str,
        path: str,
        headers: Mapping[str, str],
        *,
        patience: float | None = None,
        **content: Any,
    ) -> Reply:
        url = f"{self.addresses.of(service)}{path}"
        deadline = time.monotonic() + (self.patience if patience is None else patience)
        retried = False
        while True:
            try:
                answer = self._http.request(method, url, headers=dict(headers), **content)
            except httpx2.TransportError as error:
                why = f"it does not answer ({type(error).__name__})"
            else:
                if answer.status_code not in PASSING:
                    return Reply(answer.status_code, _body(answer), answer.headers, retried=retried)
                why = f"it is not ready (HTTP {answer.status_code})"
            if time.monotonic() >= deadline:
                raise NoAnswer(f"{service} at {url}: {why}. Is the system up? Ask `ooc status`.")
            self._pause()
            retried = True


def _http() -> httpx2.Client:
    """Return a client that goes through the proxy of the environment, save to this machine."""
    here = ("all://127.0.0.1", "all://localhost", "all://[::1]")
    return httpx2.Client(timeout=30.0, headers={"User-Agent": "ooc"}, verify=client_tls(), mounts=dict.fromkeys(here))


def _body(answer: httpx2.Response) -> Any:
    if answer.headers.get("content-type") == "application/pdf":
        return answer.content
    if answer.headers.get("content-type", "").startswith(("text/plain", "application/openmetrics-text")):
        return answer.text
    try:
        return answer.json()
    except ValueError:
        return None
