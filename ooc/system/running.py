"""The whole system on one machine: servers, schema, topics, and for each service an API and one worker process or more.

`ooc up` runs it; var/system.json tells everyone where it answers for as long as it runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ooc.backup.manifest import origin_of_backups
from ooc.system.alerting import alerting
from services.system.addresses import VAR
from services.system.kafka_access import principals
from services.system.registry import FOLLOWERS, SERVICES, RegisteredService
from shared.evidence.log import ACCESS, EVENTS, origin_of
from shared.privacy.signed_note import SigningKeys, VerifierKey
from shared.runtime.privileges import DECIDING, PROJECTING, RoleKind
from shared.servers.database import as_role
from shared.servers.kafka import PROVISIONER
from shared.servers.settings import DEFAULT_ORIGIN
from tools.local.kafka import passwords_in
from tools.local.local_system import SERVERS, Addresses, local_system, own_servers
from tools.local.ports import HOST
from tools.local.readiness import http_ok
from tools.local.secret_files import secret_in
from tools.local.supervisor import Process, State
from tools.witness.state import witness_key

MIGRATE: Final = "migrate"
CONSOLE: Final = "console"
WITNESS: Final = "witness"
TOPICS: Final = "topics"
BACKUP: Final = "backup"
PARTNER: Final = "partner_wessex_trust"
"""The login of a made-up partner on the Kafka of a local system, for those who write a partner's program."""
POSTGRES, KAFKA, ISSUER = SERVERS
NO_KEYS: Final = {"OOC_KEK": "", "OOC_KEK_FILE": ""}
"""What a process is told that opens no sealed field, whatever the environment of `ooc up` holds."""
IMPORTS: Final = (
    "ooc.main",
    "ooc.system.commands",
    "services.console.application",
    "services.notifications.worker",
    "services.system.registry",
    "services.reporting.api",
    "services.reporting.worker",
    "shared.api",
    "shared.runtime.worker",
    "tools.local.issuer",
    "tools.witness.application",
)
"""What the processes import between them: once for all on a machine that can fork."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where the data are: PostgreSQL, for services (without a role) and for its owner, and Kafka with its replication."""

    database: str
    owner: str
    kafka: str
    replication: int

    @classmethod
    def of(cls, addresses: Addresses, environment: Mapping[str, str]) -> Stores:
        """Return the stores of a system: those that the environment names, else its own."""
        named = environment.get("OOC_DATABASE_URL")
        owner = environment.get("OOC_ADMIN_DATABASE_URL") or named or addresses.database_url
        database = as_role(named or addresses.database_url, "")
        replication = environment.get("OOC_KAFKA_REPLICATION") or ("3" if environment.get("OOC_KAFKA") else "1")
        return cls(database, owner, addresses.kafka, int(replication))


def _answering(
    name: str,
    module: Sequence[str],
    port: int,
    ready: str,
    env: Mapping[str, str],
    after: Sequence[str] = (MIGRATE, ISSUER),
) -> Process:
    """Return a process that answers at a port, and says at the path `ready` whether it does its work yet."""
    return Process(
        name=name,
        argv=[sys.executable, "-m", *module],
        env={**env, "OOC_PORT": str(port)},
        ready=http_ok(f"http://{HOST}:{port}{ready}"),
        after=after,
        ports=(port,),
    )


