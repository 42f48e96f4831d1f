"""Made-up requests to every page and form of the console, in every role, on real APIs: none finds a fault.

A page's parameters are those that the program reads; the fields of a form are those that a page drew. `make hostile` gives it
an hour, with the APIs of test_schemathesis.py; without a time each role makes a few. A failure names the seed and
the last requests; OOC_HOSTILE_SEED makes the same ones again.
"""

import ast
import os
import random
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from time import monotonic, time
from typing import Final
from urllib.parse import quote, urlsplit
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from starlette.routing import Route

from services.console.application import HEADERS, console_application, routes
from services.console.database import DATABASE
from services.console.routing import COOKIE, Console
from services.console.sessions import Session, Tokens
from services.console.settings import ConsoleSettings
from services.reporting.measures import MEASURES
from services.system.addresses import Addresses
from services.trade.vocabulary import Role
from shared.servers.database import as_role, database_dsn
from tests.copied_databases import databases
from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership, Recorded, person_in
from tests.hostile.test_schemathesis import SECONDS, SHARES
from tests.integration.console.browsing import Form, page_of

settings, partnership = world.settings, world.partnership

ADDRESS: Final = "http://127.0.0.1:8118"
SEED: Final = int(os.environ.get("OOC_HOSTILE_SEED") or (random.SystemRandom().randrange(10**9) if SECONDS else 1))
A_TURN: Final = 100 if SECONDS else 12
"""Requests of one person, before another takes over. Each role has one turn at least."""
MARKER: Final = "<zq'\"&>{{7*7}}"
ALLOWED: Final = frozenset({200, 303, 400, 403, 404, 405, 409, 410, 413, 422, 503})
ODD: Final = (
    *(
        "",
        "0",
        "1",
        "-1",
        "9" * 30,
        "1e9",
        "NaN",
        "true",
        "none",
        "None",
        "[]",
        "{}",
        "*",
        " ",
        "%",
        "\x00",
        "\r\nX: y",
    ),
    *(
        "\ud800",
        "\u202e",
        "\u200b",
        "é" * 200,
        "x" * 5000,
        "../..",
        "//elsewhere.example",
        "/.//x",
        "\\",
        "..%2f",
        "=1+1",
    ),
    *(MARKER, f"#panic({MARKER})", "' or 1=1 --", "s1:person/x:1:name:a:b", "2026-02-30", "2026-06-09", "0001-01-01"),
    *(
        "9999-12-31",
        "2026-06-09T10:00:00+00:00",
        "2026-06-09T10:00:00-99:99",
        "25:61",
        "2026-W60",
        "yes",
        "no",
        "check",
        "2026-06-09T10:00:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "9" * 5000,
        "\u0663",
        "\xb2",
    ),
)


def parameters_read() -> list[str]:
    """Return the names of the parameters of an address that the console reads."""
    names: set[str] = set()
    for path in (Path(__file__).parents[2] / "services" / "console").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called == "query" or called.endswith("query_params.get"):
                    names |= {str(one.value) for one in node.args if isinstance(one, ast.Constant) and one.value}
    return sorted(names)


PARAMETERS: Final = parameters_read()
FIELDS: Final = ("key", "version", "words", "until", "reason", "file", "file_name", "register")
"""Fields of forms that are sent to an address as they are, whether a page drew them or not."""
PATHS: Final = [
    (method, route.path)
    for route in routes()
    if isinstance(route, Route)
    for method in sorted(route.methods or ())
    if method != "HEAD" and route.path != "/sign-out"
]


