"""Somebody holds a role that uses the keyring: no key is superseded, skipped or destroyed by it, and a bad row is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from structlog.testing import capture_logs

from shared.api.problems import install_handlers
from shared.messaging.consumer.effects import is_transient
from shared.privacy.keyring import KeyEncryptionKeys, PostgresKeyring, UnusableKey
from shared.runtime.privileges import DECIDING, PROJECTING, RoleKind, role_name
from shared.servers import database as connections
from tests.hostile.databases import Databases
from tests.integration.keyring.rings import new_kek

PERSON = "person/0f9f803f-4a93-427b-bd1e-34f3d2689d7a"
INSERT = "insert into data_key (subject, generation, epoch, wrapped) values ($1, $2, $3, $4)"


@pytest.fixture
async def owner(databases: Databases) -> AsyncIterator[Any]:
    """Yield a connection to the keyring as its owner, with nothing in it."""
    connection = await asyncpg.connect(databases.owner("keyring"))
    await connection.execute("delete from data_key")
    await connection.execute("insert into key_epoch (epoch) values ('2'), ('rubbish') on conflict do nothing")
    yield connection
    await connection.close()


@pytest.fixture
async def service(databases: Databases, owner: Any) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    """Yield connections to the keyring by the role of a deciding service's API."""
    pool = await connections.create_pool(databases.as_role("keyring", role_name(RoleKind.API, "tests")), max_size=2)
    yield pool
    await pool.close()


@pytest.fixture
def kek() -> KeyEncryptionKeys:
    return new_kek()


@pytest.fixture
def keyring(service: asyncpg.Pool[asyncpg.Record], kek: KeyEncryptionKeys) -> PostgresKeyring:
    return PostgresKeyring(service, kek)


async def test_a_key_in_use_is_not_superseded(
    service: asyncpg.Pool[asyncpg.Record], keyring: PostgresKeyring, kek: KeyEncryptionKeys
) -> None:
    """Given a key in use, a service's role can neither insert a later generation nor put rubbish in its place."""
    key = (await keyring.keys_for_sealing([PERSON]))[PERSON]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(INSERT, PERSON, 2, "1", bytes(60))
    await service.execute("select create_keys($1, $2, $3)", [PERSON], ["1"], [bytes(60)])
    other = PostgresKeyring(service, kek)
    assert (await other.keys_for_sealing([PERSON]))[PERSON] == key
    assert await other.open([(PERSON, 1)]) == {(PERSON, 1): key}


@pytest.mark.parametrize("epoch", ["x", "", "1 ", "e" * 101])
async def test_no_key_is_made_in_an_epoch_that_the_owner_has_not_opened(
    owner: Any, service: asyncpg.Pool[asyncpg.Record], epoch: str
) -> None:
    """A service's role can make no key of an epoch that is none, which would stop a rotation, and opens none by that."""
    before = await owner.fetch("select epoch from key_epoch order by epoch")
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await service.execute("select create_keys($1, $2, $3)", [PERSON], [epoch], [bytes(60)])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("insert into key_epoch (epoch) values ($1)", epoch)
    assert await owner.fetch("select epoch from key_epoch order by epoch") == before
    assert await owner.fetchval("select count(*) from data_key") == 0


@pytest.mark.parametrize(
    "role",
    [
        *(role_name(kind, "tests") for kind, use in DECIDING.items() if use is None),
        *(role_name(kind, "reporting") for kind, use in PROJECTING.items() if use is None),
        role_name(RoleKind.API, "console"),
    ],
)
async def test_a_process_that_opens_nothing_comes_to_no_key(databases: Databases, role: str) -> None:
    """A relay, a signer, the projection and the console reach no wrapped key, even if they had the key-encryption keys."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
        await asyncpg.connect(databases.as_role("keyring", role))
    # The groups through which the others use the keyring take none of them in.
    owner = await asyncpg.connect(databases.owner("keyring"))
    for group in (RoleKind.SEALING, RoleKind.OPENING):
        assert not await owner.fetchval("select pg_has_role($1, $2, 'member')", role, role_name(group))
    await owner.close()


@pytest.mark.parametrize(
    ("subject", "generation", "epoch", "wrapped"),
    [
        (PERSON, 2, "1", bytes(60)),
        (PERSON, 2**31 - 1, "1", bytes(60)),
        (PERSON, 0, "1", bytes(60)),
        (PERSON, 1, "1", b""),
        (PERSON, 1, "1", bytes(59)),
        (PERSON, 1, "1", bytes(10_000)),
        ("x" * 201, 1, "1", bytes(60)),
    ],
)
async def test_no_generation_is_skipped_and_none_is_of_another_length(
    owner: Any, subject: str, generation: int, epoch: str, wrapped: bytes
) -> None:
    """Not even the owner can insert a key of another length, or skip a generation."""
    with pytest.raises(asyncpg.CheckViolationError):
        await owner.execute(INSERT, subject, generation, epoch, wrapped)
    await owner.execute(INSERT, PERSON, 1, "1", bytes(60))
    await owner.execute(INSERT, PERSON, 2, "2", bytes(60))


@pytest.mark.parametrize(
    ("epoch", "why"),
    [("1", "it was not wrapped by the key of epoch '1'"), ("rubbish", "it is wrapped by epoch 'rubbish'")],
)
async def test_a_row_that_nothing_opens_is_named_and_not_blamed_on_the_server(
    owner: Any, keyring: PostgresKeyring, epoch: str, why: str
) -> None:
    """Given rubbish for a key, sealing and opening name whose it is and what to do, and an alarm stands in the log."""
    await owner.execute(INSERT, PERSON, 1, epoch, bytes(60))
    for use in (keyring.keys_for_sealing([PERSON]), keyring.open([(PERSON, 1)])):
        with capture_logs() as logs, pytest.raises(UnusableKey) as met:
            await use
        assert str(met.value).startswith(f"generation 1 of the key of {PERSON} cannot be used: {why}")
        assert "restore this row of the keyring from a backup" in str(met.value)
        assert not is_transient(met.value)  # a consumer quarantines the event at once; waiting would not mend it
        assert [(line["log_level"], line["event"], line["subject"]) for line in logs] == [
            ("critical", "unusable_key", PERSON)
        ]


async def test_a_client_is_told_by_a_problem(owner: Any, keyring: PostgresKeyring) -> None:
    """Given rubbish for a key, an API answers 503 with problem details that name the owner's id, never a bare 500."""
    await owner.execute(INSERT, PERSON, 1, "1", bytes(60))
    app = FastAPI()
    install_handlers(app)

    @app.get("/")
    async def read() -> None:
        await keyring.open([(PERSON, 1)])

    async with AsyncClient(transport=ASGITransport(app), base_url="http://api") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/keyring")
    assert PERSON in answer.json()["detail"]


