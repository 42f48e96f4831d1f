"""Commands over HTTP: one API process of disposal as the system runs it, and clients that keep their connections."""

import asyncio
import base64
import contextlib
import math
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, takewhile
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from services.disposal.domain.commands import OpenDisposalCase
from services.disposal.service import service
from shared.api.connections import ConnectionLimits
from shared.domain.messages import Actor
from shared.runtime.application import uvicorn_options
from shared.runtime.provision import provision_databases
from shared.servers.database import retry_for
from shared.servers.settings import Settings
from tests import loopback
from tests.bench.corpus import Corpus
from tests.bench.figures import milliseconds
from tests.bench.place import Place
from tests.bench.processes import process_running
from tests.bench.rounds import OURS, Side
from tests.bench.synthetic_cases import SentCommand, SyntheticCase
from tests.ports import free_ports

CALLERS: Final = 64
FIRST_RATE: Final = 500.0
"""Commands a second that the first round is prepared for, twice."""

PATIENCE_SECONDS: Final = 60.0
"""How long a process has until it answers."""


@dataclass(frozen=True, slots=True)
class Post:
    """A command as its client sends it."""

    actor: Actor
    path: str
    body: bytes


def posts_of(case: SyntheticCase) -> list[Post]:
    """Return the commands of a case to its first record of disposal, in order, as their clients send them."""
    return [
        Post(sent.request.actor, f"/v1/{service.collection}/{sent.request.stream}/commands", sent.body.encode())
        for sent in sent_alone(case)
    ]


def sent_alone(case: SyntheticCase) -> list[SentCommand]:
    """Return the commands to a case's first record of disposal, as far as people sent them and no other service is needed.

    They end before a reaction's command, an opening with the details that a referral has, a signature, which prints first,
    and a command that names an event: its id follows from the idempotency key, and is another one here. A second record
    could need the first to be closed.
    """
    events = {str(event_id) for accepted in case.accepted for event_id, *_ in accepted.events}
    told = [sent for sent in case.sent if sent.service == service.name]
    first = [sent for sent in told if sent.request.stream == told[0].request.stream]
    return list(takewhile(lambda sent: not _ends(sent, events), first))


def _ends(sent: SentCommand, events: set[str]) -> bool:
    return (
        sent.request.causation_id is not None
        or type(sent.request.command).__name__ == "SignDocument"
        or (isinstance(sent.request.command, OpenDisposalCase) and sent.request.command.details is None)
        or any(event in sent.body for event in events)
    )


