"""Passwords and rights on Kafka: SCRAM credentials and access control lists, made as declared, each time that it runs."""

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactBytes, CompactString, Int8, Int16, Int32, Schema, TaggedFields

from shared.runtime.provision import ProvisionFailed
from shared.servers.database import retry_for
from shared.servers.kafka import KafkaLogin, administering, client_options

TOPIC, GROUP, TRANSACTIONAL_ID = 2, 3, 5
"""Kinds of resource, as Kafka numbers them (org.apache.kafka.common.resource.ResourceType)."""
ANY, LITERAL = 1, 3
READ, WRITE = 3, 4
ALLOW: Final = 3
ITERATIONS: Final = 8192
"""Rounds of PBKDF2 behind a SCRAM secret: Kafka takes from 4,096 to 16,384."""
SCRAM_SHA_512: Final = 2
NO_PASSWORD: Final = 91
"""RESOURCE_NOT_FOUND: the login has no password to remove."""
TIMEOUT_MS: Final = 10_000
"""Milliseconds for a broker's answer: a hanging one is asked again, or leaves the cluster."""


class Binding(NamedTuple):
    """One right (ACL): a principal may do an operation on a resource, from any host."""

    kind: int
    name: str
    pattern: int
    principal: str
    operation: int


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


class _AlterScramResponse(Response):  # type: ignore[misc]
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterScramRequestStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 51
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _AlterScramResponse
    SCHEMA = Schema(
        ("deletions", CompactArray(("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields))),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterScramRequest(Request[_AlterScramRequestStruct]):  # type: ignore[misc]
    """AlterUserScramCredentials (KIP-554), which aiokafka has not: the broker is told a salted hash, and no password.

    Logins that are gone lose theirs.
    """

    API_KEY = 51

    def __init__(self, passwords: Iterable[tuple[str, str]], gone: Iterable[str]) -> None:
        self._gone: list[tuple[Any, ...]] = [(name, SCRAM_SHA_512, {}) for name in gone]
        self._secrets: list[tuple[Any, ...]] = []
        for name, password in passwords:
            salt = os.urandom(32)
            salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
            self._secrets.append((name, SCRAM_SHA_512, ITERATIONS, salt, salted, {}))

    def build(self, request_struct_class: type[_AlterScramRequestStruct]) -> _AlterScramRequestStruct:
        return request_struct_class(self._gone, self._secrets, {})


async def grant_access(
    kafka: KafkaLogin, accesses: Iterable[KafkaAccess], password_of: Callable[[str], str], seconds: float = 60
) -> None:
    """Give each principal its password and exactly the rights that are declared; rights and passwords of others go.

    Returns when every broker of the cluster lets each principal in and has its rights. The controller answers before the
    brokers know, and a login that is used earlier is refused. Raises `ProvisionFailed` if a broker still refuses a login
    or has other rights after so many seconds, and KafkaError if no broker answers, or a broker refuses the change.
    """
    accesses = list(accesses)
    passwords = {access.principal: password_of(access.principal) for access in accesses}
    wanted = set[Binding]().union(*(access.bindings() for access in accesses))

    async def grant() -> None:
        async with administering(kafka, request_timeout_ms=TIMEOUT_MS) as admin:
            gone = {_login_of(right) for right in await _rights(admin)} - passwords.keys()
            # aiokafka sends requests without a call of its own like its calls.
            answer = await admin._send_request(_AlterScramRequest(passwords.items(), gone))  # noqa: SLF001
            _require(*((code, why) for name, code, why, _ in answer.results if name not in gone or code != NO_PASSWORD))
            for broker in (await admin.describe_cluster())["brokers"]:
                address = f"{broker['host']}:{broker['port']}"
                if differing := await _set_rights(admin, broker["node_id"], wanted):
                    raise ProvisionFailed(f"Kafka's broker {address} does not have the rights of {differing} yet")
                for principal, password in passwords.items():
                    await _log_in(replace(kafka, servers=address, principal=principal, password=password))

    await retry_for(grant, seconds, on=(ProvisionFailed, KafkaError, OSError))


async def _set_rights(admin: AIOKafkaAdminClient, broker: int, wanted: set[Binding]) -> str:
    """Change the rights that a broker knows into those wanted; return whose rights were others, comma-separated."""
    existing = await _rights(admin, broker)
    for right in wanted - existing:
        created = await admin._send_request(CreateAclsRequest(*_with_host(right, "*"), ALLOW))  # noqa: SLF001
        _require(*created.creation_responses)
    for right in existing - wanted:
        deleted = await admin._send_request(DeleteAclsRequest(*_with_host(right, None), ANY))  # noqa: SLF001
        _require(*(result[:2] for result in deleted.filter_responses))
    return ", ".join(sorted({_login_of(right) for right in wanted ^ existing}))


async def _rights(admin: AIOKafkaAdminClient, broker: int | None = None) -> set[Binding]:
    """Return the rights that a broker knows; None: any broker."""
    described = await admin._send_request(DescribeAclsRequest(ANY, None, ANY, None, None, ANY, ANY), broker)  # noqa: SLF001
    _require((described.error_code, described.error_message))
    return {
        Binding(kind, name, pattern, principal, operation)
        for kind, name, pattern, rights in described.resources
        for principal, _, operation, _ in rights
    }


def _login_of(right: Binding) -> str:
    return right.principal.removeprefix("User:")


async def _log_in(login: KafkaLogin) -> None:
    """Log in at one broker, whose address is the login's only server. Raises ProvisionFailed."""
    host, _, port = login.servers.rpartition(":")
    options = client_options(login)
    del options["bootstrap_servers"]
    try:
        connection = await create_conn(host, int(port), request_timeout_ms=TIMEOUT_MS, **options)
    except (KafkaError, OSError) as error:
        raise ProvisionFailed(f"Kafka's broker {login.servers} does not let {login.principal} in: {error!r}") from error
    await connection.close()


def _with_host(right: Binding, host: str | None) -> tuple[Any, ...]:
    return right.kind, right.name, right.pattern, right.principal, host, right.operation


def _require(*results: tuple[int, str | None]) -> None:
    for code, message in results:
        if code:
            raise for_code(code)(message)
