"""The whole system on one machine: servers, schema, topics, and an api and a worker process for each service.

`ooc up` runs it; var/system.json tells everyone where it answers for as long as it runs.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from services.console.addresses import VAR
from services.registry import SERVICES
from shared.database import as_role
from tools.local import (
    SERVERS,
    Addresses,
    LocalSystem,
    Process,
    State,
    http_ok,
    local_system,
)

MIGRATE: Final = "migrate"
TOPICS: Final = "topics"
POSTGRES, KAFKA, ISSUER = SERVERS
PATIENCE: Final = 120.0
"""Seconds that a process may take at its first start on a busy machine."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where the data are: PostgreSQL, for services (without a role) and for its owner, and Kafka with its replication."""

    database: str
    owner: str
    kafka: str
    replication: int

    @classmethod
    def of(cls, addresses: Addresses, environment: Mapping[str, str]) -> Stores:
        """The stores of a system: those that the environment names, else its own."""
        named = environment.get("OOC_DATABASE_URL")
        owner = environment.get("OOC_ADMIN_DATABASE_URL") or named or addresses.database_url
        database = as_role(named or addresses.database_url, "")
        replication = environment.get("OOC_KAFKA_REPLICATION") or ("3" if environment.get("OOC_KAFKA") else "1")
        return cls(database, owner, addresses.kafka, int(replication))


def processes(addresses: Addresses, environment: Mapping[str, str] = os.environ) -> Sequence[Process]:
    """Everything that runs on the servers: two steps of preparation, then two processes for each service."""
    stores = Stores.of(addresses, environment)
    told = {
        "OOC_DATABASE_URL": stores.database,
        "OOC_KAFKA_REPLICATION": str(stores.replication),
        "OOC_AUDIENCE": environment.get("OOC_AUDIENCE") or "ooc",
        **_key_encryption_key(addresses.var, environment),
    }
    owner = told | {"OOC_ADMIN_DATABASE_URL": stores.owner}
    ooc = [sys.executable, "-m", "services.console.main"]
    made = [
        Process(name=MIGRATE, argv=[*ooc, "migrate"], env=owner, after=(POSTGRES,), once=True, patience=PATIENCE),
        Process(name=TOPICS, argv=[*ooc, "topics"], env=told, after=(KAFKA,), once=True, patience=PATIENCE),
    ]
    for entry in SERVICES:
        service, port = entry.name, addresses.ports.api(entry.port_offset)
        module = [sys.executable, "-m", f"services.{service}"]
        made += [
            Process(
                name=f"{service}-api",
                argv=[*module, "api"],
                env=told | {"OOC_PORT": str(port)},
                ready=http_ok(f"{urls(addresses)[service]}/health/ready"),
                after=(MIGRATE, ISSUER),
                ports=(port,),
                patience=PATIENCE,
            ),
            Process(
                name=f"{service}-worker",
                argv=[*module, "worker"],
                env=told,
                after=(MIGRATE, TOPICS),
                grace=15.0,
                patience=PATIENCE,
            ),
        ]
    return made


def urls(addresses: Addresses) -> dict[str, str]:
    """The base URL of each service of a local system."""
    return {entry.name: f"http://127.0.0.1:{addresses.ports.api(entry.port_offset)}" for entry in SERVICES}


def servers_of(addresses: Addresses) -> list[tuple[str, str]]:
    """What the services run on, and where it answers; a database's password is not shown."""
    parts = urlsplit(addresses.database_url)
    place = parts.netloc.rpartition("@")[2]
    return [
        ("sign-in", f"{addresses.issuer}/.well-known/openid-configuration"),
        ("PostgreSQL", f"{place} (databases ooc_…)"),
        ("Kafka", addresses.kafka),
    ]


def _key_encryption_key(var: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """How a process learns the key-encryption key: as the environment says, else from a file made once for this var."""
    if environment.get("OOC_KEK") or environment.get("OOC_KEK_FILE"):
        return {}
    file = var / "keys" / "kek"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = file.with_name(f".kek.{os.getpid()}")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as out:
            out.write(base64.b64encode(os.urandom(32)).decode() + "\n")
        # A link fails where the file stands, so two starts at once agree on one key.
        with contextlib.suppress(FileExistsError):
            os.link(new, file)
        new.unlink()
    return {"OOC_KEK_FILE": str(file)}


@contextlib.asynccontextmanager
async def running_system(listener: Callable[[str, State], None], var: Path = VAR) -> AsyncIterator[LocalSystem]:
    """The system, ready, with its addresses written down; raises `CannotStart`, or `Interrupted` by an early signal.

    A later signal ends the body, quietly, and then everything that runs.
    """
    async with local_system(var, extra=processes, listener=listener) as started:
        note = _write_down(started.addresses)
        try:
            yield started
        finally:
            note.unlink(missing_ok=True)


def _write_down(addresses: Addresses) -> Path:
    note = addresses.var / "system.json"
    told = {
        "issuer": addresses.issuer,
        "services": urls(addresses),
        "kafka": addresses.kafka,
        "postgres": Stores.of(addresses, os.environ).database,
        "pid": os.getpid(),
    }
    new = note.with_suffix(".new")
    new.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    new.replace(note)
    return note
