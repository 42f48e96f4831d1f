"""Verification of the whole system: each service's event store, topic, keys and log, and what reporting made of them.

The event stores' positions are taken once; everything up to them must be whole in every place. Once both servers answer it
runs to its end, whatever it meets.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from ooc.evidence.keys import OWNER
from ooc.evidence.service_verification import Finding, counted, verify_checkpoints, verify_service
from services.notifications.database import COPIES, NOTIFICATIONS
from services.reporting.projection.snapshot import Pool, positions, snapshot
from services.reporting.projection.verify import check_projection
from services.reporting.queries.verifications import report_problems
from services.reporting.returns.frozen import reproduction_problems
from services.system.addresses import VAR, NoSystem, written
from services.system.lags import REPORTING
from services.system.registry import deciding_services
from shared.domain.data_rights import PersonForgotten, data_rights_events
from shared.domain.service import Service
from shared.evidence.log import ACCESS, EVENTS
from shared.evidence.verification.keys import KeyCheck, check_keys
from shared.evidence.verification.marks import OF_AN_EVENT, check_copies, check_marks
from shared.evidence.verification.problems import CountedCheck, Passed, Problems, note_lasting, or_else, to_the_end
from shared.evidence.verification.topic import PATIENCE_SECONDS
from shared.evidence.witness_client import WitnessSilent
from shared.evidence.witnessed import seen_by_witness
from shared.privacy.signed_note import VerifierKey
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.database import as_role, create_pool, hosts_of
from shared.servers.kafka import VERIFIER, Kafka
from shared.servers.settings import NoPassword, Settings

ANSWER_SECONDS: Final = 5.0
"""How long a server may take to answer at all."""

STATEMENT_SECONDS: Final = 600.0
"""How long one statement may take: some read or count a whole table."""

WALKS: Final = 4
"""How often an event is passed: in order of position, in its stream, in the topic, and in reporting."""

Heard: TypeAlias = Callable[[float, int], None]
"""Hears how many events have been verified, of how many. An event counts in parts, as the walks pass it."""

_WITHOUT_HOME: Final = OF_AN_EVENT.replace("home, ", "")
# A copy is kept under the home of its event, or under a person whom it is about: either stands in its bytes.
_KEPT: Final = f"""(
    select {_WITHOUT_HOME.replace("hash", "case when position(convert_to(home::text, 'UTF8') in body) > 0 then hash end as hash")},
        body from kept_event
)"""  # noqa: S608 - the constants above
_FACTS: Final = f"""(
    select service || '/' || stream as stream, {OF_AN_EVENT.replace("stream, ", "")} from fact
)"""  # noqa: S608 - the columns there, and no value
"""Reporting's copies of events; that a body has its hash is another check."""

