"""Keyrings' databases for tests."""

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg

from shared.privacy.keyring import KeyEncryptionKeys
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import KEYRING_DATABASE, service_database
from shared.servers.database import database_dsn
from tests.copied_databases import databases

KEEPER = "test_keeper"
"""A role that may seal and erase, as no process of the system does: for what a keyring does with its caches."""


@asynccontextmanager
async def ring_database(postgres_url: str) -> AsyncIterator[str]:
    """Yield a keyring's database, as long as the body runs: its address, as its owner. The service `tests` may use it."""
    name = f"test_keyring_{uuid4().hex[:12]}"
    beside = f"{name}_tests"
    await databases(postgres_url, [(name, KEYRING_DATABASE[1]), (beside, service_database("tests")[1])])
    owner = await asyncpg.connect(postgres_url)
    if not await owner.fetchval("select 1 from pg_roles where rolname = $1", KEEPER):
        await owner.execute(
            f"create role {KEEPER} login in role {role_name(RoleKind.SEALING)}, {role_name(RoleKind.ERASURE)}"
        )
    yield database_dsn(postgres_url, name)
    await owner.execute(f"drop database {name} with (force)")
    await owner.execute(f"drop database {beside} with (force)")
    await owner.close()


def new_kek(*epochs: str) -> KeyEncryptionKeys:
    """Fresh key-encryption keys."""
    return KeyEncryptionKeys.read(
        " ".join(f"{epoch}:{base64.b64encode(os.urandom(32)).decode()}" for epoch in epochs or ("1",))
    )
