"""Which database role may do what: least privilege, as data.

Each kind of process of each service connects by a login role of its own, such as `ooc_referral_api`. `shared.runtime.provision`
makes the roles and grants exactly the privileges that stand beside the migrations (privileges.toml) on each run, and no others.
So a new table or function needs a line there, and tests/hostile/test_database_roles.py fails until it has one.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final


class RoleKind(StrEnum):
    """A kind of database role. The first four are each service's own; the others are one for the whole system."""

    API = "api"
    """A service's API; one that decides appends events and makes keys, one that only projects opens keys; `ooc_console_api`: the web console."""
    WORKER = "worker"
    """A service's consumer: its reactions append events and make keys, or it projects."""
    RELAY = "relay"
    """Publishes a service's events, from its worker's process on a connection of its own."""
    SIGNER = "signer"
    """Grows the trees of a service's logs and signs checkpoints, from its worker's process on a connection of its own."""
    VERIFY = "verify"
    """`ooc verify`; reads everything but wrapped keys, and writes nothing."""
    ERASURE = "erasure"
    """Destroys a person's or a home's key by hand; its name is kept in the tombstone. No process connects by it."""
    SEALING = "sealing"
    """No login: makes a first key if there is none, and opens keys; the roles of deciding services are members."""
    OPENING = "opening"
    """No login: opens keys; the roles of APIs that only project are members."""


OF_SERVICE: Final = frozenset({RoleKind.API, RoleKind.WORKER, RoleKind.RELAY, RoleKind.SIGNER})
"""The kinds of role that each service has for itself."""

GROUPS: Final = frozenset({RoleKind.SEALING, RoleKind.OPENING})
"""Roles by which nobody connects: others are members."""


CONNECTIONS: Final[Mapping[RoleKind, int]] = {
    RoleKind.API: 80,
    RoleKind.WORKER: 80,
    RoleKind.RELAY: 10,
    RoleKind.SIGNER: 10,
    RoleKind.VERIFY: 40,
    RoleKind.ERASURE: 3,
}
"""How many connections a role may have to the server, so that none takes all: four processes of a kind have room."""

SETTINGS: Final[Mapping[str, str]] = {"lock_timeout": "10s", "idle_in_transaction_session_timeout": "1min"}
"""The default settings of each role's sessions: no wait is endless."""


def role_name(kind: RoleKind, service: str = "") -> str:
    """Return the name of a database role; `service` is given for the kinds that each service has."""
    return f"ooc_{service}_{kind}" if service else f"ooc_{kind}"


Privileges = Mapping[str, Mapping[RoleKind, str]]
"""Table, or function with `()` -> kind of role -> its privileges, as GRANT writes them."""


@dataclass(frozen=True)
class Part:
    """A folder of migrations, with the privileges on every table and function that they make (privileges.toml)."""

    migrations: Path

    @cached_property
    def privileges(self) -> Privileges:
        """Its privileges, as the file beside the migrations declares them."""
        declared = tomllib.loads((self.migrations / "privileges.toml").read_text(encoding="utf-8"))
        return {
            name: {RoleKind(kind): privileges for kind, privileges in granted.items()}
            for name, granted in declared.items()
        }


@dataclass(frozen=True)
class Schema:
    """The contents of a database, and the roles that connect to it; `service` is None for the keyring.

    `keyring_use` has the service's own roles, each with the group by which it uses the keyring.
    """

    parts: tuple[Part, ...]
    service: str | None = None
    keyring_use: Mapping[RoleKind, RoleKind | None] = field(default_factory=dict)

    @property
    def privileges(self) -> Privileges:
        return {name: granted for part in self.parts for name, granted in part.privileges.items()}

    @property
    def roles(self) -> Mapping[RoleKind, str]:
        """The name of every database role that may connect, by its kind."""
        named = {kind for granted in self.privileges.values() for kind in granted}
        return {
            kind: role_name(kind, self.service or "" if kind in OF_SERVICE else "")
            for kind in RoleKind
            if kind in (self.keyring_use if kind in OF_SERVICE else named)
        }


_MIGRATIONS: Final = Path(__file__).parents[1] / "event_store" / "migrations"
ACCESS_LOG, CONSUMER, EVENT_STORE, TRANSPARENCY, PROJECTION, KEYRING = (
    Part(_MIGRATIONS / part) for part in ("access", "consumer", "service", "transparency", "projection", "keyring")
)

DECIDING: Final[Mapping[RoleKind, RoleKind | None]] = {
    RoleKind.API: RoleKind.SEALING,
    RoleKind.WORKER: RoleKind.SEALING,
    RoleKind.RELAY: None,
    RoleKind.SIGNER: None,
}
"""The roles of a deciding service, and their use of the keyring."""

PROJECTING: Final[Mapping[RoleKind, RoleKind | None]] = {
    RoleKind.API: RoleKind.OPENING,
    RoleKind.WORKER: None,
    RoleKind.SIGNER: None,
}
"""The roles of a service that only projects, and their use of the keyring."""