@dataclass
class Attacker:
    """One who makes requests up, by chance, out of what pages showed and what is odd."""

    chance: random.Random
    http: httpx2.AsyncClient
    records: list[Recorded]
    issuer: str
    csrf: str = ""
    drafts: deque[str] = field(default_factory=lambda: deque([str(uuid4())], 50))
    forms: deque[tuple[str, Form]] = field(default_factory=lambda: deque(maxlen=100))
    done: deque[str] = field(default_factory=lambda: deque(maxlen=8))
    tried: set[tuple[str, str]] = field(default_factory=set)

    def text(self) -> str:
        """Return something that a person, a program or an attacker may send."""
        record = self.chance.choice(self.records)
        known = (
            str(record.case),
            str(record.stream),
            str(record.person),
            str(uuid4()),
            self.chance.choice(self.drafts),
        )
        day = date(2026, 1, 1) + timedelta(days=self.chance.randrange(400))
        return self.chance.choice((self.chance.choice(ODD), self.chance.choice(known), day.isoformat()))

    def segment(self, name: str, record: Recorded) -> str:
        """Return a value of a path's parameter, which is most often one that is there."""
        service = world.SERVICES[record.service]
        fitting: dict[str, list[str]] = {
            "case": [str(record.case)],
            "collection": [service.collection],
            "id": [str(record.stream)],
            "command": [command.__name__ for command in service.commands],
            "draft": list(self.drafts),
            "version": ["1", "2"],
            "name": list(service.documents) or ["yc"],
            "kind": ["csv", "xlsx", "json", "pdf", "quarantine", "parked"],
            "service": list(world.SERVICES),
            "action": ["retry", "release", "abandon"],
            "question": ["what", "where", "when", "who"],
        }
        if self.chance.random() < 0.9 and name in fitting:
            return self.chance.choice(fitting[name])
        return self.text()

    def address(self, path: str) -> str:
        """Return an address of a route."""
        record, parts = self.chance.choice(self.records), []
        for part in path.split("/"):
            filled = self.segment(part[1:-1], record) if part.startswith("{") else part
            parts.append(quote(filled.encode("utf-8", "surrogatepass"), safe="" if part.startswith("{") else "/"))
        return "/".join(parts)

    def query(self) -> str:
        """Return the query of an address; a measure and a period are often ones that are there."""
        fitting = {"measure": self.chance.choice(list(MEASURES)), "from": "2026-01-01", "to": "2026-12-31"}
        names = self.chance.sample(PARAMETERS, self.chance.randrange(4))
        values = {
            name: fitting[name] if name in fitting and self.chance.random() < 0.6 else self.text() for name in names
        }
        return _encoded({name: [value] for name, value in values.items()})

    def filled(self, form: Form) -> dict[str, list[str]]:
        """Return a form as a browser sends it, with some fields changed, some missing and one added."""
        data = {name: list(values) for name, values in form.fields.items()}
        for name, offered in form.options.items():
            if self.chance.random() < 0.7 and offered:
                data[name] = [self.chance.choice(sorted(offered))]
        for name in form.names:
            if name == "csrf":
                continue
            if self.chance.random() < 0.4:
                data[name] = [self.text() for _ in range(self.chance.choice((1, 1, 1, 2)))]
            elif self.chance.random() < 0.05:
                data.pop(name, None)
        if form.buttons and self.chance.random() < 0.9:
            name, value, _ = self.chance.choice(form.buttons)
            if name:
                data[name] = [value]
        if self.chance.random() < 0.1:
            data[self.text()] = [self.text()]
        return data

    async def act(self) -> None:
        """Make one request: open a page, send a form that was drawn, or send anything to a form's address."""
        way = self.chance.random()
        if way < 0.4 and self.forms:
            address, form = self.chance.choice(self.forms)
            target = form.action if form.action.startswith("/") else urlsplit(address).path
            await self.ask(form.method.upper(), target, self.filled(form))
            return
        method, path = self.chance.choice(PATHS)
        self.tried.add((method, path))
        if method == "GET":
            await self.ask("GET", f"{self.address(path)}?{self.query()}")
        else:
            fields = {self.chance.choice((*PARAMETERS, *FIELDS)): [self.text()] for _ in range(4)}
            await self.ask("POST", self.address(path), {"csrf": [self.csrf], **fields})

    async def ask(self, method: str, address: str, data: dict[str, list[str]] | None = None) -> None:
        """Make a request, and judge what comes back; follow where it leads."""
        self.done.append(f"{method} {address} {data}"[:2000])
        if method == "GET" and data is not None:
            address, data = f"{address}?{_encoded(data)}", None
        content = None if data is None else _encoded(data).encode()
        kind = {} if content is None else {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self.http.request(method, address, content=content, headers=kind)
        assert answer.status_code in ALLOWED, answer.text[:500]
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS or address.startswith("/static")
        if answer.headers.get("content-type", "").startswith("text/html"):
            page = page_of(answer)
            assert MARKER not in answer.text, "a text is on the page as it was sent, unescaped"
            self.forms.extend((address, form) for form in page.forms() if form.action not in {"/sign-out", "/reason"})
        if answer.status_code == 303:
            to = answer.headers["location"]
            if not to.startswith(f"{self.issuer}/authorize?"):
                assert urlsplit(to)[:2] == ("", ""), to
                assert to.startswith("/"), to
            if to.startswith("/drafts/"):
                self.drafts.append(urlsplit(to).path.removeprefix("/drafts/").split("/")[0])
            if to.startswith("/") and not to.startswith("/sign-in") and len(to) < 2000 and data is not None:
                await self.ask("GET", to)


def _encoded(data: dict[str, list[str]]) -> str:
    pairs = ((name, value) for name, values in data.items() for value in values)
    return "&".join("=".join(quote(text.encode("utf-8", "surrogatepass"), safe="") for text in pair) for pair in pairs)


@asynccontextmanager
async def console_on(
    postgres_url: str, partnership: Partnership, folder: Path, faults: list[str]
) -> AsyncIterator[tuple[Console, httpx2.AsyncClient]]:
    """Yield the console on the APIs of the partnership, and a browser; an API's fault is noted."""
    name = f"test_requests_{uuid4().hex[:12]}"
    await databases(postgres_url, [(name, DATABASE[1])])
    key = folder / "key"
    key.write_text(b64encode(b"1" * 32).decode(), encoding="utf-8")

    class Own(ConsoleSettings):
        def database(self, _name: str, role: str) -> str:
            return as_role(database_dsn(postgres_url, name), role)

    own = Own(
        mode="local",
        database_url=postgres_url,
        issuer=partnership.settings.issuer,
        console_url=ADDRESS,
        console_key_file=key,
    )

    async def note(answer: httpx2.Response) -> None:
        if answer.status_code == 500:
            faults.append(f"{answer.request.method} {answer.request.url}")

    app = console_application(own, Addresses(None, {service: f"http://{service}" for service in partnership.clients}))
    async with app.router.lifespan_context(app):
        console: Console = app.state.console
        await console.apis.close()
        for service in console.apis._clients:
            client = partnership.clients[service]
            client.event_hooks = {"response": [note]}
            console.apis._clients[service] = client
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url=ADDRESS, timeout=90, follow_redirects=False
        ) as http:
            yield console, http
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f'drop database "{name}" with (force)')
    await admin.close()


