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
from services.system.processes import OWNER, Kind, Server
from services.system.processes import Process as Deployed
from services.system.processes import processes as deployed
from services.system.registry import FOLLOWERS, SERVICES
from shared.evidence.log import ACCESS, EVENTS, origin_of
from shared.privacy.signed_note import SigningKeys, VerifierKey
from shared.servers.database import as_role
from shared.servers.kafka import PROVISIONER
from shared.servers.settings import DEFAULT_ORIGIN
from tools.local.kafka import passwords_in
from tools.local.local_system import ISSUER, Addresses, local_system, own_servers
from tools.local.ports import HOST
from tools.local.readiness import http_ok
from tools.local.secret_files import secret_in
from tools.local.supervisor import Process, State
from tools.witness.state import witness_key

MIGRATE: Final = "migrate"
CONSOLE: Final = "console"
WITNESS: Final = "witness"
WITNESS_URL: Final = "OOC_WITNESS_URL"
TOPICS: Final = "topics"
PARTNER: Final = "partner_wessex_trust"
"""The login of a made-up partner on the Kafka of a local system, for those who write a partner's program."""
NO_KEYS: Final = {"OOC_KEK": "", "OOC_KEK_FILE": ""}
"""What a process is told that opens no sealed field, whatever the environment of `ooc up` holds."""
KEYS: Final = {"signing": "OOC_SIGNING_KEY_FILE", "console": "OOC_CONSOLE_KEY_FILE", "webhooks": "OOC_WEBHOOK_KEY_FILE"}
"""The variable that names the file of a key."""
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


def processes(addresses: Addresses, environment: Mapping[str, str] = os.environ, workers: int = 1) -> Sequence[Process]:
    """Everything that runs on the servers: the processes of the system, with `workers` of each service, and a witness.

    If the environment says who is told of faults, or where backups go, further processes do that.

    The workers of a service are one consumer group: they share the partitions of its topics.
    """
    witness, logins = witness_settings(addresses, environment), _kafka_logins(addresses.var, environment)
    made = [witness_process(addresses, environment)] if witness else []
    backs_up = environment.get("OOC_BACKUP_RECIPIENT") and environment.get("OOC_BACKUP_FOLDER")
    for process in deployed():
        if process.kind is not Kind.CHECK and (backs_up or not process.copies):
            told = _environment(process, addresses, environment, witness, logins)
            here = _on_this_machine(process, addresses, told, is_witnessed=bool(witness))
            shared = workers if process.kind is Kind.WORKER and not process.listens else 1
            made += [here, *(replace(here, name=f"{here.name}-{n}") for n in range(2, shared + 1))]
    watched = [urlsplit(url).netloc for url in (*monitored(addresses).values(), console_url(addresses))]
    return [*made, *alerting(addresses, environment, watched)]


def _on_this_machine(
    process: Deployed, addresses: Addresses, told: Mapping[str, str], *, is_witnessed: bool
) -> Process:
    """Return a process as the supervisor runs it with this environment, after those that it needs."""
    needed = {
        MIGRATE: True,
        TOPICS: bool(process.logins),
        ISSUER: Server.IDENTITY in process.calls,
        # A log is compared with what the witness has seen before anything is recorded in it.
        WITNESS: Server.WITNESS in process.calls and is_witnessed,
    }
    step = process.kind is Kind.STEP
    made = Process(
        name=process.name,
        argv=[sys.executable, "-m", *process.arguments],
        env=told,
        after=sorted(process.connects_to) if step else [name for name, needs in needed.items() if needs],
        once=step,
        grace=15.0 if process.kind is Kind.WORKER else 10.0,
    )
    return _answering(made, _url(process.name, addresses), "/health/ready") if process.listens else made


def _answering(process: Process, url: str, ready: str) -> Process:
    """Let a process answer at an address, and say at the path `ready` whether it does its work yet."""
    port = int(url.rpartition(":")[2])
    return replace(process, env={**process.env, "OOC_PORT": str(port)}, ready=http_ok(f"{url}{ready}"), ports=(port,))


def _url(process: str, addresses: Addresses) -> str:
    return (monitored(addresses) | {CONSOLE: console_url(addresses)})[process.partition("-")[0]]


def _environment(
    process: Deployed,
    addresses: Addresses,
    environment: Mapping[str, str],
    witness: Mapping[str, str],
    logins: Mapping[str, str],
) -> dict[str, str]:
    """Return what a process is told: the addresses of what it connects to, and the files of the keys that it reads."""
    stores = Stores.of(addresses, environment)
    env = {
        "OOC_DATABASE_URL": stores.database,
        "OOC_KAFKA_REPLICATION": str(stores.replication),
        "OOC_AUDIENCE": environment.get("OOC_AUDIENCE") or "ooc",
        **NO_KEYS,
    }
    if OWNER in process.roles:
        env["OOC_ADMIN_DATABASE_URL"] = stores.owner
    if process.logins or process.copies:
        env |= logins
    if "kek" in process.keys:
        env |= _key_encryption_keys(addresses.var, environment)
    env |= {KEYS[key]: str(_key_file(key, addresses.var, environment)) for key in process.keys if key in KEYS}
    # Who asks the witness is told where it is; by its key everybody knows what it has cosigned.
    env |= {name: value for name, value in witness.items() if Server.WITNESS in process.calls or name != WITNESS_URL}
    if asked := [name for name in process.calls if name not in list(Server)]:
        env["OOC_URL"] = " ".join(f"{name.rpartition('-')[0]}={_url(name, addresses)}" for name in asked)
        env["OOC_CONSOLE_URL"] = environment.get("OOC_CONSOLE_URL") or console_url(addresses)
    return env


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


def _key_file(key: str, var: Path, environment: Mapping[str, str]) -> Path:
    """Return the file of a key: as the environment says, else made once for this var."""
    return Path(environment.get(KEYS[key]) or secret_in(var / "keys" / key))


def witness_settings(addresses: Addresses, environment: Mapping[str, str]) -> dict[str, str]:
    """Return how a process learns of the local witness; nothing if the environment names another one."""
    if environment.get(WITNESS_URL):
        return {}
    return {
        WITNESS_URL: f"http://{HOST}:{addresses.ports.witness}",
        "OOC_WITNESS_KEY": str(witness_key(addresses.var / "witness", "witness.local").key),
    }


def witness_process(addresses: Addresses, environment: Mapping[str, str]) -> Process:
    """Return the process of the local witness.

    It shows how a witness works; one that protects against the operator runs on another party's machine.
    """
    folder = addresses.var / "witness"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = SigningKeys.from_file(_key_file("signing", addresses.var, environment))
    origin = environment.get("OOC_LOG_ORIGIN") or DEFAULT_ORIGIN
    logs = folder / "logs"
    lines = [f"{key}\n" for key in log_keys(keys, origin)]
    logs.write_text("".join(lines), encoding="utf-8")
    port = addresses.ports.witness
    argv = [sys.executable, "-m", "tools.witness", "--state", str(folder), "--logs", str(logs), "--port", str(port)]
    return _answering(Process(name=WITNESS, argv=argv, env=NO_KEYS), f"http://{HOST}:{port}", "/key")


def log_keys(keys: SigningKeys, origin: str) -> list[VerifierKey]:
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
        names.extend(sorted(process.name for process in made if not process.once))
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
