"""Verification of the whole system: each service's event store, topic, keys and log, and what reporting made of them.

The event stores' positions are taken once; everything up to them must be whole in every place. Once both servers answer it
runs to its end, whatever it meets.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from services.console.addresses import VAR, NoSystem, written
from services.console.idle import REPORTING
from services.console.keys import OWNER
from services.console.service_verification import Finding, counted, verify_checkpoints, verify_service
from services.console.verification_checks import Heard, OneProcess, Progress
from services.console.verification_processes import Processes, begun, connect, processes_for
from services.registry import deciding_services
from services.reporting.returns import reproduction_problems
from services.reporting.snapshot import Pool, positions, snapshot
from services.reporting.verifications import report_problems
from services.reporting.verify import projection_differences
from shared.database import as_role
from shared.domain.data_rights import PersonForgotten, data_rights_events
from shared.kafka import VERIFIER
from shared.runtime.service import Service
from shared.runtime.settings import NoPassword, Settings
from shared.runtime.verification.problems import Problems, to_the_end
from shared.runtime.verification.topic import PATIENCE_SECONDS
from shared.transparency.log import ACCESS

ANSWER_SECONDS: Final = 5.0
"""How long a server may take to answer at all."""

_LAST_FACTS: Final = """
    select s.service, last.position, last.hash from unnest($1::text[]) as s (service)
    cross join lateral (
        select position, hash from fact where fact.service = s.service order by position desc limit 1
    ) as last
"""

_FORGOTTEN: Final = """
    select position, recorded_at, convert_from(body, 'UTF8')::jsonb #>> '{data,person_id}' as person
    from event where type = $1 order by position
"""
_STANDING: Final = """
    select s as subject, k.subject is not null as there from unnest($1::text[]) as s
    left join (select distinct subject from data_key) as k on k.subject = s
    where k.subject is not null or not exists (select from tombstone as t where t.subject = s) order by s
