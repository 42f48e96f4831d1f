"""What an API needs at hand while it runs: its database, the keyring, the issuer and the read gate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from shared.access import AccessLog, Gate, Tokens
from shared.database import pool
from shared.handle import Handler
from shared.keyring import PostgresKeyring
from shared.ledger import Ledger
from shared.ledger.postgres import PostgresLedger
from shared.service import Service
from shared.settings import Settings


@dataclass
class Surroundings:
    """What an API needs at hand while it runs."""

    handler: Handler
    ledger: Ledger
    gate: Gate
    log: AccessLog
    tokens: Tokens
    database: asyncpg.Pool[asyncpg.Record]


@asynccontextmanager
async def surroundings(service: Service[Any], settings: Settings) -> AsyncIterator[Surroundings]:
    """Connect a service to its database, the keyring and the issuer."""
    kek = settings.read_kek()
    database = await pool(settings.database(service.name), most=12)
    keys = await pool(settings.database("keyring"), most=6)
    ledger = PostgresLedger(database)
    log = AccessLog(database)
    handler = Handler(service, ledger, PostgresKeyring(keys, kek), kek.derived("request-digest"))
    tokens = Tokens(settings.issuer, settings.audience, sorted(service.inherits))
    try:
        yield Surroundings(handler, ledger, Gate(log, service.rights, service.reasons), log, tokens, database)
    finally:
        await database.close()
        await keys.close()
