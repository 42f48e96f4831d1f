"""What a release makes in its databases, found by making them on a server of its own: services/system/schemas.json, which `ooc verify` compares."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import asyncpg

from services.system.registry import DECIDING, databases_without_events
from shared.runtime.provision import KEYRING_DATABASE, databases, service_database
from shared.runtime.schema_contents import Contents, schema_contents
from shared.servers.database import database_dsn
from tools.local import postgres
from tools.local.ports import unused
from tools.local.supervisor import Supervisor

PLACE: Final = Path("services/system/schemas.json")


async def made_schemas(server: str) -> Mapping[str, Contents]:
    """Migrate a database of each kind on a server, and describe it."""
    made = {"<service>": service_database(DECIDING[0].name)}
    made |= {
        name.removeprefix("ooc_"): (name, schema) for name, schema in (KEYRING_DATABASE, *databases_without_events())
    }
    await databases(server, made.values())
    described: dict[str, Contents] = {}
    for kind, (name, schema) in made.items():
        connection = await asyncpg.connect(database_dsn(server, name))
        described[kind] = await schema_contents(connection, schema.service if kind == "<service>" else None)
        await connection.close()
    return described


async def write_schemas() -> None:
    """Start a server, and write what it comes to hold."""
    (port,) = unused(1)
    with tempfile.TemporaryDirectory() as folder:
        async with Supervisor(Path(folder), [postgres.process(Path(folder) / "postgres", port)]):
            made = await made_schemas(postgres.dsn(port))
    PLACE.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", encoding="utf-8")
