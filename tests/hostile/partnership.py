"""A small partnership on real servers: four services and reporting with every kind of record that access tells apart.

Areas are DORSET and DEVON. Events are carried from each event store to the projection, and to the services that keep marks
of them, by the functions that the workers use.
"""

import asyncio
import base64
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI

from services.reporting.api import reporting_api
from services.reporting.database import DATABASE
from services.reporting.projection.projector import apply
from services.system.registry import deciding_services
from shared.domain.service import Service
from shared.runtime.application import service_api
from shared.runtime.provision import KEYRING_DATABASE, service_database
from tests import loopback
from tests.copied_databases import databases
from tests.forked_ooc import run_command
from tests.hostile.serving import served
from tests.integration.reporting.recorded_scenarios import event_of_row
from tests.isolated_settings import IsolatedSettings
from tests.linked_services import link_services
from tests.received_referral import linked_person, received_referral

PREFIX: Final = f"test_access_{uuid4().hex[:12]}"
SERVICES: Final[Mapping[str, Service[Any]]] = {service.name: service for service in deciding_services()}
ONE_LOOP: Final = pytest.mark.asyncio(loop_scope="module")
PATIENCE: Final = 60.0
"""Seconds for which an API that is not ready is asked again."""
HOME_AREA: Final = "DORSET"
SCHOOL: Final = "SCHOOL_113867"
HOSPITAL: Final = "DORSET_HOSPITAL"
POLICE: Final = "DORSET_POLICE"


def settings_for(postgres_url: str, issuer: str) -> IsolatedSettings:
    """Return the settings of the partnership; its databases are made by `provision`."""
    return IsolatedSettings(
        prefix=PREFIX,
        mode="local",
        database_url=postgres_url,
        issuer=issuer,
        kek=base64.b64encode(os.urandom(32)).decode(),
    )


async def provision(postgres_url: str) -> None:
    """Make every database of the partnership."""
    wanted = [(f"{PREFIX}_{name}", service_database(name)[1]) for name in SERVICES]
    wanted += [(f"{PREFIX}_reporting", DATABASE[1]), (f"{PREFIX}_keyring", KEYRING_DATABASE[1])]
    await databases(postgres_url, wanted)


async def drop(postgres_url: str) -> None:
    """Drop every database of the partnership."""
    owner = await asyncpg.connect(postgres_url)
    for name in (*SERVICES, "reporting", "keyring"):
        await owner.execute(f'drop database if exists "{PREFIX}_{name}" with (force)')
    await owner.close()


async def answered(ask: Callable[[], Awaitable[httpx2.Response]], patience: float = PATIENCE) -> httpx2.Response:
    """Ask again, as every client should, while an API is not ready (503): on a busy machine its issuer may be slow."""
    until = monotonic() + patience
    while True:
        answer = await ask()
        if answer.status_code != 503 or monotonic() >= until:
            return answer
        await asyncio.sleep(0.2)


def person_in(role: str) -> UUID:
    """Return the person who acts in a role."""
    return uuid5(NAMESPACE_OID, role)


@dataclass(frozen=True)
class Recorded:
    """A record of the world: where it is, what is told of it, and whom a conflict may be declared for."""

    service: str
    stream: UUID
    case: UUID
    person: UUID
    relations: frozenset[str] = frozenset()

    @property
    def path(self) -> str:
        """Where its API has it."""
        return f"/v1/{SERVICES[self.service].collection}/{self.stream}"