async def sign_in(console: Console, partnership: Partnership, role: str, reason: str | None) -> Session:
    """Begin a session with a token that is new."""
    partnership.tokens.clear()
    tokens = Tokens(await partnership.token(role), time() + 280, None)
    session = Session(str(uuid4()), str(person_in(role)), role, "DORSET_POLICE", "DORSET", tokens, reason=reason)
    await console.sessions.begin(session)
    return session


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 600)
async def test_no_request_to_the_console_finds_a_fault(
    postgres_url: str, partnership: Partnership, tmp_path: Path
) -> None:
    """Given requests made up by chance, in turn by each role, then each answer is a page as pages are, and no API faults."""
    faults: list[str] = []
    records = await world.records(partnership)
    end, made = monotonic() + SECONDS // SHARES, 0
    roles = [str(role) for role in Role if role != Role.SYSTEM]
    async with console_on(postgres_url, partnership, tmp_path, faults) as (console, http):
        attacker = Attacker(random.Random(SEED), http, records, partnership.settings.issuer)
        while made < len(roles) or monotonic() < end:
            role = roles[made % len(roles)]
            made += 1
            session = await sign_in(console, partnership, role, attacker.chance.choice((None, "AUDIT")))
            http.cookies.set(COOKIE, session.key)
            attacker.csrf = session.csrf
            attacker.forms.clear()
            for _ in range(A_TURN):
                try:
                    await attacker.act()
                except Exception as error:
                    raise AssertionError(f"seed {SEED}, {role}: {error!r}, after {list(attacker.done)}") from error
                assert not faults, f"seed {SEED}, {role}: {faults}, after {list(attacker.done)}"
    assert len(attacker.tried) > len(PATHS) // 2
