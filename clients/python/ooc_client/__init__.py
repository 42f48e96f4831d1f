"""The APIs of one partnership for a program: generated functions, with tokens, repeats and receipts.

`ooc_client.api.SERVICE` has a function for each operation and a class for each command. A `Partnership` gives the client that
they take, and sends commands.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from importlib import import_module
from typing import Any, Final
from uuid import UUID, uuid4

import httpx

PASSING: Final = frozenset({429, 502, 503, 504})
"""Answers that say: ask again. Nothing was recorded, or the same Idempotency-Key finds out."""


class Refused(Exception):
    """A request was not accepted. `problem` says why and what to do (RFC 9457)."""

    def __init__(self, problem: Any) -> None:
        super().__init__(getattr(problem, "detail", "the answer is none that the contract knows"))
        self.problem = problem


class Partnership:
    """The services of a partnership, asked by one program.

    Args:
        urls: the base URL of each service.
        token: returns an access token (RFC 9068) that is valid; asked before the first request and after each answer 401.
        reason: why the program reads, for the partnership's access log: a code of the header Access-Reason.
        patience: seconds for which a request is repeated while a server does not answer or is busy.

    """

    def __init__(
        self, urls: Mapping[str, str], token: Callable[[], str], *, reason: str, patience: float = 60.0
    ) -> None:
        self._auth = _Bearer(token)
        self._clients = {name: self._client_of(name, url, reason, patience) for name, url in urls.items()}

    def _client_of(self, service: str, url: str, reason: str, patience: float) -> Any:
        generated = import_module(f"ooc_client.api.{service}")
        http = httpx.Client(
            base_url=url,
            auth=self._auth,
            headers={"Access-Reason": reason},
            transport=_Patient(patience),
            timeout=httpx.Timeout(30.0),
        )
        # The generated functions only ask for the HTTP client; this one has the token.
        return generated.AuthenticatedClient(base_url=url, token="", raise_on_unexpected_status=True).set_httpx_client(
            http
        )

    def client(self, service: str) -> Any:
        """Return the client that the generated functions of a service take."""
        return self._clients[service]

    def send(self, service: str, record: UUID, command: Any, *, key: str | None = None) -> Any:
        """Send a command to a record, and return its receipt. Raises `Refused`, `httpx.TransportError`.

        A program that may be restarted gives a `key` of its own: the same key records once, and has the same receipt.
        """
        operation = import_module(f"ooc_client.api.{service}.api.commands.send_command")
        answer = operation.sync(record, client=self.client(service), body=command, idempotency_key=key or str(uuid4()))
        if not hasattr(answer, "position_token"):
            raise Refused(answer)
        return answer

    def outcome(self, receipt: Any, *, patience: float = 60.0, pause: float = 0.5) -> Any:
        """Return what a command has come to once every service that reacts to it has, or when the patience ends."""
        operation = import_module(f"ooc_client.api.{receipt.service}.api.queries.command_outcome")
        until = time.monotonic() + patience
        while True:
            answer = operation.sync(receipt.command_id, client=self.client(receipt.service))
            if not hasattr(answer, "state"):
                raise Refused(answer)
            if answer.state != "waiting" or time.monotonic() > until:
                return answer
            time.sleep(pause)


class _Bearer(httpx.Auth):
    """Gives each request the token, and asks for another after an answer 401."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._ask = token
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        self._token = self._token or self._ask()
        request.headers["Authorization"] = f"Bearer {self._token}"
        answer = yield request
        if answer.status_code == 401:
            self._token = self._ask()
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request


class _Patient(httpx.HTTPTransport):
    """Repeats a request while the server does not answer or is busy: every command has its Idempotency-Key."""

    def __init__(self, patience: float) -> None:
        super().__init__()
        self._patience = patience

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        until = time.monotonic() + self._patience
        while True:
            wait = "1"
            try:
                answer = super().handle_request(request)
                if answer.status_code not in PASSING or time.monotonic() > until:
                    return answer
                wait = answer.headers.get("Retry-After", wait)
                answer.close()
            except httpx.ConnectError:
                if time.monotonic() > until:
                    raise
            # A date (RFC 9110, 10.2.3) is no number of seconds: then it asks again soon, and never later than it may.
            time.sleep(min(float(wait) if wait.isdecimal() else 1.0, max(0.0, until - time.monotonic())))
