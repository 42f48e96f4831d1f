"""Which database role may do what: least privilege, as data.

Each kind of process of each service connects by a login role of its own, such as `ooc_referral_api`. `shared.runtime.provision`
makes the roles and grants exactly these privileges on each run, and no others. So
a new table or function needs a line here, and tests/hostile/test_database_roles.py fails until it has one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
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
    """A folder of migrations, and the privileges on every table and function that they make."""

    migrations: Path
    privileges: Privileges


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
        """The privileges on every table and function of the database."""
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


_READ: Final = "select"
_WRITE: Final = "select, insert, update"
_REPLACE: Final = "select, insert, update, delete"
_CALL: Final = "execute"
_API, _WORKER, _RELAY, _VERIFY = RoleKind.API, RoleKind.WORKER, RoleKind.RELAY, RoleKind.VERIFY
_SIGNER: Final = RoleKind.SIGNER
_MIGRATIONS: Final = Path(__file__).parents[1] / "event_store" / "migrations"

ACCESS_LOG: Final = Part(
    _MIGRATIONS / "access",
    {
        "access_log": {_API: _READ, _SIGNER: "select (sequence, at, hash, target)", _VERIFY: _READ},
        "access_head": {_RELAY: _READ, _VERIFY: _READ},
        "log_access()": {_API: _CALL},
        "probe_write()": {_API: _CALL},
        "refuse_log_behind_witness()": {},
    },
)
CONSUMER: Final = Part(
    _MIGRATIONS / "consumer",
    {
        # An API locks the checkpoints of what an operator decides about, for which PostgreSQL asks the right to change a column.
        "checkpoint": {_API: "select, update (consumer)", _WORKER: _WRITE, _VERIFY: _READ},
        "seen": {_API: _WRITE, _WORKER: _WRITE, _VERIFY: _READ},
        "quarantine": {_API: "select, update (retry), delete", _WORKER: _REPLACE, _VERIFY: _READ},
        "quarantine_decision": {_API: "select, insert", _WORKER: _READ, _VERIFY: _READ},
        # Who may update or delete in a whole table may lock it, and each append reads these two (see `relayed`).
        "alarm": {
            **dict.fromkeys((_WORKER, _RELAY, _SIGNER), "select, insert, update (detail)"),
            _API: "select, insert, update (detail, attended_by, attended_at)",
            _VERIFY: _READ,
        },
        "clear_alarms()": dict.fromkeys((_API, _WORKER, _RELAY, _SIGNER), _CALL),
        "waiting": {},  # of earlier releases
        "latency": {_API: _WRITE, _WORKER: _WRITE},
        "progress": {_API: _READ, _WORKER: _WRITE},
        "replication": {_API: _READ, _WORKER: _WRITE},
        "synchronous_standbys()": {_API: _CALL, _WORKER: _CALL},
        "lease": {_API: _READ, _WORKER: _READ, _VERIFY: _READ},
        "take_lease()": {_RELAY: _CALL, _SIGNER: _CALL},
        "refuse_decision_change()": {},
    },
)
EVENT_STORE: Final = Part(
    _MIGRATIONS / "service",
    {
        "event": {
            _API: _READ,
            _WORKER: _READ,
            _RELAY: _READ,
            _SIGNER: "select (position, recorded_at, stream, hash, home)",
            _VERIFY: _READ,
        },
        "head": {_API: _READ, _WORKER: _READ, _RELAY: _READ, _VERIFY: _READ},
        "answer": {_API: _READ, _WORKER: _READ, _VERIFY: _READ},
        "claim": {_API: _READ, _WORKER: _READ, _VERIFY: _READ},
        "event_store": {_VERIFY: _READ},
        "linked_mark": {_API: _READ, _WORKER: "select, insert", _VERIFY: _READ},
        "kept_event": {_API: _READ, _WORKER: "select, insert", _VERIFY: _READ},
        "parked": {_API: "select, update (retry), delete", _WORKER: _REPLACE, _VERIFY: _READ},
        "nothing_to_do": {_API: _READ, _WORKER: "select, insert", _VERIFY: _READ},
        "relayed": {
            _API: _READ,
            _RELAY: "select, insert, update (position, offsets, hash, relayed_at)",
            _VERIFY: _READ,
        },
        "compared_timeline": {_RELAY: "select, update", _VERIFY: _READ},
        "append()": {_API: _CALL, _WORKER: _CALL},
        "confirm()": {_API: _CALL, _WORKER: _CALL, _RELAY: _CALL},
        "timeline()": {_RELAY: _CALL},
        "require_compared_timeline()": {},
        "check_event()": {},
        "next_log_hash()": {},
        "require_high_water_mark()": {},
    },
)
TRANSPARENCY: Final = Part(
    _MIGRATIONS / "transparency",
    {
        "tree_tile": {_API: _READ, _SIGNER: _WRITE, _VERIFY: _READ},
        "signed_checkpoint": {_API: _READ, _SIGNER: "select, insert", _VERIFY: _READ},
        "log_key": {_API: _READ, _SIGNER: "select, insert", _VERIFY: _READ},
        "statement": {_API: "select, insert, delete", _SIGNER: "select, update (note)", _VERIFY: _READ},
        "fork": {_API: _READ, _VERIFY: _READ},
        "refuse_change()": {},
        "refuse_tile_change()": {},
    },
)
PROJECTION: Final = Part(
    _MIGRATIONS / "projection",
    {"position_record": {_API: _READ, _WORKER: _REPLACE, _VERIFY: _READ}},
)
KEYRING: Final = Part(
    _MIGRATIONS / "keyring",
    {
        "data_key": {
            RoleKind.SEALING: _READ,
            RoleKind.OPENING: _READ,
            _VERIFY: "select (subject, generation, epoch, created_at)",
        },
        "tombstone": {RoleKind.SEALING: _READ, RoleKind.OPENING: _READ, _VERIFY: _READ},
        "key_epoch": {RoleKind.SEALING: _READ, RoleKind.OPENING: _READ, RoleKind.ERASURE: _READ, _VERIFY: _READ},
        "create_keys()": {RoleKind.SEALING: _CALL},
        "key_holder": {_VERIFY: _READ},
        "consent": {_VERIFY: _READ},
        "agree_to_destroy()": {RoleKind.SEALING: _CALL},
        "withdraw_consent()": {RoleKind.SEALING: _CALL},
        "missing_consents()": {},
        "stands()": {},
        "destroy_keys()": {RoleKind.ERASURE: _CALL},
        "refuse_change()": {},
        "refuse_destroyed()": {},
        "refuse_retired_epoch()": {},
        "refuse_skipped_generation()": {},
    },
)

DECIDING: Final[Mapping[RoleKind, RoleKind | None]] = {
    _API: RoleKind.SEALING,
    _WORKER: RoleKind.SEALING,
    _RELAY: None,
    _SIGNER: None,
}
"""The roles of a deciding service, and their use of the keyring."""

PROJECTING: Final[Mapping[RoleKind, RoleKind | None]] = {_API: RoleKind.OPENING, _WORKER: None, _SIGNER: None}
"""The roles of a service that only projects, and their use of the keyring."""
