"""Databases, migrations, roles and topics, needed before a service runs. Safe to repeat.

Migrations are plain SQL run by dbmate under the owner's address; the roles of services own nothing.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, LeaderNotAvailableError, TopicAlreadyExistsError, for_code

from shared.runtime.grants import create_roles, grant_privileges, revoke_advisory_locks
from shared.runtime.privileges import (
    ACCESS_LOG,
    CONSUMER,
    DECIDING,
    EVENT_STORE,
    KEYRING,
    TRANSPARENCY,
    RoleKind,
    Schema,
)
from shared.servers.database import Connection, connected, database_dsn, database_of, retry_for, writable_host
from shared.servers.kafka import PARTITIONS, PROVISIONER, Kafka, administering
from shared.servers.settings import Settings


class ProvisionFailed(Exception):
    """A database or topic could not be created; the message says what to do."""


Passwords = Callable[[str], str | None]
"""The password of a role; None if the server asks for none."""


async def databases(
    admin_url: str, wanted: Iterable[tuple[str, Schema]], passwords: Passwords = lambda _role: None
) -> None:
    """Create each database and its roles, bring its schema up to date, and grant what `shared.runtime.privileges` says, no more.

    `wanted` pairs a database's name with what it holds. Raises `ProvisionFailed`.
    """
    wanted = list(wanted)
    admin_url = await retry_for(lambda: writable_host(database_dsn(admin_url, "postgres")), 60)
    async with connected(admin_url, timeout=10) as connection:
        # Two provisioners at once take turns.
        await connection.execute("select pg_advisory_lock(7350713001)")
        await create_roles(connection, [schema for _, schema in wanted], passwords)
        there = {row["datname"] for row in await connection.fetch("select datname from pg_database")}
        for name, schema in wanted:
            if name not in there:
                await connection.execute(f'create database "{name}"')
            elif (state := await schema_state(database_dsn(admin_url, name), schema)).is_too_old:
                raise ProvisionFailed(state.too_old)
        for name, schema in wanted:
            await _migrate(database_dsn(admin_url, name), [part.migrations for part in schema.parts])
            await _settle(database_dsn(admin_url, name), name, schema)
            if KEYRING in schema.parts:
                await _name_key_holders(database_dsn(admin_url, name), [schema for _, schema in wanted])


async def _settle(dsn: str, name: str, schema: Schema) -> None:
    async with connected(dsn, timeout=10) as connection, connection.transaction():
        if EVENT_STORE in schema.parts:
            await _name_service(connection, name, schema.service)
        await grant_privileges(connection, name, schema)
        if KEYRING in schema.parts:
            await revoke_advisory_locks(connection)


async def _name_service(connection: Connection, name: str, service: str | None) -> None:
    await connection.execute("insert into event_store (service) values ($1) on conflict do nothing", service)
    owner = await connection.fetchval("select service from event_store")
    if owner != service:
        raise ProvisionFailed(f"the database {name} is the event store of {owner}, not of {service}: name another one")


async def _name_key_holders(dsn: str, schemas: Sequence[Schema]) -> None:
    """Write into the keyring the services that must agree before a key is destroyed: the API of each that makes keys."""
    holders = [
        schema.roles[RoleKind.API] for schema in schemas if schema.keyring_use.get(RoleKind.API) is RoleKind.SEALING
    ]
    async with connected(dsn, timeout=10) as connection:
        await connection.execute(
            "insert into key_holder (role) select unnest($1::text[]) on conflict do nothing", holders
        )


async def _migrate(dsn: str, folders: Sequence[Path]) -> None:
    dsn += ("&" if "?" in dsn else "?") + "sslmode=disable" if "sslmode" not in dsn else ""
    command = [str(Path(sys.executable).parent / "dbmate"), "--no-dump-schema", "--wait"]
    for folder in folders:
        command += ["--migrations-dir", str(folder)]
    process = await asyncio.to_thread(
        subprocess.run,
        [*command, "migrate"],
        env={**os.environ, "DATABASE_URL": dsn},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode != 0:
        raise ProvisionFailed(f"the migrations of {database_of(dsn)} failed: {process.stderr.strip()}")


SQUASHED_AFTER: Final = "release 2026.12.0 (commit 304fb530)"
"""The last release with the single migrations up to `_SQUASHED`."""

_SQUASHED: Final = "20261201170200"
"""Migrations up to this number are one for each part of a schema, under the number of the last that the part had."""


@dataclass(frozen=True, slots=True)
class SchemaState:
    """How the schema of a database compares with what this release reads: its own, and any newer one, since migrations only add.

    `reads` is the newest migration of this release; `missing` are those that the database lacks, `newer` those of a later release.
    `is_too_old`: it began with migrations that this release has squashed, and lacks the last of them.
    """

    database: str
    reads: str
    missing: tuple[str, ...]
    newer: tuple[str, ...]
    is_too_old: bool

    @property
    def too_old(self) -> str:
        return f"the database {self.database} is older than this release can migrate: run `ooc migrate` of {SQUASHED_AFTER} first"


async def schema_state(dsn: str, schema: Schema) -> SchemaState:
    """Compare the schema of a database with the migrations of this release; one that does not exist lacks them all."""
    own = {path.name.partition("_")[0] for part in schema.parts for path in part.migrations.glob("*.sql")}
    applied: set[str] = set()
    with contextlib.suppress(asyncpg.InvalidCatalogNameError):
        async with connected(dsn, timeout=10) as connection:
            with contextlib.suppress(asyncpg.UndefinedTableError):
                applied = {row[0] for row in await connection.fetch("select version from schema_migrations")}
    newest = max(own)
    return SchemaState(
        database_of(dsn),
        newest,
        tuple(sorted(own - applied)),
        tuple(sorted(n for n in applied - own if n > newest)),
        any(n < _SQUASHED for n in applied - own) and any(n <= _SQUASHED for n in own - applied),
    )


def service_database(name: str) -> tuple[str, Schema]:
    return f"ooc_{name}", Schema((ACCESS_LOG, CONSUMER, EVENT_STORE, TRANSPARENCY), name, DECIDING)


KEYRING_DATABASE: Final = ("ooc_keyring", Schema((KEYRING,)))


_OF_THE_TOPIC: Final = 1
"""The source of a setting that was made for its topic, as Kafka numbers it (DYNAMIC_TOPIC_CONFIG)."""

_FOR_EVER: Final = {"retention.ms": "-1", "retention.bytes": "-1"}


def events_topic(name: str, replication: int) -> NewTopic:
    """Return the definition of an events topic: every event is kept for ever."""
    return _topic(name, PARTITIONS, replication, _FOR_EVER)


def position_topic(name: str, replication: int) -> NewTopic:
    """Return a relay's position topic: one partition, compacted."""
    return _topic(name, 1, replication, {"cleanup.policy": "compact"})


