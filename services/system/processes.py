"""What runs: every process of the system, what it connects to, and the secrets that it reads.

deploy/kubernetes is written from this list, its network policies too, and docker-compose.yml is compared with it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.system.kafka_access import principals
from services.system.registry import FOLLOWERS, SERVICES, RegisteredService, databases_without_events
from shared.runtime.privileges import GROUPS, OF_SERVICE, RoleKind, Schema, role_name
from shared.runtime.provision import KEYRING_DATABASE, service_database
from shared.servers.kafka import PROVISIONER, VERIFIER, worker_principal

OWNER: Final = "postgres"
"""The role that owns the databases; only `ooc migrate` connects by it."""


class Kind(StrEnum):
    """How a process runs."""

    API = "api"
    """It listens, and answers /health/live and /health/ready."""
    WORKER = "worker"
    """It touches a heartbeat file, and takes no requests; a follower answers monitoring."""
    SINGLE = "single"
    """As a worker, but there is one of it: two would do everything twice."""
    STEP = "step"
    """It runs before the others of a release, and ends."""
    CHECK = "check"
    """It runs now and then, and ends."""


class Server(StrEnum):
    """What processes connect to beside each other."""

    POSTGRES = "postgres"
    KAFKA = "kafka"
    IDENTITY = "identity"
    """The identity provider, which the partnership runs."""
    WITNESS = "witness"
    """The witness of the checkpoints, which another party runs."""
    TELEMETRY = "telemetry"
    """A collector of traces (OTLP over HTTP), if there is one."""
    MAIL = "mail"
    NOTIFY = "notify"
    """GOV.UK Notify, or a proxy that leads there."""
    WEBHOOK = "webhook"
    """The agencies that take events, or a gateway to them."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process that `python -m` starts."""

    name: str
    kind: Kind
    arguments: tuple[str, ...]
    roles: tuple[str, ...] = ()
    """The database roles by which it connects; the password of each is a secret of the same name."""
    logins: tuple[str, ...] = ()
    """The logins of Kafka whose passwords it reads."""
    keys: tuple[str, ...] = ()
    """The files of keys that it reads: `kek`, `signing` (of checkpoints), `console` (of sessions and drafts),
    `webhooks`, or the secret by which it gets tokens of its own: `messenger_client`, `invited_client`."""
    calls: tuple[str, ...] = ()
    """The servers and processes that it asks over HTTP."""
    copies: tuple[str, ...] = ()
    """The passwords that it copies, and does not use."""

    monitored: bool = False
    """Whether a worker answers monitoring on a port, as an API does."""

    @property
    def listens(self) -> bool:
        return self.monitored or self.kind is Kind.API

    @property
    def asked_by(self) -> tuple[str, ...]:
        """The parties outside that may ask it: browsers and programs by an ingress, and Prometheus."""
        parties = {"ingress": self.kind is Kind.API, "monitoring": self.listens}
        return tuple(party for party, may in parties.items() if may)

    @property
    def connects_to(self) -> frozenset[str]:
        databases = {Server.POSTGRES.value} if self.roles else set()
        kafka = {Server.KAFKA.value} if self.logins else set()
        return frozenset({*databases, *kafka, *self.calls})

    @property
    def secrets(self) -> frozenset[str]:
        """The name of every secret that it reads: passwords and keys."""
        return frozenset({*self.roles, *self.logins, *self.keys, *self.copies})

    @property
    def image(self) -> str:
        """The image that it runs in: ours, or the one that has the programs of PostgreSQL too."""
        return "ooc-backup" if self.arguments[1:2] == ("backup",) else "ooc"


def processes() -> tuple[Process, ...]:
    """Return every process of the system, in the order in which a release replaces them."""
    apis = [_api(entry) for entry in SERVICES]
    followers = [_follower(name, [api.name for api in apis]) for name in FOLLOWERS]
    identity, witness = Server.IDENTITY.value, Server.WITNESS.value
    console = Process(
        "console",
        Kind.API,
        ("services.console",),
        (role_name(RoleKind.API, "console"),),
        keys=("console", "invited_client"),
        calls=(identity, Server.TELEMETRY.value, *(each.name for each in (*apis, *followers))),
    )
    return (
        Process("topics", Kind.STEP, ("ooc.main", "topics"), logins=(PROVISIONER, *principals())),
        Process("migrate", Kind.STEP, ("ooc.main", "migrate"), (OWNER, *_every_role())),
        *map(_worker, SERVICES),
        *apis,
        *followers,
        console,
        Process(
            "backup",
            Kind.SINGLE,
            ("ooc.main", "backup", "follow"),
            (OWNER,),
            keys=("signing", "console", "webhooks"),
            calls=(witness,),
            copies=tuple(dict.fromkeys((*_every_role(), PROVISIONER, *principals()))),
        ),
        Process(
            "verify", Kind.CHECK, ("ooc.main", "verify"), (role_name(RoleKind.VERIFY),), (VERIFIER,), calls=(witness,)
        ),
    )


def _schema(entry: RegisteredService) -> Schema:
    return (service_database(entry.name) if entry.decides else entry.database())[1]


def _keys(schema: Schema, kind: RoleKind) -> tuple[str, ...]:
    return ("kek",) if schema.keyring_use[kind] else ()


def _api(entry: RegisteredService) -> Process:
    schema = _schema(entry)
    return Process(
        f"{entry.name}-api",
        Kind.API,
        (f"services.{entry.name}", "api"),
        (schema.roles[RoleKind.API],),
        keys=_keys(schema, RoleKind.API),
        calls=(Server.IDENTITY.value, Server.WITNESS.value, Server.TELEMETRY.value),
    )


def _worker(entry: RegisteredService) -> Process:
    schema = _schema(entry)
    return Process(
        f"{entry.name}-worker",
        Kind.WORKER,
        (f"services.{entry.name}", "worker"),
        tuple(role for kind, role in schema.roles.items() if kind in OF_SERVICE - {RoleKind.API}),
        (worker_principal(entry.name),),
        ("signing", *_keys(schema, RoleKind.WORKER)),
        (Server.WITNESS.value, Server.TELEMETRY.value),
    )


_OUTSIDE: Final = (Server.IDENTITY, Server.TELEMETRY, Server.MAIL, Server.NOTIFY, Server.WEBHOOK)


def _follower(name: str, apis: Iterable[str]) -> Process:
    """Return a follower, which asks the APIs as any agency does, and writes to people."""
    return Process(
        f"{name}-worker",
        Kind.WORKER,
        (f"services.{name}", "worker"),
        (role_name(RoleKind.WORKER, name),),
        (worker_principal(name),),
        keys=("messenger_client", "webhooks"),
        calls=(*(each.value for each in _OUTSIDE), *apis),
        monitored=True,
    )


def _every_role() -> Iterable[str]:
    """Return each role that has a password, of every database, once."""

    def named() -> Iterator[str]:
        schemas = [KEYRING_DATABASE[1], *(_schema(entry) for entry in SERVICES)]
        for schema in (*schemas, *(schema for _, schema in databases_without_events())):
            yield from (role for kind, role in schema.roles.items() if kind not in GROUPS)

    return dict.fromkeys(named())