_FORGOTTEN: Final = """
    select position, recorded_at, convert_from(body, 'UTF8')::jsonb #>> '{data,person_id}' as person
    from event where type = $1 order by position
"""
# Under one id each; what else a record mentions is a record or a case.
_PERSONS: Final = """
    select count(*) from (
        select unnest(mentions) from stream
        except select unnest(array[stream, home] || cases) from stream where service <> 'people' or state = 'MERGED'
    ) as person
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
        # The passwords of another Kafka than its own are named by the environment.
        own = {"kafka_passwords": noted["kafka_passwords"]} if noted.get("kafka_passwords") else {}
        own |= {name.removeprefix("OOC_").lower(): value for name, value in noted.get("witness", {}).items()}
        return Settings(database_url=noted["postgres"], kafka=noted["kafka"], **own)
    if not (os.environ.get("OOC_DATABASE_URL") and os.environ.get("OOC_KAFKA")):
        raise NoSystem(
            f"No system was found: start one with `ooc up`, or set OOC_DATABASE_URL and OOC_KAFKA (there is no {var}/system.json)."
        )
    return Settings()


def owner_database_url() -> str:
    """Where the owner of the databases connects: at the local system, else as the environment says."""
    noted = written(VAR)
    return as_role(noted["postgres"], OWNER) if noted is not None else Settings().owner_database_url


async def require_answers(settings: Settings) -> None:
    """See that both servers listen, before anything is waited for; raises `NoSystem`."""
    databases = [urlsplit(host) for host in hosts_of(settings.database_url)]
    for what, addresses in {
        # Without a host it is a socket in the file system, which is not looked for.
        "PostgreSQL": [f"{address.hostname}:{address.port or 5432}" for address in databases if address.hostname],
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
    settings: Settings, heard: Heard = lambda _done, _of: None, known: Sequence[str] = ()
) -> AsyncIterator[Finding]:
    """Every finding about every service, as soon as it is known; raises `NoSystem`. `heard` hears of the progress.

    `known` are checkpoints kept outside, as signed notes: no log may contradict them, nor what the witness has seen.
    """
    await require_answers(settings)
    asked, seen = await ask_witness(settings)
    yield asked
    outside = [*seen, *known]
    witness = None if settings.witness_url is None else VerifierKey.parse(settings.witness_key or "")
    if known:
        yield find_known_logs(known)
    try:
        kafka = settings.kafka_as(VERIFIER)
    except NoPassword as error:
        raise NoSystem(str(error)) from None
    async with AsyncExitStack() as closing:

        async def connected(name: str) -> Pool:
            dsn = settings.database(name, role_name(RoleKind.VERIFY))
            return await closing.enter_async_context(
                await create_pool(dsn, max_size=2, statement_seconds=STATEMENT_SECONDS)
            )

        reporting, keyring = await connected(REPORTING), await connected("keyring")
        services = deciding_services()
        ahead, again, forgotten = Problems(), Problems(), dict[str, str]()
        databases: dict[str, Pool] = {}
        heads: dict[str, int] = {}
        for service in services:
            database = databases[service.name] = await connected(service.name)
            heads[service.name] = await _number(database, "select coalesce(max(position), 0) from head", ahead)
        total = sum(heads.values())
        passed, named, keys = report_progress(heard, total), set[tuple[str, int]](), KeyCheck()
        for service in services:
            async for finding in verify_service(
                service, databases[service.name], keyring, kafka, passed, named, outside, witness
            ):
                yield finding
            await to_the_end(find_forgotten(service, databases[service.name], forgotten), again)
        await to_the_end(check_forgotten(keyring, forgotten, again), again)
        people = "1 person" if len(forgotten) == 1 else f"{len(forgotten)} people"
        yield Finding("keyring", "who is forgotten has no key", people, again.lines)
        await to_the_end(check_keys(keyring, named, keys), keys.problems)
        looked_at = f"{counted(keys.entries, 'key')}, {keys.unnamed} of them named by no event"
        yield Finding("keyring", "data keys are of open epochs", looked_at, keys.problems.lines)
        yield await _verify_marks(services, databases, heads, await connected(NOTIFICATIONS))
        facts = check_copies(REPORTING, reporting, _FACTS, OF_AN_EVENT, databases, CountedCheck(ahead))
        await to_the_end(facts, ahead)
        yield Finding(REPORTING, "holds nothing that the event stores do not", counted(total, "event"), ahead.lines)
        async for finding in _verify_reporting(reporting, kafka, heads, passed, outside, witness):
            yield finding
        heard(total, total)


async def _verify_reporting(
    reporting: Pool,
    kafka: Kafka,
    heads: Mapping[str, int],
    passed: Passed,
    outside: Sequence[str],
    witness: VerifierKey | None,
) -> AsyncIterator[Finding]:
    """Every finding about reporting's database: complete, signed, kept as it was, and equal to a fresh fold."""
    late, unlike, altered, differing = Problems(), Problems(), Problems(), Problems()
    await to_the_end(_check_caught_up(reporting, heads, late), late)
    yield Finding(REPORTING, "every event has arrived", counted(sum(heads.values()), "event"), late.lines)
    topic = f"ooc.{REPORTING}.checkpoints"
    async for finding in verify_checkpoints(REPORTING, (ACCESS,), reporting, kafka, topic, outside, witness):
        yield finding
    await to_the_end(_note_all(reproduction_problems(reporting), unlike), unlike)
    frozen = await _number(reporting, "select count(*) from frozen_return", unlike)
    yield Finding(REPORTING, "returns are as they were frozen", counted(frozen, "return"), unlike.lines)
    await to_the_end(_note_all(report_problems(reporting), altered), altered)
    kept = await _number(reporting, "select count(*) from verification_report", altered)
    yield Finding(REPORTING, "verification reports are as they were kept", counted(kept, "report"), altered.lines)
    await to_the_end(check_projection(reporting, differing, passed), differing)
    streams = await _number(reporting, "select count(*) from stream", differing)
    named = counted(await _number(reporting, _PERSONS, differing), "person")
    looked_at = f"{counted(streams, 'stream')} that name {named}"
    yield Finding(REPORTING, "projection equals a fresh fold", looked_at, differing.lines)


