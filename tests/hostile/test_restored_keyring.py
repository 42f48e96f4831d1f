"""A backup of the keyring is restored: the keys of forgotten people are back, are found, and are destroyed again."""

from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import pytest

from ooc.evidence.verification import check_forgotten, find_forgotten
from ooc.restore.forgotten import Forgotten, forget_again
from services.trade.vocabulary import Role
from shared.domain.data_rights import (
    DataRightsCommand,
    ForgetPerson,
    PlaceHold,
    ReleaseHold,
    data_rights_id,
    data_rights_ids,
    data_rights_service,
)
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor
from shared.event_store.postgres import PostgresEventStore
from shared.evidence.verification.problems import Problems
from shared.handling.command_handler import CommandHandler
from shared.privacy.keyring import MemoryKeyring
from shared.runtime.privileges import RoleKind, role_name
from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership, Recorded
from tests.hostile.test_forgetting import NAME, closed, forget, keys_of, owned_databases, read_record
from tests.integration.local.waiting import eventually
from tests.isolated_settings import IsolatedSettings
from tests.received_referral import received_referral

settings, partnership, urls = world.settings, world.partnership, world.urls

OFFICER: Final = "DATA_PROTECTION_OFFICER"


async def wrapped_keys(partnership: Partnership, record: Recorded) -> list[asyncpg.Record]:
    """Return the rows of a person's and a case's keys, as a backup has them."""
    owner = await asyncpg.connect(partnership.settings.database("keyring", "postgres"))
    rows = await owner.fetch(
        "select * from data_key where subject = any($1::text[])", [f"person/{record.person}", f"home/{record.case}"]
    )
    await owner.close()
    return list(rows)


async def restore_keys(partnership: Partnership, rows: Sequence[asyncpg.Record], *, tombstones: bool) -> None:
    """Put rows of a backup back, as its owner can; without or beside the tombstones that came later."""
    owner = await asyncpg.connect(partnership.settings.database("keyring", "postgres"))
    async with owner.transaction():
        await owner.execute("set local session_replication_role = replica")
        if not tombstones:
            await owner.execute(
                "delete from tombstone where subject = any($1::text[])", [row["subject"] for row in rows]
            )
        await owner.executemany(
            "insert into data_key values ($1, $2, $3, $4, $5)", [tuple(row.values()) for row in rows]
        )
    await owner.close()


async def found_by_verification(partnership: Partnership) -> tuple[str, ...]:
    """Return what `ooc verify` says of forgotten people, by its own database role."""
    forgotten: dict[str, str] = {}
    problems = Problems()
    for service in world.SERVICES.values():
        store = await asyncpg.create_pool(
            partnership.settings.database(service.name, role_name(RoleKind.VERIFY)), min_size=1, max_size=1
        )
        await find_forgotten(service, store, forgotten)
        await store.close()
    keys = await asyncpg.create_pool(
        partnership.settings.database("keyring", role_name(RoleKind.VERIFY)), min_size=1, max_size=1
    )
    await check_forgotten(keys, forgotten, problems)
    await keys.close()
    return problems.lines


async def test_a_key_that_the_backup_lacks_is_named_until_it_is_back(
    partnership: Partnership, settings: IsolatedSettings
) -> None:
    """Given a keyring restored to before a key was made, then its record answers so, an alarm says so, and ends with the key."""
    record = await closed(partnership)
    rows = await wrapped_keys(partnership, record)
    owner = await asyncpg.connect(partnership.settings.database("keyring", "postgres"))
    async with owner.transaction():
        await owner.execute("set local session_replication_role = replica")
        await owner.execute(
            "delete from data_key where subject = any($1::text[])", [f"person/{record.person}", f"home/{record.case}"]
        )
    await owner.close()
    async with world.serving(settings) as fresh:  # whose caches are empty

        async def alarmed() -> bool:
            status = (await fresh.clients[record.service].get("/status")).json()
            return "key_missing" in [alarm["name"] for alarm in status["alarms"]]

        token = await fresh.token("SUPERVISOR")
        await fresh.read(record.service, f"{record.path[:-36]}{uuid4()}", token)  # until it knows the issuer's keys
        answer = await fresh.read(record.service, record.path, token, patience=0)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/key-missing")
        assert "docs/how-to/runbook/key_missing.md" in answer.json()["detail"]
        assert answer.headers["retry-after"] == "300"
        await eventually(alarmed)
        await restore_keys(partnership, rows, tombstones=True)
        assert NAME in await read_record(fresh, record)
        await eventually(lambda: _not(alarmed()))