"""


def stores(var: Path = VAR) -> Settings:
    """Where the data are: as the local system wrote it down, else as the environment says; raises `NoSystem`."""
    noted = written(var)
    if noted is not None:
        return Settings(database_url=noted["postgres"], kafka=noted["kafka"], **_noted_passwords(noted))
    if not (os.environ.get("OOC_DATABASE_URL") and os.environ.get("OOC_KAFKA")):
        raise NoSystem(
            f"No system was found: start one with `ooc up`, or set OOC_DATABASE_URL and OOC_KAFKA (there is no {var}/system.json)."
        )
    return Settings()


def owner_database_url() -> str:
    """Where the owner of the databases connects: at the local system, else as the environment says."""
    noted = written(VAR)
    return as_role(noted["postgres"], OWNER) if noted is not None else Settings().owner_database_url


def _noted_passwords(noted: Mapping[str, Any]) -> dict[str, Any]:
    """Return where the local system keeps the passwords of its own Kafka; of another one the environment says it."""
    return {"kafka_passwords": noted["kafka_passwords"]} if noted.get("kafka_passwords") else {}


async def require_answers(settings: Settings) -> None:
    """See that both servers listen, before anything is waited for; raises `NoSystem`."""
    database = urlsplit(settings.database_url)
    for what, addresses in {
        # Without a host it is a socket in the file system, which is not looked for.
        "PostgreSQL": [f"{database.hostname}:{database.port or 5432}"] if database.hostname else [],
        "Kafka": settings.kafka.split(","),
    }.items():
        if addresses and not any([await _listens(address) for address in addresses]):
            raise NoSystem(
                f"{what} does not answer at {', '.join(addresses)}: start the system with `ooc up`, or correct the address."
            )


async def _listens(address: str) -> bool:
    host, _, port = address.strip().rpartition(":")
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, ValueError):
        return False
    writer.close()
    return True


async def verify(
    settings: Settings, processes: int | None = None, heard: Heard = lambda _done, _of: None
) -> AsyncIterator[Finding]:
    """Every finding about every service, as soon as it is known; raises `NoSystem`.

    `processes`: how many share the work, 1 for none but this one; None: as many as pay off. Raises `CheckFailed` if one of
    them ends before its work. `heard` hears how far the checks have come.
    """
    await require_answers(settings)
    try:
        kafka = settings.kafka_as(VERIFIER)
    except NoPassword as error:
        raise NoSystem(str(error)) from None
    async with AsyncExitStack() as closing:

        async def connected(name: str) -> Pool:
            return await closing.enter_async_context(await connect(settings, name))

        reporting, keyring = await connected(REPORTING), await connected("keyring")
        # Taken before the event stores' positions: reporting may be behind them, and never ahead.
        services = deciding_services()
        rows = await reporting.fetch(_LAST_FACTS, [service.name for service in services])
        last = {row["service"]: (row["position"], row["hash"]) for row in rows}
        databases: dict[str, Pool] = {}
        heads: dict[str, int] = {}
        ahead, again, forgotten = Problems(), Problems(), dict[str, str]()
        for service in services:
            database = databases[service.name] = await connected(service.name)
            heads[service.name] = await database.fetchval("select coalesce(max(position), 0) from head")
            await to_the_end(_compare_last_fact(service, database, last.get(service.name), ahead), ahead)
        count = processes_for(sum(heads.values())) if processes is None else processes
        progress = Progress(heard, sum(heads.values()))
        runner: OneProcess | Processes = OneProcess(reporting, progress)
        if count > 1:
            runner = await closing.enter_async_context(Processes(settings, count, progress))
        found = [verify_service(one, databases[one.name], keyring, kafka, runner.run) for one in services]
        if count > 1:
            found = [await closing.enter_async_context(begun(findings)) for findings in found]
        for service, findings in zip(services, found, strict=True):
            async for finding in findings:
                yield finding
            await to_the_end(find_forgotten(service, databases[service.name], forgotten), again)
        progress.finish()
        await to_the_end(check_forgotten(keyring, forgotten, again), again)
        people = "1 person" if len(forgotten) == 1 else f"{len(forgotten)} people"
        yield Finding("keyring", "who is forgotten has no key", people, again.lines)
        events = counted(sum(heads.values()), "event")
        yield Finding(REPORTING, "holds nothing that the event stores do not", events, ahead.lines)
        late, differing = Problems(), Problems()
        await to_the_end(_check_caught_up(reporting, heads, late), late)
        yield Finding(REPORTING, "every event has arrived", events, late.lines)
        await to_the_end(_check_projection(reporting, runner.differences, differing), differing)
        topic = f"ooc.{REPORTING}.checkpoints"
        async for finding in verify_checkpoints(REPORTING, (ACCESS,), reporting, kafka, topic):
            yield finding
        unlike = Problems()
        await to_the_end(_check_returns(reporting, unlike), unlike)
        frozen = await reporting.fetchval("select count(*) from frozen_return")
        yield Finding(REPORTING, "returns are as they were frozen", counted(frozen, "return"), unlike.lines)
        altered = Problems()
        await to_the_end(_check_reports(reporting, altered), altered)
        kept = await reporting.fetchval("select count(*) from verification_report")
        yield Finding(REPORTING, "verification reports are as they were kept", counted(kept, "report"), altered.lines)
        streams = await reporting.fetchval("select count(*) from stream")
        yield Finding(REPORTING, "projection equals a fresh fold", counted(streams, "stream"), differing.lines)


async def _compare_last_fact(
    service: Service[Any],
    database: Pool,
    last: tuple[int, bytes] | None,
    problems: Problems,
) -> None:
    """Whether the event store holds the last event that reporting has of it."""
    if last is None:
        return
    position, hash_ = last
    stored_hash = await database.fetchval("select hash from event where position = $1", position)
    if stored_hash != hash_:
        what = (
            "which the event store does not hold"
            if stored_hash is None
            else "where the event store holds another event"
        )
        problems.note(f"{service.name}: reporting has come to position {position}, {what}")


async def find_forgotten(service: Service[Any], database: Pool, forgotten: dict[str, str]) -> None:
    """Add the key of each person whom a service records as forgotten, with where that stands."""
    for row in await database.fetch(_FORGOTTEN, data_rights_events(service.name).type_name(PersonForgotten)):
        place = f"{service.name} position {row['position']}, {row['recorded_at']:%Y-%m-%d}"
        forgotten.setdefault(f"person/{row['person']}", place)


async def check_forgotten(keyring: Pool, forgotten: Mapping[str, str], problems: Problems) -> None:
    """Whether everybody whom an event store records as forgotten has no key, and a tombstone."""
    for row in await keyring.fetch(_STANDING, list(forgotten)):
        what = "has a key again" if row["there"] else "has no tombstone"
        problems.note(
            f"{row['subject']} is forgotten ({forgotten[row['subject']]}) and {what}: a backup of the keyring was restored,"
            " or not every service has agreed; `ooc forget-again` repeats the destruction"
        )


async def _check_caught_up(database: Pool, heads: Mapping[str, int], problems: Problems) -> None:
    """Whether the projection holds every event up to the event stores' positions, or comes to hold them in time."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        async with snapshot(database) as connection:
            reached = await positions(connection, heads)
        missing = [
            f"{service}: every event up to {reached[service]} is there, not up to {head}"
            for service, head in heads.items()
            if reached[service] < head
        ]
        if not missing or time.monotonic() >= until:
            break
        await asyncio.sleep(0.2)
    for line in missing:
        problems.note(line)


async def _check_returns(database: Pool, problems: Problems) -> None:
    for line in await reproduction_problems(database):
        problems.note(line)


async def _check_reports(database: Pool, problems: Problems) -> None:
    for line in await report_problems(database):
        problems.note(line)


async def _check_projection(database: Pool, refolded: Mapping[str, list[str]], problems: Problems) -> None:
    """Whether the projection is a fresh fold of its facts; `refolded` are the differences of the services' streams."""
    async for line in projection_differences(database, refolded):
        problems.note(line)