async def _verify_marks(
    services: Iterable[Service[Any]], databases: Mapping[str, Pool], heads: Mapping[str, int], notifications: Pool
) -> Finding:
    """Whether marks are those that events give, and copies what was recorded: access, rules and messages rest on them."""
    problems, entries = Problems(), 0
    for service in services:
        check = CountedCheck(problems)
        store = databases[service.name]
        await to_the_end(check_marks(service, store, databases, heads, check), problems)
        kept = check_copies(service.name, store, _KEPT, f"{_WITHOUT_HOME}, body", databases, check)
        await to_the_end(kept, problems)
        entries += check.entries
    for table, columns in COPIES.items():
        check = CountedCheck(problems)
        await to_the_end(check_copies(NOTIFICATIONS, notifications, table, columns, databases, check), problems)
        entries += check.entries
    return Finding("access", "marks and copies follow from others' events", counted(entries, "record"), problems.lines)


async def _number(database: Pool, query: str, problems: Problems) -> int:
    """Return the number that a query gives; if it fails, 0 and a problem."""
    number: int = await or_else(0, database.fetchval(query), problems)
    return number


async def ask_witness(settings: Settings) -> tuple[Finding, Sequence[str]]:
    """Ask the witness for the last checkpoint that it has seen of each log; the finding says whether it was asked."""
    check, problems = "what it has seen of each log is asked for", Problems()
    try:
        seen = await seen_by_witness(settings)
    except WitnessSilent as error:
        problems.note(str(error))
        seen = {}
    if seen is None:
        why = "not asked: no witness is set, OOC_WITNESS_URL"
        if settings.witness_url:
            why = "not compared: this witness does not tell, so that only a cosignature that it refuses shows a cut"
        return Finding("witness", check, why), ()
    return Finding("witness", check, counted(len(seen), "log"), problems.lines), list(seen.values())


def find_known_logs(notes: Sequence[str]) -> Finding:
    """Find whether each checkpoint that was kept is that of a log of the system: another one would not be compared."""
    logs = [(service.name, log) for service in deciding_services() for log in (EVENTS, ACCESS)] + [(REPORTING, ACCESS)]
    ends, problems = tuple(f"/{service}/{log.name}" for service, log in logs), Problems()
    for origin in (note.partition("\n")[0] for note in notes):
        if not origin.endswith(ends):
            problems.note(f"{origin} is no log of this system: the checkpoint that you kept was not used")
    return Finding(
        "known", "each checkpoint that you kept is compared", counted(len(notes), "checkpoint"), problems.lines
    )


def report_progress(heard: Heard, events: int) -> Passed:
    """Return what hears of the events that a walk has passed, and says how many that makes of all."""
    steps = 0

    def passed(number: int) -> None:
        nonlocal steps
        steps += number
        # A topic may hold more records than there are events.
        heard(min(steps / WALKS, events), events)

    passed(0)
    return passed


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
    """Check that the projection reaches the event stores' positions in time."""

    async def look() -> list[str]:
        async with snapshot(database) as connection:
            reached = await positions(connection, heads)
        return [
            f"{service}: every event up to {reached[service]} is there, not up to {head}"
            for service, head in heads.items()
            if reached[service] < head
        ]

    await note_lasting(look, PATIENCE_SECONDS, problems)


async def _note_all(lines: Awaitable[list[str]], problems: Problems) -> None:
    for line in await lines:
        problems.note(line)