@dataclass
class Partnership:
    """The APIs as HTTP clients, and tokens for anybody."""

    settings: IsolatedSettings
    clients: Mapping[str, httpx2.AsyncClient]
    tokens: dict[tuple[str, ...], str] = field(default_factory=dict)

    async def token(
        self, role: str, *, area: str = HOME_AREA, conflicts: tuple[UUID, ...] = (), organisation: str | None = None
    ) -> str:
        """Return an access token from the issuer."""
        organisation = organisation or {"SCHOOL": SCHOOL, "AGENCY": HOSPITAL}.get(role, POLICE)
        key = (role, area, organisation, *map(str, conflicts))
        if key not in self.tokens:
            form = {
                "grant_type": "client_credentials",
                "sub": str(person_in(role)),
                "role": role,
                "organisation": organisation,
                "area": area,
                "conflicts": " ".join(map(str, conflicts)),
            }
            answer = await self.clients["issuer"].post("/token", data=form)
            self.tokens[key] = str(answer.raise_for_status().json()["access_token"])
        return self.tokens[key]

    async def read(self, service: str, path: str, token: str, *, patience: float = PATIENCE) -> httpx2.Response:
        """Read with a reason; an API that is not ready (503) is asked again."""
        headers = {"Authorization": f"Bearer {token}", "Access-Reason": "CASE_REVIEW"}
        return await answered(lambda: self.clients[service].get(path, headers=headers), patience)

    async def search(self, token: str, **by: str) -> httpx2.Response:
        """Search the cases that the holder of a token may read."""
        headers = {"Authorization": f"Bearer {token}", "Access-Reason": "CASE_REVIEW"}
        return await answered(lambda: self.clients["reporting"].post("/v1/search", json=by, headers=headers))

    async def names(self, token: str, *records: str) -> httpx2.Response:
        """Ask for the names of the people of some records, such as `referral/<id>`."""
        headers = {"Authorization": f"Bearer {token}", "Access-Reason": "CASE_REVIEW"}
        body = {"records": records}
        return await answered(lambda: self.clients["reporting"].post("/v1/names", json=body, headers=headers))

    async def send(
        self, service: str, stream: UUID, body: Mapping[str, Any] | bytes, token: str, key: str | None = None
    ) -> httpx2.Response:
        """Send a command."""
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key or str(uuid4())}
        path = f"/v1/{SERVICES[service].collection}/{stream}/commands"
        content: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await answered(lambda: self.clients[service].post(path, headers=headers, **content))

    async def tell(self, service: str, stream: UUID, role: str, body: Mapping[str, Any], area: str = HOME_AREA) -> None:
        """Send a command that must be accepted. Many people of the tests have one name and birth date (rule N2)."""
        if body["type"] == "LinkPerson":
            body = {"rationale": {"N2": "Another one."}, **body}
        answer = await self.send(service, stream, body, await self.token(role, area=area))
        assert answer.status_code == 201, (body["type"], answer.text)

    async def carry(self) -> None:
        """Bring every event to the projection, and to the services that keep its marks."""
        reporting = await asyncpg.connect(self.settings.worker_database("reporting"))
        for source in SERVICES.values():
            event_store = await asyncpg.connect(self.settings.worker_database(source.name))
            rows = await event_store.fetch("select * from event order by position")
            await event_store.close()
            async with reporting.transaction():
                await apply(reporting, [event_of_row(row) for row in rows])
        await reporting.close()
        await link_services(self.settings)


_idle: dict[str, tuple[IsolatedSettings, dict[str, FastAPI]]] = {}


@contextlib.contextmanager
def applications(settings: IsolatedSettings) -> Iterator[dict[str, FastAPI]]:
    """Yield the five APIs, not opened, by the names of their services.

    It takes half a second to build them, so that those which the last test has closed are opened again by the next one.
    """
    known, apps = _idle.pop("apps", (None, {}))
    if known != settings:
        apps = {name: service_api(service, settings) for name, service in SERVICES.items()}
        apps["reporting"] = reporting_api(settings)
    yield apps
    _idle["apps"] = (settings, apps)


@contextlib.asynccontextmanager
async def serving(settings: IsolatedSettings) -> AsyncIterator[Partnership]:
    """Yield the five APIs in this process, on their databases."""
    async with contextlib.AsyncExitStack() as stack:
        apps = stack.enter_context(applications(settings))
        await asyncio.gather(*(stack.enter_async_context(app.router.lifespan_context(app)) for app in apps.values()))
        clients = {
            name: await stack.enter_async_context(
                httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=f"http://{name}", timeout=60)
            )
            for name, app in apps.items()
        }
        clients["issuer"] = await stack.enter_async_context(loopback.client(base_url=settings.issuer, timeout=60))
        yield Partnership(settings, clients)


# --- what is in it --------------------------------------------------------------------------------

WHEN: Final = "2026-03-02T15:20:00+00:00"


def _at(hour: int) -> str:
    return datetime(2026, 3, 3, hour, tzinfo=UTC).isoformat()


async def referral(
    partnership: Partnership,
    *relations: str,
    case: UUID | None = None,
    by: str = "SAFE_SCHOOLS_OFFICER",
    area: str = HOME_AREA,
) -> Recorded:
    """Record a referral with a child in it: online, accepted at triage, told to the youth justice service, or none of it."""
    made = Recorded("referral", uuid4(), case or uuid4(), uuid4(), frozenset(relations))
    source, setting = "OTHER_AGENCY" if by == "AGENCY" else "SCHOOL", "ONLINE" if "online" in relations else "SCHOOL"
    received = received_referral(made.case, WHEN, source=source, setting=setting)
    linked = linked_person(made.person) | {"occurred_at": _at(9)}
    officer = "SAFE_SCHOOLS_OFFICER"
    await partnership.tell("referral", made.stream, by, received, area)
    await partnership.tell("referral", made.stream, officer, linked, area)
    if "told_to_yjs" in relations:
        await partnership.tell("referral", made.stream, officer, {"type": "ReferToYjs", "occurred_at": _at(10)}, area)
    if "accepted" in relations:
        for n, body in enumerate(
            (
                {"type": "AcknowledgeReferral"},
                {"type": "TriageReferral", "outcome": "ACCEPT_INTERVENTION", "rationale_text": "It helps."},
            )
        ):
            await partnership.tell("referral", made.stream, officer, {**body, "occurred_at": _at(10 + n)}, area)
    return made


