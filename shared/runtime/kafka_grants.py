"""Passwords and rights on Kafka: SCRAM credentials and access control lists, made as declared, each time that it runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactBytes, CompactString, Int8, Int16, Int32, Schema, TaggedFields

from shared.database import retry_for
from shared.kafka import Kafka, client_options

TOPIC, GROUP, TRANSACTIONAL_ID = 2, 3, 5
"""Kinds of resource, as Kafka numbers them (org.apache.kafka.common.resource.ResourceType)."""
ANY, LITERAL, PREFIXED = 1, 3, 4
"""Kinds of pattern (PatternType); ANY stands for every value of other fields too."""
READ, WRITE = 3, 4
"""Operations (AclOperation); each brings the right to describe the resource."""
ALLOW: Final = 3
ITERATIONS: Final = 8192
"""Rounds of PBKDF2 behind a SCRAM secret: Kafka takes from 4,096 to 16,384."""
SCRAM_SHA_512: Final = 2


class Binding(NamedTuple):
    """One right (ACL): a principal may do an operation on a resource, from any host."""

    kind: int
    name: str
    pattern: int
    principal: str
    operation: int


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """The rights of a principal. What is not named is denied.

    Attributes:
        principal: the name of its login.
        name: what its groups and transactional ids are called, or begin with, before a hyphen.
        reads: topics.
        writes: topics; who writes none has no transactional id.

    """

    principal: str
    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()

    def bindings(self) -> set[Binding]:
        """Return the rights as Kafka stores them (ACLs): topics, groups and transactional ids."""
        user = f"User:{self.principal}"
        found = {Binding(TOPIC, topic, LITERAL, user, READ) for topic in self.reads}
        found |= {Binding(TOPIC, topic, LITERAL, user, WRITE) for topic in self.writes}
        for kind, operation in ((GROUP, READ), *([(TRANSACTIONAL_ID, WRITE)] if self.writes else [])):
            found.add(Binding(kind, self.name, LITERAL, user, operation))
            found.add(Binding(kind, f"{self.name}-", PREFIXED, user, operation))
        return found


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
    """AlterUserScramCredentials (KIP-554), which aiokafka has not: the broker is told a salted hash, and no password."""

    API_KEY = 51

    def __init__(self, passwords: Iterable[tuple[str, str]]) -> None:
        self._secrets: list[tuple[Any, ...]] = []
        for name, password in passwords:
            salt = os.urandom(32)
            salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
            self._secrets.append((name, SCRAM_SHA_512, ITERATIONS, salt, salted, {}))

    def build(self, request_struct_class: type[_AlterScramRequestStruct]) -> _AlterScramRequestStruct:
        return request_struct_class([], self._secrets, {})


async def grant_access(kafka: Kafka, accesses: Iterable[KafkaAccess], password_of: Callable[[str], str]) -> None:
    """Give each principal its password and exactly the rights that are declared; rights of anybody else go.

    Raises a KafkaError where the broker refuses.
    """
    accesses = list(accesses)
    passwords = [(access.principal, password_of(access.principal)) for access in accesses]
    wanted = set[Binding]().union(*(access.bindings() for access in accesses))

    async def grant() -> None:
        admin = AIOKafkaAdminClient(**client_options(kafka))
        try:
            await admin.start()
            # aiokafka sends what it has no call for by the same way as its own calls.
            send = admin._send_request  # noqa: SLF001
            answer = await send(_AlterScramRequest(passwords))
            _require(*((result[1], result[2]) for result in answer.results))
            described = await send(DescribeAclsRequest(ANY, None, ANY, None, None, ANY, ANY))
            _require((described.error_code, described.error_message))
            existing = {
                Binding(kind, name, pattern, principal, operation)
                for kind, name, pattern, rights in described.resources
                for principal, _, operation, _ in rights
            }
            for one in wanted - existing:
                created = await send(CreateAclsRequest(*_with_host(one, "*"), ALLOW))
                _require(*created.creation_responses)
            for one in existing - wanted:
                deleted = await send(DeleteAclsRequest(*_with_host(one, None), ANY))
                _require(*(result[:2] for result in deleted.filter_responses))
        finally:
            await admin.close()

    await retry_for(grant, 60, on=(KafkaError, OSError))


def _with_host(one: Binding, host: str | None) -> tuple[Any, ...]:
    return one.kind, one.name, one.pattern, one.principal, host, one.operation


def _require(*results: tuple[int, str | None]) -> None:
    for code, message in results:
        if code:
            raise for_code(code)(message)