def processes(addresses: Addresses, environment: Mapping[str, str] = os.environ, workers: int = 1) -> Sequence[Process]:
    """Everything that runs on the servers: two steps of preparation, then an API and `workers` workers for each service.

    If the environment says who is told of faults, or where backups go, further processes do that.

    The workers of a service are one consumer group: they share the partitions of its topics.
    """
    stores = Stores.of(addresses, environment)
    settings = {
        "OOC_DATABASE_URL": stores.database,
        "OOC_KAFKA_REPLICATION": str(stores.replication),
        "OOC_AUDIENCE": environment.get("OOC_AUDIENCE") or "ooc",
        **NO_KEYS,
    }
    keys = _key_encryption_keys(addresses.var, environment)

    def keys_of(entry: RegisteredService, kind: RoleKind) -> dict[str, str]:
        """Return the keys for a process whose database role may use the keyring; none for any other."""
        return keys if (DECIDING if entry.decides else PROJECTING)[kind] else {}

    signing = _signing_key(addresses.var, environment)
    kafka = _kafka_logins(addresses.var, environment)
    worker = settings | kafka | {"OOC_SIGNING_KEY_FILE": str(signing)}
    witnesses = []
    witness = witness_settings(addresses, environment)
    if witness:
        witnesses = [witness_process(addresses, environment)]
        worker |= witness
    # A log is compared with what the witness has seen before anything is recorded in it.
    first = tuple(process.name for process in witnesses)
    owner = settings | {"OOC_ADMIN_DATABASE_URL": stores.owner}
    ooc = [sys.executable, "-m", "ooc.main"]
    made = [
        *witnesses,
        Process(name=MIGRATE, argv=[*ooc, "migrate"], env=owner, after=(POSTGRES,), once=True),
        Process(name=TOPICS, argv=[*ooc, "topics"], env=settings | kafka, after=(KAFKA,), once=True),
    ]
    for entry in SERVICES:
        service, port = entry.name, addresses.ports.api(entry.port_offset)
        api = settings | keys_of(entry, RoleKind.API) | witness
        after = (MIGRATE, ISSUER, *first)
        made.append(_answering(f"{service}-api", [f"services.{service}", "api"], port, "/health/ready", api, after))
        made += [
            Process(
                name=f"{service}-worker-{n}" if n > 1 else f"{service}-worker",
                argv=[sys.executable, "-m", f"services.{service}", "worker"],
                env=worker | keys_of(entry, RoleKind.WORKER),
                after=(MIGRATE, TOPICS, *first),
                grace=15.0,
            )
            for n in range(1, workers + 1)
        ]
    webhooks = environment.get("OOC_WEBHOOK_KEY_FILE") or secret_in(addresses.var / "keys" / "webhooks")
    follower = {"OOC_CONSOLE_URL": console_url(addresses), "OOC_WEBHOOK_KEY_FILE": str(webhooks)}
    follower |= settings | kafka | _at(urls(addresses))
    for name, place in FOLLOWERS.items():
        port, module = addresses.ports.api(place), [f"services.{name}", "worker"]
        process = _answering(f"{name}-worker", module, port, "/health/ready", follower, (MIGRATE, TOPICS, ISSUER))
        made.append(replace(process, grace=15.0))
    watched = [urlsplit(url).netloc for url in (*monitored(addresses).values(), console_url(addresses))]
    made += alerting(addresses, environment, watched)
    if environment.get("OOC_BACKUP_RECIPIENT") and environment.get("OOC_BACKUP_FOLDER"):
        made.append(Process(name=BACKUP, argv=[*ooc, "backup", "follow"], env=worker | owner, after=(MIGRATE, *first)))
    witness_key_of = {name: key for name, key in witness.items() if name == "OOC_WITNESS_KEY"}
    made.append(_console(addresses, environment, settings | witness_key_of))
    return made


def _console(addresses: Addresses, environment: Mapping[str, str], settings: Mapping[str, str]) -> Process:
    """Return the process of the web console. It holds no key-encryption key: the services open names for it."""
    key = environment.get("OOC_CONSOLE_KEY_FILE") or secret_in(addresses.var / "keys" / "console")
    env = {
        **settings,
        **_at(monitored(addresses)),
        "OOC_CONSOLE_URL": environment.get("OOC_CONSOLE_URL") or console_url(addresses),
        "OOC_CONSOLE_KEY_FILE": str(key),
    }
    return _answering(CONSOLE, ["services.console"], addresses.ports.console, "/health/ready", env)


def _at(urls_: Mapping[str, str]) -> dict[str, str]:
    """Return how a process learns where the services are."""
    return {"OOC_URL": " ".join(f"{service}={url}" for service, url in urls_.items())}


def console_url(addresses: Addresses) -> str:
    """Return where the web console of a local system answers."""
    return f"http://{HOST}:{addresses.ports.console}"


def urls(addresses: Addresses) -> dict[str, str]:
    """Return the base URL of each service of a local system."""
    return {entry.name: f"http://{HOST}:{addresses.ports.api(entry.port_offset)}" for entry in SERVICES}


def monitored(addresses: Addresses) -> dict[str, str]:
    """Return the base URL of all that answers monitoring: the services, and the followers."""
    return urls(addresses) | {name: f"http://{HOST}:{addresses.ports.api(place)}" for name, place in FOLLOWERS.items()}


def address_rows(addresses: Addresses) -> list[tuple[str, str]]:
    """Return what runs and where it is: the console, the services, and their servers, without a database password."""
    parts = urlsplit(addresses.database_url)
    place = parts.netloc.rpartition("@")[2]
    folder = kafka_passwords(addresses.var, os.environ)
    return [
        ("the console, in a browser", console_url(addresses)),
        *((service, f"{url}/docs") for service, url in urls(addresses).items()),
        ("sign-in", f"{addresses.issuer}/.well-known/openid-configuration"),
        ("PostgreSQL", f"{place} (databases ooc_…)"),
        ("Kafka", addresses.kafka),
        *([("… as a partner", f"{PARTNER}, SCRAM-SHA-512, password in {folder / PARTNER}")] if folder else []),
    ]


