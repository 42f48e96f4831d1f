"""Passwords and rights on Kafka: SCRAM credentials and access control lists, made as declared, each time that it runs."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from secrets import token_urlsafe
from typing import Any, Final, NamedTuple

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaError as AdminError
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from shared.runtime.provision import ProvisionFailed
from shared.servers.database import retry_for
from shared.servers.kafka import KafkaLogin, client_options

TOPIC, GROUP, TRANSACTIONAL_ID = ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID
LITERAL: Final = ResourcePatternType.LITERAL
READ, WRITE = AclOperation.READ, AclOperation.WRITE
ITERATIONS: Final = 8192
"""Rounds of PBKDF2 behind a SCRAM secret: Kafka takes from 4,096 to 16,384."""
SCRAM: Final = ScramMechanism.SCRAM_SHA_512
PROBE: Final = "kafka_probe"
"""A login without rights that is made last, to see that a broker knows all that was changed before; it is removed again."""
SECONDS: Final = 10.0
"""How long a broker may take to answer: a hanging one is asked again, or leaves the cluster."""


class Binding(NamedTuple):
    """One right (ACL): a principal may do an operation on a resource, from any host."""

    kind: ResourceType
    name: str
    pattern: ResourcePatternType
    principal: str
    operation: AclOperation


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """The topics that a principal may read and write, its groups and its transactional ids. All else is denied.

    Nothing is granted by a prefix: a broker keeps what is said of each group and transactional id in memory, for a week.
    """

    principal: str
    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    transactions: tuple[str, ...] = ()

    def bindings(self) -> set[Binding]:
        """Return the rights as Kafka stores them (ACLs): topics, groups and transactional ids."""
        rights = (
            (TOPIC, READ, self.reads),
            (TOPIC, WRITE, self.writes),
            (GROUP, READ, self.groups),
            (TRANSACTIONAL_ID, WRITE, self.transactions),
        )
        return {
            Binding(kind, name, LITERAL, f"User:{self.principal}", operation)
            for kind, operation, names in rights
            for name in names
        }


async def grant_access(
    kafka: KafkaLogin, accesses: Iterable[KafkaAccess], password_of: Callable[[str], str], seconds: float = 60
) -> None:
    """Give each principal its password and exactly the rights that are declared; rights and passwords of others go.

    Returns when every broker of the cluster lets each principal in and has its rights. The controller answers before the
    brokers know, and a login that is used earlier is refused. Raises `ProvisionFailed` if a broker still refuses a login
    or has other rights after so many seconds, or refuses the change, or none answers.
    """
    accesses = list(accesses)
    passwords = {access.principal: password_of(access.principal) for access in accesses}
    wanted = set[Binding]().union(*(access.bindings() for access in accesses))
    changed = set[str]()

    async def grant() -> None:
        # Each broker applies all changes in one order: one that lets a login in that was made last has the rights too.
        last = {PROBE: token_urlsafe()}
        admin = AdminClient(_admin_options(kafka))
        try:
            existing = await _rights(admin)
            changed.update(map(_login_of, wanted ^ existing))
            if new := [
                AclBinding(kind, name, pattern, principal, "*", operation, AclPermissionType.ALLOW)
                for kind, name, pattern, principal, operation in wanted - existing
            ]:
                await _all(admin.create_acls(new, request_timeout=SECONDS))
            if old := [_filter(*right) for right in existing - wanted]:
                await _all(admin.delete_acls(old, request_timeout=SECONDS))
            await _set_passwords(admin, passwords, set(map(_login_of, existing)) - passwords.keys())
            await _set_passwords(admin, last)
            brokers = (await asyncio.wrap_future(admin.describe_cluster(request_timeout=SECONDS))).nodes
            for broker in brokers:
                await _see(replace(kafka, servers=f"{broker.host}:{broker.port}"), passwords, last, changed)
            await _set_passwords(admin, {}, last)
        except KafkaException as error:
            raise ProvisionFailed(f"Kafka at {kafka.servers} makes no passwords and rights: {error}") from error

    await retry_for(grant, seconds, on=(ProvisionFailed,))


async def _see(
    broker: KafkaLogin, passwords: Mapping[str, str], last: Mapping[str, str], changed: Collection[str]
) -> None:
    """Log in at one broker by every password. Raises ProvisionFailed that names whose rights or passwords it lacks."""
    try:
        await _log_in(broker, last)
    except ProvisionFailed as late:
        if changed:
            logins = ", ".join(sorted(changed))
            raise ProvisionFailed(f"Kafka's broker {broker.servers} does not have the rights of {logins} yet") from late
        await _log_in(broker, passwords)
        raise
    await _log_in(broker, passwords)


async def _all(calls: Mapping[Any, Future[Any]]) -> None:
    await asyncio.gather(*map(asyncio.wrap_future, calls.values()))


async def _set_passwords(admin: AdminClient, passwords: Mapping[str, str], gone: Iterable[str] = ()) -> None:
    """Tell the brokers a salted hash of each password, and remove the passwords of logins that are gone."""
    how = ScramCredentialInfo(SCRAM, ITERATIONS)
    made: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(name, how, password.encode()) for name, password in passwords.items()
    ]
    if made:
        await _all(admin.alter_user_scram_credentials(made, request_timeout=SECONDS))
    for name in gone:
        removal = admin.alter_user_scram_credentials(
            [UserScramCredentialDeletion(name, SCRAM)], request_timeout=SECONDS
        )
        try:
            await _all(removal)
        except KafkaException as error:
            if error.args[0].code() != AdminError.RESOURCE_NOT_FOUND:
                raise


async def _rights(admin: AdminClient) -> set[Binding]:
    of_all = _filter(ResourceType.ANY, None, ResourcePatternType.ANY, None, AclOperation.ANY)
    return {
        Binding(right.restype, right.name, right.resource_pattern_type, right.principal, right.operation)
        for right in await asyncio.wrap_future(admin.describe_acls(of_all, request_timeout=SECONDS))
    }


def _login_of(right: Binding) -> str:
    return right.principal.removeprefix("User:")


def _filter(
    kind: ResourceType, name: str | None, pattern: ResourcePatternType, principal: str | None, operation: AclOperation
) -> AclBindingFilter:
    """Return what matches a right, of any host; None matches all."""
    # Its types have no None, which its documentation describes.
    any_: Any = None
    return AclBindingFilter(kind, name or any_, pattern, principal or any_, any_, operation, AclPermissionType.ANY)


def _admin_options(kafka: KafkaLogin) -> dict[str, Any]:
    """Return the connection options of a client of confluent-kafka (librdkafka)."""
    return {
        "bootstrap.servers": kafka.servers,
        "security.protocol": "SASL_PLAINTEXT" if kafka.authority is None else "SASL_SSL",
        **({} if kafka.authority is None else {"ssl.ca.location": str(kafka.authority)}),
        "sasl.mechanism": kafka.mechanism,
        "sasl.username": kafka.principal,
        "sasl.password": kafka.password,
        "log_level": 0,  # what goes wrong is raised
    }


async def _log_in(broker: KafkaLogin, passwords: Mapping[str, str]) -> None:
    """Log in at one broker, the only server of a login, by each password. Raises ProvisionFailed."""
    host, _, port = broker.servers.rpartition(":")
    for principal, password in passwords.items():
        options = client_options(replace(broker, principal=principal, password=password))
        del options["bootstrap_servers"]
        try:
            connection = await create_conn(host, int(port), request_timeout_ms=int(SECONDS * 1000), **options)
        except (KafkaError, OSError) as error:
            raise ProvisionFailed(f"Kafka's broker {broker.servers} does not let {principal} in: {error!r}") from error
        await connection.close()