async def rejected_referral(
    partnership: Partnership, *, details: Mapping[str, Any] = {}, rationale: str = "Elsewhere.", **changes: Any
) -> Recorded:
    """Record a referral with a child in it that is rejected and closed; `changes` are of what was received."""
    made = Recorded("referral", uuid4(), uuid4(), uuid4())
    for body in (received_referral(made.case, WHEN, **changes), linked_person(made.person, **details)):
        await partnership.tell("referral", made.stream, "SAFE_SCHOOLS_OFFICER", body)
    await reject(partnership, made.stream, rationale)
    return made


async def reject(partnership: Partnership, referral: UUID, rationale: str = "Elsewhere.") -> None:
    """Acknowledge a referral, reject it at triage, and close it."""
    for body in (
        {"type": "AcknowledgeReferral"},
        {"type": "TriageReferral", "outcome": "REJECT_OUT_OF_SCOPE", "rationale_text": rationale},
        {"type": "CloseReferral", "reason": "REJECTED"},
    ):
        await partnership.tell("referral", referral, "SAFE_SCHOOLS_OFFICER", body)


def opened_disposal(case: UUID, person: UUID, details: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the command that opens a disposal case for a theft from a shop."""
    return {
        "type": "OpenDisposalCase",
        "case_id": str(case),
        "person_id": str(person),
        "details": details,
        "crime_number": "55260013127",
        "offence": {
            "code": "04601",
            "title": "Theft from a shop",
            "date": "2026-03-02",
            "trial_mode": "EITHER_WAY",
            "recordable": True,
            "category": "THEFT",
        },
        "reported_at": WHEN,
        "victims": [str(uuid4())],
        **changes,
    }


async def disposal(
    partnership: Partnership, *relations: str, case: UUID | None = None, area: str = HOME_AREA, name: str = "Robin Roe"
) -> Recorded:
    """Record a disposal case of one child, which the police open."""
    made = Recorded("disposal", uuid4(), case or uuid4(), uuid4(), frozenset(relations))
    details = {"name": name, "date_of_birth": "2011-03-14"}
    opening = opened_disposal(made.case, made.person, details, occurred_at=_at(9))
    await partnership.tell("disposal", made.stream, "POLICE_DECISION_MAKER", opening, area)
    return made


async def conference(
    partnership: Partnership,
    *relations: str,
    case: UUID | None = None,
    by: str = "SUPERVISOR",
    led: UUID | None = None,
    party: UUID | None = None,
    area: str = HOME_AREA,
) -> Recorded:
    """Record a conference, proposed by somebody, perhaps led by a facilitator, perhaps with an officer as its party."""
    made = Recorded("rj_conference", uuid4(), case or uuid4(), uuid4(), frozenset(relations))
    proposal = {
        "type": "ProposeConference",
        "occurred_at": _at(9),
        "case_id": str(made.case),
        "category": "OTHER",
        "sensitive": "NONE",
        "harmer": str(made.person),
        "harmer_age": 14,
    }
    await partnership.tell("rj_conference", made.stream, by, proposal, area)
    if led is not None:
        body = {
            "type": "AssignFacilitator",
            "facilitator_id": str(led),
            "rj_trained": True,
            "sensitive_accredited": True,
        }
        await partnership.tell("rj_conference", made.stream, "SUPERVISOR", {**body, "occurred_at": _at(10)}, area)
    if party is not None:
        body = {"type": "AddParticipant", "person_id": str(party), "role": "OBSERVER", "under_16": False}
        await partnership.tell("rj_conference", made.stream, "SUPERVISOR", {**body, "occurred_at": _at(11)}, area)
    return made


def planned_session(topic: str = "RETAIL") -> dict[str, Any]:
    """Return the command that plans a workshop."""
    return {
        "type": "PlanSession",
        "occurred_at": _at(9),
        "kind": "WORKSHOP",
        "topic": topic,
        "starts_at": "2026-03-20T10:00:00+00:00",
        "hours": 3,
        "place": "The old court house",
    }


async def session(
    partnership: Partnership, *relations: str, topic: str = "RETAIL", by: str = "SUPERVISOR", area: str = HOME_AREA
) -> Recorded:
    """Record a session in which a child of some case has a place."""
    made = Recorded("education", uuid4(), uuid4(), uuid4(), frozenset(relations))
    plan = planned_session(topic)
    booking = {"type": "BookPlace", "person_id": str(made.person), "case_id": str(made.case), "occurred_at": _at(10)}
    await partnership.tell("education", made.stream, by, plan, area)
    await partnership.tell("education", made.stream, "SUPERVISOR", booking, area)
    return made


async def sitting(partnership: Partnership, *others: Recorded) -> Recorded:
    """Record a closed sitting of the panel, with the case of a child, and those of others, on its agenda."""
    made = Recorded("panel", uuid4(), uuid4(), uuid4())
    plan = {"type": "PlanSitting", "starts_at": "2026-03-02T10:00:00Z", "place": "The old court house"}
    steps: list[dict[str, Any]] = [{**plan, "chair": str(person_in("YJS_CASE_MANAGER"))}]
    for one in (made, *others):
        disposal_id = str(uuid4())
        listed = {"disposal_id": disposal_id, "case_id": str(one.case), "person_id": str(one.person)}
        why = f"Nobody heard {one.person}."
        steps += [{"type": "AddToAgenda", **listed}, {"type": "AdjournCase", "disposal_id": disposal_id, "why": why}]
    for hour, step in enumerate([*steps, {"type": "CloseSitting"}], start=9):
        await partnership.tell("panel", made.stream, "YJS_CASE_MANAGER", {**step, "occurred_at": _at(hour)})
    return made


async def records(partnership: Partnership) -> list[Recorded]:
    """Every kind of record in its every relation, in DORSET."""
    facilitator, officer = person_in("RJ_FACILITATOR"), person_in("SAFE_SCHOOLS_OFFICER")
    made = [
        await referral(partnership),
        await referral(partnership, "online", "disposed"),
        await referral(partnership, "accepted"),
        await referral(partnership, "told_to_yjs"),
    ]
    made += [await referral(partnership, "reported_by_school", by="SCHOOL"), await disposal(partnership)]
    made.append(await referral(partnership, "reported_by_agency", by="AGENCY"))
    made.append(await disposal(partnership, "online", case=made[1].case))
    made.append(await referral(partnership, "online"))
    made += [await conference(partnership), await conference(partnership, "party", party=officer)]
    for own, linked in (
        (await conference(partnership, "own", led=facilitator), ["linked"]),
        (await conference(partnership, "own", by="RJ_FACILITATOR"), []),
    ):
        made += [
            own,
            await referral(partnership, *linked, "disposed", case=own.case),
            await disposal(partnership, *linked, case=own.case),
        ]
    made += [await session(partnership), await session(partnership, "online", topic="ONLINE_SAFETY")]
    made.append(await session(partnership, "own", by="INTERNET_SAFETY_OFFICER"))
    made.append(await sitting(partnership))
    await partnership.carry()
    return made


# --- fixtures, which a module takes by name: `settings, partnership = world.settings, world.partnership` --------


@pytest.fixture(scope="module")
def settings(postgres_url: str, issuer: str) -> Iterator[IsolatedSettings]:
    """Provision the databases of a partnership for one module, and yield its settings."""
    asyncio.run(provision(postgres_url))
    yield settings_for(postgres_url, issuer)
    asyncio.run(drop(postgres_url))


@pytest.fixture
async def partnership(settings: IsolatedSettings) -> AsyncIterator[Partnership]:
    """Serve the APIs of the partnership for one test."""
    async with serving(settings) as served:
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_partnership(settings: IsolatedSettings) -> AsyncIterator[Partnership]:
    """Serve the APIs once for a module whose mark is ONE_LOOP: to open them takes longer than a test."""
    async with serving(settings) as served:
        yield served


@pytest.fixture
async def urls(settings: IsolatedSettings) -> AsyncIterator[list[str]]:
    """Serve the APIs on real sockets too; yields the options that name them to `ooc`."""
    async with contextlib.AsyncExitStack() as stack:
        ports = {
            name: await stack.enter_async_context(served(app, settings))
            for name, app in stack.enter_context(applications(settings)).items()
        }
        yield [part for name, port in ports.items() for part in ("--url", f"{name}=http://127.0.0.1:{port}")]


async def run_ooc(settings: IsolatedSettings, urls: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `ooc` as a process, against the APIs on their sockets."""
    environment = {**os.environ, "OOC_ISSUER": settings.issuer, "OOC_VAR": "/nonexistent", "COLUMNS": "400"}
    return await asyncio.to_thread(run_command, [*arguments, *urls], environment, timeout=120)
