"""Databases as production provisions them, for tests that attack them: an event store, reporting's, the console's, and the keyring."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import asyncpg

from services.console.database import DATABASE as CONSOLE
from services.reporting.database import DATABASE
from shared.runtime.privileges import GROUPS, Schema, role_name
from shared.runtime.provision import KEYRING_DATABASE, databases, service_database
from shared.servers.database import as_role, database_dsn

SCHEMAS: Final[Mapping[str, Schema]] = {
    "event store": service_database("tests")[1],
    "another service's": service_database("others")[1],
    "reporting": DATABASE[1],
    "console": CONSOLE[1],
    "keyring": KEYRING_DATABASE[1],
}
TABLE_PRIVILEGES: Final = ("delete", "truncate", "trigger", "maintain")
"""Privileges that hold for a whole table only."""

COLUMN_PRIVILEGES: Final = ("select", "insert", "update", "references")


@dataclass(frozen=True)
class Databases:
    """The databases of one test run."""

    server: str
    names: Mapping[str, str]

    def owner(self, which: str) -> str:
        """Return the address of a database for its owner."""
        return database_dsn(self.server, self.names[which])

    def as_role(self, which: str, role: str) -> str:
        """Return the address of a database for a role."""
        return as_role(self.owner(which), role)

    async def make(self) -> None:
        """Provision them, or provision them again."""
        await databases(self.server, [(self.names[which], schema) for which, schema in SCHEMAS.items()])

    async def drop(self) -> None:
        """Remove them; the roles stay on the server."""
        owner = await asyncpg.connect(self.server)
        for name in self.names.values():
            await owner.execute(f"drop database if exists {name} with (force)")
        await owner.close()


def new_databases(server: str) -> Databases:
    """Names for databases of their own, not yet made."""
    run = uuid4().hex[:8]
    return Databases(server, {which: f"hostile_{run}_{n}" for n, which in enumerate(SCHEMAS)})


def login_roles() -> list[str]:
    """Every role by which somebody connects to one of the databases."""
    return sorted({role for schema in SCHEMAS.values() for kind, role in schema.roles.items() if kind not in GROUPS})


def roles_of(login: str) -> set[str]:
    """Return a login role, and the group of the keyring that it is a member of."""
    groups = {
        role_name(group)
        for schema in SCHEMAS.values()
        for kind, group in schema.keyring_use.items()
        if group is not None and schema.roles[kind] == login
    }
    return {login, *groups}


def declared(schema: Schema, login: str) -> set[tuple[str, str, str]]:
    """Return the declared privileges of a login role: (table or function, privilege, column or nothing for all)."""
    mine = {kind for kind, role in schema.roles.items() if role in roles_of(login)}
    return {
        (name, privilege, column)
        for name, granted in schema.privileges.items()
        for kind in mine & granted.keys()
        for privilege, column in _parsed(granted[kind])
    }


def _parsed(privileges: str) -> Iterator[tuple[str, str]]:
    for privilege, columns in re.findall(r"(\w+)(?: \(([^)]*)\))?(?:, |$)", privileges):
        for column in columns.split(", "):
            yield privilege, column


def may_connect(schema: Schema, login: str) -> bool:
    """Whether a login role may connect to a database at all."""
    return bool(roles_of(login) & set(schema.roles.values()))
