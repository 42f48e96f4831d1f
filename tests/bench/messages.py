"""Messages that all fall due at 08:00: planned from events, each sent once, and recorded in its referral over HTTP."""

import asyncio
import base64
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from services.notifications.apis import Apis
from services.notifications.channels.record import RecordOnly
from services.notifications.database import DATABASE
from services.notifications.follow import following
from services.notifications.sender import AT_ONCE, Sender
from services.notifications.settings import NotificationsSettings
from services.notifications.times import opening_of_next_day
from services.notifications.worker import CONNECTIONS
from services.referral.service import service
from services.system.addresses import Addresses
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor, Command
from shared.event_store.postgres import PostgresEventStore
from shared.handling.command_handler import Accepted, CommandHandler
from shared.privacy.keyring import KeyEncryptionKeys, PostgresKeyring
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import databases, provision_databases
from shared.servers.database import Pool, as_role, create_pool, database_dsn
from shared.servers.settings import Settings
from tests.bench.http import answers, module_running
from tests.bench.place import Place
from tests.bench.rounds import OURS, Side
from tests.integration.reporting.recorded_scenarios import event_of_row
from tests.ports import free_ports
from tests.received_referral import linked_person, received_referral

CALLERS: Final = 64
AT_A_TIME: Final = 500
"""How many events one transaction of the follower takes."""
OFFICER: Final = Actor(
    id=uuid4(), role="SAFE_SCHOOLS_OFFICER", organisation="BENCH", labels={"area": "DORSET"}, conflicts=frozenset()
)


def _commands() -> Sequence[Command]:
    """Return what is recorded of one person who is to be written to."""
    person, at = uuid4(), datetime.now(UTC) - timedelta(minutes=1)
    born = date(1940, 1, 1) + timedelta(days=person.int % 20_000)  # who is known by name and birth date is looked up
    told = (
        received_referral(uuid4(), at.isoformat()),
        linked_person(person, "PARENT_CARER", date_of_birth=born.isoformat(), telephone="07700 900321"),
        {"type": "WriteToPerson", "person_id": str(person), "template": "PLEASE_RING"},
    )
    return [service.command_adapter.validate_json(json.dumps({"occurred_at": at.isoformat(), **one})) for one in told]


async def _record(handler: CommandHandler, due: int) -> None:
    """Record so many people who are to be written to, each in a referral of its own."""
    left = iter(range(due))

    async def call() -> None:
        for _ in left:
            stream = uuid4()
            for command in _commands():
                id_ = uuid4()
                now = datetime.now(UTC)
                result = await handler.handle(CommandRequest(command, stream, id_, OFFICER, now, correlation_id=id_))
                assert isinstance(result, Accepted), result

    await asyncio.gather(*(call() for _ in range(CALLERS)))


async def _follow(store: Pool, outbox: Pool) -> None:
    """Plan the messages of everything that was recorded, as the consumer does."""
    rows = await store.fetch("select * from event order by position")
    apply = following()
    for first in range(0, len(rows), AT_A_TIME):
        records: Any = [event_of_row(row) for row in rows[first : first + AT_A_TIME]]
        async with outbox.acquire() as connection, connection.transaction():
            await apply(connection, records)


@contextlib.asynccontextmanager
async def messages(place: Place, due: int) -> AsyncIterator[Sequence[Side]]:
    """One process that sends, beside one API of referral; the record is the carrier."""
    port, issuer_port = free_ports(2)
    issuer, kek = f"http://127.0.0.1:{issuer_port}", base64.b64encode(os.urandom(32)).decode()
    settings = Settings(mode="local", database_url=place.database_url)
    environment = {
        "OOC_MODE": "local",
        "OOC_DATABASE_URL": place.database_url,
        "OOC_KAFKA": place.kafka,
        "OOC_ISSUER": issuer,
        "OOC_KEK": kek,
        "OOC_VAR": str(place.folder / "issuer"),
    }
    name = f"bench_{uuid4().hex[:8]}"
    await provision_databases(settings, [service.name], ())
    await databases(place.database_url, [(name, DATABASE[1])])
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(
            module_running(place.folder, {**environment, "OOC_PORT": str(issuer_port)}, "tools.local.issuer")
        )
        stack.enter_context(
            module_running(place.folder, {**environment, "OOC_PORT": str(port)}, f"services.{service.name}", "api")
        )
        for url in (f"{issuer}/jwks", f"http://127.0.0.1:{port}/status"):
            await answers(url)
        role = role_name(RoleKind.API, service.name)
        store = await create_pool(settings.database(service.name, role), max_size=12)
        keys = await create_pool(settings.database("keyring", role), max_size=6)
        address = as_role(database_dsn(place.database_url, name), role_name(RoleKind.WORKER, "notifications"))
        outbox = await create_pool(address, max_size=CONNECTIONS)
        for pool in (store, keys, outbox):
            stack.push_async_callback(pool.close)
        key = KeyEncryptionKeys.read(kek)
        await _record(
            CommandHandler(
                service, PostgresEventStore(store), PostgresKeyring(keys, key), key.derived("request-digest")
            ),
            due,
        )
        await _follow(store, outbox)
        apis = Apis(
            NotificationsSettings(mode="local", issuer=issuer),
            Addresses(issuer, {service.name: f"http://127.0.0.1:{port}"}),
        )
        stack.push_async_callback(apis.close)
        at_eight = opening_of_next_day(datetime.now(UTC))
        sender = Sender(outbox, apis, [RecordOnly()], now=lambda: at_eight)

        async def round_(seconds: float) -> Mapping[str, float]:
            """Measure messages that were sent and recorded a second, with all the rest due beside them."""
            before, start = await _sent(outbox), time.perf_counter()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await asyncio.gather(*(sender.send_due() for _ in range(AT_ONCE)))
            rate = (await _sent(outbox) - before) / (time.perf_counter() - start)
            return {"messages/s": rate}

        yield [Side(OURS, f"{due:,} due at once, {AT_ONCE} at a time, one API of referral", round_)]


async def _sent(outbox: Pool) -> int:
    return int(await outbox.fetchval("select count(*) from message where state = 'SENT'"))