def checkpoints_topic(name: str, replication: int) -> NewTopic:
    """Return a signer's checkpoints: one partition, kept for ever, so that any reader can keep them too."""
    return _topic(name, 1, replication, _FOR_EVER)


def _topic(name: str, partitions: int, replication: int, configs: dict[str, str]) -> NewTopic:
    # The broker unpacks a stranger's compressed batches: not every reader has every codec, and the relay uses none.
    durable = {
        "min.insync.replicas": str(min(2, replication)),
        # A broker that lacks what was confirmed never leads: Kafka would lose the end of the topic without a word.
        "unclean.leader.election.enable": "false",
        "compression.type": "uncompressed",
    }
    return NewTopic(name, partitions, replication, topic_configs=durable | configs)


async def topics(bootstrap: Kafka, wanted: Sequence[NewTopic]) -> None:
    """Create the topics that are missing, and set what is declared of the others.

    Raises `ProvisionFailed` if one stands with other partitions.
    """

    async def create() -> list[dict[str, Any]]:
        async with administering(bootstrap) as admin:
            there = set(await admin.list_topics())
            missing = [topic for topic in wanted if topic.name not in there]
            if missing:
                with contextlib.suppress(TopicAlreadyExistsError):
                    await admin.create_topics(missing)
            if await _set_configs(admin, [topic for topic in wanted if topic.name in there]):
                raise LeaderNotAvailableError("a topic's new settings are not known to the broker yet")
            described: list[dict[str, Any]] = await admin.describe_topics([topic.name for topic in wanted])
            if not all(topic["partitions"] for topic in described):
                raise LeaderNotAvailableError("a topic is not known to the broker yet")  # it has just been created
            return described

    described = await retry_for(create, 60, on=(KafkaError, OSError))
    by_name = {topic["topic"]: topic for topic in described}
    for topic in wanted:
        count = len(by_name[topic.name]["partitions"])
        if count != topic.num_partitions:
            raise ProvisionFailed(
                f"the topic {topic.name} has {count} partitions where {topic.num_partitions} are needed: keys would move between"
                " partitions. Make a new cluster, or name another one in OOC_KAFKA"
            )