@pytest.mark.parametrize("length", [0, 5, 11, 12, 27, 28, 60, 10_000])
def test_a_wrapping_of_any_length_is_unusable_and_nothing_worse(kek: KeyEncryptionKeys, length: int) -> None:
    """A wrapped key of a wrong length, from before the check, is reported as unusable."""
    with pytest.raises(UnusableKey):
        kek.unwrap(PERSON, 1, kek.epoch, bytes(length))


async def test_only_the_role_for_it_destroys_a_key_and_it_is_recorded(
    databases: Databases, owner: Any, service: asyncpg.Pool[asyncpg.Record], keyring: PostgresKeyring
) -> None:
    """A service cannot destroy a key; the role that may leaves a tombstone with its name and the time, which nobody changes."""
    subject = f"{PERSON}-destroyed"
    await keyring.keys_for_sealing([subject])
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="destroy_keys"):
        await keyring.destroy(subject)
    eraser = await asyncpg.connect(databases.as_role("keyring", role_name(RoleKind.ERASURE)))
    await eraser.execute("select destroy_keys($1)", subject)
    for change in ("delete from tombstone", "select wrapped from data_key", "select create_keys('{}', '{}', '{}')"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await eraser.execute(change)
    await eraser.close()
    row = await owner.fetchrow(
        "select destroyed_by, clock_timestamp() - destroyed_at as ago from tombstone where subject = $1", subject
    )
    assert row["destroyed_by"] == "ooc_erasure"
    assert 0 <= row["ago"].total_seconds() < 60
    assert await service.fetchval("select count(*) from data_key where subject = $1", subject) == 0
    for change in ("delete from tombstone", "update tombstone set destroyed_by = 'nobody'", "truncate tombstone"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await owner.execute(change)


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_no_role_puts_a_destroyed_key_back_by_an_old_snapshot(
    owner: Any, service: asyncpg.Pool[asyncpg.Record], keyring: PostgresKeyring, isolation: Any
) -> None:
    """Given a transaction from before a key was made, when that is destroyed and made again with its bytes, then none is there."""
    subject = f"{PERSON}-{isolation}"
    async with service.acquire() as intruder:
        transaction = intruder.transaction(isolation=isolation)
        await transaction.start()
        await intruder.fetchval("select count(*) from data_key")
        await keyring.keys_for_sealing([subject])
        wrapped = await service.fetchval("select wrapped from data_key where subject = $1", subject)
        await owner.execute("select destroy_keys($1)", subject)
        with pytest.raises(asyncpg.InvalidTransactionStateError):
            await intruder.execute("select create_keys($1, $2, $3)", [subject], ["1"], [wrapped])
        await transaction.rollback()
    assert await owner.fetchval("select count(*) from data_key where subject = $1", subject) == 0


async def test_the_verifier_sees_which_keys_there_are_and_none_of_them(
    databases: Databases, keyring: PostgresKeyring
) -> None:
    """The role of `ooc verify` can look for keys that are gone without a tombstone, and read no wrapped key."""
    await keyring.keys_for_sealing([PERSON])
    verifier = await asyncpg.connect(databases.as_role("keyring", role_name(RoleKind.VERIFY)))
    assert await verifier.fetchval("select generation from data_key where subject = $1", PERSON) == 1
    for question in ("select wrapped from data_key", "select * from data_key", "select data_key from data_key"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await verifier.execute(question)
    await verifier.close()


async def test_no_role_stops_the_making_of_a_key(service: asyncpg.Pool[asyncpg.Record], owner: Any) -> None:
    """Given that keys are made and destroyed one after the other for each subject, no role can hold its turn open."""
    calls = await owner.fetch(
        "select proname, pg_get_function_identity_arguments(oid) as arguments from pg_proc where proname ~ '^pg_(try_)?advisory_(xact_)?lock'"
    )
    assert calls
    for name, arguments in calls:
        given = ", ".join(f"0::{one}" for one in arguments.split(", ")) if arguments else ""
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(f"select {name}({given})")