class Connection:
    """A connection to an API, which is kept: one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def post(self, path: str, token: str, body: bytes) -> tuple[int, bytes]:
        """Send a command with a key of its own; return status and body of the answer."""
        self._writer.write(
            b"POST %b HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %b\r\nIdempotency-Key: %b\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % (path.encode(), token.encode(), str(uuid4()).encode(), len(body))
            + body
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        _, _, rest = head.partition(b"\r\ncontent-length: ")
        return int(head[9:12]), await self._reader.readexactly(int(rest.split(b"\r\n", 1)[0]))

    def close(self) -> None:
        """Close it."""
        self._writer.close()


class Sending:
    """Callers that each send the commands of one record after the other; `again`: the same ones in each round."""

    def __init__(self, port: int, issuer: str, corpus: Corpus, *, again: bool = False) -> None:
        self._port = port
        self._issuer = issuer
        self._corpus = corpus
        self._again = again
        self._ready: list[list[Post]] = []
        self._rate = FIRST_RATE

    async def round(self, seconds: float) -> Mapping[str, float]:
        """Measure accepted commands a second, and the time of one."""
        if not self._again or not self._ready:
            self._prepare(math.ceil(2 * self._rate * seconds) + CALLERS)
        tokens = await self._tokens({post.actor.id: post.actor for posts in self._ready for post in posts}.values())
        records = cycle(self._ready) if self._again else iter(self._ready)
        took: list[float] = []
        connections = [
            Connection(*await asyncio.open_connection("127.0.0.1", self._port, limit=1_000_000)) for _ in range(CALLERS)
        ]
        start = time.perf_counter()
        until = start + seconds

        async def call(connection: Connection) -> None:
            now = time.perf_counter()
            for posts in records:
                for post in posts:
                    status, answer = await connection.post(post.path, tokens[post.actor.id], post.body)
                    assert status == 201, (status, answer, post)
                    took.append(-now + (now := time.perf_counter()))
                    if now > until:
                        return

        try:
            await asyncio.gather(*map(call, connections))
        finally:
            for connection in connections:
                connection.close()
        self._rate = len(took) / (time.perf_counter() - start)
        return {"commands/s": self._rate, **milliseconds(took)}

    def _prepare(self, commands: int) -> None:
        """Make so many further commands."""
        self._ready = []
        while commands > 0:
            posts = posts_of(self._corpus.case())
            if posts:
                self._ready.append(posts)
            commands -= len(posts)

    async def _tokens(self, actors: Iterable[Actor]) -> Mapping[UUID, str]:
        """Get a token for each actor from the issuer."""
        found: dict[UUID, str] = {}
        async with loopback.client(base_url=self._issuer) as issuer:
            for actor in actors:
                form = {
                    "grant_type": "client_credentials",
                    "sub": str(actor.id),
                    "role": actor.role,
                    "organisation": actor.organisation,
                    "area": actor.labels["area"],
                }
                answer = (await issuer.post("/token", data=form)).raise_for_status()
                found[actor.id] = answer.json()["access_token"]
        return found


async def ready_answers(port: int) -> None:
    """Serve an application that reads a body and answers with ready members, for ever: the limit."""

    async def answer(request: Request) -> JSONResponse:
        await request.body()
        return JSONResponse({"receipt": "x" * 600}, 201)

    app = Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])])
    options = uvicorn_options(Settings(mode="local"), ConnectionLimits())
    await uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, **{**options, "loop": "none"})).serve()


@contextlib.contextmanager
def module_running(folder: Path, environment: Mapping[str, str], *arguments: str) -> Iterator[None]:
    """Run a module in a process of its own, with its log in the folder, as long as the body runs."""
    with (folder / f"{arguments[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], env={**os.environ, **environment}, stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


async def answers(url: str) -> None:
    async def look() -> None:
        async with loopback.client() as client:
            await client.get(url)

    await retry_for(look, PATIENCE_SECONDS, on=(httpx2.HTTPError,))


@contextlib.asynccontextmanager
async def over_http(place: Place) -> AsyncIterator[Sequence[Side]]:
    """64 connections to one API process; the limit answers the same requests with ready bytes."""
    port, issuer_port, limit_port = free_ports(3)
    issuer = f"http://127.0.0.1:{issuer_port}"
    environment = {
        "OOC_MODE": "local",
        "OOC_DATABASE_URL": place.database_url,
        "OOC_KAFKA": place.kafka,
        "OOC_ISSUER": issuer,
        "OOC_KEK": base64.b64encode(os.urandom(32)).decode(),
        "OOC_VAR": str(place.folder / "issuer"),
    }
    await provision_databases(Settings(mode="local", database_url=place.database_url), [service.name], ())
    with (
        module_running(place.folder, {**environment, "OOC_PORT": str(issuer_port)}, "tools.local.issuer"),
        module_running(place.folder, {**environment, "OOC_PORT": str(port)}, f"services.{service.name}", "api"),
        process_running(ready_answers, limit_port),
    ):
        for url in (f"{issuer}/jwks", f"http://127.0.0.1:{port}/status", f"http://127.0.0.1:{limit_port}/"):
            await answers(url)
        corpus = Corpus()
        yield [
            Side(
                OURS, f"{CALLERS} connections, the scenarios' commands to disposal", Sending(port, issuer, corpus).round
            ),
            Side(
                "limit",
                "uvicorn and Starlette, the same requests, answered without a look at them",
                Sending(limit_port, issuer, corpus, again=True).round,
            ),
        ]