async def _set_configs(admin: AIOKafkaAdminClient, wanted: Sequence[NewTopic]) -> bool:
    """Set the declared settings of topics that have others; further settings of theirs stay. Return whether one had others.

    The controller accepts a setting before the brokers know it.
    """
    changes = False
    for topic in wanted:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name)])
        ((error, why, _, _, entries),) = answer.resources
        if error:
            raise for_code(error)(why)
        own = {entry[0]: entry[1] for entry in entries if entry[3] == _OF_THE_TOPIC}
        if own != own | topic.topic_configs:
            changes = True
            changed = ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=own | topic.topic_configs)
            (answer,) = await admin.alter_configs([changed])
            ((error, why, _, _),) = answer.resources
            if error:
                raise for_code(error)(why)
    return changes


async def provision_databases(settings: Settings, services: Iterable[str], more: Iterable[tuple[str, Schema]]) -> None:
    """Create and migrate every database: the keyring, an event store for each service, and `more`.

    Raises `NoPassword`, and `ProvisionFailed` if the roles of a production system have no passwords.
    """
    if settings.mode == "production" and settings.database_passwords is None:
        raise ProvisionFailed(
            "the database roles have no passwords: put one for each role into a file of a directory, named by the role, and"
            " name the directory in OOC_DATABASE_PASSWORDS (docs/reference/database-roles.md lists the roles)"
        )
    wanted = every_database(services, more)
    # A primary may be replaced under way; what is there already is not made again.
    await retry_for(lambda: databases(settings.owner_database_url, wanted, settings.password_of), 300)


def every_database(services: Iterable[str], more: Iterable[tuple[str, Schema]]) -> list[tuple[str, Schema]]:
    """List the keyring, the event stores of services, and `more` databases."""
    return [KEYRING_DATABASE, *(service_database(name) for name in services), *more]


async def schema_states(owner: str, services: Iterable[str], more: Iterable[tuple[str, Schema]]) -> list[SchemaState]:
    """Compare the schema of each of an owner's databases with what this release reads. Raises what connecting raises."""
    owner = await writable_host(database_dsn(owner, "postgres"))
    return [await schema_state(database_dsn(owner, name), schema) for name, schema in every_database(services, more)]


def topics_of(services: Iterable[str], projecting: Iterable[str], namespace: str, replication: int) -> list[NewTopic]:
    """Define every topic: three of a service with an event store; one that only projects has the checkpoints of its access log."""
    services = list(services)
    wanted = [checkpoints_topic(f"{namespace}.{name}.checkpoints", replication) for name in (*services, *projecting)]
    for name in services:
        wanted += [
            events_topic(f"{namespace}.{name}.events", replication),
            position_topic(f"{namespace}.{name}.position", replication),
        ]
    return wanted


async def provision_topics(
    settings: Settings, services: Iterable[str], more: Iterable[str] = (), namespace: str = "ooc"
) -> None:
    """Create every topic of the system; `more` are services without an event store.

    Raises `ProvisionFailed` and `NoPassword`.
    """
    if settings.mode == "production" and settings.kafka_passwords is None:
        raise ProvisionFailed(
            "Kafka's principals have no passwords: put one for each into a file of a directory, named by the principal, and"
            " name the directory in OOC_KAFKA_PASSWORDS (docs/reference/environment.md)"
        )
    wanted = topics_of(services, more, namespace, settings.kafka_replication)
    await topics(settings.kafka_as(PROVISIONER), wanted)