async def test_a_keyring_that_is_gone_is_told_and_comes_back(
    partnership: Partnership, settings: IsolatedSettings
) -> None:
    """Given no keyring, then an API is not ready, a command gets a 503 to repeat, and an alarm says so until it is back."""
    owner = await asyncpg.connect(partnership.settings.database("referral", "postgres"))
    name = partnership.settings.database("keyring", "postgres").partition("?")[0].rpartition("/")[2]

    async def renamed(old: str, new: str) -> bool:
        await owner.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", old)
        try:
            await owner.execute(f'alter database "{old}" rename to "{new}"')
        except asyncpg.ObjectInUseError:
            return False
        return True

    async with world.serving(settings) as fresh:
        api = fresh.clients["referral"]

        async def is_ready() -> bool:
            return (await api.get("/health/ready")).status_code == 200

        async def alarmed() -> bool:
            return "keyring_silent" in [alarm["name"] for alarm in (await api.get("/status")).json()["alarms"]]

        await eventually(is_ready)
        await eventually(lambda: renamed(name, f"{name}_gone"))
        began = monotonic()
        await eventually(lambda: _not(is_ready()))
        await eventually(alarmed)
        assert monotonic() - began < 30
        token, stream = await fresh.token("SAFE_SCHOOLS_OFFICER"), uuid4()
        answer = await api.post(
            f"/v1/referrals/{stream}/commands",
            json=received_referral(uuid4(), world.WHEN, source="SCHOOL", setting="SCHOOL"),
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())},
        )
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable"), answer.text
        await eventually(lambda: renamed(f"{name}_gone", name))
        await eventually(is_ready)
        await eventually(lambda: _not(alarmed()))
    await owner.close()


async def _not(condition: Awaitable[bool]) -> bool:
    return not await condition


async def listed(partnership: Partnership, record: Recorded) -> dict[str, Any]:
    """Return what reporting says of a forgotten person."""
    await partnership.carry()
    answer = await partnership.read("reporting", "/v1/forgotten", await partnership.token(OFFICER))
    assert answer.status_code == 200, answer.text
    (found,) = [one for one in answer.json()["people"] if one["person_id"] == str(record.person)]
    return dict(found)


@pytest.mark.parametrize("tombstones", [False, True], ids=["whole backup", "rows beside tombstones"])
async def test_a_key_that_is_back_is_named_and_destroyed_again(
    partnership: Partnership, settings: IsolatedSettings, urls: list[str], tombstones: bool
) -> None:
    """Given old rows of the keyring put back, then verification names the person; repeated, key and case key are gone again."""
    record = await closed(partnership)
    backup = await wrapped_keys(partnership, record)
    assert len(backup) == 2
    assert [answer.status_code for answer in await forget(partnership, record)] == [200] * len(world.SERVICES)
    me = f"person/{record.person} "
    assert not [line for line in await found_by_verification(partnership) if line.startswith(me)]
    assert (await listed(partnership, record))["key_stands"] is False
    await restore_keys(partnership, backup, tombstones=tombstones)
    (line,) = [line for line in await found_by_verification(partnership) if line.startswith(me)]
    assert "has a key again" in line
    assert "ooc forget-again" in line
    assert (await listed(partnership, record))["key_stands"] is True
    rehearsed = await world.run_ooc(settings, urls, "forget-again", "--dry-run")
    assert rehearsed.returncode == 0, rehearsed.stderr
    assert str(record.person) in rehearsed.stdout
    assert len(await keys_of(partnership, record)) == 2
    repeated = await world.run_ooc(settings, urls, "forget-again", "--yes")
    assert repeated.returncode == 0, repeated.stdout + repeated.stderr
    assert await keys_of(partnership, record) == []
    assert not [line for line in await found_by_verification(partnership) if line.startswith(me)]
    assert (await listed(partnership, record))["key_stands"] is False
    assert NAME not in await read_record(partnership, record, OFFICER)
    again = await world.run_ooc(settings, urls, "forget-again", "--yes")
    assert str(record.person) not in again.stdout


async def record_alone(partnership: Partnership, service: str, stream: UUID, command: DataRightsCommand) -> None:
    """Record what a process of one service decides about somebody's data, in a stream, without its API."""
    command_id = uuid4()
    dsn = partnership.settings.database(service, role_name(RoleKind.API, service))
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        rights = data_rights_service(world.SERVICES[service])
        handler = CommandHandler(rights, PostgresEventStore(pool), MemoryKeyring(), bytes(32))
        actor = Actor(id=uuid4(), role=OFFICER, organisation="Dorset Police")
        await handler.handle(CommandRequest(command, stream, command_id, actor, datetime.now(UTC), command_id))


