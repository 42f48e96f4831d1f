"""What commands ask of databases, and what they say if that cannot be done."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import asyncpg

from ooc.options import fail
from services.system.addresses import NoSystem
from shared.servers.database import connected
from shared.servers.settings import NoPassword

T = TypeVar("T")


async def fetch(address: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
    """Run one statement, and return its rows. Raises what connecting raises."""
    async with connected(address) as connection:
        return list(await connection.fetch(statement, *arguments))


def result_of(work: Coroutine[Any, Any, T], otherwise: str, *errors: type[Exception]) -> T:
    """Run some work; if no database answers, or for one of these errors, say so and why, and end with exit code 1."""
    expected: tuple[type[Exception], ...] = (NoSystem, NoPassword, OSError, asyncpg.PostgresError, *errors)
    try:
        return asyncio.run(work)
    except expected as error:
        fail(f"{otherwise}: {error}")