def _key_encryption_keys(var: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """How a process learns the key-encryption keys: as the environment says, else from a file made once for this var."""
    named = {name: environment[name] for name in NO_KEYS if environment.get(name)}
    return named or {"OOC_KEK_FILE": str(secret_in(var / "keys" / "kek"))}


def kafka_passwords(var: Path, environment: Mapping[str, str]) -> Path | None:
    """Return where a system's own Kafka has its passwords; None if the environment names another Kafka."""
    return None if environment.get("OOC_KAFKA") else passwords_in(var / "kafka")


def _kafka_logins(var: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Make the passwords of a system's own Kafka that are missing; how a process that goes there learns its own."""
    folder = kafka_passwords(var, environment)
    if folder is None:
        return {}
    for principal in (PROVISIONER, *principals(), PARTNER):
        secret_in(folder / principal)
    return {"OOC_KAFKA_PASSWORDS": str(folder)}


def _signing_key(var: Path, environment: Mapping[str, str]) -> Path:
    """Return the file of the signing secrets: as the environment says, else made once for this var."""
    return Path(environment.get("OOC_SIGNING_KEY_FILE") or secret_in(var / "keys" / "signing"))


def witness_settings(addresses: Addresses, environment: Mapping[str, str]) -> dict[str, str]:
    """Return how a process learns of the local witness; nothing if the environment names another one."""
    if environment.get("OOC_WITNESS_URL"):
        return {}
    return {
        "OOC_WITNESS_URL": f"http://{HOST}:{addresses.ports.witness}",
        "OOC_WITNESS_KEY": str(witness_key(addresses.var / "witness", "witness.local").key),
    }


def witness_process(addresses: Addresses, environment: Mapping[str, str]) -> Process:
    """Return the process of the local witness.

    It shows how a witness works; one that protects against the operator runs on another party's machine.
    """
    folder = addresses.var / "witness"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = SigningKeys.from_file(_signing_key(addresses.var, environment))
    origin = environment.get("OOC_LOG_ORIGIN") or DEFAULT_ORIGIN
    logs = folder / "logs"
    lines = [f"{key}\n" for key in log_keys(keys, origin)]
    logs.write_text("".join(lines), encoding="utf-8")
    port = addresses.ports.witness
    module = ["tools.witness", "--state", str(folder), "--logs", str(logs), "--port", str(port)]
    return _answering(WITNESS, module, port, "/key", NO_KEYS, after=())


def log_keys(keys: SigningKeys, origin: str) -> list[VerifierKey]:
    """Return the public keys of every log of the system, and of its backups."""
    logs = [
        origin_of(origin, entry.name, log)
        for entry in SERVICES
        for log in ((EVENTS, ACCESS) if entry.decides else (ACCESS,))
    ]
    return [signer.key for name in (*logs, origin_of_backups(origin)) for signer in keys.signers(name)]


@contextlib.asynccontextmanager
async def running_system(
    listener: Callable[[str, State], None], var: Path = VAR, workers: int = 1
) -> AsyncIterator[Addresses]:
    """Yield the system, ready, with its addresses written down; raises `CannotStart`, or `Interrupted` by an early signal.

    A later signal ends the body, quietly, and then everything that runs.
    """
    names: list[str] = []

    def extra(addresses: Addresses) -> Sequence[Process]:
        made = processes(addresses, workers=workers)
        names.extend(process.name for process in made if not process.once)
        return made

    async with local_system(var, extra=extra, listener=listener, imports=IMPORTS) as addresses:
        note = _write_down(addresses, [*own_servers(os.environ), *names])
        try:
            yield addresses
        finally:
            note.unlink(missing_ok=True)


def _write_down(addresses: Addresses, names: Sequence[str]) -> Path:
    note = addresses.var / "system.json"
    settings = {
        "issuer": addresses.issuer,
        "services": monitored(addresses),
        "console": console_url(addresses),
        "kafka": addresses.kafka,
        "kafka_passwords": kafka_passwords(addresses.var, os.environ),
        "postgres": Stores.of(addresses, os.environ).database,
        "witness": witness_settings(addresses, os.environ),
        "pid": os.getpid(),
        "processes": names,
    }
    new = note.with_suffix(".new")
    new.write_text(json.dumps(settings, indent=2, default=str) + "\n", encoding="utf-8")
    new.replace(note)
    return note