async def test_one_service_that_says_somebody_is_forgotten_destroys_no_key(
    partnership: Partnership, settings: IsolatedSettings, urls: list[str]
) -> None:
    """Given a service whose process says that a child is forgotten, of whom others hold records, then repeating destroys no key."""
    record = await closed(partnership)
    says = ForgetPerson(person_id=record.person, basis="COURT_ORDER")
    await record_alone(partnership, "education", data_rights_id("education", record.person), says)
    assert (await listed(partnership, record))["key_stands"] is True
    repeated = await world.run_ooc(settings, urls, "forget-again", "--yes")
    assert repeated.returncode == 1, repeated.stdout
    assert "referral never recorded" in " ".join(repeated.stderr.split())
    assert len(await keys_of(partnership, record)) == 2
    await forget(partnership, record)
    assert (await listed(partnership, record))["key_stands"] is False


async def test_a_restore_destroys_the_key_again_before_any_process_runs(partnership: Partnership) -> None:
    """Given old rows of the keyring, the restore destroys them once all services have agreed; until then it names the person."""
    record = await closed(partnership)
    backup = await wrapped_keys(partnership, record)
    async with owned_databases(partnership) as (stores, keyring):
        assert [answer.status_code for answer in await forget(partnership, record)] == [200] * len(world.SERVICES)
        await restore_keys(partnership, backup, tombstones=False)
        elsewhere = await stores["referral"].fetchrow(
            "select * from event where home = $1 and position($2 in body) > 0", record.case, str(record.person).encode()
        )
        place = ", ".join(f"${n}" for n in range(1, len(elsewhere) + 1))
        transaction = stores["education"].transaction()
        await transaction.start()
        await stores["education"].execute("set local session_replication_role = replica")
        await stores["education"].execute(f"insert into event values ({place})", *elsewhere.values())
        assert await forget_again(stores, keyring) == Forgotten((), (str(record.person),))
        await transaction.rollback()
        assert len(await keys_of(partnership, record)) == 2
        assert await forget_again(stores, keyring) == Forgotten((str(record.person),), ())
        assert await keys_of(partnership, record) == []
        assert await forget_again(stores, keyring) == Forgotten((), ())


async def test_a_restore_destroys_no_key_while_a_hold_stands(partnership: Partnership) -> None:
    """Given somebody forgotten, and a hold in the other stream of their data rights, then the restore names them, and the key stands until it is released."""
    record = await closed(partnership)
    backup = await wrapped_keys(partnership, record)
    hold, (_, began_once) = PlaceHold(person_id=record.person, kind="LEGAL"), data_rights_ids("referral", record.person)
    await forget(partnership, record)
    await record_alone(partnership, "referral", began_once, hold)
    await restore_keys(partnership, backup, tombstones=False)
    async with owned_databases(partnership) as (stores, keyring):
        assert await forget_again(stores, keyring) == Forgotten((), (str(record.person),))
        assert len(await keys_of(partnership, record)) == 2
        release = ReleaseHold(person_id=record.person, kind="LEGAL")
        await record_alone(partnership, "referral", began_once, release)
        assert await forget_again(stores, keyring) == Forgotten((str(record.person),), ())


async def test_a_lost_tombstone_is_named_and_made_again(
    partnership: Partnership, settings: IsolatedSettings, urls: list[str]
) -> None:
    """Given a tombstone that is gone, so that the key could be made anew, then it is named, and stands again after repeating."""
    record = await closed(partnership)
    await forget(partnership, record)
    await partnership.carry()
    owner = await asyncpg.connect(partnership.settings.database("keyring", "postgres"))
    async with owner.transaction():
        await owner.execute("set local session_replication_role = replica")
        await owner.execute("delete from tombstone where subject = $1", f"person/{record.person}")
    me = f"person/{record.person} "
    (line,) = [line for line in await found_by_verification(partnership) if line.startswith(me)]
    assert "has no tombstone" in line
    assert (await world.run_ooc(settings, urls, "forget-again", "--yes")).returncode == 0
    assert await owner.fetchval("select count(*) from tombstone where subject = $1", f"person/{record.person}") == 1
    await owner.close()


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.SYSTEM}))
async def test_who_is_forgotten_is_for_the_data_protection_officer_alone(partnership: Partnership, role: str) -> None:
    """Given any other role, then the list of forgotten people is refused (403)."""
    answer = await partnership.read("reporting", "/v1/forgotten", await partnership.token(role))
    assert answer.status_code == (200 if role == OFFICER else 403)
